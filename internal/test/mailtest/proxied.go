//go:build linux

package mailtest

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// CheckProxied puts mxprint proxy in front of a mail server that listens on
// 127.0.0.1:10025 of the pair's server: check -relay finds no fault, neither with
// a PROXY line of the client, and a mail through the proxy comes from its client.
func CheckProxied(t *testing.T, pair *lab.Pair, mails, send string) {
	t.Helper()
	SensorProgram(t) // builds it
	dir := TempDir(t)
	config, program := filepath.Join(dir, "m.toml"), filepath.Join(BinDir, "mxprint")
	WriteFiles(t, dir, map[string]string{"m.toml": fmt.Sprintf(
		"[sensor]\nsource = \"proxy\"\n[p0f]\nsocket = %q\n[proxy]\nlisten = [%q]\nbackend = \"127.0.0.1:10025\"\nsend = %q\n",
		filepath.Join(dir, "p0f.sock"), netip.AddrPortFrom(pair.Server.IPv4, 25), send)})
	out, err := pair.Server.Command(t.Context(), program, "check", "-relay", "-config", config).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "relay      refused: ") {
		t.Errorf("check -relay: %v\n%s", err, out)
	}
	p := Start(t, "proxy", pair.Server.Command(context.Background(), program, "serve", "-config", config))
	defer p.Stop()
	p.Printed("msg=ready")
	id := "proxied-" + send
	if err := SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, id); err != nil {
		t.Fatal(err)
	}
	if got := Delivered(t, mails, id).Get("Received"); !strings.Contains(got, "["+pair.Client.IPv4.String()+"]") {
		t.Errorf("Received: %s, want the client %s in it", got, pair.Client.IPv4)
	}
}
