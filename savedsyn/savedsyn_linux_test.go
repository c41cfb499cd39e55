package savedsyn

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/signature"
)

// What users and the standard library look for in a connection.
var _ interface {
	net.Conn
	syscall.Conn
	io.ReaderFrom
	io.WriterTo
	CloseWrite() error
	SetNoDelay(bool) error
} = (*Conn)(nil)

// listen is Listen; it ends with the test.
func listen(t *testing.T, network, address string) *Listener {
	t.Helper()
	ln, err := Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	if ln.Err() != nil {
		t.Fatal(ln.Err())
	}
	return ln
}

// connect opens a connection to the port of ln, and returns both ends.
func connect(t *testing.T, ln net.Listener, network, host string) (client, server net.Conn) {
	t.Helper()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client, err = net.Dial(network, net.JoinHostPort(host, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}

// wantNamed wants the note of a connection from this machine.
func wantNamed(t *testing.T, n note.Note) {
	t.Helper()
	if n.State != note.Matched || n.OSName != "Linux" || !n.ByConnection || n.Distance != note.Hops(0) ||
		n.RawSig[0] == '4' && n.LinkType != "loopback" || n.TotalConn != 1 || n.FirstSeen.IsZero() || n.LastSeen != n.FirstSeen || n.UpModDays != 0 {
		t.Errorf("note %+v, want one of a Linux on this machine", n)
	}
}

// wantNone wants the note of a connection without a SYN.
func wantNone(t *testing.T, c net.Conn) {
	t.Helper()
	if n := Fingerprint(c); !reflect.DeepEqual(n, note.Note{}) {
		t.Errorf("note %+v, want one that claims nothing", n)
	}
	if saved, ok := c.(*Conn); ok {
		if syn, err := saved.SYN(); !errors.Is(err, ErrUnavailable) || syn != nil {
			t.Errorf("SYN() = %x, %v, want %v", syn, err, ErrUnavailable)
		}
	}
}

func TestListen(t *testing.T) {
	for _, tt := range []struct {
		name, network, address string
		dial, host             string
		version                string
	}{
		{"IPv4", "tcp4", "127.0.0.1:0", "tcp", "127.0.0.1", "4"},
		{"IPv6", "tcp6", "[::1]:0", "tcp", "::1", "6"},
		{"IPv4 on a dual-stack socket", "tcp", "[::]:0", "tcp4", "127.0.0.1", "4"},
		{"IPv6 on a dual-stack socket", "tcp", "[::]:0", "tcp6", "::1", "6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, server := connect(t, listen(t, tt.network, tt.address), tt.dial, tt.host)
			n := Fingerprint(server)
			wantNamed(t, n)
			if !strings.HasPrefix(n.RawSig, tt.version+":") {
				t.Errorf("raw signature %s, want IPv%s", n.RawSig, tt.version)
			}
			syn, err := server.(*Conn).SYN()
			if err != nil {
				t.Fatal(err)
			}
			s, err := Decode(syn)
			remote := netip.MustParseAddrPort(server.RemoteAddr().String())
			if err != nil || s.Src != netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()) {
				t.Errorf("Decode(%x) = %+v, %v, want a SYN from %v", syn, s, err, remote)
			}
			// The kernel gives it out once; the connection keeps it.
			server.Close()
			if again := Fingerprint(server); !reflect.DeepEqual(again, n) {
				t.Errorf("asked again after Close: %+v, want %+v", again, n)
			}
		})
	}
}

// TestOwnDatabase: the names are those of Listener.DB.
func TestOwnDatabase(t *testing.T) {
	const text = "classes = unix\n[tcp:request]\nlabel = g:unix:Ours:\nsig = 4:64:0:*:*,*:mss,sok,ts,nop,ws:df,id+:0\n"
	db, err := signature.Parse(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t, "tcp4", "127.0.0.1:0")
	ln.DB = db
	_, server := connect(t, ln, "tcp4", "127.0.0.1")
	if n := Fingerprint(server); n.OSName != "Ours" || n.Quality != note.Generic {
		t.Errorf("note %+v, want the name of the database given", n)
	}
}

