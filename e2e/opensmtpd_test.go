//go:build linux

package e2e

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// An openSMTPD is a running OpenSMTPD of a system of its own.
type openSMTPD struct {
	*process
	mails string // maildir of the recipient
}

// openSMTPDRest follows the recipe: all mail for the domain goes into one
// maildir; nothing is sent on.
const openSMTPDRest = `
table recipients { "@` + domain + `" = "nobody" }
action "local" maildir "/mnt/mails" virtual <recipients>
match from any for domain "` + domain + `" action "local"
`

// startOpenSMTPD starts it in ns on port 25 of all its addresses, with the
// filter of docs/opensmtpd.md asking at query.sock in dir, and with more
// options.
func startOpenSMTPD(t testing.TB, ns *lab.NetNS, dir string, options string) *openSMTPD {
	t.Helper()
	c := newChroot(t, "opensmtpd")
	sensorProgram(t) // builds it
	copyProgram(t, filepath.Join(binDir, "mxprint"), filepath.Join(dir, "mxprint"))
	o := &openSMTPD{mails: filepath.Join(dir, "mails")}
	makeDir(t, o.mails, c.owner("nobody"))
	makeDir(t, filepath.Join(dir, "spool"), nil)
	if err := os.Chmod(filepath.Join(dir, "spool"), 0o711); err != nil {
		t.Fatal(err)
	}
	filter := strings.Replace(recipe(t, "opensmtpd.md", "proc-exec"),
		"/usr/bin/mxprint filter-opensmtpd", "/mnt/mxprint filter-opensmtpd -s /mnt/query.sock"+options, 1)
	listen := recipe(t, "opensmtpd.md", "listen on")
	conf := filter
	for _, addr := range []string{ns.IPv4.String(), ns.IPv6.String()} {
		conf += strings.Replace(listen, "eth0", addr, 1)
	}
	writeFiles(t, dir, map[string]string{"smtpd.conf": conf + openSMTPDRest})
	// The place of the spool is built in.
	binds := map[string]string{"/mnt": dir, "/var/spool/smtpd": filepath.Join(dir, "spool")}
	o.process = start(t, "smtpd", c.command(ns, binds, "smtpd", "-d", "-f", "/mnt/smtpd.conf"))
	o.waitFor("SMTP", func() bool { return greets(ns, ns.IPv4) && greets(ns, ns.IPv6) })
	return o
}

// filterPatience is the option that makes the filter patient.
const filterPatience = " -deadline 60s"

// copyProgram copies a program to where a chroot has it.
func copyProgram(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSMTPD(t *testing.T) {
	pair := lab.NewPair(t)
	dir := tempDir(t)
	startServe(t, pair.Server, dir)
	o := startOpenSMTPD(t, pair.Server, dir, filterPatience)
	for _, f := range families(pair) {
		t.Run(f.name, func(t *testing.T) {
			swaks(t, pair.Client, f.from, f.to, f.name)
			got, wrong := results(headerLines(t, o.mails, f.name))
			if wrong != "" {
				t.Error(wrong)
			}
			t.Log(got)
		})
	}
	t.Run("forged", func(t *testing.T) { checkForgeries(t, pair, o.mails) })
}

func TestOpenSMTPDSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	dir := tempDir(t)
	serve := func() *process { return startServe(t, pair.Server, dir) }
	sensor := serve()
	o := startOpenSMTPD(t, pair.Server, dir, "")
	checkSensorAway(t, pair, o.mails, sensor, serve, 50*time.Millisecond)
}
