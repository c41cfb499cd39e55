package p0f

import (
	"io"
	"math"
	"net"
	"path/filepath"
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

// TestCallerRead: a caller reads as its connection would.
func TestCallerRead(t *testing.T) {
	client, server := unixPair(t)
	c := newCaller(server)
	buf := make([]byte, 8)
	read := func(want string, wantErr error) {
		t.Helper()
		n, err := c.Read(buf)
		if got := string(buf[:n]); got != want || err != wantErr {
			t.Errorf("Read = %q %v, want %q %v", got, err, want, wantErr)
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
		t.Errorf("it slept %d times, want once", slept)
	}
	client.Close()
	read("", io.EOF)
	server.Close()
	if n, err := c.Read(buf); n != 0 || err == nil || err == io.EOF {
		t.Errorf("Read after Close = %d %v", n, err)
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
	c := newCaller(own)
	io.WriteString(client, "x")
	if n, err := c.Read(make([]byte, 8)); n != 1 || err != nil || own.reads != 1 {
		t.Errorf("Read = %d %v, with %d reads of the wrapper", n, err, own.reads)
	}
}

// TestCallerForEver: a time-out too long for a deadline is one all the same.
func TestCallerForEver(t *testing.T) {
	_, server := unixPair(t)
	c := newCaller(server)
	for range 2 {
		c.allow(math.MaxInt64)
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCallerAllocatesNothing(t *testing.T) {
	client, server := unixPair(t)
	c := newCaller(server)
	query, buf := []byte("x"), make([]byte, 1)
	if n := testing.AllocsPerRun(200, func() {
		client.Write(query)
		c.Read(buf)
		c.allow(time.Second)
	}); n > 0 {
		t.Errorf("a read allocates %v times, want 0", n)
	}
}
