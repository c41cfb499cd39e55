// Package serve takes what a listener accepts: a listener that
// outlives its clients and a log that they cannot flood.
//
// It is for packages that answer clients on a socket; it speaks no protocol
// itself.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// DefaultMaxConns is how many connections a Listener has open by default.
const DefaultMaxConns = 10000

const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// Config says how a Listener behaves. The zero value works.
type Config struct {
	MaxConns int          // open at once; 0 means DefaultMaxConns
	Logger   *slog.Logger // nil means none

	// Full is called for a connection over MaxConns, before it is closed; it
	// must not block. It may be nil.
	Full func(net.Conn)
}

// Stats is what a Listener let in since its start.
type Stats struct {
	Open     int    // connections open now
	Accepted uint64 // connections let in, the open ones included
	Rejected uint64 // connections closed at once, over the limit
}

// Add sums up what two Listeners did.
func (s Stats) Add(t Stats) Stats {
	return Stats{Open: s.Open + t.Open, Accepted: s.Accepted + t.Accepted, Rejected: s.Rejected + t.Rejected}
}

// Listener is a net.Listener that lets a bounded number of clients in. A
// connection over the limit is closed at once: the mail server goes on without
// an answer, where an unanswered connection would hold up the mail. When the
// machine runs short of descriptors or memory, Accept pauses and goes on.
//
// Safe for concurrent use; its connections count as open until their Close.
type Listener struct {
	net.Listener
	ctx    context.Context
	log    *slog.Logger
	max    int
	turned func(net.Conn) // Config.Full
	wg     sync.WaitGroup
	closed chan struct{} // the inner listener is closed
	full   Lines

	mu    sync.Mutex
	conns map[*conn]struct{}
	stats Stats
}

// conn is one client that was let in.
type conn struct {
	net.Conn
	l    *Listener
	once sync.Once
}

// NetConn returns the connection as the inner listener gave it.
func (c *conn) NetConn() net.Conn { return c.Conn }

// Listen wraps ln, and closes it when ctx ends. Call Drain when Accept has
// failed.
func Listen(ctx context.Context, ln net.Listener, cfg Config) *Listener {
	l := &Listener{
		Listener: ln, ctx: ctx, log: cfg.Logger, max: cfg.MaxConns, turned: cfg.Full,
		closed: make(chan struct{}),
		conns:  make(map[*conn]struct{}),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.max <= 0 {
		l.max = DefaultMaxConns
	}
	context.AfterFunc(ctx, func() {
		ln.Close()
		close(l.closed)
	})
	return l
}

// Accept returns the next connection. After the end of the context the error is
// net.ErrClosed; any other is a fault of the inner listener.
func (l *Listener) Accept() (net.Conn, error) {
	var pause time.Duration
	for {
		nc, err := l.Listener.Accept()
		switch {
		case err == nil:
			if c := l.admit(nc); c != nil {
				return c, nil
			}
			continue
		case l.ctx.Err() != nil:
			return nil, net.ErrClosed
		case !transient(err):
			return nil, fmt.Errorf("accepting a connection: %w", err)
		}
		if pause == 0 {
			l.log.Warn("cannot accept connections, trying again", "reason", err)
		}
		pause = min(max(2*pause, minPause), maxPause)
		select {
		case <-l.ctx.Done():
		case <-time.After(pause):
		}
	}
}

// transient reports whether an error of accept passes by itself.
func transient(err error) bool {
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.EINTR, syscall.EAGAIN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// admit lets a connection in, or closes it when there are too many.
func (l *Listener) admit(nc net.Conn) net.Conn {
	l.mu.Lock()
	if len(l.conns) >= l.max {
		l.stats.Rejected++
		l.mu.Unlock()
		if ok, more := l.full.Allow(time.Now()); ok {
			l.log.Warn("too many connections, closed one", "limit", l.max, "suppressed", more)
		}
		if l.turned != nil {
			l.turned(nc)
		}
		nc.Close()
		return nil
	}
	defer l.mu.Unlock()
	c := &conn{Conn: nc, l: l}
	l.conns[c] = struct{}{}
	l.stats.Accepted++
	l.wg.Add(1)
	return c
}

// Close closes the connection, which makes room for another.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.l.mu.Lock()
		delete(c.l.conns, c)
		c.l.mu.Unlock()
		c.l.wg.Done()
	})
	return err
}

// SyscallConn makes conn a syscall.Conn where what it wraps is one.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// Drain makes all reads that wait now time out, and waits until every
// connection is closed. Those that are open still after grace are cut: what
// their owners read and write fails from then on.
//
// Call it after the end of the context and of the last Accept.
func (l *Listener) Drain(grace time.Duration) {
	<-l.closed
	l.each(func(nc net.Conn) { nc.SetReadDeadline(time.Unix(1, 0)) })
	l.Wait(grace)
}

// Wait is Drain for connections that shall go on: they have the time until
// grace is over.
func (l *Listener) Wait(grace time.Duration) {
	<-l.closed
	t := time.AfterFunc(grace, func() {
		l.each(func(nc net.Conn) { nc.Close() })
	})
	l.wg.Wait()
	t.Stop()
}

func (l *Listener) each(f func(net.Conn)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		f(c.Conn)
	}
}

// Stats returns the counters of one instant.
func (l *Listener) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Open = len(l.conns)
	return s
}
