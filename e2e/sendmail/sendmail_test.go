//go:build linux

package sendmail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// A sendmail is a running Sendmail of a system of its own.
type sendmail struct {
	*mailtest.Process
	mails string // directory with one file a delivered mail
}

// sendmailMC is sendmail.mc, with the mail's domain, the lines of
// docs/sendmail.md and the addresses to fill in. All mail for the recipient goes to a program.
// No resolver answers, and a machine that is busy with other tests
// is no reason to refuse or to queue mails.
const sendmailMC = `
include(` + "`/usr/share/sendmail/cf/m4/cf.m4'" + `)dnl
OSTYPE(` + "`debian'" + `)dnl
define(` + "`confDOMAIN_NAME', `mx.%[1]s'" + `)dnl
define(` + "`confSERVICE_SWITCH_FILE', `/mnt/service.switch'" + `)dnl
define(` + "`ALIAS_FILE', `/mnt/aliases'" + `)dnl
undefine(` + "`confHOST_STATUS_DIRECTORY'" + `)dnl
define(` + "`confTO_IDENT', `0'" + `)dnl
define(` + "`confREFUSE_LA', `100000'" + `)dnl
define(` + "`confQUEUE_LA', `100000'" + `)dnl
define(` + "`confDELAY_LA', `0'" + `)dnl
FEATURE(` + "`no_default_msa'" + `)dnl
FEATURE(` + "`nocanonify'" + `)dnl
FEATURE(` + "`accept_unresolvable_domains'" + `)dnl
DAEMON_OPTIONS(` + "`Name=MTA-v4, Family=inet, Addr=%[3]s, Port=25'" + `)dnl
DAEMON_OPTIONS(` + "`Name=MTA-v6, Family=inet6, Addr=%[4]s, Port=25'" + `)dnl
LOCAL_DOMAIN(` + "`%[1]s'" + `)dnl
%[2]s
MAILER(` + "`local'" + `)dnl
MAILER(` + "`smtp'" + `)dnl
`

// sendmailDeliver is the program that mails go to.
const sendmailDeliver = `#!/bin/sh
set -e
file=$(mktemp /mnt/mails/XXXXXXXXXXXX)
cat >"$file"
`

// sendmailTLS are the lines for STARTTLS.
const sendmailTLS = `
define(` + "`confCACERT', `/mnt/cert.pem'" + `)dnl
define(` + "`confCACERT_PATH', `/mnt'" + `)dnl
define(` + "`confSERVER_CERT', `/mnt/cert.pem'" + `)dnl
define(` + "`confSERVER_KEY', `/mnt/key.pem'" + `)dnl
`

// startSendmail starts it in ns on port 25 of all its addresses, with the
// milter of docs/sendmail.md.
func startSendmail(t testing.TB, ns *lab.NetNS, times mailtest.Patience) *sendmail {
	t.Helper()
	return startSendmailIn(t, ns, mailtest.TempDir(t), times)
}

// startSendmailIn is startSendmail with a folder of its own. With cert.pem and key.pem
// in it, it takes STARTTLS.
func startSendmailIn(t testing.TB, ns *lab.NetNS, dir string, times mailtest.Patience) *sendmail {
	t.Helper()
	c := mailtest.NewChroot(t, "sendmail")
	lines := times(mailtest.Recipe(t, "sendmail.md", "INPUT_MAIL_FILTER"))
	if mailtest.Exists(filepath.Join(dir, "cert.pem")) {
		lines = sendmailTLS + lines
	}
	s := &sendmail{mails: filepath.Join(dir, "mails")}
	for _, d := range []string{"mails", "queue"} {
		mailtest.MakeDir(t, filepath.Join(dir, d), nil)
	}
	mailtest.WriteFiles(t, dir, map[string]string{
		"sendmail.mc":    fmt.Sprintf(sendmailMC, mailtest.Domain, lines, ns.IPv4, ns.IPv6),
		"service.switch": "hosts files\naliases files\n",
		"aliases":        "bob: \"|/mnt/deliver\"\npostmaster: bob\nmailer-daemon: bob\n",
		"deliver":        sendmailDeliver,
	})
	for name, mode := range map[string]os.FileMode{"deliver": 0o755, "mails": 0o777, "queue": 0o700} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	binds := map[string]string{"/mnt": dir, "/var/spool/mqueue": filepath.Join(dir, "queue")}
	prepare := c.Command(ns, binds, "sh", "-ec", "m4 /mnt/sendmail.mc >/mnt/sendmail.cf; sendmail -C /mnt/sendmail.cf -bi")
	if out, err := prepare.CombinedOutput(); err != nil {
		t.Fatalf("preparing sendmail: %v\n%s", err, out)
	}
	s.Process = mailtest.Start(t, "sendmail", c.Command(ns, binds, "sendmail", "-C", "/mnt/sendmail.cf", "-bD", "-q1m"))
	s.WaitFor("SMTP", func() bool { return mailtest.Greets(ns, ns.IPv4) && mailtest.Greets(ns, ns.IPv6) })
	return s
}

