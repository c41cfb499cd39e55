//go:build linux

package postfix

import (
	"path/filepath"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPrograms: ten programs send to Postfix with the milter, in clear and by
// TLS; the header says which it was.
func TestPrograms(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	mailtest.NewCert(t, dir)
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP, "[milter]\nlisten = [\"127.0.0.1:7825\"]\nform = \"full\"\n"+mailtest.LongDeadline, mailtest.Observed(dir))
	p := mailtest.StartPostfixServices(t, pair.Server, mailtest.PostfixMaster+"tlsmgr unix - - n 1000? 1 tlsmgr\n", mailtest.Patient("smtpd_milters = { inet:127.0.0.1:7825, connect_timeout=1s, command_timeout=1s, content_timeout=1s, default_action=accept }"),
		"smtpd_tls_security_level = may", "smtpd_tls_cert_file = "+filepath.Join(dir, "cert.pem"), "smtpd_tls_key_file = "+filepath.Join(dir, "key.pem"))
	s := mailtest.NewSenders(t, pair.Client, filepath.Join(dir, "cert.pem"))
	s.Ask(dir)
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, p.Mails, false, "Go")
	mailtest.CheckPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, p.Mails, true, "s-nail")
	t.Run("two at one address", func(t *testing.T) {
		mailtest.CheckTwoPrograms(t, s, pair.Client.IPv4, pair.Server.IPv4, p.Mails, true, mailtest.Named)
	})
	t.Run("headers", func(t *testing.T) { mailtest.CheckHeaders(t, pair, dir, "XFTSDI") })
	t.Run("left", func(t *testing.T) { mailtest.CheckLeft(t, pair, filepath.Join(dir, "query.sock")) })
}
