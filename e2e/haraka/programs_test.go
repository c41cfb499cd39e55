//go:build linux

package haraka

import (
	"path/filepath"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPrograms: ten programs send to Haraka with our plugin, in clear and by TLS;
// the header says which it was.
func TestPrograms(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP, mailtest.Observed(dir))
	h := startHarakaPlugin(t, pair.Server, "tls\nmxprint", filepath.Join(dir, "query.sock"), false, pluginPatience+"add_header=X-Mxprint\nheader_form=full\n")
	s := mailtest.NewSenders(t, pair.Client, h.cert)
	s.Ask(dir)
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, h.mails, false, "Go")
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, h.mails, true, "Go", "s-nail")
	t.Run("two at one address", func(t *testing.T) {
		mailtest.CheckTwoPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, h.mails, true, mailtest.Named)
	})
	t.Run("headers", func(t *testing.T) { mailtest.CheckHeaders(t, pair, dir, "XFTSDI") })
	t.Run("left", func(t *testing.T) { mailtest.CheckLeft(t, pair, filepath.Join(dir, "query.sock")) })
}

// TestContradictions: what the plugin reports of a mail has its contradiction in
// the header.
func TestContradictions(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP)
	h := startHarakaPlugin(t, pair.Server, "mxprint", filepath.Join(dir, "query.sock"), false, pluginPatience+"add_header=X-Mxprint\nheader_form=full\n")
	mailtest.CheckContradictions(t, pair, h.mails)
}
