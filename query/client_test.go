package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
)

// What clients of any protocol share is tested in packages ask and p0f.

func client(t testing.TB, addr string) *Client {
	c := NewClient(addr)
	c.Timeout = patience // a busy machine may take longer than a second
	t.Cleanup(func() { c.Close() })
	return c
}

func about(client string) note.Query { return note.Query{Client: end(client), Wait: -1} }

func wantLookup(t testing.TB, c *Client, who string) {
	t.Helper()
	n, err := c.Lookup(context.Background(), about(who))
	want := noteOf(end(who))
	want.FirstSeen, want.LastSeen = time.Time{}, time.Time{}
	if err != nil || !reflect.DeepEqual(n, want) {
		t.Fatalf("Lookup(%s) = %+v, %v, want %+v", who, n, err, want)
	}
}

func TestClient(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		lab.Skip(t, "needs IPv6 on loopback: "+err.Error())
	}
	startOn(t, s, ln)
	for _, addr := range []string{path, ln.Addr().String()} {
		c := client(t, addr)
		// The port makes the difference.
		for _, who := range []string{"198.18.0.1:1", "198.18.0.1:2", "[2001:db8::1]:1", "198.18.0.1:0"} {
			wantLookup(t, c, who)
		}
	}
	if got := s.Stats(); got.Total != 2 || got.Requests != 8 || got.Bad != 0 {
		t.Errorf("Stats = %+v, want 8 queries on two connections", got)
	}
}

// TestClientStates: the four answers stay different on this side.
func TestClientStates(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: fixed{notSeen}})
	if n, err := client(t, path).Lookup(context.Background(), about("198.18.0.1:1")); err != nil || !reflect.DeepEqual(n, notSeen) {
		t.Errorf("not seen: %+v, %v", n, err)
	}
	path, _ = start(t, &Server{Lookuper: fixed{unnamed}})
	if n, err := client(t, path).Lookup(context.Background(), about("198.18.0.1:1")); err != nil || !reflect.DeepEqual(n, unnamed) {
		t.Errorf("unknown: %+v, %v", n, err)
	}
	path, _ = start(t, &Server{Lookuper: failing{}})
	if n, err := client(t, path).Lookup(context.Background(), about("198.18.0.1:1")); !reflect.DeepEqual(n, note.Note{}) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("unavailable: %+v, %v", n, err)
	}
	gone := filepath.Join(t.TempDir(), "s")
	if n, err := client(t, gone).Lookup(context.Background(), about("198.18.0.1:1")); !reflect.DeepEqual(n, note.Note{}) || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("no daemon: %+v, %v", n, err)
	}
}

type fixed struct{ n note.Note }

func (f fixed) Lookup(context.Context, note.Query) (note.Note, error) { return f.n, nil }

// TestClientConcurrent: all calls share a connection, each gets its own answer,
// and those who leave early take no other's.
func TestClientConcurrent(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	c := client(t, path)
	c.Timeout = patience
	var wg sync.WaitGroup
	for w := range 50 {
		wg.Go(func() {
			for i := range 50 {
				who := fmt.Sprintf("198.18.%d.1:%d", w, 1+i)
				if i%10 == 9 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*time.Microsecond)
					c.Lookup(ctx, about(who))
					cancel()
					continue
				}
				wantLookup(t, c, who)
			}
		})
	}
	wg.Wait()
	if got := s.Stats(); got.Total != 1 || got.Bad != 0 {
		t.Errorf("Stats = %+v, want one connection", got)
	}
}

// TestClientOutlivesRestart: the first query after a restart is answered.
func TestClientOutlivesRestart(t *testing.T) {
	leaks(t)
	path, stop := start(t, &Server{Lookuper: everything{}})
	c := client(t, path)
	for range 20 {
		wantLookup(t, c, "198.18.0.1:1")
		stop()
		stop = startAt(t, &Server{Lookuper: everything{}}, "unix", path)
	}
	wantLookup(t, c, "198.18.0.1:1")
}

// sightings has seen what was put to it, and does not wait for the rest. Of an
// address that is seen without a port it knows that much at once.
type sightings struct {
	mu   sync.Mutex
	seen map[netip.AddrPort]bool
	asks []note.Query
}

