//go:build linux

package opensmtpd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// An openSMTPD is a running OpenSMTPD of a system of its own.
type openSMTPD struct {
	*mailtest.Process
	mails string // maildir of the recipient
}

// openSMTPDRest follows the recipe: all mail for the domain goes into one
// maildir; nothing is sent on.
const openSMTPDRest = `
table recipients { "@` + mailtest.Domain + `" = "nobody" }
action "local" maildir "/mnt/mails" virtual <recipients>
match from any for domain "` + mailtest.Domain + `" action "local"
`

// startOpenSMTPD starts it in ns on port 25 of all its addresses, with the
// filter of docs/opensmtpd.md asking at query.sock in dir, and with more
// options.
func startOpenSMTPD(t testing.TB, ns *lab.NetNS, dir string, options string) *openSMTPD {
	t.Helper()
	return startOpenSMTPDOf(t, ns, "opensmtpd", dir, options)
}

// startOpenSMTPDOf is startOpenSMTPD of a system. With cert.pem and key.pem in dir,
// it takes STARTTLS.
func startOpenSMTPDOf(t testing.TB, ns *lab.NetNS, system, dir, options string) *openSMTPD {
	t.Helper()
	c := mailtest.NewChroot(t, system)
	mailtest.SensorProgram(t) // builds it
	mailtest.CopyProgram(t, filepath.Join(mailtest.BinDir, "mxprint"), filepath.Join(dir, "mxprint"))
	o := &openSMTPD{mails: filepath.Join(dir, "mails")}
	mailtest.MakeDir(t, o.mails, c.Owner("nobody"))
	mailtest.MakeDir(t, filepath.Join(dir, "spool"), nil)
	if err := os.Chmod(filepath.Join(dir, "spool"), 0o711); err != nil {
		t.Fatal(err)
	}
	filter := strings.Replace(mailtest.Recipe(t, "opensmtpd.md", "proc-exec"),
		"/usr/bin/mxprint filter-opensmtpd", "/mnt/mxprint filter-opensmtpd -s /mnt/query.sock"+options, 1)
	listen := mailtest.Recipe(t, "opensmtpd.md", "listen on")
	conf := filter
	if mailtest.Exists(filepath.Join(dir, "cert.pem")) {
		conf += "pki own cert \"/mnt/cert.pem\"\npki own key \"/mnt/key.pem\"\n"
		listen = strings.Replace(listen, "eth0", "eth0 tls pki own", 1)
	}
	for _, addr := range []string{ns.IPv4.String(), ns.IPv6.String()} {
		conf += strings.Replace(listen, "eth0", addr, 1)
	}
	mailtest.WriteFiles(t, dir, map[string]string{"smtpd.conf": conf + openSMTPDRest})
	// The place of the spool is built in.
	binds := map[string]string{"/mnt": dir, "/var/spool/smtpd": filepath.Join(dir, "spool")}
	o.Process = mailtest.Start(t, "smtpd", c.Command(ns, binds, "smtpd", "-d", "-f", "/mnt/smtpd.conf"))
	o.WaitFor("SMTP", func() bool { return mailtest.Greets(ns, ns.IPv4) && mailtest.Greets(ns, ns.IPv6) })
	return o
}

// filterPatience is the option that makes the filter patient.
const filterPatience = " -deadline 60s"

func TestOpenSMTPD(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.StartServe(t, pair.Server, dir)
	o := startOpenSMTPD(t, pair.Server, dir, filterPatience)
	for _, f := range mailtest.Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			mailtest.Swaks(t, pair.Client, f.From, f.To, f.Name)
			got, wrong := mailtest.Results(mailtest.HeaderLines(t, o.mails, f.Name))
			if wrong != "" {
				t.Error(wrong)
			}
			t.Log(got)
		})
	}
	t.Run("forged", func(t *testing.T) { mailtest.CheckForgeries(t, pair, o.mails) })
}

func TestOpenSMTPDSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	serve := func() *mailtest.Process { return mailtest.StartServe(t, pair.Server, dir) }
	sensor := serve()
	o := startOpenSMTPD(t, pair.Server, dir, "")
	mailtest.CheckSensorAway(t, pair, o.mails, sensor, serve, 50*time.Millisecond)
}

func TestOpenSMTPDNAT(t *testing.T) {
	mailtest.CheckNAT(t, func(ns *lab.NetNS, config string) string {
		dir := mailtest.TempDir(t)
		mailtest.StartServe(t, ns, dir, config)
		return startOpenSMTPD(t, ns, dir, filterPatience).mails
	}, mailtest.NatHeader, mailtest.NatMails)
}
