package p0f

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/ask"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
)

// about is the query about one address.
func about(addr string) note.Query {
	return note.Query{Client: netip.AddrPortFrom(netip.MustParseAddr(addr), 1025)}
}

// client returns a Client that is closed when the test ends. A busy machine may
// leave a test without processor for a second.
func client(t testing.TB, path string) *Client {
	c := NewClient(path)
	c.Timeout = patience
	t.Cleanup(func() { c.Close() })
	return c
}

// wantLookup asks for an address that the daemon knows.
func wantLookup(t testing.TB, c *Client, addr string) {
	t.Helper()
	n, err := c.Lookup(context.Background(), about(addr))
	if want := noteOf(netip.MustParseAddr(addr)); err != nil || !reflect.DeepEqual(n, want) {
		t.Fatalf("Lookup(%s) = %+v, %v, want %+v", addr, n, err, want)
	}
}

// wantUnavailable asks, and wants the error and nothing claimed.
func wantUnavailable(t testing.TB, ctx context.Context, c *Client, want error) {
	t.Helper()
	n, err := c.Lookup(ctx, about("198.18.0.1"))
	if !reflect.DeepEqual(n, note.Note{}) || !errors.Is(err, want) {
		t.Errorf("Lookup = %+v, %v, want the zero Note and %v", n, err, want)
	}
}

// fake runs a daemon of the test's own; serve gets each connection with its
// number.
func fake(t testing.TB, serve func(i int, nc net.Conn)) (path string, accepted *atomic.Int64) {
	t.Helper()
	dir, err := os.MkdirTemp("", "p0f")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	accepted = new(atomic.Int64)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			nc.SetDeadline(time.Now().Add(patience))
			wg.Go(func() { defer nc.Close(); serve(i, nc) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait(); os.RemoveAll(dir) })
	return path, accepted
}

// reply reads one query and answers it.
func reply(nc net.Conn) error {
	var q [QuerySize]byte
	if _, err := io.ReadFull(nc, q[:]); err != nil {
		return err
	}
	addr, err := DecodeQuery(q[:])
	if err != nil {
		return err
	}
	_, err = nc.Write(AppendResponse(nil, noteOf(addr)))
	return err
}

func TestClient(t *testing.T) {
	leaks(t)
	known := newSightings("198.18.0.1", "2001:db8::1")
	s := &Server{Lookuper: known, Wait: -1}
	path, _ := start(t, s)
	var zero Client
	zero.Path = path
	t.Cleanup(func() { zero.Close() })
	for _, c := range []*Client{client(t, path), &zero} {
		wantLookup(t, c, "198.18.0.1")
		wantLookup(t, c, "2001:db8::1")
		n, err := c.Lookup(context.Background(), about("::ffff:198.18.0.1"))
		if err != nil || !reflect.DeepEqual(n, noteOf(netip.MustParseAddr("198.18.0.1"))) {
			t.Errorf("Lookup of a mapped address = %+v, %v, want that of the IPv4 address", n, err)
		}
		n, err = c.Lookup(context.Background(), about("198.18.0.2"))
		if err != nil || !reflect.DeepEqual(n, notSeen) {
			t.Errorf("Lookup(198.18.0.2) = %+v, %v, want not seen", n, err)
		}
	}
	if got := s.Stats(); got.Total != 2 || got.Requests != 8 {
		t.Errorf("Stats = %+v, want 8 queries on two connections", got)
	}
}

func TestClientWithoutAddress(t *testing.T) {
	leaks(t)
	path, accepted := fake(t, func(int, net.Conn) {})
	n, err := client(t, path).Lookup(context.Background(), note.Query{})
	if !reflect.DeepEqual(n, note.Note{}) || err == nil {
		t.Errorf("Lookup without an address = %+v, %v, want an error", n, err)
	}
	if accepted.Load() != 0 {
		t.Error("connected for a query without an address")
	}
}

