//go:build linux

package exim

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// An exim is a running Exim of a system of its own.
type exim struct {
	*mailtest.Process
	mails string // maildir of the recipient
}

// eximConfig takes the two parts of the recipe. All mail for the domain goes
// into one maildir; nothing is sent on.
const eximConfig = `
primary_hostname = mx.%[1]s
domainlist local_domains = %[1]s
local_interfaces = <; 0.0.0.0 ; ::0
acl_smtp_rcpt = acl_rcpt
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 0
tls_advertise_hosts =
log_file_path = /mnt/log/%%slog
%[2]s
begin acl
acl_rcpt:
  accept domains = +local_domains
%[3]s
begin routers
all:
  driver = accept
  domains = +local_domains
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = /mnt/mails
  maildir_format
  user = Debian-exim
  group = Debian-exim
`

// startExim starts it in ns on port 25 of all its addresses, with the ACLs of
// docs/exim.md asking at query.sock in dir.
func startExim(t testing.TB, ns *lab.NetNS, dir string, times mailtest.Patience) *exim {
	t.Helper()
	return startEximWith(t, ns, dir, times, func(acls string) string { return acls })
}

// startEximWith is startExim with the ACLs changed.
func startEximWith(t testing.TB, ns *lab.NetNS, dir string, times mailtest.Patience, change func(acls string) string) *exim {
	t.Helper()
	c := mailtest.NewChroot(t, "exim")
	owner := c.Owner("Debian-exim")
	e := &exim{mails: filepath.Join(dir, "mails")}
	for _, d := range []string{"mails", "log", "spool"} {
		mailtest.MakeDir(t, filepath.Join(dir, d), owner)
	}
	options := mailtest.Recipe(t, "exim.md", "acl_smtp_connect =", "acl_smtp_data")
	acls := strings.ReplaceAll(mailtest.Recipe(t, "exim.md", "acl_mxprint_connect:", "acl_mxprint_data:"), "/run/mxprint/", "/mnt/")
	conf := fmt.Sprintf(eximConfig, mailtest.Domain, options, change(times(acls)))
	if key := filepath.Join(dir, "key.pem"); mailtest.Exists(key) { // of mailtest.NewCert
		mailtest.GiveFile(t, key, owner)
		conf = strings.Replace(conf, "tls_advertise_hosts =\n", "tls_advertise_hosts = *\ntls_certificate = /mnt/cert.pem\ntls_privatekey = /mnt/key.pem\n", 1)
	}
	mailtest.WriteFiles(t, filepath.Join(dir, "exim4"), map[string]string{"exim4.conf": conf})
	binds := map[string]string{
		"/mnt": dir, "/etc/exim4": filepath.Join(dir, "exim4"), "/var/spool/exim4": filepath.Join(dir, "spool"),
	}
	e.Process = mailtest.Start(t, "exim", c.Command(ns, binds, "exim4", "-bdf", "-q1m", "-oP", "/mnt/spool/pid"))
	e.WaitFor("SMTP", func() bool { return mailtest.Greets(ns, ns.IPv4) && mailtest.Greets(ns, ns.IPv6) })
	t.Cleanup(func() { showLog(t, filepath.Join(dir, "log")) })
	return e
}

// showLog shows what Exim wrote into its log of a test that has failed.
func showLog(t testing.TB, dir string) {
	if t.Failed() {
		log, _ := os.ReadFile(filepath.Join(dir, "mainlog"))
		t.Logf("exim logged:\n%s", log[max(0, len(log)-16<<10):])
	}
}

func TestExim(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.StartServe(t, pair.Server, dir)
	e := startExim(t, pair.Server, dir, mailtest.Patient)
	for _, f := range mailtest.Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			mailtest.Swaks(t, pair.Client, f.From, f.To, f.Name)
			got, wrong := mailtest.Results(mailtest.HeaderLines(t, e.mails, f.Name))
			if wrong != "" {
				t.Error(wrong)
			}
			t.Log(got)
		})
	}
	t.Run("forged", func(t *testing.T) { mailtest.CheckForgeries(t, pair, e.mails) })
}

