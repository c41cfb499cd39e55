//go:build linux

package opensmtpd

import (
	"testing"

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
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, o.mails, false, map[string]mailtest.Shown{"Python": mailtest.Named})
	t.Run("two at one address", func(t *testing.T) {
		mailtest.CheckTwoPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, o.mails, false, mailtest.Nothing)
	})
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
