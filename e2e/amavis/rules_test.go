//go:build linux

package amavis

import (
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// amavisScans has amavis call SpamAssassin, with the site's rules in a folder, and
// write what it found into each mail.
const amavisScans = `
$sa_tag_level_deflt = -999;
$sa_tag2_level_deflt = 999;
$sa_kill_level_deflt = 9999;
$sa_local_tests_only = 1;
$sa_siteconfigpath = '%s';
`

// TestRules has amavis's SpamAssassin judge mails by contrib/spamassassin/mxprint.cf,
// behind mxprint's milter: each rule fires on the mail that it is for and on no
// other; with the sensor stalled or stopped all mails come, soon, and none fires.
func TestRules(t *testing.T) {
	lab.NeedProgram(t, "spamassassin")
	dir := mailtest.TempDir(t)
	if err := os.CopyFS(dir, os.DirFS("/etc/spamassassin")); err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(mailtest.RepoPath(t, "contrib", "spamassassin", "mxprint.cf"))
	if err != nil {
		t.Fatal(err)
	}
	mailtest.WriteFiles(t, dir, map[string]string{"mxprint.cf": string(rules), "site.cf": "use_bayes 0\n"})
	pair := lab.NewPair(t)
	sensor := mailtest.StartServe(t, pair.Server, mailtest.TempDir(t), mailtest.SMTP, "[milter]", `listen = ["127.0.0.1:7825"]`, `form = "full"`, mailtest.LongDeadline)
	p := startAmavisWith(t, pair.Server, strings.Replace(amavisScans, "%s", dir, 1), mailtest.Recipe(t, "amavis.md", "smtpd_milters="),
		strings.ReplaceAll(mailtest.Recipe(t, "postfix.md", "smtpd_milters"), "timeout=1s", "timeout=5s"))
	claims := func(ns *lab.NetNS, from, to netip.Addr, id string) error {
		c := mailtest.DialSMTP(t, ns, from, to)
		defer c.Quit()
		return c.Send(id, "X-Mailer: Microsoft Outlook 16.0")
	}
	forges := func(ns *lab.NetNS, from, to netip.Addr, id string) error {
		c := mailtest.DialSMTP(t, ns, from, to)
		defer c.Quit()
		return c.Send(id, `X-Mxprint: os="Windows" conduct="pipelining"`)
	}
	check := func(id string, send func(ns *lab.NetNS, from, to netip.Addr, id string) error, want ...string) {
		t.Helper()
		begin := time.Now()
		if err := send(pair.Client, pair.Client.IPv4, pair.Server.IPv4, id); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if took := time.Since(begin); took > 25*time.Second {
			t.Errorf("%s: the mail took %v", id, took)
		}
		if got := ourSymbols(t, p, id); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: symbols %q, want %q", id, got, want)
		}
	}
	check("usual", mailtest.SendMail, "MXPRINT_LINUX")
	check("forged", forges, "MXPRINT_LINUX")
	check("blind", mailtest.SendBlind, "MXPRINT_LINUX", "MXPRINT_PIPELINING")
	check("claims", claims, "MXPRINT_LINUX", "MXPRINT_MAILER_SYSTEM")
	sensor.Signal(syscall.SIGSTOP)
	check("stalled", mailtest.SendBlind)
	sensor.Signal(syscall.SIGCONT)
	sensor.Stop()
	check("stopped", mailtest.SendBlind)
	check("stopped-claims", claims)
}

// ourSymbols are those that SpamAssassin found in a mail, in their order.
func ourSymbols(t *testing.T, p *mailtest.Postfix, id string) (ours []string) {
	t.Helper()
	status := mailtest.Delivered(t, p.Mails, id).Get("X-Spam-Status")
	_, tests, ok := strings.Cut(status, "tests=[")
	if !ok {
		t.Fatalf("%s: amavis has written X-Spam-Status: %q", id, status)
	}
	tests, _, _ = strings.Cut(tests, "]")
	for _, symbol := range strings.FieldsFunc(tests, func(c rune) bool { return strings.ContainsRune(", \t\r\n", c) }) {
		// The test's own program, Go's, is named in most mails, so that Outlook contradicts it, too.
		if name, _, _ := strings.Cut(symbol, "="); strings.HasPrefix(name, "MXPRINT_") && name != "MXPRINT_MAILER_SOFTWARE" {
			ours = append(ours, name)
		}
	}
	return ours
}
