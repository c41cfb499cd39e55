package sockops

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

// A ground is a pair of namespaces and a cgroup, with the test process in it.
type ground struct {
	*lab.Pair
	cgroup *lab.Cgroup
	log    bytes.Buffer // of the sources; read it when they are closed
}

func newGround(t testing.TB) *ground {
	t.Helper()
	g := &ground{Pair: lab.NewPair(t), cgroup: lab.NewCgroup(t)}
	t.Cleanup(g.cgroup.Enter())
	return g
}

// open opens a source in the server's namespace, at the cgroup unless cfg names
// another.
func (g *ground) open(t testing.TB, cfg Config) *Source {
	t.Helper()
	if cfg.Cgroup == "" {
		cfg.Cgroup = g.cgroup.Path
	}
	cfg.Log = slog.New(slog.NewTextHandler(&g.log, nil))
	var s *Source
	if err := g.Server.Do(func() (err error) {
		s, err = Open(cfg)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// listen listens in the server's namespace, on an address or "::".
func (g *ground) listen(t testing.TB, addr string, port uint16) *net.TCPListener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	return g.listenBy(t, &lc, addr, port)
}

func (g *ground) listenBy(t testing.TB, lc *net.ListenConfig, addr string, port uint16) *net.TCPListener {
	t.Helper()
	to := netip.AddrPortFrom(netip.MustParseAddr(addr), port)
	var l net.Listener
	if err := g.Server.Do(func() (err error) {
		l, err = lc.Listen(t.Context(), "tcp", to.String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// connect makes a connection from the client's namespace to a listener, by the
// address to, and returns the server's side of it.
func (g *ground) connect(t testing.TB, l *net.TCPListener, to netip.Addr) *net.TCPConn {
	t.Helper()
	end := netip.AddrPortFrom(to, l.Addr().(*net.TCPAddr).AddrPort().Port())
	var client net.Conn
	if err := g.Client.Do(func() (err error) {
		client, err = net.DialTimeout("tcp", end.String(), 10*time.Second)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	l.SetDeadline(time.Now().Add(10 * time.Second))
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// read returns the next frame, copied.
func read(t testing.TB, s *Source) capture.Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []capture.Frame
	for len(got) == 0 {
		if err := s.Read(ctx, func(f *capture.Frame) {
			c := *f
			c.Data = bytes.Clone(f.Data)
			got = append(got, c)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) > 1 {
		t.Fatalf("%d frames, want 1", len(got))
	}
	return got[0]
}

// option is a socket option of TCP.
func option(t testing.TB, s syscall.Conn, opt int) (n int) {
	t.Helper()
	raw, err := s.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), unix.SOL_TCP, opt) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return n
}

// savedSYN is what the kernel itself gives the server of its client's SYN.
func savedSYN(t testing.TB, c *net.TCPConn) string {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 256)
	var n int
	if e := raw.Control(func(fd uintptr) { n, err = getsockopt(fd, unix.TCP_SAVED_SYN, buf) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return string(buf[:n])
}

// ends are the client's and the server's end of a connection.
func ends(c *net.TCPConn) (client, server netip.AddrPort) {
	unmapped := func(a net.Addr) netip.AddrPort {
		end := a.(*net.TCPAddr).AddrPort()
		return netip.AddrPortFrom(end.Addr().Unmap(), end.Port())
	}
	return unmapped(c.RemoteAddr()), unmapped(c.LocalAddr())
}

// TestSource: the frame is the very SYN, whatever listens and since when.
func TestSource(t *testing.T) {
	g := newGround(t)
	multipath := net.ListenConfig{} // Go's default for listeners
	multipath.SetMultipathTCP(true)
	plain := net.ListenConfig{}
	plain.SetMultipathTCP(false)
	v4, v6 := g.Server.IPv4, g.Server.IPv6
	tests := []struct {
		name   string
		config *net.ListenConfig
		listen string
		port   uint16
		to     netip.Addr
		older  bool
		l      *net.TCPListener
	}{
		{name: "IPv4 before", config: &plain, listen: v4.String(), port: 25, to: v4, older: true},
		{name: "IPv6 before", config: &plain, listen: v6.String(), port: 25, to: v6, older: true},
		{name: "mapped before", config: &plain, listen: "::", port: 465, to: v4, older: true},
		{name: "multipath before", config: &multipath, listen: v4.String(), port: 588, to: v4, older: true},
		{name: "IPv4 after", config: &plain, listen: v4.String(), port: 587, to: v4},
		{name: "IPv6 after", config: &plain, listen: v6.String(), port: 587, to: v6},
		{name: "mapped after", config: &plain, listen: "::", port: 26, to: v4},
		{name: "IPv6 on both after", config: &plain, listen: "::", port: 27, to: v6},
		{name: "multipath after", config: &multipath, listen: v4.String(), port: 28, to: v4},
	}
	for i := range tests {
		if tt := &tests[i]; tt.older {
			tt.l = g.listenBy(t, tt.config, tt.listen, tt.port)
		}
	}
	s := g.open(t, Config{Ports: []uint16{25, 465, 587, 588, 26, 27, 28}, Missed: func(c, s netip.AddrPort) {
		t.Errorf("no SYN of %v to %v", c, s)
	}})
	for i := range tests {
		tt := &tests[i]
		t.Run(tt.name, func(t *testing.T) {
			if tt.l == nil {
				tt.l = g.listenBy(t, tt.config, tt.listen, tt.port)
			}
			c := g.connect(t, tt.l, tt.to)
			f := read(t, s)
			if want := savedSYN(t, c); string(f.Data) != want || f.Link != packet.LinkRaw || f.WireLen != len(want) {
				t.Errorf("frame of link %d, %d bytes on the wire: %x, the server's own: %x", f.Link, f.WireLen, f.Data, want)
			}
			var seg packet.Segment
			d := packet.Decoder{Link: f.Link, HeadersOnly: true}
			if err := d.Decode(f.Data, f.WireLen, &seg); err != nil {
				t.Fatal(err)
			}
			if client, server := ends(c); seg.Type != packet.SYN || seg.Src != client || seg.Dst != server {
				t.Errorf("segment %v from %v to %v, want a SYN from %v to %v", seg.Type, seg.Src, seg.Dst, client, server)
			}
		})
	}
	if got := s.Stats(); got != (Stats{Connections: uint64(len(tests))}) {
		t.Errorf("%+v", got)
	}
	if g.log.Len() > 0 {
		t.Errorf("it logs %s", &g.log)
	}
}

// TestTouchesNothingElse: what is not asked for is left as it is, and after
// Close so is the rest.
func TestTouchesNothingElse(t *testing.T) {
	beside := lab.NewCgroup(t)
	g := newGround(t)
	below := lab.NewCgroup(t)
	within := func(c *lab.Cgroup, addr string, port uint16) *net.TCPListener {
		defer c.Enter()()
		return g.listen(t, addr, port)
	}
	listeners := map[string]*net.TCPListener{
		"older, port 25":           g.listen(t, "127.0.0.1", 25),
		"older, port 26":           g.listen(t, "127.0.0.1", 26),
		"older, below":             within(below, "127.0.0.1", 465),
		"older, outside":           within(beside, "127.0.0.2", 25),
		"older, keeps SYNs itself": g.listen(t, "127.0.0.3", 25),
	}
	setOption(t, listeners["older, keeps SYNs itself"], unix.TCP_SAVE_SYN, 1)
	s := g.open(t, Config{Ports: []uint16{25, 465}})
	listeners["newer, port 25"] = g.listen(t, "127.0.0.4", 25)
	listeners["newer, port 26"] = g.listen(t, "127.0.0.4", 26)
	listeners["newer, below"] = within(below, "127.0.0.5", 465)
	listeners["newer, outside"] = within(beside, "127.0.0.5", 25)
	check := func(when string, armed ...string) {
		t.Helper()
		for name, l := range listeners {
			if got, want := option(t, l, unix.TCP_SAVE_SYN) == 1, slices.Contains(armed, name); got != want {
				t.Errorf("%s: %s keeps SYNs: %v, want %v", when, name, got, want)
			}
		}
	}
	check("open", "older, port 25", "older, below", "older, keeps SYNs itself", "newer, port 25", "newer, below")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check("closed", "older, keeps SYNs itself")
	listeners["after it"] = g.listen(t, "127.0.0.6", 25)
	check("closed", "older, keeps SYNs itself")
	if n := attached(t, g.cgroup.Path); n != 0 {
		t.Errorf("%d programs are attached still", n)
	}
}

// TestMissed: where the kernel has no SYN, the connection is reported.
func TestMissed(t *testing.T) {
	g := newGround(t)
	if out, err := g.Server.Command(t.Context(), "sysctl", "-w", "net.ipv4.tcp_syncookies=2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	type missed struct{ client, server netip.AddrPort }
	var got []missed
	s := g.open(t, Config{Missed: func(c, s netip.AddrPort) { got = append(got, missed{c, s}) }})
	l := g.listen(t, "::", 25)
	for _, to := range []netip.Addr{g.Server.IPv4, g.Server.IPv6} {
		got = nil
		c := g.connect(t, l, to)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for len(got) == 0 {
			if err := s.Read(ctx, func(f *capture.Frame) { t.Errorf("frame %x", f.Data) }); err != nil {
				t.Fatal(err)
			}
		}
		client, server := ends(c)
		if want := []missed{{client, server}}; !slices.Equal(got, want) {
			t.Errorf("missed %v, want %v", got, want)
		}
	}
	if st := s.Stats(); st != (Stats{Connections: 2, Missed: 2}) {
		t.Errorf("%+v", st)
	}
}

// TestLost: what is not read is counted and logged.
func TestLost(t *testing.T) {
	g := newGround(t)
	s := g.open(t, Config{ringBytes: 4096}) // 23 connections
	l := g.listen(t, g.Server.IPv4.String(), 25)
	for range 40 {
		g.connect(t, l, g.Server.IPv4)
	}
	s.looked = time.Time{}
	frames := 0
	for frames < 23 {
		if err := s.Read(t.Context(), func(*capture.Frame) { frames++ }); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); frames != 23 || st != (Stats{Connections: 23, Lost: 17}) {
		t.Errorf("%d frames, %+v", frames, st)
	}
	if want := "lost=17"; !strings.Contains(g.log.String(), want) {
		t.Errorf("the log has %q, want %s", &g.log, want)
	}
}

func TestReadEnds(t *testing.T) {
	g := newGround(t)
	s := g.open(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		for {
			if err := s.Read(ctx, func(*capture.Frame) {}); err != nil {
				result <- err
				return
			}
		}
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context, Read = %v", err)
	}
	go func() {
		for {
			if err := s.Read(t.Context(), func(*capture.Frame) {}); err != nil {
				result <- err
				return
			}
		}
	}()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, capture.ErrClosed) {
		t.Errorf("after Close, Read = %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no cgroup", Config{Cgroup: "/proc"}, "sockops: no cgroup of version 2 at /proc: it is another folder or file"},
		{"no folder", Config{Cgroup: "/nonexistent"}, "sockops: no cgroup of version 2 at /nonexistent: no such file or directory"},
		{"port 0", Config{Ports: []uint16{25, 0}}, "sockops: ports [25 0]: want at most 64, each from 1 to 65535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Open(tt.cfg)
			if err == nil {
				s.Close()
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("Open = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestMounted(t *testing.T) {
	const info = `24 30 0:22 / /proc rw shared:12 - proc proc rw
32 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
35 24 0:30 / /mnt/all\040groups rw,nosuid shared:9 - cgroup2 cgroup2 rw
36 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
`
	if got := mounted(strings.NewReader(info)); got != "/mnt/all groups" {
		t.Errorf("mounted = %q", got)
	}
	if got := mounted(io.LimitReader(strings.NewReader(info), 100)); got != "" {
		t.Errorf("mounted = %q, want none", got)
	}
}

func TestFindCgroup(t *testing.T) {
	g := lab.NewCgroup(t)
	if got, err := FindCgroup(g.Path); err != nil || got != g.Path {
		t.Errorf("FindCgroup(%s) = %q, %v", g.Path, got, err)
	}
	root, err := FindCgroup("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root + "/cgroup.procs"); err != nil {
		t.Errorf("FindCgroup(\"\") = %q: %v", root, err)
	}
}
