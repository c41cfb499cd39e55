package proxy_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/internal/proxy"
	"github.com/mxprint/mxprint/internal/proxyproto"
	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/savedsyn"
)

const patience = 20 * time.Second // only a real hang lasts longer

// backend is a mail server of a test: whatever it accepts.
type backend struct{ net.Listener }

func newBackend(t *testing.T, network, addr string) backend {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return backend{ln}
}

// accept returns the next connection.
func (b backend) accept(t *testing.T) net.Conn {
	t.Helper()
	type deadline interface{ SetDeadline(time.Time) error }
	b.Listener.(deadline).SetDeadline(time.Now().Add(patience))
	nc, err := b.Accept()
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { nc.Close() })
	return nc
}

// start runs a proxy on loopback.
func start(t *testing.T, s *proxy.Server, from ...netip.Prefix) (addr string, stop func() error, log *fronttest.Log) {
	t.Helper()
	kept, err := savedsyn.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log = &fronttest.Log{}
	s.Logger = log.Logger()
	ln := net.Listener(kept)
	if len(from) > 0 {
		ln = proxyproto.Listen(ln, from)
	}
	stop = fronttest.Start(s.Serve, ln)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return kept.Addr().String(), stop, log
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { nc.Close() })
	return nc.(*net.TCPConn)
}

func write(t *testing.T, nc net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
}

// wantRead reads what must come.
func wantRead(t *testing.T, nc net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(nc, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

func wantEnd(t *testing.T, nc net.Conn) {
	t.Helper()
	if n, err := nc.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v, want the end", n, err)
	}
}

// Bytes go both ways unchanged, at the same time and more than any buffer has,
// and each direction ends for itself.
func TestCarries(t *testing.T) {
	for _, tt := range []struct{ network, addr string }{{"tcp", "127.0.0.1:0"}, {"unix", filepath.Join(t.TempDir(), "smtp.sock")}} {
		t.Run(tt.network, func(t *testing.T) {
			fronttest.Leaks(t)
			b := newBackend(t, tt.network, tt.addr)
			addr, _, _ := start(t, &proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing})
			client := dial(t, addr)
			server := b.accept(t)
			const size = 8 << 20
			sent := make(chan [32]byte, 2)
			for _, nc := range []interface {
				io.Writer
				CloseWrite() error
			}{client, server.(interface {
				io.Writer
				CloseWrite() error
			})} {
				go func() {
					sum := sha256.New()
					io.Copy(io.MultiWriter(nc, sum), io.LimitReader(rand.NewChaCha8([32]byte{1}), size))
					nc.CloseWrite()
					sent <- [32]byte(sum.Sum(nil))
				}()
			}
			got := make(chan [32]byte, 2)
			for _, nc := range []net.Conn{client, server} {
				go func() {
					sum := sha256.New()
					if n, err := io.Copy(sum, nc); n != size || err != nil {
						t.Errorf("%d bytes, %v, want %d", n, err, size)
					}
					got <- [32]byte(sum.Sum(nil))
				}()
			}
			want := <-sent
			for _, sum := range [][32]byte{<-sent, <-got, <-got} {
				if sum != want {
					t.Errorf("sum %x, want %x", sum, want)
				}
			}
		})
	}
}

func TestHalfClose(t *testing.T) {
	fronttest.Leaks(t)
	b := newBackend(t, "tcp", "127.0.0.1:0")
	addr, _, _ := start(t, &proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing})
	client := dial(t, addr)
	server := b.accept(t).(*net.TCPConn)
	write(t, client, "last words")
	client.CloseWrite()
	wantRead(t, server, "last words")
	wantEnd(t, server)
	write(t, server, "still here")
	wantRead(t, client, "still here")
	server.CloseWrite()
	wantEnd(t, client)

	client = dial(t, addr)
	server = b.accept(t).(*net.TCPConn)
	server.CloseWrite()
	wantEnd(t, client)
	write(t, client, "still here")
	wantRead(t, server, "still here")
	client.Close()
	wantEnd(t, server)
}