// TestClientConcurrent: all calls share a connection, each gets its own answer,
// and those who leave early take no other's.
func TestClientConcurrent(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	c := client(t, path)
	var wg sync.WaitGroup
	for w := range 100 {
		wg.Go(func() {
			for i := range 100 {
				addr := fmt.Sprintf("198.18.%d.%d", w, i)
				if i%10 == 9 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*time.Microsecond)
					n, err := c.Lookup(ctx, about(addr))
					cancel()
					if err == nil && !reflect.DeepEqual(n, noteOf(netip.MustParseAddr(addr))) {
						t.Errorf("Lookup(%s) = %+v", addr, n)
					} else if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Lookup(%s) = %v", addr, err)
					}
					continue
				}
				n, err := c.Lookup(context.Background(), about(addr))
				if want := noteOf(netip.MustParseAddr(addr)); err != nil || !reflect.DeepEqual(n, want) {
					t.Errorf("Lookup(%s) = %+v, %v, want %+v", addr, n, err, want)
				}
			}
		})
	}
	wg.Wait()
	if got := s.Stats(); got.Total != 1 {
		t.Errorf("Stats = %+v, want one connection", got)
	}
}

// TestClientCancelledCall: the answer that comes later goes to no other.
func TestClientCancelledCall(t *testing.T) {
	leaks(t)
	left := make(chan struct{})
	path, accepted := fake(t, func(_ int, nc net.Conn) {
		<-left
		for reply(nc) == nil {
		}
	})
	c := client(t, path)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	wantUnavailable(t, ctx, c, context.DeadlineExceeded)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	wantUnavailable(t, gone, c, context.Canceled)
	close(left)
	for i := range 10 {
		wantLookup(t, c, fmt.Sprintf("198.18.7.%d", i))
	}
	if got := accepted.Load(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

// TestClientOutlivesRestart: the first query after a restart is answered.
func TestClientOutlivesRestart(t *testing.T) {
	leaks(t)
	path, stop := start(t, &Server{Lookuper: everything{}})
	c := client(t, path)
	for range 20 {
		wantLookup(t, c, "198.18.0.1")
		stop()
		stop = startAt(t, &Server{Lookuper: everything{}}, path)
	}
	wantLookup(t, c, "198.18.0.1")
	stop()
	wantUnavailable(t, context.Background(), c, syscall.ENOENT)
	startAt(t, &Server{Lookuper: everything{}}, path)
	wantLookup(t, c, "198.18.0.1")
}

// TestClientRetriesOnce: a query that an old connection swallowed is put once
// more, on a new one; one that a new connection swallowed is not.
func TestClientRetriesOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(i int, nc net.Conn)
		want  []bool // answered
		conns int64
	}{
		{
			"old connection ends after the query",
			func(i int, nc net.Conn) { reply(nc); io.ReadFull(nc, make([]byte, QuerySize)) },
			[]bool{true, true, true}, 3,
		}, {
			"old connection ends in the answer",
			func(i int, nc net.Conn) {
				reply(nc)
				io.ReadFull(nc, make([]byte, QuerySize))
				nc.Write(AppendResponse(nil, full)[:100])
			},
			[]bool{true, true, true}, 3,
		}, {
			"new connection ends at once",
			func(i int, nc net.Conn) {},
			[]bool{false, false}, 2,
		}, {
			"new connection ends after the query",
			func(i int, nc net.Conn) { io.ReadFull(nc, make([]byte, QuerySize)) },
			[]bool{false, false}, 2,
		}, {
			"all but the first end after the query",
			func(i int, nc net.Conn) {
				if i == 0 {
					reply(nc)
				}
				io.ReadFull(nc, make([]byte, QuerySize))
			},
			[]bool{true, false, false}, 3,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaks(t)
			path, accepted := fake(t, tt.serve)
			c := client(t, path)
			for i, want := range tt.want {
				n, err := c.Lookup(context.Background(), about("198.18.0.1"))
				if got := n.State == note.Matched; got != want || (err == nil) != want {
					t.Errorf("query %d: %v, %v, want answered %v", i, n.State, err, want)
				}
			}
			if got := accepted.Load(); got != tt.conns {
				t.Errorf("%d connections, want %d", got, tt.conns)
			}
		})
	}
}

