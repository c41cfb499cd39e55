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

// TestPolicySpamAssassin has Postfix and the milter receive a mail, and
// SpamAssassin judge it by the rules of docs/policy.md.
func TestPolicySpamAssassin(t *testing.T) {
	program := lab.NeedProgram(t, "spamassassin")
	rules := mailtest.Recipe(t, "policy.md", "MXPRINT_WINDOWS  X-p0f-Result", "score")
	dir := mailtest.TempDir(t)
	// The site's configuration as Debian ships it, with the file that the page adds.
	if err := os.CopyFS(dir, os.DirFS("/etc/spamassassin")); err != nil {
		t.Fatal(err)
	}
	mailtest.WriteFiles(t, dir, map[string]string{"mxprint.cf": rules +
		strings.NewReplacer("MXPRINT_WINDOWS", "MXPRINT_LINUX", "Windows", "Linux", "MXPRINT_SHARED", "MXPRINT_SHARED2").Replace(rules)})
	pair := lab.NewPair(t)
	mailtest.StartMilter(t, pair.Server, "postfix.md")
	p := mailtest.StartPostfix(t, pair.Server, mailtest.Patient(mailtest.Recipe(t, "postfix.md", "smtpd_milters")))
	if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "one"); err != nil {
		t.Fatal(err)
	}
	mail := strings.Join(mailtest.HeaderLines(t, p.Mails, "one"), "\n") + "\n\nHello.\n"
	judge := func(args ...string) string {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, append(args, "--siteconfigpath="+dir,
			"--prefspath="+filepath.Join(dir, "none"), "--local")...)
		cmd.Stdin = strings.NewReader(mail)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, stderr.Bytes())
		}
		return string(out)
	}
	judge("--lint")
	report := judge("--test-mode")
	if !strings.Contains(report, "MXPRINT_LINUX") || strings.Contains(report, "MXPRINT_WINDOWS") || strings.Contains(report, "MXPRINT_SHARED") {
		t.Errorf("want MXPRINT_LINUX alone; SpamAssassin reports:\n%s", report)
	}
}
