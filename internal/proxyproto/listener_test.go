package proxyproto_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/proxyproto"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/test/fronttest"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// listen serves on loopback, as every server of ours does. What is let in comes
// out of the channel.
func listen(t *testing.T, from []netip.Prefix, cfg serve.Config) (*net.TCPAddr, <-chan net.Conn, *fronttest.Log) {
	t.Helper()
	fronttest.Leaks(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := &fronttest.Log{}
	cfg.Logger = log.Logger()
	in := make(chan net.Conn, 10)
	var g serve.Group
	stop := fronttest.Start(func(ctx context.Context, ln net.Listener) error {
		return g.Serve(ctx, ln, cfg, func(_ context.Context, nc net.Conn) { in <- nc })
	}, proxyproto.Listen(inner, from))
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return inner.Addr().(*net.TCPAddr), in, log
}

// dial connects and writes text.
func dial(t *testing.T, to *net.TCPAddr, text string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
	return nc
}

const goodHeader = "PROXY TCP4 198.18.0.7 198.18.0.2 41688 25\r\n"

func TestListener(t *testing.T) {
	addr, conns, log := listen(t, loopback, serve.Config{})
	for _, tt := range []struct{ name, header, remote, local string }{
		{"client", goodHeader, "198.18.0.7:41688", "198.18.0.2:25"},
		{"health check", "PROXY UNKNOWN\r\n", "", ""},
		{"version 2, UNSPEC", "\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x00", "", ""},
		{"version 2, unix", "\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8" + strings.Repeat("\x00", 216), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := dial(t, addr, tt.header+"EHLO")
			in := <-conns
			defer in.Close()
			if tt.remote == "" {
				tt.remote, tt.local = out.LocalAddr().String(), out.RemoteAddr().String()
			}
			if r, l := in.RemoteAddr().String(), in.LocalAddr().String(); r != tt.remote || l != tt.local {
				t.Errorf("from %s to %s, want %s to %s", r, l, tt.remote, tt.local)
			}
			buf := make([]byte, 10)
			if n, err := in.Read(buf); string(buf[:n]) != "EHLO" {
				t.Errorf("Read = %q, %v, want EHLO", buf[:n], err)
			}
			inner := in.(interface{ NetConn() net.Conn }).NetConn().(*proxyproto.Conn).NetConn()
			if got := inner.RemoteAddr().String(); got != out.LocalAddr().String() {
				t.Errorf("NetConn is from %s, want %s", got, out.LocalAddr())
			}
		})
	}
	if lines := log.Lines(); len(lines) != 0 {
		t.Errorf("log %q, want nothing", lines)
	}
}

// What is not a header of a balancer is logged and closed, and the server never
// sees it.
func TestListenerRefuses(t *testing.T) {
	soon := serve.Config{GreetTime: 50 * time.Millisecond}
	for _, tt := range []struct {
		name, text string
		from       []netip.Prefix
		cfg        serve.Config
		end        bool // the client ends its direction
		log        string
	}{
		{"broken", "PROXY TCP4 nobody\r\n", loopback, serve.Config{}, false, `reason="not a PROXY header`},
		{"none", "EHLO x\r\n", loopback, serve.Config{}, false, `it begins with \"EHLO x`},
		{"gone", "", loopback, serve.Config{}, true, "closed without a byte"},
		{"not allowed", goodHeader, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, serve.Config{}, false, "may not send a PROXY header"},
		{"none allowed", goodHeader, nil, serve.Config{}, false, "may not send a PROXY header"},
		{"silent", "", loopback, soon, false, "timeout"},
		{"stalls", "PROXY TCP4 198.18", loopback, soon, false, "timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, in, log := listen(t, tt.from, tt.cfg)
			out := dial(t, addr, tt.text)
			if tt.end {
				out.(*net.TCPConn).CloseWrite()
			}
			if b, err := io.ReadAll(out); len(b) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the client reads %q, %v, want the end", b, err)
			}
			for end := time.Now().Add(20 * time.Second); len(log.Lines()) == 0 && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			lines := log.Lines()
			if len(lines) != 1 || !strings.Contains(lines[0], tt.log) || !strings.Contains(lines[0], "client="+out.LocalAddr().String()) {
				t.Errorf("log %q, want one line with %s and the address", lines, tt.log)
			}
			if len(in) > 0 {
				t.Error("the server sees the connection")
			}
		})
	}
}

// A client that says nothing does not hold up the next one; of too many the
// oldest is closed.
func TestListenerSilentClients(t *testing.T) {
	addr, in, log := listen(t, loopback, serve.Config{MaxStrangers: 2})
	silent := dial(t, addr, "")
	dial(t, addr, goodHeader)
	(<-in).Close()
	dial(t, addr, "PROXY")
	dial(t, addr, "PROXY")
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest client without a header: Read = %v, want the end", err)
	}
	for end := time.Now().Add(20 * time.Second); len(log.Lines()) == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "too many clients") {
		t.Errorf("log %q, want one line", lines)
	}
	dial(t, addr, goodHeader)
	(<-in).Close()
}
