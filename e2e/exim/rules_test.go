//go:build linux

package exim

import (
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPolicyFindings adds the statements of docs/policy.md that ask about the
// client's conduct: they fire on the client that sends blind, not on the other.
func TestPolicyFindings(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP)
	statements := strings.Replace(mailtest.Recipe(t, "policy.md", "acl_m_mxfull", "pipelining"), "/run/mxprint/query.sock", "/mnt/query.sock", 1)
	e := startEximWith(t, pair.Server, dir, mailtest.Patient, func(acls string) string {
		at := strings.LastIndex(acls, "  accept")
		return acls[:at] + statements + acls[at:]
	})
	if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "usual"); err != nil {
		t.Fatal(err)
	}
	if err := mailtest.SendBlind(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "blind"); err != nil {
		t.Fatalf("this Exim takes no commands that were sent blind: %v", err)
	}
	for id, want := range map[string]string{"usual": "", "blind": "pipelining"} {
		if got := mailtest.Delivered(t, e.mails, id).Get("X-Mxprint-Policy"); got != want {
			t.Errorf("%s: X-mxprint-Policy: %q, want %q", id, got, want)
		}
	}
}

// TestRulesSensorAway: a rule that denies does so to the client that sends blind,
// and to none while the sensor is stalled or stopped. Exim asks twice, and waits a
// second for each.
func TestRulesSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	sensor := mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP)
	const deny = `  deny
    condition = ${if match{$acl_m_mxfull}{ conduct="[^"]*\\bpipelining\\b}}
    message   = sent commands blind
`
	e := startEximWith(t, pair.Server, dir, mailtest.AsWritten, func(acls string) string {
		acls = fullACL(t)(acls)
		at := strings.LastIndex(acls, "  accept")
		return acls[:at] + deny + acls[at:]
	})
	mailtest.CheckRulesAway(t, pair, e.mails, sensor, "sent commands blind", 2*time.Second)
}