// TestClientBadDaemon: what is not p0f's protocol is never taken for an answer.
func TestClientBadDaemon(t *testing.T) {
	badMagic := AppendResponse(nil, full)
	badMagic[0] ^= 1
	badStatus := AppendResponse(nil, full)
	badStatus[offStatus] = 0x30
	for _, tt := range []struct {
		name   string
		answer []byte
		want   error
	}{
		{"magic", badMagic, ErrBadResponse},
		{"status", badStatus, ErrBadResponse},
		{"text", []byte(fmt.Sprintf("%232s", "220 mail.example ESMTP")), ErrBadResponse},
		{"refuses the query", appendStatus(nil, statusBadQuery), ErrBadQuery},
		{"cut short", AppendResponse(nil, full)[:231], io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaks(t)
			path, _ := fake(t, func(_ int, nc net.Conn) {
				io.ReadFull(nc, make([]byte, QuerySize))
				nc.Write(tt.answer)
			})
			wantUnavailable(t, context.Background(), client(t, path), tt.want)
		})
	}
}

// TestClientUnaskedAnswer: one answer too many would shift all after it, so the
// connection is not used any more.
func TestClientUnaskedAnswer(t *testing.T) {
	leaks(t)
	closed := make(chan struct{})
	path, accepted := fake(t, func(i int, nc net.Conn) {
		reply(nc)
		if i == 0 {
			nc.Write(AppendResponse(nil, full))
			defer close(closed)
		}
		for reply(nc) == nil {
		}
	})
	c := client(t, path)
	wantLookup(t, c, "198.18.0.1")
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("the connection is still open")
	}
	wantLookup(t, c, "198.18.0.2")
	wantLookup(t, c, "198.18.0.3")
	if got := accepted.Load(); got != 2 {
		t.Errorf("%d connections, want 2", got)
	}
}

// TestClientAnswerInPieces: a daemon may split its answers, and join them.
func TestClientAnswerInPieces(t *testing.T) {
	leaks(t)
	for _, portion := range []int{1, 100, ResponseSize + 1, 3 * ResponseSize} {
		path, _ := fake(t, func(_ int, nc net.Conn) {
			var out []byte
			for i := range 10 {
				io.ReadFull(nc, make([]byte, QuerySize))
				out = AppendResponse(out, note.Note{State: note.Unknown, TotalConn: uint32(i)})
			}
			for part := range slices.Chunk(out, portion) {
				nc.Write(part)
				if portion > 1 {
					time.Sleep(10 * time.Microsecond)
				}
			}
			io.Copy(io.Discard, nc)
		})
		c := client(t, path)
		var wg sync.WaitGroup
		var sum atomic.Uint32
		for range 10 {
			wg.Go(func() {
				n, err := c.Lookup(context.Background(), about("198.18.0.1"))
				if err != nil {
					t.Error(err)
				}
				sum.Add(n.TotalConn)
			})
		}
		wg.Wait()
		if got := sum.Load(); got != 45 {
			t.Errorf("portions of %d: sum %d, want 45", portion, got)
		}
		c.Close()
	}
}

// TestClientNoDaemon: no socket, and one without a listener.
func TestClientNoDaemon(t *testing.T) {
	leaks(t)
	path := filepath.Join(socketDir(t), "s")
	c := client(t, path)
	for range 3 {
		wantUnavailable(t, context.Background(), c, syscall.ENOENT)
	}
	stale(t, path)
	for range 3 {
		wantUnavailable(t, context.Background(), c, syscall.ECONNREFUSED)
	}
}