// What the mail server does not read is left with the client, and comes when it
// is read; the other direction goes on meanwhile.
func TestBackpressure(t *testing.T) {
	fronttest.Leaks(t)
	b := newBackend(t, "tcp", "127.0.0.1:0")
	addr, _, _ := start(t, &proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing})
	client := dial(t, addr)
	server := b.accept(t).(*net.TCPConn)
	sent, text := sha256.New(), make([]byte, 1<<20)
	size := 0
	for {
		rand.NewChaCha8([32]byte{byte(size >> 20)}).Read(text)
		client.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := client.Write(text)
		sent.Write(text[:n])
		if size += n; errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil || size > 256<<20 {
			t.Fatalf("%d bytes were taken that are not read, %v", size, err)
		}
	}
	client.CloseWrite()
	write(t, server, "still here")
	wantRead(t, client, "still here")
	got := sha256.New()
	if n, err := io.Copy(got, server); int(n) != size || err != nil {
		t.Errorf("%d bytes, %v, want %d", n, err, size)
	}
	if !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
		t.Error("other bytes came than were sent")
	}
	write(t, server, "all read")
	wantRead(t, client, "all read")
}

// A connection that one end resets ends at the other.
func TestReset(t *testing.T) {
	fronttest.Leaks(t)
	b := newBackend(t, "tcp", "127.0.0.1:0")
	addr, _, _ := start(t, &proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing})
	for range 2 {
		client := dial(t, addr)
		server := b.accept(t).(*net.TCPConn)
		client.SetLinger(0)
		client.Close()
		wantEnd(t, server)

		client = dial(t, addr)
		server = b.accept(t).(*net.TCPConn)
		write(t, server, "220 ") // one that is reset before the proxy has it is one that failed
		wantRead(t, client, "220 ")
		server.SetLinger(0)
		server.Close()
		wantEnd(t, client)
	}
}

// The mail server gets the address of the client, and the sensor knows it.
func TestTellsOfClient(t *testing.T) {
	for _, tt := range []struct {
		name string
		send proxy.Send
		note bool
	}{{"v1", proxy.V1, false}, {"v2", proxy.V2, false}, {"v2 with note", proxy.V2, true}} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			e, err := engine.New(engine.Config{Hosts: engine.Hosts{Recent: 100}})
			if err != nil {
				t.Fatal(err)
			}
			source := proxy.NewSource()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- e.Run(ctx, source) }()
			defer func() { cancel(); <-ended }()

			b := newBackend(t, "tcp", "127.0.0.1:0")
			s := &proxy.Server{Backend: b.Addr().String(), Send: tt.send, Source: source}
			if tt.note {
				s.Notes = e
			}
			addr, _, _ := start(t, s)
			for range 10 {
				client := dial(t, addr)
				write(t, client, "EHLO")
				server := b.accept(t)
				h, err := proxyproto.Read(server)
				from := client.LocalAddr().(*net.TCPAddr).AddrPort()
				if err != nil || h.Client != from || h.Server.String() != addr {
					t.Fatalf("header %+v, %v, want from %s to %s", h, err, from, addr)
				}
				wantRead(t, server, "EHLO")
				n, err := e.Lookup(t.Context(), note.Query{Client: h.Client, Server: h.Server, Wait: patience})
				if err != nil || n.State != note.Matched || n.OSName != "Linux" || !n.ByConnection {
					t.Fatalf("Lookup = %+v, %v, want Linux by connection", n, err)
				}
				if has := bytes.Contains(h.Note, []byte(`"os_name":"Linux"`)); has != tt.note {
					t.Errorf("the header has the note %s", h.Note)
				}
				client.Close()
				wantEnd(t, server)
			}
		})
	}
}

