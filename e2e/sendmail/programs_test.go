//go:build linux

package sendmail

import (
	"path/filepath"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPrograms: ten programs send to Sendmail with the milter, in clear and by TLS;
// the header says which it was.
func TestPrograms(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.NewCert(t, dir)
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP, mailtest.Recipe(t, "sendmail.md", "[milter]"), mailtest.LongDeadline, `form = "full"`, mailtest.Observed(dir))
	m := startSendmailIn(t, pair.Server, dir, mailtest.Patient)
	s := mailtest.NewSenders(t, pair.Client, filepath.Join(dir, "cert.pem"))
	s.Ask(dir)
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, m.mails, false)
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, m.mails, true, "s-nail")
	t.Run("two at one address", func(t *testing.T) {
		mailtest.CheckTwoPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, m.mails, true, mailtest.Named)
	})
	t.Run("headers", func(t *testing.T) { mailtest.CheckHeaders(t, pair, dir, "XFTSDI") })
	t.Run("left", func(t *testing.T) { mailtest.CheckLeft(t, pair, filepath.Join(dir, "query.sock")) })
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

// TestRulesSensorAway: no rule fires while the sensor is stalled or stopped.
func TestRulesSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	sensor := mailtest.StartMilter(t, pair.Server, "sendmail.md", mailtest.SMTP, `form = "full"`)
	m := startSendmail(t, pair.Server, mailtest.AsWritten)
	mailtest.CheckHeaderRulesAway(t, pair, m.mails, sensor, sendmailBound)
}