// TestClientRejected: the daemon has too many connections.
func TestClientRejected(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}, MaxConns: 1}
	path, _ := start(t, s)
	first, second := client(t, path), client(t, path)
	wantLookup(t, first, "198.18.0.1")
	if n, err := second.Lookup(context.Background(), about("198.18.0.1")); err == nil || n.State != note.Unavailable {
		t.Errorf("Lookup on one connection too many = %v, %v, want an error", n.State, err)
	}
	first.Close()
	for end := time.Now().Add(patience); s.Stats().Open > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	wantLookup(t, second, "198.18.0.1")
}

// bubble returns a client of pipes to a daemon in the bubble of a synctest.
func bubble(serve func(i int, nc net.Conn)) *Client {
	i := 0
	return &Client{Path: "pipe", dial: func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go func(i int) { defer far.Close(); serve(i, far) }(i)
		i++
		return near, nil
	}}
}

// TestClientHungDaemon: a call without a deadline ends after a second, and a
// connection that has not answered for five is replaced.
func TestClientHungDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := 0
		c := bubble(func(i int, nc net.Conn) {
			conns++
			if i == 0 {
				io.Copy(io.Discard, nc)
				return
			}
			for reply(nc) == nil {
			}
		})
		begin := time.Now()
		for range 6 {
			wantUnavailable(t, context.Background(), c, context.DeadlineExceeded)
		}
		if took := time.Since(begin); took != 6*ask.DefaultTimeout {
			t.Errorf("six calls took %v, want %v", took, 6*ask.DefaultTimeout)
		}
		wantLookup(t, c, "198.18.0.1")
		if conns != 2 {
			t.Errorf("%d connections, want 2", conns)
		}
		c.Close()
	})
}

// TestClientOwnDeadline: the caller's deadline counts, shorter or longer.
func TestClientOwnDeadline(t *testing.T) {
	for _, d := range []time.Duration{10 * time.Millisecond, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := bubble(func(_ int, nc net.Conn) { io.Copy(io.Discard, nc) })
			ctx, cancel := context.WithTimeout(context.Background(), d)
			defer cancel()
			begin := time.Now()
			wantUnavailable(t, ctx, c, context.DeadlineExceeded)
			if took := time.Since(begin); took != d {
				t.Errorf("took %v, want %v", took, d)
			}
			c.Close()
		})
	}
}

// TestClientStoppedDaemon: with no reader at the other end callers still
// keep their deadlines.
func TestClientStoppedDaemon(t *testing.T) {
	leaks(t)
	hold := make(chan struct{})
	path, _ := fake(t, func(int, net.Conn) { <-hold })
	defer close(hold)
	c := client(t, path)
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 5000 { // many times what fits into the socket
		wg.Go(func() { wantUnavailable(t, ctx, c, context.DeadlineExceeded) })
	}
	wg.Wait() // else the test hangs
}

// TestClientSlowDial: connecting is bounded, and callers do not wait for each
// other's.
func TestClientSlowDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{Path: "pipe", dial: func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		long, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		var wg sync.WaitGroup
		begin := time.Now()
		wg.Go(func() {
			wantUnavailable(t, long, c, context.DeadlineExceeded)
			if took := time.Since(begin); took != ask.DefaultTimeout {
				t.Errorf("dialling took %v, want %v", took, ask.DefaultTimeout)
			}
		})
		synctest.Wait()
		wantUnavailable(t, short, c, context.DeadlineExceeded)
		if took := time.Since(begin); took != time.Millisecond {
			t.Errorf("the short call took %v, want 1ms", took)
		}
		wg.Wait()
		c.Close()
	})
}

// TestClientClose: it ends calls under way and in time, and is final.
func TestClientClose(t *testing.T) {
	leaks(t)
	path, _ := fake(t, func(_ int, nc net.Conn) { io.Copy(io.Discard, nc) })
	c := NewClient(path)
	c.Timeout = time.Hour
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { wantUnavailable(t, context.Background(), c, net.ErrClosed) })
	}
	time.Sleep(20 * time.Millisecond)
	c.Close()
	wg.Wait() // else the test hangs
	wantUnavailable(t, context.Background(), c, net.ErrClosed)
	c.Close()
	new(Client).Close()
}