// Behind another balancer, the client is the one it names, and its SYN is not
// the client's: nothing is learned from it.
func TestBehindBalancer(t *testing.T) {
	fronttest.Leaks(t)
	source := proxy.NewSource()
	defer source.Close()
	missed := 0
	b := newBackend(t, "tcp", "127.0.0.1:0")
	addr, _, _ := start(t, &proxy.Server{Backend: b.Addr().String(), Source: source, Missed: func(_, _ netip.AddrPort) { missed++ }},
		netip.MustParsePrefix("127.0.0.0/8"))
	for _, tt := range []struct{ in, want string }{
		{"PROXY TCP4 198.18.0.7 198.18.0.2 41688 25\r\n", "198.18.0.7:41688"},
		{"PROXY TCP6 2001:db8::7 2001:db8::2 41688 25\r\n", "[2001:db8::7]:41688"},
		{"PROXY UNKNOWN\r\n", "invalid AddrPort"},
	} {
		client := dial(t, addr)
		write(t, client, tt.in+"EHLO")
		server := b.accept(t)
		h, err := proxyproto.Read(server)
		if err != nil || h.Client.String() != tt.want {
			t.Errorf("header %+v, %v, want from %s", h, err, tt.want)
		}
		wantRead(t, server, "EHLO")
	}
	source.Close()
	for range 50 { // either may be chosen, the end or a frame
		err := source.Read(t.Context(), func(f *capture.Frame) { t.Errorf("the balancer's SYN was taken: %x", f.Data) })
		if !errors.Is(err, capture.ErrClosed) || missed != 0 {
			t.Fatalf("Read = %v, %d missed", err, missed)
		}
	}
}

func TestMailServerAway(t *testing.T) {
	fronttest.Leaks(t)
	b := newBackend(t, "tcp", "127.0.0.1:0")
	b.Close()
	s := &proxy.Server{Backend: b.Addr().String(), Name: "mx.example"}
	addr, _, log := start(t, s)
	for range 3 {
		client := dial(t, addr)
		wantRead(t, client, "421 mx.example Service not available, try again later\r\n")
		wantEnd(t, client)
	}
	if lines := log.Lines(); len(lines) == 0 || len(lines) > 3 ||
		!strings.Contains(lines[0], "the mail server cannot be reached; its client was answered 421") || !strings.Contains(lines[0], "connection refused") {
		t.Errorf("log %q, want a line a second at most", lines)
	}
	if got := s.Stats().Failed; got != 3 {
		t.Errorf("Failed = %d, want 3", got)
	}
}

func TestTooMany(t *testing.T) {
	fronttest.Leaks(t)
	b := newBackend(t, "tcp", "127.0.0.1:0")
	addr, _, log := start(t, &proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing, MaxConns: 1})
	first := dial(t, addr)
	server := b.accept(t)
	second := dial(t, addr)
	wantRead(t, second, "421 localhost Service not available, try again later\r\n")
	wantEnd(t, second)
	if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "too many connections") {
		t.Errorf("log %q, want one line", lines)
	}
	first.Close()
	wantEnd(t, server)
	server.Close()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // until the first is gone
		nc := dial(t, addr)
		b.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Millisecond))
		third, err := b.Accept()
		if err == nil {
			write(t, third, "220 ")
			wantRead(t, nc, "220 ")
			third.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal("the room of a connection that has ended is not used again")
		}
	}
}

// At the end of the server, connections go on to their own end.
func TestDrain(t *testing.T) {
	fronttest.Leaks(t)
	b := newBackend(t, "tcp", "127.0.0.1:0")
	addr, stop, log := start(t, &proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing, Drain: time.Hour})
	client := dial(t, addr)
	server := b.accept(t)
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for end := time.Now().Add(patience); len(log.Lines()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the log says nothing of the end")
		}
	}
	if nc, err := net.DialTimeout("tcp", addr, patience); err == nil {
		nc.Close()
		t.Error("a connection is taken after the end")
	}
	write(t, client, "DATA")
	wantRead(t, server, "DATA")
	write(t, server, "354 ")
	wantRead(t, client, "354 ")
	select {
	case err := <-ended:
		t.Fatalf("Serve = %v before the end of its connection", err)
	default:
	}
	client.Close()
	wantEnd(t, server)
	server.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// When the time is over, connections are cut.
func TestDrainCuts(t *testing.T) {
	fronttest.Leaks(t)
	b := newBackend(t, "tcp", "127.0.0.1:0")
	addr, stop, _ := start(t, &proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing, Drain: -1})
	client := dial(t, addr)
	server := b.accept(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
	wantEnd(t, client)
	wantEnd(t, server)
}

func TestIdle(t *testing.T) {
	fronttest.Leaks(t)
	b := newBackend(t, "tcp", "127.0.0.1:0")
	addr, _, log := start(t, &proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing, Idle: 50 * time.Millisecond})
	client := dial(t, addr)
	server := b.accept(t)
	wantEnd(t, client)
	wantEnd(t, server)
	if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "no bytes passed") {
		t.Errorf("log %q, want one line", lines)
	}
}
