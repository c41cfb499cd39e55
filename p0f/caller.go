package p0f

import (
	"cmp"
	"io"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// lookAgain is how long a read looks again for the next query before its
	// goroutine sleeps: less than sleeping and being woken takes.
	lookAgain = 15 * time.Microsecond
	// soon is how soon the next query has to have come for a read to do that.
	soon = 2 * lookAgain
)

// caller is a connection and what is remembered of it.
type caller struct {
	net.Conn
	bad   bool      // a bad query is in the log
	until time.Time // writes have that long

	// A client that asks one query after the other, while no other client asks
	// any, finds the server awake.
	raw   syscall.RawConn // nil: not a socket
	peek  peeker
	last  *atomic.Pointer[caller]
	try   func(fd uintptr) bool // tryRead
	in    []byte
	begin time.Time // of the read
	eager bool      // the last query came soon
	n     int
	err   error
}

// newCaller is the connection among those that share last, who asked last.
func newCaller(nc net.Conn, last *atomic.Pointer[caller]) *caller {
	c := &caller{Conn: nc, last: last}
	for w, ok := nc.(interface{ NetConn() net.Conn }); ok; w, ok = nc.(interface{ NetConn() net.Conn }) {
		if _, ok := nc.(syscall.Conn); !ok {
			break // it reads in a way of its own, as TLS does
		}
		nc = w.NetConn()
	}
	switch nc := nc.(type) {
	case *net.UnixConn:
		if c.raw, _ = nc.SyscallConn(); c.raw != nil {
			c.raw.Control(func(fd uintptr) { c.peek.leave(int(fd)) })
		}
	case *net.TCPConn:
		c.raw, _ = nc.SyscallConn()
	}
	c.try = c.tryRead
	return c
}

// Read reads what there is, as net.Conn does.
func (c *caller) Read(b []byte) (int, error) {
	if c.raw == nil {
		return c.Conn.Read(b)
	}
	c.in, c.begin = b, time.Now()
	err := c.raw.Read(c.try)
	c.in = nil
	switch {
	case err != nil:
		return 0, cmp.Or(c.settle(), err)
	case c.err != nil:
		return 0, c.err
	case c.n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	alone := c.last.Load() == c
	if !alone {
		c.last.Store(c)
	}
	c.eager = alone && time.Since(c.begin) < soon
	return c.n, nil
}

// settle takes from the socket what was read of it, before another process reads
// there or the connection is closed.
func (c *caller) settle() (err error) {
	if c.raw != nil {
		c.raw.Control(func(fd uintptr) { err = c.peek.take(int(fd)) })
	}
	return err
}

// tryRead reads, or says that there is nothing and the goroutine shall sleep.
func (c *caller) tryRead(fd uintptr) bool {
	for {
		c.n, c.err = c.peek.read(int(fd), c.in)
		switch {
		case c.err == syscall.EINTR:
		case c.err != syscall.EAGAIN:
			return true
		case !c.eager || c.last.Load() != c || time.Since(c.begin) > lookAgain:
			c.eager = false // once it has slept, it does not look again
			return false
		}
	}
}

// allow gives the next write so long, and up to a sixteenth more, so that the
// deadline is not moved for each answer.
func (c *caller) allow(timeout time.Duration) {
	now := time.Now()
	if c.until.Sub(now) < timeout {
		c.until = now.Add(timeout + min(timeout/16, math.MaxInt64-timeout))
		c.SetWriteDeadline(c.until)
	}
}
