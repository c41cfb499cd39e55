//go:build linux

package exim

import (
	"path/filepath"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPrograms: ten programs send to Exim with the recipe that reports what it
// saw, in clear and by TLS; the header says which it was.
func TestPrograms(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.NewCert(t, dir)
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP, mailtest.Observed(dir))
	e := startEximWith(t, pair.Server, dir, mailtest.Patient, fullACL(t))
	s := mailtest.NewSenders(t, pair.Client, filepath.Join(dir, "cert.pem"))
	s.Ask(dir)
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, e.mails, false, "Go")
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, e.mails, true, "s-nail")
	t.Run("two at one address", func(t *testing.T) {
		mailtest.CheckTwoPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, e.mails, true, mailtest.Named)
	})
	t.Run("headers", func(t *testing.T) { mailtest.CheckHeaders(t, pair, dir, "") })
}
