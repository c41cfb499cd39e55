//go:build linux

package postfix

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPolicyPostfix runs the recipe of docs/policy.md: it logs the mail whose
// system the rule names, and no other.
func TestPolicyPostfix(t *testing.T) {
	for _, tt := range []struct {
		system string
		logged bool
	}{
		{"Linux", true}, // this machine's kernel
		{"Windows", false},
	} {
		t.Run(tt.system, func(t *testing.T) {
			pair := lab.NewPair(t)
			dir := mailtest.TempDir(t)
			rules := strings.ReplaceAll(mailtest.Recipe(t, "policy.md", `/^X-p0f-Result: os="Windows/ WARN`), "Windows", tt.system)
			mailtest.WriteFiles(t, dir, map[string]string{"mxprint_milter_checks": rules})
			setting := strings.ReplaceAll(mailtest.Recipe(t, "policy.md", "milter_header_checks ="), "/etc/postfix", dir)
			mailtest.StartMilter(t, pair.Server, "postfix.md")
			p := mailtest.StartPostfix(t, pair.Server, mailtest.Patient(mailtest.Recipe(t, "postfix.md", "smtpd_milters")), setting)
			if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "one"); err != nil {
				t.Fatal(err)
			}
			if _, wrong := mailtest.Results(mailtest.HeaderLines(t, p.Mails, "one")); wrong != "" {
				t.Fatal(wrong)
			}
			p.Printed(": removed") // the last line of a mail
			logged := bytes.Contains(p.Out.Bytes(), []byte("milter-header-warning: header X-p0f-Result: os=\""+tt.system)) &&
				bytes.Contains(p.Out.Bytes(), []byte("mxprint-windows"))
			if logged != tt.logged {
				t.Errorf("rule for %s: logged = %v, want %v; Postfix logged:\n%s", tt.system, logged, tt.logged, p.Out.Bytes())
			}
			if filepath.IsAbs(dir) && !strings.Contains(setting, dir) {
				t.Errorf("the setting %q does not name the file of the test", setting)
			}
		})
	}
}
