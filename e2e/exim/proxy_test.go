//go:build linux

package exim

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestEximProxied: what docs/proxy.md says of Exim is so.
func TestEximProxied(t *testing.T) {
	pair := lab.NewPair(t)
	c := mailtest.NewChroot(t, "exim")
	owner, dir := c.Owner("Debian-exim"), mailtest.TempDir(t)
	for _, d := range []string{"mails", "log", "spool"} {
		mailtest.MakeDir(t, filepath.Join(dir, d), owner)
	}
	mailtest.WriteFiles(t, filepath.Join(dir, "exim4"), map[string]string{
		"exim4.conf": strings.Replace(fmt.Sprintf(eximConfig, mailtest.Domain, "hosts_proxy = 127.0.0.1", ""),
			"<; 0.0.0.0 ; ::0", "127.0.0.1.10025", 1),
	})
	binds := map[string]string{
		"/mnt": dir, "/etc/exim4": filepath.Join(dir, "exim4"), "/var/spool/exim4": filepath.Join(dir, "spool"),
	}
	e := mailtest.Start(t, "exim", c.Command(pair.Server, binds, "exim4", "-bdf", "-q1m", "-oP", "/mnt/spool/pid"))
	e.WaitFor("SMTP", func() bool { return mailtest.Listens(pair.Server, netip.MustParseAddr("127.0.0.1"), 10025) })
	t.Cleanup(func() { showLog(t, filepath.Join(dir, "log")) })
	for _, send := range []string{"v2", "v1"} {
		t.Run(send, func(t *testing.T) { mailtest.CheckProxied(t, pair, filepath.Join(dir, "mails"), send) })
	}
}
