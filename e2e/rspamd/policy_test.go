//go:build linux

package rspamd

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPolicyRspamd runs the recipe of docs/policy.md: a symbol by connection,
// from the header of our milter in front of rspamd's. The rule for this
// machine's system fires, that for Windows does not.
func TestPolicyRspamd(t *testing.T) {
	multimap := mailtest.Recipe(t, "policy.md", "MXPRINT_WINDOWS {", "type = \"header\"")
	rule := mailtest.Recipe(t, "policy.md", "    /^os=\"Windows/\n")
	local := strings.ReplaceAll(multimap, "/etc/rspamd/local.d", "LOCAL_D") +
		strings.NewReplacer("MXPRINT_WINDOWS", "MXPRINT_LINUX", "/etc/rspamd/local.d/mxprint.map", "LOCAL_D/linux.map").Replace(multimap)
	pair := lab.NewPair(t)
	mailtest.StartMilter(t, pair.Server, "postfix.md")
	startRspamdWith(t, pair.Server, "/nonexistent/p0f.sock", "1s", map[string]string{
		"multimap.conf": local,
		"mxprint.map":   rule,
		"linux.map":     strings.ReplaceAll(rule, "Windows", "Linux"),
	})
	p := mailtest.StartPostfix(t, pair.Server, mailtest.Patient(mailtest.Recipe(t, "policy.md", "smtpd_milters", "11332")), "milter_default_action = tempfail")
	for _, f := range mailtest.Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			if err := mailtest.SendMail(pair.Client, f.From, f.To, f.Name); err != nil {
				t.Fatal(err)
			}
			got := mailtest.Delivered(t, p.Mails, f.Name).Get("X-Spamd-Result")
			if !strings.Contains(got, "MXPRINT_LINUX(0.50)") || strings.Contains(got, "MXPRINT_WINDOWS") {
				t.Errorf("X-Spamd-Result = %q, want MXPRINT_LINUX(0.50) and no MXPRINT_WINDOWS", got)
			}
		})
	}
}
