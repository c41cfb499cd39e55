//go:build linux

package exim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPolicyExim adds the statement of docs/policy.md to the ACL for the data:
// that for this machine's system tags and logs the mail, that for Windows does
// not.
func TestPolicyExim(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.StartServe(t, pair.Server, dir)
	statement := mailtest.Recipe(t, "policy.md", "warn\n", `{^os="Windows}}`)
	both := statement + strings.NewReplacer("Windows", "Linux", "windows", "linux").Replace(statement)
	e := startEximWith(t, pair.Server, dir, mailtest.Patient, func(acls string) string {
		at := strings.LastIndex(acls, "  accept")
		if at < 0 {
			t.Fatalf("no accept at the end of the ACLs:\n%s", acls)
		}
		return acls[:at] + both + acls[at:]
	})
	if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "one"); err != nil {
		t.Fatal(err)
	}
	header := strings.Join(mailtest.HeaderLines(t, e.mails, "one"), "\n")
	log, err := os.ReadFile(filepath.Join(dir, "log", "mainlog"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{header, string(log)} {
		if strings.Contains(text, "windows") {
			t.Errorf("the statement for Windows fired:\n%s", text)
		}
	}
	if !strings.Contains(header, "X-mxprint-Policy: linux") || !strings.Contains(string(log), "Warning: mxprint-linux") {
		t.Errorf("the statement for Linux did not fire; header:\n%s\nlog:\n%s", header, log)
	}
}