func (s *sightings) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks = append(s.asks, q)
	if s.seen[q.Client] {
		return noteOf(q.Client), nil
	}
	if address := netip.AddrPortFrom(q.Client.Addr(), 0); s.seen[address] {
		return noteOf(address), nil
	}
	return notSeen, nil
}

// pipeClient returns a client of s by pipes, for tests in synthetic time.
func pipeClient(s *Server) *Client {
	return &Client{Addr: "pipe", dial: func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go s.conn(context.Background(), far, slog.New(slog.DiscardHandler)).serve()
		return near, nil
	}}
}

// TestClientWaitsForItsOwn: what is known of the address may be another
// machine's, and is no answer while the connection's own SYN may come.
func TestClientWaitsForItsOwn(t *testing.T) { synctest.Test(t, clientWaitsForItsOwn) }

func clientWaitsForItsOwn(t *testing.T) {
	address, conn := netip.AddrPortFrom(netip.MustParseAddr("198.18.0.1"), 0), end("198.18.0.1:7")
	known := &sightings{seen: map[netip.AddrPort]bool{address: true}}
	c := pipeClient(&Server{Lookuper: known})
	defer c.Close()
	time.AfterFunc(50*time.Millisecond, func() {
		known.mu.Lock()
		defer known.mu.Unlock()
		known.seen[conn] = true
	})
	n, err := c.Lookup(context.Background(), note.Query{Client: conn, Wait: patience})
	if err != nil || !n.ByConnection {
		t.Errorf("Lookup(%v) = %+v, %v, want the connection's own", conn, n, err)
	}
	if n, err = c.Lookup(context.Background(), note.Query{Client: end("198.18.0.1:8"), Wait: 20 * time.Millisecond}); err != nil || n.ByConnection || n.State != note.Matched {
		t.Errorf("a connection that never comes: %+v, %v, want what is known of the address", n, err)
	}
}

// TestClientWait: a client whose SYN comes later is waited for, for as long as
// the query says; no caller waits for another's.
func TestClientWait(t *testing.T) { synctest.Test(t, clientWait) }

func clientWait(t *testing.T) {
	known := &sightings{seen: map[netip.AddrPort]bool{end("198.18.0.1:1"): true}}
	c := pipeClient(&Server{Lookuper: known})
	defer c.Close()
	wantLookup(t, c, "198.18.0.1:1")
	var wg sync.WaitGroup
	wait := func(who string, wait, deadline time.Duration, want note.State, least, most time.Duration) {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		begin := time.Now()
		n, err := c.Lookup(ctx, note.Query{Client: end(who), Server: end("198.18.0.2:25"), Wait: wait})
		took := time.Since(begin)
		if err != nil || n.State != want || took < least || took > most {
			t.Errorf("Lookup(%s) for %v = %v, %v in %v, want %v in %v to %v", who, wait, n.State, err, took, want, least, most)
		}
	}
	const ms, s = time.Millisecond, time.Second
	wg.Go(func() { wait("198.18.0.1:3", 400*ms, 10*s, note.NotSeen, 300*ms, 400*ms) })
	wg.Go(func() { wait("198.18.0.1:4", 10*s, 400*ms, note.NotSeen, 300*ms, 400*ms) }) // not the error of a deadline
	wg.Go(func() { wait("198.18.0.1:5", 0, 10*s, note.NotSeen, 0, 0) })
	wg.Go(func() { wait("198.18.0.1:6", 10*s, 10*s, note.Matched, 100*ms, 100*ms+maxPause) })
	time.Sleep(100 * ms)
	wait("198.18.0.1:1", 10*s, 10*s, note.Matched, 0, 0)
	known.mu.Lock()
	known.seen[end("198.18.0.1:6")] = true
	known.mu.Unlock()
	wg.Wait()
	if n := len(known.asks); n > 200 {
		t.Errorf("the sensor was asked %d times", n)
	}
	for _, q := range known.asks[1:] {
		if q.Server != end("198.18.0.2:25") || q.Wait != 0 {
			t.Errorf("the sensor was asked %+v", q)
		}
	}
}
