//go:build linux

package exim

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// fullACL adds the statements of docs/exim.md that report what the client said.
func fullACL(t testing.TB) func(acls string) string {
	statements := strings.ReplaceAll(mailtest.Recipe(t, "exim.md", "acl_mxprint_full:"), "/run/mxprint/", "/mnt/")
	_, statements, _ = strings.Cut(statements, "\n") // its name
	statements, _, _ = strings.Cut(statements, "  accept")
	return func(acls string) string {
		at := strings.LastIndex(acls, "  accept")
		return acls[:at] + statements + acls[at:]
	}
}

// TestHeard: Exim reports the verbs, HELO and the header of the mail; the answer
// has contradictions. A mail whose texts try to end the line or to add words gets
// nothing but its own answer.
func TestHeard(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP)
	e := startEximWith(t, pair.Server, dir, mailtest.Patient, fullACL(t))
	mailtest.CheckContradictions(t, pair, e.mails)
}
