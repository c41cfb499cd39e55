package p0f

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/note"
)

// noteOf is what the Lookupers of these tests say about an address: enough to
// notice an answer that belongs to another question.
func noteOf(addr netip.Addr) note.Note {
	h := fnv.New32a()
	h.Write(addr.AsSlice())
	n := note.Note{State: note.Matched, OSName: "Linux", OSFlavor: "of " + addr.String(), TotalConn: h.Sum32(), Distance: note.Hops(0)}
	n.OSFlavor = n.OSFlavor[:min(len(n.OSFlavor), textSize-1)]
	return n
}

// everything has seen every address.
type everything struct{}

func (everything) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	return noteOf(q.Client.Addr()), nil
}

// sightings has seen what was put to it, and waits for the rest as a
// note.Lookuper shall.
type sightings struct {
	mu    sync.Mutex
	seen  map[netip.Addr]bool
	more  chan struct{} // closed at each sighting
	waits []time.Duration
}

func newSightings(addrs ...string) *sightings {
	s := &sightings{seen: map[netip.Addr]bool{}, more: make(chan struct{})}
	for _, a := range addrs {
		s.see(a)
	}
	return s
}

func (s *sightings) see(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[netip.MustParseAddr(addr)] = true
	close(s.more)
	s.more = make(chan struct{})
}

func (s *sightings) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	s.mu.Lock()
	s.waits = append(s.waits, q.Wait)
	s.mu.Unlock()
	timeout := time.NewTimer(q.Wait)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		seen, more := s.seen[q.Client.Addr()], s.more
		s.mu.Unlock()
		if seen {
			return noteOf(q.Client.Addr()), nil
		}
		if q.Wait <= 0 {
			return note.Note{State: note.NotSeen}, nil
		}
		select {
		case <-more:
		case <-timeout.C:
			return note.Note{State: note.NotSeen}, nil
		case <-ctx.Done():
			return note.Note{}, ctx.Err()
		}
	}
}

// leaks fails the test when it ends with more goroutines or descriptors than
// now. Call it first.
func leaks(t testing.TB) {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), countFiles()
	t.Cleanup(func() {
		end := time.Now().Add(patience)
		for {
			g, f := runtime.NumGoroutine(), countFiles()
			if g <= goroutines && f <= files {
				return
			}
			if time.Now().After(end) {
				stacks := make([]byte, 1<<16)
				stacks = stacks[:runtime.Stack(stacks, true)]
				t.Errorf("%d goroutines and %d descriptors at the end, %d and %d at the start\n%s",
					g, f, goroutines, files, stacks)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
}

// countFiles is the number of open descriptors; 0 where the system does not
// count them.
func countFiles() int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(d)
}

// logLines counts what a Server logs.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSpace(string(b)))
	return len(b), nil
}

func (l *logLines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

// socketDir is a directory with a path short enough for sockets.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p0f")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// stale leaves a socket file on which no process listens, as a killed daemon does.
func stale(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
}

// start runs s on a unix socket until stop is called or the test ends, which
// Serve must outlive by a second at most.
func start(t testing.TB, s *Server) (path string, stop func()) {
	t.Helper()
	path = filepath.Join(socketDir(t), "s")
	return path, startAt(t, s, path)
}

func startAt(t testing.TB, s *Server, path string) (stop func()) {
	t.Helper()
	ln, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
		case <-time.After(patience):
			t.Error("Serve did not return")
		}
		if n := s.Stats().Open; n != 0 {
			t.Errorf("%d connections open after Serve", n)
		}
	})
	t.Cleanup(stop)
	return stop
}

// patience is for what comes within milliseconds. A busy machine takes longer.
const patience = 30 * time.Second

// dial connects as a mail server would, and gives up on everything when the
// patience is over.
func dial(t testing.TB, path string) *net.UnixConn {
	t.Helper()
	var nc net.Conn
	var err error
	for range 1000 {
		// EAGAIN: the backlog is full for the moment.
		if nc, err = net.Dial("unix", path); !errors.Is(err, syscall.EAGAIN) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc.(*net.UnixConn)
}

func query(addr string) []byte { return AppendQuery(nil, netip.MustParseAddr(addr)) }

// queries asks about n addresses of their own.
func queries(n int) (addrs []netip.Addr, b []byte) {
	for i := range n {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		addrs = append(addrs, a)
		b = AppendQuery(b, a)
	}
	return addrs, b
}

func send(t testing.TB, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatalf("writing a query: %v", err)
	}
}

// receive reads one response.
func receive(t testing.TB, r io.Reader) (note.Note, error) {
	t.Helper()
	var b [ResponseSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		t.Fatalf("reading a response: %v", err)
	}
	return DecodeResponse(b[:])
}

