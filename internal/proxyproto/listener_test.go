package proxyproto_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/proxyproto"
	"github.com/mxprint/mxprint/internal/test/fronttest"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// listen makes a listener on loopback, with what it logs.
func listen(t *testing.T, cfg proxyproto.Config) (net.Listener, *fronttest.Log) {
	t.Helper()
	fronttest.Leaks(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := &fronttest.Log{}
	cfg.Logger = log.Logger()
	ln := proxyproto.Listen(inner, cfg)
	t.Cleanup(func() { ln.Close() })
	return ln, log
}

// dial connects to ln and writes text.
func dial(t *testing.T, ln net.Listener, text string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", ln.Addr().String())
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
	ln, log := listen(t, proxyproto.Config{From: loopback})
	for _, tt := range []struct{ name, header, remote, local string }{
		{"client", goodHeader, "198.18.0.7:41688", "198.18.0.2:25"},
		{"health check", "PROXY UNKNOWN\r\n", "", ""},
		{"version 2, UNSPEC", "\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x00", "", ""},
		{"version 2, unix", "\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8" + strings.Repeat("\x00", 216), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := dial(t, ln, tt.header+"EHLO")
			in, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
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
			if got := in.(*proxyproto.Conn).NetConn().RemoteAddr().String(); got != out.LocalAddr().String() {
				t.Errorf("NetConn is from %s, want %s", got, out.LocalAddr())
			}
		})
	}
	if lines := log.Lines(); len(lines) != 0 {
		t.Errorf("log %q, want nothing", lines)
	}
}

// What is no header of a balancer is logged and closed, and the server never
// sees it.
func TestListenerRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		cfg        proxyproto.Config
		end        bool // the client ends its direction
		log        string
	}{
		{"broken", "PROXY TCP4 nobody\r\n", proxyproto.Config{From: loopback}, false, `broken PROXY header" reason="not a PROXY header`},
		{"none", "EHLO x\r\n", proxyproto.Config{From: loopback}, false, `it begins with \"EHLO x`},
		{"gone", "", proxyproto.Config{From: loopback}, true, "closed without a byte"},
		{"not allowed", goodHeader, proxyproto.Config{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, false, "may not send a PROXY header"},
		{"nobody allowed", goodHeader, proxyproto.Config{}, false, "may not send a PROXY header"},
		{"silent", "", proxyproto.Config{From: loopback, Timeout: 50 * time.Millisecond}, false, "no whole PROXY header within 50ms"},
		{"stalls", "PROXY TCP4 198.18", proxyproto.Config{From: loopback, Timeout: 50 * time.Millisecond}, false, "no whole PROXY header within 50ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, log := listen(t, tt.cfg)
			out := dial(t, ln, tt.text)
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
			if len(lines) != 1 || !strings.Contains(lines[0], tt.log) || !strings.Contains(lines[0], "from="+out.LocalAddr().String()) {
				t.Errorf("log %q, want one line with %s and the address", lines, tt.log)
			}
			ln.Close()
			if c, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept = %v, %v, want %v", c, err, net.ErrClosed)
			}
		})
	}
}

// A client that says nothing does not hold up the next one, nor Close; too many
// of them are turned away.
func TestListenerSilentClients(t *testing.T) {
	ln, log := listen(t, proxyproto.Config{From: loopback, MaxPending: 2})
	silent := dial(t, ln, "")
	dial(t, ln, goodHeader)
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	second := dial(t, ln, "PROXY")
	var third net.Conn
	for end := time.Now().Add(20 * time.Second); len(log.Lines()) == 0 && time.Now().Before(end); {
		third = dial(t, ln, "PROXY")
		third.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		third.Read(make([]byte, 1))
	}
	if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "too many wait") {
		t.Errorf("log %q, want one line", lines)
	}
	ln.Close()
	for _, nc := range []net.Conn{silent, second} {
		if _, err := nc.Read(make([]byte, 1)); err == nil {
			t.Error("a client without a header is served")
		}
	}
}
