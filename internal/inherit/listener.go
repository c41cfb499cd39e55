package inherit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
)

// ErrHandover means that there is nothing to hand over: no process accepts from
// the listener, or it does not come to rest.
var ErrHandover = errors.New("inherit: the connections cannot be handed over")

const (
	// acceptRest is how long a listener may take to come to rest; its server may
	// be in the longest of its pauses.
	acceptRest = 2 * time.Second
	// connRest is how long connections may.
	connRest = 250 * time.Millisecond
)

// Listener is a unix socket whose connections another process can take over. It
// accepts those of an earlier process first. Safe for concurrent use.
//
// Its connections are of *Conn. A server hands over only those that wait for
// their clients, so it says where they do: see Conn.Park.
type Listener struct {
	*serve.UnixListener
	given bool          // by the service manager
	grace time.Duration // connRest; more in tests

	handing sync.Mutex // held by Handover
	mu      sync.Mutex // guards the rest
	conns   map[*Conn]struct{}
	left    []*Conn // of an earlier process, not accepted yet
	hold    *hold   // while it is being handed over
	accepts bool    // somebody does
	closed  bool
}

// Conn is a connection of such a listener.
type Conn struct {
	*net.UnixConn
	l    *Listener
	part []byte
}

// hold is a listener that has stopped to accept and to read.
type hold struct {
	listener bool             // at rest
	conns    map[*Conn][]byte // at rest, with what was read of the next query
	moved    chan struct{}    // there is something new above
	released chan struct{}    // closed at the end
}

func (h *hold) notify() {
	select {
	case h.moved <- struct{}{}:
	default:
	}
}

// Listen is serve.ListenUnix, except that it goes on with the listener that an
// earlier process left for the path, if its file is still there, and with the
// connections: no client notices. Another listener among those left is closed,
// and its file removed. The error wraps ErrInherited where a descriptor is not
// what its Socket says; all are closed then.
func Listen(path string, mode fs.FileMode, left []Socket) (*Listener, error) {
	conns, err := connsOf(left)
	var l *Listener
	if err == nil {
		l, err = listen(path, mode, left)
	}
	if err != nil {
		for _, c := range conns {
			c.UnixConn.Close()
		}
		return nil, err
	}
	l.left = conns
	l.conns = make(map[*Conn]struct{}, len(conns))
	for _, c := range conns {
		c.l = l
		l.conns[c] = struct{}{}
	}
	return l, nil
}

func listen(path string, mode fs.FileMode, left []Socket) (kept *Listener, err error) {
	defer func() {
		if err != nil && kept != nil {
			kept.Close()
			kept = nil
		}
	}()
	for _, s := range left {
		if s.Path == "" {
			continue
		}
		l, err := s.listener()
		switch {
		case err != nil:
			return kept, err
		case kept == nil && s.Path == path && l.File() != nil:
			kept = l
		case s.Given && s.Path != path:
			l.Close()
			return kept, fmt.Errorf("listening on %s: the service manager gives the socket %s: name the same path in both places", path, s.Path)
		default:
			l.Close()
		}
	}
	if kept == nil {
		ln, err := serve.ListenUnix(path, mode)
		if err != nil {
			return nil, err
		}
		return newListener(ln, false), nil
	}
	if !kept.given {
		if err := kept.SetMode(mode); err != nil {
			return kept, fmt.Errorf("listening on %s: setting the mode: %w", path, serve.Cause(err))
		}
	}
	return kept, nil
}

func newListener(ln *serve.UnixListener, given bool) *Listener {
	return &Listener{UnixListener: ln, given: given, grace: connRest}
}

// Accept returns the next connection. While the listener is being handed over it
// waits; after that it fails with net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	l.accepts = true
	if len(l.left) > 0 {
		c := l.left[0]
		l.left = l.left[1:]
		l.mu.Unlock()
		return c, nil
	}
	l.mu.Unlock()
	nc, err := l.AcceptUnix()
	if err == nil {
		c := &Conn{UnixConn: nc, l: l}
		l.mu.Lock()
		l.conns[c] = struct{}{}
		l.mu.Unlock()
		return c, nil
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, err
	}
	l.mu.Lock()
	h := l.hold
	if h != nil {
		h.listener = true
		h.notify()
	}
	closed := l.closed
	l.mu.Unlock()
	if h != nil {
		<-h.released
	}
	if closed {
		return nil, net.ErrClosed
	}
	return l.Accept()
}