// TestEximDebian puts the recipe into Debian's own configuration. There the
// recipient has an account and a maildir.
func TestEximDebian(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.StartServe(t, pair.Server, dir)
	c := mailtest.NewChroot(t, "exim")
	owner := c.Owner("Debian-exim")
	for _, d := range []string{"spool", "spool/db", "spool/input", "spool/msglog", "log", "lib"} {
		mailtest.MakeDir(t, filepath.Join(dir, d), owner)
	}
	mails := filepath.Join(dir, "bob")
	mailtest.MakeDir(t, mails, &user.User{Uid: "1000", Gid: "1000"})
	etc := filepath.Join(dir, "exim4")
	if err := os.CopyFS(etc, os.DirFS(filepath.Join(c.Root, "etc/exim4"))); err != nil {
		t.Fatal(err)
	}
	passwd, err := os.ReadFile(filepath.Join(c.Root, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	mailtest.WriteFiles(t, dir, map[string]string{"passwd": string(passwd) + "bob:x:1000:1000::/mnt/bob:/bin/false\n"})
	mailtest.WriteFiles(t, etc, map[string]string{
		"update-exim4.conf.conf": "dc_eximconfig_configtype='internet'\ndc_other_hostnames='" + mailtest.Domain +
			"'\ndc_local_interfaces=''\ndc_use_split_config='false'\nCFILEMODE='644'\ndc_localdelivery='maildir_home'\n",
		"exim4.conf.localmacros": mailtest.Recipe(t, "exim.md", "CHECK_DATA_LOCAL_ACL_FILE"),
		"mxprint_data":           mailtest.Patient(strings.ReplaceAll(mailtest.Recipe(t, "exim.md", "\n       warn\n", "remove_header"), "/run/mxprint/", "/mnt/")),
	})
	binds := map[string]string{
		"/mnt": dir, "/etc/exim4": etc, "/etc/passwd": filepath.Join(dir, "passwd"),
		"/var/spool/exim4": filepath.Join(dir, "spool"), "/var/log/exim4": filepath.Join(dir, "log"), "/var/lib/exim4": filepath.Join(dir, "lib"),
	}
	if out, err := c.Command(pair.Server, binds, "update-exim4.conf").CombinedOutput(); err != nil {
		t.Fatalf("update-exim4.conf: %v: %s", err, out)
	}
	e := mailtest.Start(t, "exim", c.Command(pair.Server, binds, "exim4", "-bdf", "-q1m", "-oP", "/mnt/spool/pid"))
	t.Cleanup(func() { showLog(t, filepath.Join(dir, "log")) })
	e.WaitFor("SMTP", func() bool { return mailtest.Greets(pair.Server, pair.Server.IPv4) })
	if err := mailtest.DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4).Send("debian", "X-p0f-Result: forged"); err != nil {
		t.Fatal(err)
	}
	if _, wrong := mailtest.Results(mailtest.HeaderLines(t, mails, "debian")); wrong != "" {
		t.Error(wrong)
	}
	t.Run("two machines behind one address", func(t *testing.T) { mailtest.CheckTwoMachines(t, pair, mails) })
}

// TestEximSensorAway: Exim's own smallest time-out is a second.
func TestEximSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	serve := func() *mailtest.Process { return mailtest.StartServe(t, pair.Server, dir) }
	sensor := serve()
	e := startExim(t, pair.Server, dir, mailtest.AsWritten)
	mailtest.CheckSensorAway(t, pair, e.mails, sensor, serve, time.Second)
}

func TestEximNAT(t *testing.T) {
	mailtest.CheckNAT(t, func(ns *lab.NetNS, config string) string {
		dir := mailtest.TempDir(t)
		mailtest.StartServe(t, ns, dir, config)
		return startExim(t, ns, dir, mailtest.Patient).mails
	}, mailtest.NatHeader, mailtest.NatMails)
}
