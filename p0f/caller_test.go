package p0f

import (
	"io"
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

// TestCallerSleeps: nobody looks again when there is no hope, or somebody else
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
