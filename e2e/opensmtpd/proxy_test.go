//go:build linux

package opensmtpd

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestOpenSMTPDProxied: what docs/proxy.md says of OpenSMTPD is so.
func TestOpenSMTPDProxied(t *testing.T) {
	pair := lab.NewPair(t)
	c, dir := mailtest.NewChroot(t, "opensmtpd"), mailtest.TempDir(t)
	mails, spool := filepath.Join(dir, "mails"), filepath.Join(dir, "spool")
	mailtest.MakeDir(t, mails, c.Owner("nobody"))
	mailtest.MakeDir(t, spool, nil)
	if err := os.Chmod(spool, 0o711); err != nil {
		t.Fatal(err)
	}
	mailtest.WriteFiles(t, dir, map[string]string{"smtpd.conf": "listen on 127.0.0.1 port 10025 proxy-v2\n" + openSMTPDRest})
	o := mailtest.Start(t, "smtpd", c.Command(pair.Server, map[string]string{"/mnt": dir, "/var/spool/smtpd": spool}, "smtpd", "-d", "-f", "/mnt/smtpd.conf"))
	o.WaitFor("SMTP", func() bool { return mailtest.Listens(pair.Server, netip.MustParseAddr("127.0.0.1"), 10025) })
	mailtest.CheckProxied(t, pair, mails, "v2")
}