// Close closes the listener, after a hand-over that is under way.
func (l *Listener) Close() error {
	l.mu.Lock()
	h := l.hold
	l.closed = true
	left := l.left
	l.left = nil
	l.mu.Unlock()
	if h != nil {
		<-h.released
	}
	for _, c := range left {
		c.Close()
	}
	return l.UnixListener.Close()
}

// NetConn is the connection of the kernel.
func (c *Conn) NetConn() net.Conn { return c.UnixConn }

// Part is what an earlier process read of a query; it comes before what Read
// returns.
func (c *Conn) Part() []byte { return c.part }

// Close closes the connection.
func (c *Conn) Close() error {
	err := c.UnixConn.Close()
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	delete(c.l.conns, c)
	if c.l.hold != nil {
		c.l.hold.notify()
	}
	return err
}

// Park is where a connection waits for the end of a hand-over. The server calls
// it after an error of Read, with what was read of the next query, and reads on
// if it returns true.
func (c *Conn) Park(part []byte, err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	l := c.l
	for {
		l.mu.Lock()
		h := l.hold
		if h == nil {
			// The server sets its deadline after Close: it is not undone here.
			closed := l.closed
			if !closed {
				c.SetReadDeadline(time.Time{})
			}
			l.mu.Unlock()
			return !closed
		}
		h.conns[c] = part
		h.notify()
		l.mu.Unlock()
		<-h.released
	}
}

// Handover gives the listener and its connections to another process. It stops
// to accept and, between two queries, to read, and calls take with all of them;
// what the clients send meanwhile waits in the sockets. If take returns nil they
// are the other's: Accept and every Read fail, and the socket file stays. If take
// fails or nothing can be handed over, all goes on as if nothing had been, and
// the error is returned.
//
// The descriptors are valid until take returns, and remain this process's. A
// client that does not read its answers for a quarter of a second is not
// handed over. Two calls exclude each other.
//
// Deviation: p0f loses its clients when it ends, and Haraka's plugin of version
// 1.0.15 then lets each mail wait until an idle timer of its own fires.
func (l *Listener) Handover(ctx context.Context, take func([]Socket) error) error {
	l.handing.Lock()
	defer l.handing.Unlock()
	h, err := l.rest(ctx)
	if h != nil {
		defer l.release(h)
	}
	if err != nil {
		return err
	}
	sockets, err := l.sockets(h)
	if err != nil {
		return err
	}
	if err := take(sockets); err != nil {
		return err
	}
	l.KeepFile()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return nil
}

// rest brings the listener to rest, and those of its connections that come to
// rest in time.
func (l *Listener) rest(ctx context.Context) (*hold, error) {
	h := &hold{conns: map[*Conn][]byte{}, moved: make(chan struct{}, 1), released: make(chan struct{})}
	l.mu.Lock()
	if l.closed || !l.accepts {
		l.mu.Unlock()
		return nil, fmt.Errorf("%w: there is no server", ErrHandover)
	}
	l.hold = h
	l.mu.Unlock()
	l.SetDeadline(time.Unix(1, 0))
	if !l.until(ctx, acceptRest, h, func() bool { return h.listener }) {
		return h, fmt.Errorf("%w: the listener is busy or has ended", ErrHandover)
	}
	l.mu.Lock()
	for c := range l.conns {
		c.SetReadDeadline(time.Unix(1, 0))
	}
	l.mu.Unlock()
	l.until(ctx, l.grace, h, func() bool { return len(h.conns) == len(l.conns) })
	return h, nil
}

// until waits for a condition, which is looked at under the lock.
func (l *Listener) until(ctx context.Context, limit time.Duration, h *hold, done func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		l.mu.Lock()
		ok := done()
		l.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-h.moved:
		case <-ctx.Done():
			return false
		}
	}
}

// release lets the listener go on, or end if it is closed.
func (l *Listener) release(h *hold) {
	l.mu.Lock()
	l.hold = nil
	if !l.closed {
		l.SetDeadline(time.Time{})
	}
	l.mu.Unlock()
	close(h.released)
}

// sockets describes what is at rest, the listener first.
func (l *Listener) sockets(h *hold) ([]Socket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := describe(l.UnixListener)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHandover, err)
	}
	s.Path, s.Given = l.Path(), l.given
	if own := l.File(); own != nil {
		if st, ok := own.Sys().(*syscall.Stat_t); ok {
			s.Dev, s.Ino = uint64(st.Dev), uint64(st.Ino)
		}
	}
	all := []Socket{s}
	for c, part := range h.conns {
		if _, open := l.conns[c]; !open {
			continue
		}
		if s, err = describe(c.UnixConn); err != nil {
			continue
		}
		s.Part = bytes.Clone(part)
		all = append(all, s)
	}
	return all, nil
}
