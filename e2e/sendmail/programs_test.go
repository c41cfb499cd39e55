//go:build linux

package sendmail

import (
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPrograms: ten programs send to Sendmail with the milter; the header says
// which it was.
func TestPrograms(t *testing.T) {
	pair := lab.NewPair(t)
	mailtest.StartMilter(t, pair.Server, "sendmail.md", mailtest.SMTP, `form = "full"`)
	m := startSendmail(t, pair.Server, mailtest.Patient)
	s := mailtest.NewSenders(t, pair.Client, "")
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, m.mails, false, map[string]mailtest.Shown{"Python": mailtest.Named})
	t.Run("two at one address", func(t *testing.T) {
		mailtest.CheckTwoPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, m.mails, false, mailtest.Nothing)
	})
}

// TestHeaderRules: contradictions are in the header, and SpamAssassin's rules read
// them and the client's conduct.
func TestHeaderRules(t *testing.T) {
	pair := lab.NewPair(t)
	mailtest.StartMilter(t, pair.Server, "sendmail.md", mailtest.SMTP, `form = "full"`)
	m := startSendmail(t, pair.Server, mailtest.Patient)
	mailtest.CheckContradictions(t, pair, m.mails)
	mailtest.CheckHeaderRules(t, pair, m.mails)
}