// TestMultipathListener: net.Listen speaks Multipath TCP, where the kernel saves
// no SYNs. It serves, and says why it does no more.
func TestMultipathListener(t *testing.T) {
	var config net.ListenConfig
	config.SetMultipathTCP(true)
	inner, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	ln := NewListener(inner)
	if ln.Err() == nil {
		lab.Skip(t, "needs a kernel with Multipath TCP")
	}
	if err := ln.Err(); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "SetMultipathTCP(false)") {
		t.Errorf("Err() = %v, want the way out", err)
	}
	_, server := connect(t, ln, "tcp", "127.0.0.1")
	wantNone(t, server)
	if _, err := server.(*Conn).SYN(); err != ln.Err() {
		t.Errorf("SYN: %v, want the listener's reason", err)
	}
}

// TestMultipathClient is named by a listener of plain TCP.
func TestMultipathClient(t *testing.T) {
	ln := listen(t, "tcp", "127.0.0.1:0")
	var d net.Dialer
	d.SetMultipathTCP(true)
	client, err := d.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	n := Fingerprint(server)
	wantNamed(t, n)
	if !strings.Contains(n.RawSig, ",?30:") {
		lab.Skip(t, "needs a kernel with Multipath TCP")
	}
}

// TestInherited: a listener from another process, as of systemd's socket
// activation. The connection that waits in it was made before SYNs were saved.
func TestInherited(t *testing.T) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	first, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := first.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	waiting, err := net.Dial("tcp", first.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	inherited, err := net.FileListener(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	ln := NewListener(inherited)
	if ln.Err() != nil {
		t.Fatal(ln.Err())
	}
	older, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer older.Close()
	if older.RemoteAddr().String() != waiting.LocalAddr().String() {
		t.Fatalf("accepted %v, want %v", older.RemoteAddr(), waiting.LocalAddr())
	}
	wantNone(t, older)
	_, server := connect(t, ln, "tcp", "127.0.0.1")
	wantNamed(t, Fingerprint(server))
}

// socketless is a listener that shows no socket, as limits and the like do.
type socketless struct{ net.Listener }

// TestOtherListeners work, and their connections have no SYN.
func TestOtherListeners(t *testing.T) {
	unix, err := net.Listen("unix", t.TempDir()+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, inner := range []net.Listener{unix, socketless{hidden}} {
		ln := NewListener(inner)
		defer ln.Close()
		if err := ln.Err(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Err() of a %T = %v, want %v", inner, err, ErrUnavailable)
		}
		client, err := net.Dial(inner.Addr().Network(), inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		wantNone(t, server)
	}
}

// TestSynCookies: with SYN cookies for every connection the kernel has no SYN
// to keep, and nothing is made up.
func TestSynCookies(t *testing.T) {
	ns := lab.NewNetNS(t)
	var ln *Listener
	if err := ns.Do(func() (err error) {
		if err := os.WriteFile("/proc/sys/net/ipv4/tcp_syncookies", []byte("2"), 0); err != nil {
			return err
		}
		ln, err = Listen("tcp", "[::]:0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if ln.Err() != nil {
		t.Fatal(ln.Err())
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		for range 20 {
			if err := ns.Do(func() error {
				_, server := connect(t, ln, "tcp", host)
				wantNone(t, server)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestHTTP: the note gets to a handler by the context, also through TLS.
func TestHTTP(t *testing.T) {
	for _, secure := range []bool{false, true} {
		var got note.Note
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = note.FromContext(r.Context())
		}))
		server.Listener.Close()
		server.Listener = listen(t, "tcp", "127.0.0.1:0")
		server.Config.ConnContext = ConnContext
		if secure {
			server.StartTLS()
		} else {
			server.Start()
		}
		resp, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		server.Close()
		wantNamed(t, got)
	}
}

// loop is a connection around itself.
type loop struct{ net.Conn }

func (l loop) NetConn() net.Conn { return l }

func TestFingerprintOfOthers(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	for _, c := range []net.Conn{nil, a, tls.Client(a, &tls.Config{}), loop{a}} {
		wantNone(t, c)
	}
	if n := note.FromContext(context.Background()); !reflect.DeepEqual(n, note.Note{}) {
		t.Errorf("note of an empty context: %+v", n)
	}
}

// TestSplice: what one connection sends is forwarded to another within the
// kernel, through a pipe, in either direction.
func TestSplice(t *testing.T) {
	client, server := connect(t, listen(t, "tcp", "127.0.0.1:0"), "tcp", "127.0.0.1")
	far, near := connect(t, listen(t, "tcp", "127.0.0.1:0"), "tcp", "127.0.0.1")
	before := pipes(t)
	var wg sync.WaitGroup
	for _, way := range []struct{ to, from net.Conn }{{near, server}, {server, near}} {
		wg.Go(func() {
			if _, err := io.Copy(way.to, way.from); err != nil {
				t.Error(err)
			}
			way.to.(*Conn).CloseWrite()
		})
	}
	for _, way := range []struct{ from, to net.Conn }{{client, far}, {far, client}} {
		b := make([]byte, 4)
		if _, err := io.WriteString(way.from, "text"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(way.to, b); err != nil || string(b) != "text" {
			t.Fatalf("forwarded %q, %v", b, err)
		}
	}
	if n := pipes(t) - before; n != 4 {
		t.Errorf("%d ends of pipes more while copying both ways, want 4", n)
	}
	for _, way := range []struct{ from, to net.Conn }{{client, far}, {far, client}} {
		way.from.(*net.TCPConn).CloseWrite()
		if rest, err := io.ReadAll(way.to); err != nil || len(rest) != 0 {
			t.Errorf("after CloseWrite: %q, %v", rest, err)
		}
	}
	wg.Wait()
}

// pipes counts the ends of pipes that the process has open.
func pipes(t *testing.T) (n int) {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if to, _ := os.Readlink("/proc/self/fd/" + f.Name()); strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

// TestConcurrent: many accept and ask at one time, and each gets the SYN of its
// own client.
func TestConcurrent(t *testing.T) {
	const accepters, clients, each = 4, 8, 50
	ln := listen(t, "tcp", "127.0.0.1:0")
	var wrong, done atomic.Int64
	var serving, dialing sync.WaitGroup
	for range accepters {
		serving.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				serving.Go(func() {
					defer c.Close()
					syn, err := c.(*Conn).SYN()
					s, decodeErr := Decode(syn)
					if err != nil || decodeErr != nil || s.Src.String() != c.RemoteAddr().String() ||
						Fingerprint(c).State != note.Matched {
						wrong.Add(1)
					}
					done.Add(1)
				})
			}
		})
	}
	for range clients {
		dialing.Go(func() {
			for range each {
				c, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, c) // until the server has looked
				c.Close()
			}
		})
	}
	dialing.Wait()
	ln.Close()
	serving.Wait()
	if done.Load() != clients*each || wrong.Load() != 0 {
		t.Errorf("%d of %d connections served, %d wrong", done.Load(), clients*each, wrong.Load())
	}
}

func TestFingerprintAllocs(t *testing.T) {
	_, server := connect(t, listen(t, "tcp", "127.0.0.1:0"), "tcp", "127.0.0.1")
	c := server.(*Conn)
	Fingerprint(c) // reads the database
	// The text of the raw signature.
	if n := testing.AllocsPerRun(100, func() { c.Fingerprint() }); n > 1 {
		t.Errorf("Fingerprint allocates %v times, want 1", n)
	}
}

func BenchmarkAccept(b *testing.B) {
	for _, tt := range []struct {
		name string
		wrap func(net.Listener) net.Listener
	}{
		{"plain", func(ln net.Listener) net.Listener { return ln }},
		{"savedsyn", func(ln net.Listener) net.Listener { return NewListener(ln) }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			var config net.ListenConfig
			config.SetMultipathTCP(false)
			inner, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			ln := tt.wrap(inner)
			defer ln.Close()
			for b.Loop() {
				b.StopTimer()
				client, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				server, err := ln.Accept()
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				server.Close()
				client.Close()
				b.StartTimer()
			}
		})
	}
}

func BenchmarkFingerprint(b *testing.B) {
	ln, err := Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	server, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	b.ReportAllocs()
	for b.Loop() {
		Fingerprint(server)
	}
}
