package serve_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/test/fronttest"
)

// server has its connections served by the test.
type server struct {
	serve.Group
	in   chan net.Conn
	stop func() error
}

// start serves ln; what is let in comes out of in.
func start(ln net.Listener, cfg serve.Config) *server {
	s := &server{in: make(chan net.Conn, 100)}
	s.stop = fronttest.Start(func(ctx context.Context, ln net.Listener) error {
		return s.Serve(ctx, ln, cfg, func(_ context.Context, nc net.Conn) { s.in <- nc })
	}, ln)
	return s
}

func wantStats(t *testing.T, s *server, want serve.Stats) {
	t.Helper()
	synctest.Wait()
	if got := s.Stats(); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		pipes := fronttest.NewPipes()
		s := start(pipes, serve.Config{MaxConns: 2, Grace: 300 * time.Millisecond, Logger: log.Logger()})
		pipes.Connect()
		pipes.Connect()
		over := pipes.Connect()
		if _, err := over.Read(make([]byte, 1)); err == nil {
			t.Error("the third connection is not closed")
		}
		pipes.Connect()
		wantStats(t, s, serve.Stats{Open: 2, Total: 2, Refused: 2})
		first, second := <-s.in, <-s.in
		first.Close()
		first.Close() // counts once
		pipes.Connect()
		wantStats(t, s, serve.Stats{Open: 2, Total: 3, Refused: 2})
		if lines := log.Lines(); len(lines) != 1 {
			t.Errorf("log %q, want one line", lines)
		}
		// One ends when its read times out, the other only when it is cut.
		go func() {
			second.Read(make([]byte, 1))
			second.Close()
		}()
		third := <-s.in
		go func() {
			third.Read(make([]byte, 1))
			third.SetReadDeadline(time.Time{})
			third.Read(make([]byte, 1))
			third.Close()
		}()
		begin := time.Now()
		if err := s.stop(); err != nil {
			t.Errorf("Serve = %v", err)
		}
		if took := time.Since(begin); took != 300*time.Millisecond {
			t.Errorf("the end took %v, want 300ms", took)
		}
		wantStats(t, s, serve.Stats{Total: 3, Refused: 2})
	})
}

// One over the limit is shown to its owner before it is closed; GoOn lets the
// others read on until Grace is over.
func TestFullAndGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := fronttest.NewPipes()
		var ending int
		s := start(pipes, serve.Config{
			MaxConns: 1, Grace: 3 * time.Second, GoOn: true, Ending: func(open int) { ending = open },
			Full: func(nc net.Conn) {
				go nc.Write([]byte("421")) // a pipe has no room
				synctest.Wait()
			},
		})
		client := pipes.Connect()
		in := <-s.in
		over := pipes.Connect()
		buf := make([]byte, 3)
		if n, _ := over.Read(buf); string(buf[:n]) != "421" {
			t.Errorf("one over the limit reads %q, want 421", buf[:n])
		}
		if got := in.(interface{ NetConn() net.Conn }).NetConn(); got == nil || got == in {
			t.Errorf("NetConn = %v", got)
		}
		go func() { time.Sleep(time.Second); client.Write([]byte("abc")) }()
		begin := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- s.stop() }()
		if n, err := in.Read(buf); n != 3 || err != nil {
			t.Errorf("Read = %d, %v during Grace, want 3 bytes", n, err)
		}
		if _, err := in.Read(buf); err == nil {
			t.Error("a read goes on after Grace")
		}
		in.Close()
		if err := <-ended; err != nil || ending != 1 {
			t.Errorf("Serve = %v, Ending(%d), want nil and 1", err, ending)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("the end took %v, want 3s", took)
		}
	})
}

func shortage() error {
	return &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
}

func TestPausesWhenShortOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		pipes := fronttest.NewPipes()
		for range 10 {
			pipes.Errs = append(pipes.Errs, shortage())
		}
		begin := time.Now()
		s := start(pipes, serve.Config{Logger: log.Logger()})
		go pipes.Connect()
		(<-s.in).Close()
		// 5, 10, 20 … 640 ms, and then a second each.
		if took, want := time.Since(begin), 1275*time.Millisecond+2*time.Second; took != want {
			t.Errorf("accepted after %v, want %v", took, want)
		}
		if lines := log.Lines(); len(lines) > 4 || !strings.Contains(lines[0], "too many open files (raise LimitNOFILE of the unit, or ulimit -n)") {
			t.Errorf("log %q, want one line a second at most, with the remedy", lines)
		}
		s.stop()
	})
}

// flaky is a listener on which each other accept fails.
type flaky struct {
	*fronttest.Pipes
	n, accepts int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.n++; f.n%2 == 0 {
		return nil, shortage()
	}
	f.accepts++
	client, server := net.Pipe()
	client.Close()
	return server, nil
}