func TestSendmail(t *testing.T) {
	pair := lab.NewPair(t)
	mailtest.StartMilter(t, pair.Server, "sendmail.md")
	s := startSendmail(t, pair.Server, mailtest.Patient)
	for _, f := range mailtest.Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			mailtest.Swaks(t, pair.Client, f.From, f.To, f.Name)
			lines := mailtest.HeaderLines(t, s.mails, f.Name)
			got, wrong := mailtest.Results(lines)
			if wrong != "" {
				t.Fatalf("%s\n%.2000q", wrong, lines)
			}
			t.Log(got[0])
			received := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Received:") })
			if at := slices.Index(lines, got[0]); at > received {
				t.Errorf("the header is number %d, after Received, number %d", at, received)
			}
		})
	}
	t.Run("forged", func(t *testing.T) { mailtest.CheckForgeries(t, pair, s.mails) })
	t.Run("one connection", func(t *testing.T) { mailtest.CheckOneConnection(t, pair, s.mails) })
	t.Run("two machines behind one address", func(t *testing.T) { mailtest.CheckTwoMachines(t, pair, s.mails) })
}

// sendmailBound is the longest that the recipe lets a mail wait for a milter
// that is stopped.
const sendmailBound = 2 * time.Second

// TestSendmailSeconds: Sendmail compares whole seconds, so that a time limit of
// one may be over at once. Here most mails would lose their header to that.
func TestSendmailSeconds(t *testing.T) {
	pair := lab.NewPair(t)
	mailtest.StartMilter(t, pair.Server, "sendmail.md")
	s := startSendmail(t, pair.Server, mailtest.AsWritten)
	// A machine that stands still for a second has the same effect, once.
	for try := range 5 {
		c := mailtest.DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
		begin := time.Now()
		var ids []string
		for i := 0; time.Since(begin) < 3*time.Second; i++ {
			ids = append(ids, fmt.Sprintf("seconds-%d-%d", try, i))
			if err := c.Send(ids[i]); err != nil {
				t.Fatal(err)
			}
		}
		got := mailtest.WithHeader(t, s.mails, ids)
		if got == len(ids) {
			return
		}
		t.Logf("%d of %d mails of one connection have a header", got, len(ids))
	}
	t.Error("mails on each of five connections have lost their header")
}

// TestSendmailAway: 500 mails while the daemon is restarted, stopped and ended.
func TestSendmailAway(t *testing.T) {
	pair := lab.NewPair(t)
	serve := func() *mailtest.Process { return mailtest.StartMilter(t, pair.Server, "sendmail.md") }
	daemon := serve()
	s := startSendmail(t, pair.Server, mailtest.AsWritten)
	mailtest.CheckSensorAway(t, pair, s.mails, daemon, serve, sendmailBound)
}

// TestSendmailStopped: the daemon is stopped in the middle of a mail.
func TestSendmailStopped(t *testing.T) {
	pair := lab.NewPair(t)
	daemon := mailtest.StartMilter(t, pair.Server, "sendmail.md")
	s := startSendmail(t, pair.Server, mailtest.AsWritten)
	mailtest.CheckStoppedInside(t, pair, s.mails, daemon, sendmailBound)
}
