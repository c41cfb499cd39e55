//go:build linux

package haraka

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// relayPlugin lets 127.0.0.1 relay, as an access list does.
const relayPlugin = `exports.hook_connect = function (next, connection) {
  if (connection.remote.ip === '127.0.0.1') connection.relaying = true
  next()
}
`

// startTrusting starts Haraka on 127.0.0.1:10025 of ns, where it takes PROXY
// headers from that address.
func startTrusting(t *testing.T, ns *lab.NetNS) *mailtest.Process {
	t.Helper()
	node := lab.NeedProgram(t, "node")
	program, dir := harakaProgram(t), mailtest.TempDir(t)
	if out, err := exec.Command(node, program, "-i", dir).CombinedOutput(); err != nil {
		t.Fatalf("haraka -i: %v\n%s", err, out)
	}
	defaults, err := os.ReadFile(filepath.Join(filepath.Dir(program), "..", "config", "connection.ini"))
	if err != nil {
		t.Fatal(err)
	}
	mailtest.WriteFiles(t, filepath.Join(dir, "config"), map[string]string{
		"me":             "mx." + mailtest.Domain + "\n",
		"host_list":      mailtest.Domain + "\n",
		"plugins":        "trust\nrcpt_to.in_host_list\nqueue/test\nready\n",
		"smtp.ini":       "listen=127.0.0.1:10025\n",
		"connection.ini": strings.Replace(string(defaults), "hosts[] =\n", "hosts[] = 127.0.0.1\n", 1),
	})
	mailtest.WriteFiles(t, filepath.Join(dir, "plugins"), map[string]string{"ready.js": readyPlugin, "trust.js": relayPlugin})
	cmd := ns.Command(context.Background(), node, program, "-c", dir)
	cmd.Env = append(os.Environ(), "TMPDIR="+mailtest.TempDir(t))
	p := mailtest.Start(t, "haraka", cmd)
	p.Printed("[ready] all plugins are ready")
	return p
}

// A talk is an SMTP session by hand.
type talk struct {
	net.Conn
	in *bufio.Reader
}

// say says a line, if any, and returns the last line of the reply.
func (c *talk) say(line string) (string, error) {
	if line != "" {
		if _, err := fmt.Fprint(c, line, "\r\n"); err != nil {
			return "", err
		}
	}
	for {
		text, err := c.in.ReadString('\n')
		if err != nil || len(text) < 4 || text[3] != '-' {
			return strings.TrimSpace(text), err
		}
	}
}

// TestFinding01Haraka: what docs/proxy.md and docs/upstream say of Haraka behind
// a proxy is so, and check -relay reports it.
func TestFinding01Haraka(t *testing.T) {
	pair := lab.NewPair(t)
	startTrusting(t, pair.Server)
	mailtest.SensorProgram(t)
	for _, tt := range []struct{ send, want string }{
		{"v2", "the mail server does not greet after a PROXY header of version 2"},
		{"v1", "open relay: the mail server lets the client itself name its address by a PROXY line, as Haraka does"},
	} {
		t.Run(tt.send, func(t *testing.T) {
			dir := mailtest.TempDir(t)
			config := filepath.Join(dir, "m.toml")
			mailtest.WriteFiles(t, dir, map[string]string{"m.toml": fmt.Sprintf(
				"[sensor]\nsource = \"proxy\"\n[p0f]\nsocket = %q\n[proxy]\nlisten = [%q]\nbackend = \"127.0.0.1:10025\"\nsend = %q\n",
				filepath.Join(dir, "p0f.sock"), netip.AddrPortFrom(pair.Server.IPv4, 25), tt.send)})
			program := filepath.Join(mailtest.BinDir, "mxprint")
			out, err := pair.Server.Command(t.Context(), program, "check", "-relay", "-config", config).CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("check -relay: %v\n%s\nwant %s", err, out, tt.want)
			}
			p := mailtest.Start(t, "proxy", pair.Server.Command(context.Background(), program, "serve", "-config", config))
			defer p.Stop()
			p.Printed("msg=ready")
			if tt.send == "v2" {
				c := dialProxy(t, pair)
				c.SetDeadline(time.Now().Add(3 * time.Second))
				if got, err := c.say(""); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Haraka greets after version 2 with %q, %v: the page says that it does not", got, err)
				}
				return
			}
			if got := rcpt(t, dialProxy(t, pair)); !strings.HasPrefix(got, "550") {
				t.Errorf("a stranger's RCPT to a foreign domain: %s, want 550", got)
			}
			c := dialProxy(t, pair)
			if got, err := c.say(""); err != nil || !strings.HasPrefix(got, "220") {
				t.Fatalf("greeting %q, %v", got, err)
			}
			if _, err := fmt.Fprint(c, "PROXY TCP4 127.0.0.1 127.0.0.1 1234 25\r\n"); err != nil {
				t.Fatal(err)
			}
			if got := rcpt(t, c); !strings.HasPrefix(got, "250") {
				t.Errorf("after the client's own PROXY line: %s, want 250 as long as docs/upstream says so", got)
			}
		})
	}
}

// dialProxy connects to the proxy from the client's namespace.
func dialProxy(t *testing.T, pair *lab.Pair) *talk {
	t.Helper()
	var nc net.Conn
	if err := pair.Client.Do(func() (err error) {
		nc, err = net.DialTimeout("tcp", netip.AddrPortFrom(pair.Server.IPv4, 25).String(), 10*time.Second)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	return &talk{nc, bufio.NewReader(nc)}
}

// rcpt reads the greeting, and returns the answer to a recipient elsewhere.
func rcpt(t *testing.T, c *talk) (answer string) {
	t.Helper()
	var err error
	for _, line := range []string{"", "EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<victim@elsewhere.example>"} {
		if answer, err = c.say(line); err != nil {
			t.Fatalf("%q: %q, %v", line, answer, err)
		}
	}
	return answer
}