// TestFinding14AcceptPause: where a connection gets in between two failures, the
// pause and the log are bounded all the same.
func TestFinding14AcceptPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		ln := &flaky{Pipes: fronttest.NewPipes()}
		var g serve.Group
		stop := fronttest.Start(func(ctx context.Context, ln net.Listener) error {
			return g.Serve(ctx, ln, serve.Config{Logger: log.Logger()}, func(_ context.Context, nc net.Conn) { nc.Close() })
		}, ln)
		time.Sleep(30*time.Second + time.Millisecond)
		if n := len(log.Lines()); n < 2 || n > 31 {
			t.Errorf("%d lines in 30 s, want one a second at most", n)
		}
		if ln.accepts > 60 {
			t.Errorf("%d accepts between failures in 30 s: the pause does not grow", ln.accepts)
		}
		stop()
	})
}

// TestFinding14LogLines: a kind of line is written once a second, however often
// it is logged, and unforeseen kinds are bounded too.
func TestFinding14LogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out fronttest.Log
		log := serve.Log(out.Logger()).With("front", "query")
		for range 10000 {
			log.Warn("refused", "reason", "no")
			log.Error("broken")
		}
		if lines := out.Lines(); len(lines) != 2 {
			t.Errorf("log %q, want one line of each kind", lines)
		}
		time.Sleep(time.Second)
		log.Warn("refused", "reason", "no")
		if lines := out.Lines(); len(lines) != 3 || !strings.HasSuffix(lines[2], "msg=refused front=query reason=no suppressed=9999") {
			t.Errorf("log %q, want a third line with what was suppressed", lines)
		}
		for i := range 10000 {
			log.Warn(strings.Repeat("x", i))
		}
		if n := len(out.Lines()); n > 200 {
			t.Errorf("%d lines of made-up kinds in a second", n)
		}
		serve.Log(nil).Warn("discarded")
		inner, before := serve.Log(log), serve.Suppressed(log)
		inner.Warn("of another")
		inner.Warn("of another")
		if n := serve.Suppressed(log); before < 2*9999 || n != before+2 || serve.Suppressed(inner) != n || serve.Suppressed(out.Logger()) != 0 {
			t.Errorf("Suppressed = %d, then %d, want one more by each of the two", before, n)
		}
	})
}

// TestLogOutOfOrder: goroutines that wait for the processor log lines in another
// order than that of their times, and have no more of them.
func TestLogOutOfOrder(t *testing.T) {
	var out fronttest.Log
	h, now := serve.Log(out.Logger()).Handler(), time.Now()
	for i := range 1000 {
		at := now.Add(-time.Duration(i%2) * 2 * time.Second)
		if err := h.Handle(t.Context(), slog.NewRecord(at, slog.LevelWarn, "refused", 0)); err != nil {
			t.Fatal(err)
		}
	}
	if lines := out.Lines(); len(lines) != 1 {
		t.Errorf("%d lines, want one", len(lines))
	}
}

func TestServeReturnsTheFault(t *testing.T) {
	broken := errors.New("broken listener")
	pipes := fronttest.NewPipes()
	pipes.Errs = []error{broken}
	var g serve.Group
	if err := g.Serve(t.Context(), pipes, serve.Config{}, nil); !errors.Is(err, broken) {
		t.Errorf("Serve = %v, want %v", err, broken)
	}
}

// from is a connection that says where it comes from.
type from struct {
	net.Conn
	addr netip.AddrPort
}

func (f from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(f.addr) }

// origins is a listener whose connections come from where the test wants.
type origins struct {
	*fronttest.Pipes
	mu   sync.Mutex
	next []string
}

func (o *origins) connect(addr string) net.Conn {
	o.mu.Lock()
	o.next = append(o.next, addr)
	o.mu.Unlock()
	return o.Connect()
}

func (o *origins) Accept() (net.Conn, error) {
	nc, err := o.Pipes.Accept()
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	addr := netip.AddrPortFrom(netip.MustParseAddr(o.next[0]), 1)
	o.next = o.next[1:]
	return from{nc, addr}, nil
}

// TestPerSource: one address, or one /64, cannot have all places.
func TestPerSource(t *testing.T) {
	for _, tt := range []struct {
		name            string
		perSource, open int
		addrs           []string
	}{
		{"one address", 0, 4, []string{"198.18.0.1", "::ffff:198.18.0.1"}},
		{"a /64", 0, 4, []string{"2001:db8::1", "2001:db8::2:0:0:1", "2001:db8::3"}},
		{"this machine", 0, 8, []string{"127.0.0.1"}},
		{"this machine, limited", 2, 2, []string{"127.0.0.1"}},
		{"limited", 2, 2, []string{"198.18.0.1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := &origins{Pipes: fronttest.NewPipes()}
				s := start(ln, serve.Config{MaxConns: 8, PerSource: tt.perSource})
				for i := range 8 {
					ln.connect(tt.addrs[i%len(tt.addrs)])
				}
				wantStats(t, s, serve.Stats{Open: tt.open, Total: uint64(tt.open), Refused: uint64(8 - tt.open)})
				if tt.open < 8 {
					ln.connect("203.0.113.1")
					wantStats(t, s, serve.Stats{Open: tt.open + 1, Total: uint64(tt.open + 1), Refused: uint64(8 - tt.open)})
				}
				for len(s.in) > 0 {
					(<-s.in).Close()
				}
				s.stop()
			})
		})
	}
}

