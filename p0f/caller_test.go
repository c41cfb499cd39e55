package p0f

import (
	"io"
	"math"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// unixPair is both ends of a connection.
func unixPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("unix", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// TestCallerRead: a caller reads as its connection would, whether or not it looks
// again before it sleeps.
func TestCallerRead(t *testing.T) {
	for _, eager := range []bool{false, true} {
		client, server := unixPair(t)
		var last atomic.Pointer[caller]
		c := newCaller(server, &last)
		buf := make([]byte, 8)
		read := func(want string, wantErr error) {
			t.Helper()
			last.Store(c)
			c.eager = eager
			n, err := c.Read(buf)
			if got := string(buf[:n]); got != want || err != wantErr {
				t.Errorf("eager %t: Read = %q %v, want %q %v", eager, got, err, want, wantErr)
			}
		}
		io.WriteString(client, "there")
		read("there", nil)
		slept := 0
		c.try = func(fd uintptr) bool {
			ok := c.tryRead(fd)
			if !ok {
				slept++
				io.WriteString(client, "late")
			}
			return ok
		}
		read("late", nil)
		if slept != 1 {
			t.Errorf("eager %t: it slept %d times, want once", eager, slept)
		}
		client.Close()
		read("", io.EOF)
		server.Close()
		last.Store(nil)
		if n, err := c.Read(buf); n != 0 || err == nil || err == io.EOF {
			t.Errorf("eager %t: Read after Close = %d %v", eager, n, err)
		}
	}
}

// TestCallerLooksAgain: what comes between two looks is read without a sleep.
func TestCallerLooksAgain(t *testing.T) {
	client, server := unixPair(t)
	var last atomic.Pointer[caller]
	c := newCaller(server, &last)
	last.Store(c)
	c.in, c.begin, c.eager = make([]byte, 8), time.Now().Add(time.Hour), true
	go func() {
		time.Sleep(time.Millisecond)
		io.WriteString(client, "soon")
	}()
	ready := false
	if err := c.raw.Control(func(fd uintptr) { ready = c.tryRead(fd) }); err != nil || !ready || string(c.in[:max(c.n, 0)]) != "soon" {
		t.Errorf("tryRead = %t %v, %q; want what came meanwhile", ready, err, c.in[:max(c.n, 0)])
	}
}

// TestCallerEager: who looks again is who was asked soon after his last answer,
// and no other client in between.
func TestCallerEager(t *testing.T) {
	client, server := unixPair(t)
	var last atomic.Pointer[caller]
	c := newCaller(server, &last)
	buf := make([]byte, 1)
	read := func() bool {
		io.WriteString(client, "x")
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
		return c.eager
	}
	if read() {
		t.Error("it is eager after its first query")
	}
	eager := false
	for range 1000 { // a busy machine may take long for some
		eager = eager || read()
	}
	if !eager {
		t.Error("1000 queries that were there already, and it is not eager")
	}
	last.Store(&caller{})
	if read() {
		t.Error("it is eager after another's query")
	}
	c.try = func(fd uintptr) bool {
		time.Sleep(2 * soon)
		return c.tryRead(fd)
	}
	if read() {
		t.Error("it is eager after a query that came late")
	}
}

// counted is a connection that reads in a way of its own.
type counted struct {
	*net.UnixConn
	reads int
}

func (c *counted) Read(b []byte) (int, error) {
	c.reads++
	return c.UnixConn.Read(b)
}

// TestCallerWrapped: who wraps a connection has his Read called.
func TestCallerWrapped(t *testing.T) {
	client, server := unixPair(t)
	own := &counted{UnixConn: server.(*net.UnixConn)}
	c := newCaller(own, new(atomic.Pointer[caller]))
	io.WriteString(client, "x")
	if n, err := c.Read(make([]byte, 8)); n != 1 || err != nil || own.reads != 1 {
		t.Errorf("Read = %d %v, with %d reads of the wrapper", n, err, own.reads)
	}
}

// TestCallerForEver: a time-out too long for a deadline is one all the same.
func TestCallerForEver(t *testing.T) {
	_, server := unixPair(t)
	c := newCaller(server, new(atomic.Pointer[caller]))
	for range 2 {
		c.allow(math.MaxInt64)
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCallerAllocatesNothing(t *testing.T) {
	client, server := unixPair(t)
	c := newCaller(server, new(atomic.Pointer[caller]))
	query, buf := []byte("x"), make([]byte, 1)
	if n := testing.AllocsPerRun(200, func() {
		client.Write(query)
		c.Read(buf)
		c.allow(time.Second)
	}); n > 0 {
		t.Errorf("a read allocates %v times, want 0", n)
	}
}

// TestCallerSleeps: no caller looks again when there is no hope, or somebody else
// asks.
func TestCallerSleeps(t *testing.T) {
	_, server := unixPair(t)
	var last atomic.Pointer[caller]
	c, other := newCaller(server, &last), &caller{}
	soonEnough := func() { c.begin = time.Now().Add(time.Hour) }
	for _, tt := range []struct {
		name string
		set  func()
	}{
		{"not eager", func() { soonEnough(); c.eager = false; last.Store(c) }},
		{"another asked", func() { soonEnough(); c.eager = true; last.Store(other) }},
		{"long ago", func() { c.begin = time.Now().Add(-time.Second); c.eager = true; last.Store(c) }},
	} {
		tt.set()
		ready := true
		c.in = make([]byte, 1)
		if err := c.raw.Control(func(fd uintptr) { ready = c.tryRead(fd) }); err != nil || ready || c.eager {
			t.Errorf("%s: tryRead = %t %v, eager %t; want the goroutine to sleep", tt.name, ready, err, c.eager)
		}
	}
}
