//go:build linux

package postfix

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestFinding13Relay: check -relay reports that Postfix would relay for every
// client of a proxy whose address it trusts and that names no client, and that
// it relays for none of them when the proxy sends their addresses.
func TestFinding13Relay(t *testing.T) {
	pair := lab.NewPair(t)
	proxy := pair.Client.IPv4.String()
	p := mailtest.StartPostfixServices(t, pair.Server, mailtest.PostfixMaster+fmt.Sprintf(`
10025      inet  n - n -     - smtpd
    -o smtpd_upstream_proxy_protocol=haproxy
10026      inet  n - n -     - smtpd
    -o smtpd_authorized_xclient_hosts=%s
`, proxy), "mynetworks = "+proxy, "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
		"default_transport = smtp") // no mail is sent
	for _, tt := range []struct{ name, port, lines, want string }{
		{"none", "25", "send = \"none\"\nrelay_checked = true", "open relay: the mail server takes a mail of a stranger to postmaster@example.com"},
		{"v2", "10025", "send = \"v2\"", "relay      refused: answer to RCPT: \"554 5.7.1 <postmaster@example.com>: Relay access denied"},
		{"v1", "10025", "send = \"v1\"", "relay      refused: answer to RCPT: \"554 5.7.1 <postmaster@example.com>: Relay access denied"},
		{"xclient", "10026", "send = \"xclient\"", "relay      refused: answer to RCPT: \"554 5.7.1 <postmaster@example.com>: Relay access denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := checkRelay(t, pair.Client, fmt.Sprintf("%s:%s", pair.Server.IPv4, tt.port), tt.lines)
			if open := strings.HasPrefix(tt.want, "open relay"); !strings.Contains(out, tt.want) || (err != nil) != open {
				t.Errorf("check -relay: %v\n%s\nwant %s", err, out, tt.want)
			}
		})
	}
	p.Stop()
}

// checkRelay runs mxprint check -relay in a namespace.
func checkRelay(t *testing.T, ns *lab.NetNS, backend, lines string) (string, error) {
	t.Helper()
	mailtest.SensorProgram(t)
	dir := mailtest.TempDir(t)
	mailtest.WriteFiles(t, dir, map[string]string{"m.toml": fmt.Sprintf(
		"[sensor]\nsource = \"proxy\"\n[proxy]\nlisten = [\":25\"]\nbackend = %q\n%s\n", backend, lines)})
	cmd := ns.Command(t.Context(), filepath.Join(mailtest.BinDir, "mxprint"), "check", "-relay", "-config", filepath.Join(dir, "m.toml"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
