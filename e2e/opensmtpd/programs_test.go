//go:build linux

package opensmtpd

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// fullHeader are the options that make the filter add X-Mxprint, with what the
// client said.
const fullHeader = filterPatience + " -form full -header X-Mxprint"

// TestPrograms: ten programs send to OpenSMTPD with the filter, in clear; the header
// says which it was.
func TestPrograms(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP)
	o := startOpenSMTPD(t, pair.Server, dir, fullHeader)
	s := mailtest.NewSenders(t, pair.Client, "")
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, o.mails, false)
	t.Run("two at one address", func(t *testing.T) {
		mailtest.CheckTwoPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, o.mails, false, mailtest.Nothing)
	})
}

// TestProgramsTLS is TestPrograms by TLS, with OpenSMTPD 7: that of TestPrograms
// fails in each handshake.
func TestProgramsTLS(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.NewCert(t, dir)
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP, mailtest.Observed(dir))
	o := startOpenSMTPDOf(t, pair.Server, "opensmtpd-tls", dir, fullHeader)
	s := mailtest.NewSenders(t, pair.Client, filepath.Join(dir, "cert.pem"))
	s.Ask(dir)
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, o.mails, true, "s-nail")
	t.Run("two at one address", func(t *testing.T) {
		mailtest.CheckTwoPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, o.mails, true, mailtest.Named)
	})
	t.Run("headers", func(t *testing.T) { mailtest.CheckHeaders(t, pair, dir, "XFTSDI") })
	t.Run("left", func(t *testing.T) { mailtest.CheckLeft(t, pair, filepath.Join(dir, "query.sock")) })
}

// TestHeaderRules: contradictions are in the header, and SpamAssassin's rules read
// them and the client's conduct.
func TestHeaderRules(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP)
	o := startOpenSMTPD(t, pair.Server, dir, fullHeader)
	mailtest.CheckContradictions(t, pair, o.mails)
	mailtest.CheckHeaderRules(t, pair, o.mails)
}

// TestRulesSensorAway: no rule fires while the sensor is stalled or stopped.
func TestRulesSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	sensor := mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP)
	o := startOpenSMTPD(t, pair.Server, dir, strings.TrimPrefix(fullHeader, filterPatience))
	mailtest.CheckHeaderRulesAway(t, pair, o.mails, sensor, 100*time.Millisecond)
}
