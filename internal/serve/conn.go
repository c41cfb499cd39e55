package serve

import (
	"container/list"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// A Greeter is a connection that has something to read before it is anybody's,
// such as a PROXY header; its addresses are the client's from then on. Serve
// calls Greet once, within the time and the number of strangers.
type Greeter interface {
	net.Conn
	Greet() error
}

// conn is one connection that was let in.
type conn struct {
	net.Conn
	s      *serving
	source netip.Prefix
	excess []byte   // read already
	budget *bounded // of a stranger; nil for none
	once   sync.Once

	// Guarded by s.mu.
	pool    *pool
	place   *list.Element
	evicted bool
}

// Read begins with what was read by Greet.
func (c *conn) Read(b []byte) (int, error) {
	if len(c.excess) > 0 {
		n := copy(b, c.excess)
		c.excess = c.excess[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// Close closes the connection, which makes room for another.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.s.mu.Lock()
		if c.pool != nil {
			c.pool.remove(c)
		}
		c.s.mu.Unlock()
		c.s.wg.Done()
	})
	return err
}

// NetConn returns the connection as the listener gave it.
func (c *conn) NetConn() net.Conn { return c.Conn }

// SyscallConn makes conn a syscall.Conn where what it wraps is one.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// Find returns the outermost connection of a type, or the zero value.
func Find[T any](nc net.Conn) (found T) {
	for nc != nil {
		if t, ok := nc.(T); ok {
			return t
		}
		nc = inside(nc)
	}
	return found
}

// ErrNotUnix means that a connection is not one of a unix socket.
var ErrNotUnix = errors.New("not a unix socket")

// root is the innermost connection, the kernel's. Closing that never waits, as
// closing one of TLS may.
func root(nc net.Conn) net.Conn {
	for {
		in := inside(nc)
		if in == nil {
			return nc
		}
		nc = in
	}
}

func inside(nc net.Conn) net.Conn {
	if w, ok := nc.(interface{ NetConn() net.Conn }); ok {
		return w.NetConn()
	}
	return nil
}

// Bound wraps a listener whose clients are greeted with more than a line of
// text: as long as one is a stranger, at most limit bytes of it are read. It is
// to be inside of TLS, which keeps what it reads.
func Bound(ln net.Listener, limit int) net.Listener { return &bound{ln, int64(limit)} }

var errTooMuch = errors.New("it sent too much before it showed who it is")

type bound struct {
	net.Listener
	limit int64
}

func (b *bound) Accept() (net.Conn, error) {
	nc, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &bounded{Conn: nc, limit: b.limit}
	c.left.Store(b.limit)
	return c, nil
}

// bounded is one of its connections.
type bounded struct {
	net.Conn
	limit int64
	left  atomic.Int64 // less than 0: all
}

func (b *bounded) NetConn() net.Conn { return b.Conn }

func (b *bounded) Read(p []byte) (int, error) {
	left := b.left.Load()
	if left < 0 {
		return b.Conn.Read(p)
	}
	if left == 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(int64(len(p)), left)])
	b.left.CompareAndSwap(left, left-int64(n))
	return n, err
}

// silent reports whether nothing has come yet.
func (b *bounded) silent() bool { return b.left.Load() == b.limit }

// lift ends the bound.
func (b *bounded) lift() { b.left.Store(-1) }