// password lets in who says so.
func password(_ context.Context, nc net.Conn) ([]byte, error) {
	in := bufio.NewReader(nc)
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if line != "friend\n" {
		return nil, errors.New("wrong word")
	}
	rest, _ := in.Peek(in.Buffered())
	return rest, nil
}

// TestStrangers: who has not shown who it is has a place of its own for a while,
// and is served from what comes after.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		pipes := fronttest.NewPipes()
		s := start(pipes, serve.Config{MaxConns: 1, MaxStrangers: 2, GreetTime: time.Minute, Greet: password, Logger: log.Logger()})
		friend := pipes.Connect()
		io.WriteString(friend, "friend\nmore")
		in := <-s.in
		buf := make([]byte, 10)
		if n, err := in.Read(buf); string(buf[:n]) != "more" {
			t.Errorf("Read = %q, %v, want more", buf[:n], err)
		}
		wantStats(t, s, serve.Stats{Open: 1, Total: 1})
		wrong := pipes.Connect()
		io.WriteString(wrong, "foe\n")
		wantStats(t, s, serve.Stats{Open: 1, Total: 1, Denied: 1})

		oldest := pipes.Connect()
		pipes.Connect()
		pipes.Connect() // evicts the oldest
		wantStats(t, s, serve.Stats{Open: 1, Strangers: 2, Total: 1, Denied: 1, Refused: 1})
		if _, err := oldest.Read(buf); err == nil {
			t.Error("the oldest stranger is still there")
		}
		time.Sleep(time.Minute + time.Second)
		wantStats(t, s, serve.Stats{Open: 1, Total: 1, Denied: 3, Refused: 1})

		over := pipes.Connect() // a friend too, but there is no place
		io.WriteString(over, "friend\n")
		wantStats(t, s, serve.Stats{Open: 1, Total: 1, Denied: 3, Refused: 2})
		in.Close()
		s.stop()
	})
}

// TestKnownSources: strangers of an address that was served before have places
// that no others take.
func TestKnownSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &origins{Pipes: fronttest.NewPipes()}
		s := start(ln, serve.Config{MaxStrangers: 4, GreetTime: time.Hour, Greet: password})
		serveOne := func(nc net.Conn) {
			t.Helper()
			io.WriteString(nc, "friend\n")
			synctest.Wait()
			if len(s.in) != 1 {
				t.Fatal("a friend is not served")
			}
			(<-s.in).Close()
		}
		serveOne(ln.connect("198.18.0.1"))
		slow := ln.connect("198.18.0.1")
		synctest.Wait()
		for i := range 100 {
			ln.connect(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String())
		}
		wantStats(t, s, serve.Stats{Strangers: 5, Total: 1, Refused: 96})
		serveOne(slow)
		for range 100 {
			ln.connect("203.0.113.200")
		}
		synctest.Wait()
		// One source has half of the places, and evicts itself.
		waiting := ln.connect("203.0.113.9")
		for range 100 {
			ln.connect("203.0.113.200")
		}
		serveOne(waiting)
		s.stop()
	})
}

// TestClientFirst: by TCP, a client that says nothing has a stranger's place; what
// it says is read whole.
func TestClientFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &origins{Pipes: fronttest.NewPipes()}
		s := start(ln, serve.Config{MaxConns: 2, MaxStrangers: 10, ClientFirst: true})
		for i := range 1000 {
			ln.connect(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}).String())
		}
		wantStats(t, s, serve.Stats{Strangers: 10, Refused: 990})
		friend := ln.connect("203.0.113.1")
		go io.WriteString(friend, "hello")
		in := <-s.in
		if b, err := io.ReadAll(io.LimitReader(in, 5)); string(b) != "hello" {
			t.Errorf("read %q, %v, want hello", b, err)
		}
		time.Sleep(serve.DefaultGreetTime + time.Second)
		wantStats(t, s, serve.Stats{Open: 1, Total: 1, Refused: 991, Denied: 9})
		in.Close()
		s.stop()
	})
}

// TestBound: a stranger cannot have more read than the bound; who is served can.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		pipes := fronttest.NewPipes()
		s := start(serve.Bound(pipes, 20), serve.Config{Greet: password, GreetTime: time.Hour, Logger: log.Logger()})
		stranger := pipes.Connect()
		stranger.SetWriteDeadline(time.Now().Add(time.Minute))
		if n, err := stranger.Write(make([]byte, 1000)); n > 20 || err == nil {
			t.Errorf("%d bytes of a stranger were read, %v, want 20", n, err)
		}
		wantStats(t, s, serve.Stats{Denied: 1})
		friend := pipes.Connect()
		go io.WriteString(friend, "friend\n"+strings.Repeat("x", 1000))
		in := <-s.in
		if b, err := io.ReadAll(io.LimitReader(in, 1000)); len(b) != 1000 || err != nil {
			t.Errorf("%d bytes of a friend, %v, want 1000", len(b), err)
		}
		in.Close()
		s.stop()
	})
}