// TestClientCloseWhileDialling ends the dialling too.
func TestClientCloseWhileDialling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{Path: "pipe", dial: func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		var wg sync.WaitGroup
		begin := time.Now()
		wg.Go(func() { wantUnavailable(t, context.Background(), c, net.ErrClosed) })
		synctest.Wait()
		c.Close()
		wg.Wait()
		if took := time.Since(begin); took != 0 {
			t.Errorf("Close took %v, want no time", took)
		}
	})
}

// TestClientOfRealP0f asks p0f 3.09b about a connection it has just seen.
func TestClientOfRealP0f(t *testing.T) {
	lab.NeedRoot(t)
	bin := lab.NeedProgram(t, "p0f")
	leaks(t)
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	port := tcp.Addr().(*net.TCPAddr).Port
	path := filepath.Join(socketDir(t), "s")
	run := func() (stop func()) {
		cmd := exec.Command(bin, "-i", "lo", "-s", path, fmt.Sprintf("tcp port %d", port))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop = sync.OnceFunc(func() { cmd.Process.Kill(); cmd.Wait() })
		t.Cleanup(stop)
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			if nc, err := net.Dial("unix", path); err == nil {
				nc.Close()
				return stop
			} else if time.Now().After(end) {
				t.Fatalf("p0f does not listen: %v", err)
			}
		}
	}
	stop := run()
	c := client(t, path)
	if n, err := c.Lookup(context.Background(), about("198.18.0.1")); err != nil || !reflect.DeepEqual(n, notSeen) {
		t.Errorf("address never seen: %+v, %v, want not seen", n, err)
	}
	seen := func() note.Note {
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			nc, err := net.Dial("tcp4", tcp.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			nc.Close()
			n, err := c.Lookup(context.Background(), about("127.0.0.1"))
			if err != nil {
				t.Fatal(err)
			}
			if n.State != note.NotSeen {
				return n
			}
			if time.Now().After(end) {
				t.Fatal("p0f has not seen the connection")
			}
		}
	}
	n := seen()
	t.Logf("%+v", n)
	if n.OSName != "Linux" && n.OSName != "" || (n.OSName != "") != (n.State == note.Matched) {
		t.Errorf("p0f says %q, state %v, want Linux or nothing", n.OSName, n.State)
	}
	if n.TotalConn == 0 || time.Since(n.FirstSeen).Abs() > time.Hour || n.LastSeen.Before(n.FirstSeen) || n.Distance > note.Hops(0) {
		t.Errorf("p0f says %+v, want connections of this moment and distance 0 or unknown", n)
	}
	var wg sync.WaitGroup
	for i := range 200 { // pipelined
		wg.Go(func() {
			addr, want := "127.0.0.1", n.State
			if i%2 == 1 {
				addr, want = "2001:db8::1", note.NotSeen
			}
			if n, err := c.Lookup(context.Background(), about(addr)); err != nil || n.State != want {
				t.Errorf("Lookup(%s) = %v, %v, want %v", addr, n.State, err, want)
			}
		})
	}
	wg.Wait()
	stop()
	run()
	if n, err := c.Lookup(context.Background(), about("127.0.0.1")); err != nil || n.State != note.NotSeen {
		t.Errorf("first query after a restart: %v, %v, want not seen", n.State, err)
	}
}

func BenchmarkClient(b *testing.B) {
	path, _ := start(b, &Server{Lookuper: fixed{full}})
	c := client(b, path)
	ctx, q := context.Background(), about("198.18.0.1")
	b.Run("callers=1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Lookup(ctx, q); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("callers=50", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(25) // times 2 processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Lookup(ctx, q); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
