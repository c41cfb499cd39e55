//go:build linux

package spamassassin

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestRules has SpamAssassin judge mails by contrib/spamassassin/mxprint.cf: that
// of a client that sent blind, that of another, one that claims Outlook, and one
// of which no sensor said anything.
func TestRules(t *testing.T) {
	program := lab.NeedProgram(t, "spamassassin")
	dir := mailtest.TempDir(t)
	if err := os.CopyFS(dir, os.DirFS("/etc/spamassassin")); err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(mailtest.RepoPath(t, "contrib", "spamassassin", "mxprint.cf"))
	if err != nil {
		t.Fatal(err)
	}
	mailtest.WriteFiles(t, dir, map[string]string{"mxprint.cf": string(rules)})
	run := func(mail string, args ...string) string {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, append(args, "--siteconfigpath="+dir, "--prefspath="+filepath.Join(dir, "none"), "--local")...)
		cmd.Stdin = strings.NewReader(mail)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, stderr.Bytes())
		}
		return string(out)
	}
	run("", "--lint")
	pair := lab.NewPair(t)
	sensor := mailtest.StartServe(t, pair.Server, mailtest.TempDir(t), mailtest.SMTP, "[milter]", `listen = ["127.0.0.1:7825"]`, `form = "full"`, mailtest.LongDeadline)
	p := mailtest.StartPostfix(t, pair.Server, "smtpd_milters = inet:127.0.0.1:7825", "milter_default_action = accept", "milter_content_timeout = 30s")
	report := func(id string) string {
		return run(strings.Join(mailtest.HeaderLines(t, p.Mails, id), "\n")+"\n\nHello.\n", "--test-mode")
	}
	if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "usual"); err != nil {
		t.Fatal(err)
	}
	if err := mailtest.SendBlind(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "blind"); err != nil {
		t.Fatal(err)
	}
	c := mailtest.DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	if err := c.Send("claims", "X-Mailer: Microsoft Outlook 16.0"); err != nil {
		t.Fatal(err)
	}
	c.Quit()
	sensor.Stop()
	if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "alone"); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"usual": "MXPRINT_LINUX", "blind": "MXPRINT_LINUX MXPRINT_PIPELINING", "claims": "MXPRINT_LINUX MXPRINT_MAILER_SYSTEM", "alone": ""} {
		got := report(id)
		for _, symbol := range strings.Fields(want) {
			if !strings.Contains(got, symbol) {
				t.Errorf("%s: no %s in:\n%s", id, symbol, got)
			}
		}
		for _, symbol := range []string{"MXPRINT_WINDOWS", "MXPRINT_LINUX", "MXPRINT_PIPELINING", "MXPRINT_EARLY_TALKER", "MXPRINT_MAILER_SYSTEM"} {
			if !strings.Contains(want, symbol) && strings.Contains(got, symbol) {
				t.Errorf("%s: %s in:\n%s", id, symbol, got)
			}
		}
	}
}