// TestDeviationMappedAddress: on the wire, too, ::ffff:198.18.0.1 is 198.18.0.1.
func TestDeviationMappedAddress(t *testing.T) {
	path, _ := start(t, &Server{Lookuper: newSightings("198.18.0.1"), Wait: -1})
	nc := dial(t, path)
	if _, err := nc.Write(AppendQuery(nil, netip.MustParseAddr("::ffff:198.18.0.1"))); err != nil {
		t.Fatal(err)
	}
	wantNote(t, nc, netip.MustParseAddr("198.18.0.1"))
}

// wantNote reads the response to a good query about addr.
func wantNote(t testing.TB, r io.Reader, addr netip.Addr) {
	t.Helper()
	if n, err := receive(t, r); err != nil || !reflect.DeepEqual(n, noteOf(addr)) {
		t.Fatalf("about %v: %+v, %v, want %+v", addr, n, err, noteOf(addr))
	}
}

// wantAnswered asks about addr on a connection that must be in order.
func wantAnswered(t testing.TB, nc net.Conn, addr string) {
	t.Helper()
	send(t, nc, query(addr))
	wantNote(t, nc, netip.MustParseAddr(addr))
}

// pipes is a listener of net.Pipe connections, for tests in synthetic time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	errs   []error // what Accept returns first
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) connect() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

func (p *pipes) Accept() (net.Conn, error) {
	if len(p.errs) > 0 {
		err := p.errs[0]
		p.errs = p.errs[1:]
		return nil, err
	}
	select {
	case nc := <-p.conns:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// serveIn starts s in the bubble of a synctest.
func serveIn(s *Server, ln net.Listener) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	return func() error { cancel(); return <-ended }
}

// TestBatchWaitsOnceForAll: the queries of one read share one waiting time.
func TestBatchWaitsOnceForAll(t *testing.T) {
	for _, tt := range []struct {
		name       string
		wait, want time.Duration
	}{
		{"default", 0, 10 * time.Millisecond},
		{"set", 70 * time.Millisecond, 70 * time.Millisecond},
		{"none", -1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				known := newSightings("198.18.0.3")
				ln := newPipes()
				stop := serveIn(&Server{Lookuper: known, Wait: tt.wait}, ln)
				nc := ln.connect()
				_, b := queries(10)
				begin := time.Now()
				go nc.Write(b)
				for i := range 10 {
					n, err := receive(t, nc)
					if want := i == 3; err != nil || (n.State == note.Matched) != want {
						t.Errorf("answer %d: %v, %v, want matched %v", i, n.State, err, want)
					}
				}
				if took := time.Since(begin); took != tt.want {
					t.Errorf("ten queries took %v, want %v", took, tt.want)
				}
				if len(known.waits) != 10 || known.waits[0] != tt.want || known.waits[9] != 0 {
					t.Errorf("waited %v, want %v for the first and nothing for the last", known.waits, tt.want)
				}
				nc.Close()
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestAddressSeenWhileItWaits is the race of a mail server that asks before the
// capture has seen the SYN.
func TestAddressSeenWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := newSightings()
		ln := newPipes()
		stop := serveIn(&Server{Lookuper: known}, ln)
		nc := ln.connect()
		begin := time.Now()
		go func() {
			time.Sleep(2 * time.Millisecond)
			known.see("198.18.0.1")
		}()
		wantAnswered(t, nc, "198.18.0.1")
		if took := time.Since(begin); took != 2*time.Millisecond {
			t.Errorf("answered after %v, want 2ms", took)
		}
		nc.Close()
		stop()
	})
}

// TestServeEndsPromptly: neither a look-up that waits nor a client that does
// not read keeps the server from ending.
func TestServeEndsPromptly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		stop := serveIn(&Server{Lookuper: newSightings(), Wait: time.Hour}, ln)
		idle, waiting := ln.connect(), ln.connect()
		waiting.Write(query("198.18.0.1"))
		synctest.Wait()
		begin := time.Now()
		go io.ReadAll(waiting)
		if err := stop(); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("ended after %v with a look-up under way, want at once", took)
		}
		if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("reading after the end: %v, want EOF", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		stop := serveIn(&Server{Lookuper: everything{}}, ln)
		deaf := ln.connect()
		deaf.Write(query("198.18.0.1"))
		synctest.Wait()
		begin := time.Now()
		stop()
		if took := time.Since(begin); took != drainTime {
			t.Errorf("ended after %v with a client that does not read, want %v", took, drainTime)
		}
	})
}

// TestAnswerUnderWayIsFinished: the end of the server does not cut an answer.
func TestAnswerUnderWayIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		stop := serveIn(&Server{Lookuper: newSightings(), Wait: time.Hour}, ln)
		nc := ln.connect()
		nc.Write(query("198.18.0.1"))
		synctest.Wait()
		go stop()
		if n, err := receive(t, nc); err != nil || n.State != note.NotSeen {
			t.Errorf("answer at the end: %v, %v, want not seen", n.State, err)
		}
		synctest.Wait()
	})
}

func TestNonReaderIsDroppedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logLines
		s := &Server{Lookuper: everything{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		ln := newPipes()
		stop := serveIn(s, ln)
		nc := ln.connect()
		nc.Write(query("198.18.0.1"))
		begin := time.Now()
		for s.Stats().Dropped == 0 {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(begin).Round(time.Second); took != serverWriteTimeout {
			t.Errorf("dropped after %v, want %v", took, serverWriteTimeout)
		}
		synctest.Wait() // counted first, then logged
		if lines := log.all(); len(lines) != 1 || !strings.Contains(lines[0], "does not read") {
			t.Errorf("log %q, want one line", lines)
		}
		stop()
	})
}

func TestAcceptPausesWhenShortOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logLines
		ln := newPipes()
		for range 10 {
			ln.errs = append(ln.errs, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)})
		}
		begin := time.Now()
		stop := serveIn(&Server{Lookuper: everything{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}, ln)
		nc := ln.connect()
		// 5, 10, 20 … 640 ms, and then a second each.
		if took, want := time.Since(begin), 1275*time.Millisecond+2*time.Second; took != want {
			t.Errorf("accepted after %v, want %v", took, want)
		}
		wantAnswered(t, nc, "198.18.0.1")
		if lines := log.all(); len(lines) > 3 {
			t.Errorf("log %q, want one line", lines)
		}
		nc.Close()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestServeReturnsTheErrorOfTheListener(t *testing.T) {
	leaks(t)
	broken := errors.New("broken listener")
	ln := newPipes()
	ln.errs = []error{broken}
	err := (&Server{Lookuper: everything{}}).Serve(context.Background(), ln)
	if !errors.Is(err, broken) {
		t.Errorf("Serve = %v, want %v", err, broken)
	}
	select {
	case <-ln.closed:
	default:
		t.Error("Serve left its listener open")
	}
}

// TestFailedLookupIsNoMatch: the mail server goes on as if it had not asked.
func TestFailedLookupIsNoMatch(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: failing{}}
	path, _ := start(t, s)
	nc := dial(t, path)
	send(t, nc, query("198.18.0.1"))
	if n, err := receive(t, nc); err != nil || !reflect.DeepEqual(n, notSeen) {
		t.Errorf("answer %+v, %v, want no match", n, err)
	}
	if got := s.Stats(); got.Missed != 1 || got.Requests != 1 {
		t.Errorf("Stats = %+v, want one query, which failed", got)
	}
}

type failing struct{}

func (failing) Lookup(context.Context, note.Query) (note.Note, error) {
	return note.Note{}, errors.New("no sensor")
}

func TestStats(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	nc := dial(t, path)
	wantAnswered(t, nc, "198.18.0.1")
	wantAnswered(t, nc, "2001:db8::1")
	send(t, nc, make([]byte, QuerySize))
	receive(t, nc)
	want := Stats{Open: 1, Total: 1, Requests: 3, Bad: 1}
	if got := s.Stats(); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

// TestAnswerAllocatesNothing: a query costs no garbage once its connection is
// there.
func TestAnswerAllocatesNothing(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go io.Copy(io.Discard, client)
	srv := &Server{Lookuper: fixed{full}}
	v := &serving{Server: srv, terms: newTerms(&srv.group, nil, 0, 0)}
	q := query("198.18.0.1")
	// The pipe allocates for a deadline, a real socket does not.
	c := newCaller(discardDeadline{server})
	if n := testing.AllocsPerRun(200, func() { v.answer(context.Background(), c, q) }); n > 0 {
		t.Errorf("a query allocates %v times, want 0", n)
	}
}

type fixed struct{ n note.Note }

func (f fixed) Lookup(context.Context, note.Query) (note.Note, error) { return f.n, nil }

type discardDeadline struct{ net.Conn }

func (discardDeadline) SetWriteDeadline(time.Time) error { return nil }

// benchmarkSocket has conns clients ask in bursts of that many queries at a time.
func benchmarkSocket(b *testing.B, conns, burst int) {
	path, _ := start(b, &Server{Lookuper: fixed{full}})
	var wg sync.WaitGroup
	rounds := b.N/(conns*burst) + 1
	_, q := queries(burst)
	ncs := make([]net.Conn, conns)
	for i := range ncs {
		ncs[i] = dial(b, path)
		ncs[i].SetDeadline(time.Time{})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, nc := range ncs {
		wg.Go(func() {
			in := make([]byte, burst*ResponseSize)
			for range rounds {
				if _, err := nc.Write(q); err != nil {
					b.Error(err)
					return
				}
				if _, err := io.ReadFull(nc, in); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(rounds*conns*burst)/b.Elapsed().Seconds(), "queries/s")
}

func BenchmarkServer(b *testing.B) {
	for _, bb := range []struct{ conns, burst int }{{1, 1}, {50, 1}, {1, 16}, {50, 16}} {
		b.Run(fmt.Sprintf("conns=%d/pipelined=%d", bb.conns, bb.burst), func(b *testing.B) {
			benchmarkSocket(b, bb.conns, bb.burst)
		})
	}
}
