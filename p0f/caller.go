package p0f

import (
	"cmp"
	"io"
	"math"
	"net"
	"syscall"
	"time"
)

// caller is a connection and what is remembered of it.
type caller struct {
	net.Conn
	bad   bool      // a bad query is in the log
	until time.Time // writes have that long

	raw  syscall.RawConn // nil: it does not leave what it reads
	peek peeker
	try  func(fd uintptr) bool // tryRead
	in   []byte
	n    int
	err  error
}

func newCaller(nc net.Conn) *caller {
	c := &caller{Conn: nc}
	for w, ok := nc.(interface{ NetConn() net.Conn }); ok; w, ok = nc.(interface{ NetConn() net.Conn }) {
		if _, ok := nc.(syscall.Conn); !ok {
			break // it reads in a way of its own, as TLS does
		}
		nc = w.NetConn()
	}
	if nc, ok := nc.(*net.UnixConn); ok {
		if c.raw, _ = nc.SyscallConn(); c.raw != nil {
			c.raw.Control(func(fd uintptr) { c.peek.leave(int(fd)) })
		}
	}
	c.try = c.tryRead
	return c
}

// Read reads what there is, as net.Conn does.
func (c *caller) Read(b []byte) (int, error) {
	if c.raw == nil {
		return c.Conn.Read(b)
	}
	c.in = b
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

// tryRead reads, or reports that there is nothing and the goroutine is to sleep.
func (c *caller) tryRead(fd uintptr) bool {
	for {
		if c.n, c.err = c.peek.read(int(fd), c.in); c.err != syscall.EINTR {
			return c.err != syscall.EAGAIN
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
