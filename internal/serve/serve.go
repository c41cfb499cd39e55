// Package serve is the one server under every socket of ours: it accepts,
// limits, counts and drains connections, and speaks no protocol itself.
//
// Group.Serve takes a net.Listener and a function that serves one connection.
// What stands in front of the protocol wraps the listener from outside: TLS
// (crypto/tls), the PROXY header (package proxyproto), sockets of an earlier
// process (package inherit). ListenUnix makes unix sockets, Log bounds a log.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Defaults of Config.
const (
	DefaultMaxConns     = 10000
	DefaultMaxStrangers = 1000
	DefaultGreetTime    = 5 * time.Second
)

const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// Config says how connections are served. The zero value works.
type Config struct {
	// MaxConns is how many connections of one listener are served at once; 0
	// means DefaultMaxConns. One more is closed at once: the mail server goes
	// on without an answer, where an unanswered connection would hold up the
	// mail.
	MaxConns int

	// PerSource is how many of these may come from one source, which is an IPv4
	// address or the /64 of an IPv6 address; 0 means half of MaxConns, but for
	// this machine's own addresses, which may have all. Unix sockets have no
	// source.
	PerSource int

	// Greet finds out whether a client may be served, as by a token. Until it
	// returns nil the client is a stranger, of which there are MaxStrangers at
	// the most. It must return when its connection is closed. What it has read
	// in excess it returns: the connection is read from there. Nil: every client
	// may be served, once the PROXY header is there.
	Greet func(ctx context.Context, nc net.Conn) (excess []byte, err error)

	// ClientFirst says that a client speaks first: by TCP it is a stranger until
	// its first byte is there, where there is no Greet. The handle is to read by
	// Read.
	ClientFirst bool

	// GreetTime is how long a client may be a stranger; 0 means
	// DefaultGreetTime.
	GreetTime time.Duration

	// MaxStrangers is how many clients may be strangers at once; 0 means
	// DefaultMaxStrangers. One source may have half of them. For one more an
	// earlier one is closed. Clients of sources that were served before have as
	// many places of their own.
	MaxStrangers int

	// Grace is how long connections may go on after the end of the context, in
	// which reads that wait time out, unless GoOn is set.
	Grace time.Duration
	GoOn  bool

	// Ending is called when the context has ended, with the number of
	// connections that have Grace from now on. It may be nil.
	Ending func(open int)

	// Full is called for a connection over a limit, before it is closed; it must
	// not block. It may be nil.
	Full func(net.Conn)

	// Logger gets one line a second of each kind at most; nil means none.
	Logger *slog.Logger
}

// Stats is what a server did since its start.
type Stats struct {
	Open      int    // connections served now
	Strangers int    // connections now that have not shown who they are
	Total     uint64 // connections served, the open ones included
	Refused   uint64 // connections closed because of a limit
	Denied    uint64 // connections closed because they did not show who they are
	Dropped   uint64 // connections closed because the client did not read
	Requests  uint64 // requests answered, the malformed ones included
	Bad       uint64 // malformed requests
	Missed    uint64 // requests without an answer in time, or without a sensor
}

// Group is what all calls of Serve of one server have in common. The zero value
// is ready; safe for concurrent use; not to be copied.
type Group struct {
	// Counted by the owner; see Stats.
	Dropped, Requests, Bad, Missed atomic.Uint64

	mu       sync.Mutex
	servings map[*serving]struct{}
	ended    Stats // of the servings that have ended
}

// Stats returns the counters; each is exact, but they are not read at one
// instant.
func (g *Group) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := g.ended
	for s := range g.servings {
		sum.add(s)
	}
	sum.Dropped, sum.Requests = g.Dropped.Load(), g.Requests.Load()
	sum.Bad, sum.Missed = g.Bad.Load(), g.Missed.Load()
	return sum
}

func (st *Stats) add(s *serving) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Open += s.served.len()
	st.Strangers += s.strangers.len() + s.regulars.len()
	st.Total += s.total
	st.Refused += s.refused
	st.Denied += s.denied
}

// Serve has handle serve each connection of ln, in a goroutine of its own,
// until ctx ends or ln fails. A connection counts as open until its Close, which
// handle sees to. The context of handle ends when the serving is about to.
//
// It closes ln and every connection, and returns when all handles have returned
// and all connections are closed: nil after the end of ctx and where somebody
// else closed ln, else why ln failed. When the machine runs short of descriptors
// or memory it pauses, and goes on.
func (g *Group) Serve(ctx context.Context, ln net.Listener, cfg Config, handle func(context.Context, net.Conn)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newServing(ctx, ln, cfg, handle)
	g.mu.Lock()
	if g.servings == nil {
		g.servings = make(map[*serving]struct{})
	}
	g.servings[s] = struct{}{}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.servings, s)
		g.ended.add(s)
	}()
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		ln.Close()
		close(closed)
	})
	err := s.accept()
	cancel()
	<-closed
	s.drain()
	return err
}

// serving is one call of Serve, with the defaults filled in.
type serving struct {
	Config
	ctx    context.Context
	ln     net.Listener
	handle func(context.Context, net.Conn)
	log    *slog.Logger
	wg     sync.WaitGroup // handles, and connections that are open

	mu                     sync.Mutex
	served                 pool
	strangers              pool
	regulars               pool // strangers of known sources
	known                  sources
	total, refused, denied uint64
}

func newServing(ctx context.Context, ln net.Listener, cfg Config, handle func(context.Context, net.Conn)) *serving {
	s := &serving{Config: cfg, ctx: ctx, ln: ln, handle: handle, log: Log(cfg.Logger)}
	s.MaxConns = cmp.Or(max(s.MaxConns, 0), DefaultMaxConns)
	s.MaxStrangers = cmp.Or(max(s.MaxStrangers, 0), DefaultMaxStrangers)
	s.GreetTime = cmp.Or(max(s.GreetTime, 0), DefaultGreetTime)
	s.served = newPool(s.MaxConns, s.PerSource)
	s.strangers = newPool(s.MaxStrangers, (s.MaxStrangers+1)/2)
	s.regulars = newPool(s.MaxStrangers, (s.MaxStrangers+1)/2)
	return s
}

// accept is the accept loop. The pause after a failure grows until there was
// none for a while: where descriptors are short, one comes free now and then.
func (s *serving) accept() error {
	var pause time.Duration
	var failed time.Time
	for {
		nc, err := s.ln.Accept()
		switch {
		case err == nil:
			s.admit(nc)
			continue
		case s.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case !transient(err):
			return fmt.Errorf("accepting a connection: %w", err)
		}
		s.log.Warn("cannot accept connections, trying again", "reason", withRemedy(err))
		if time.Since(failed) > maxPause {
			pause = 0
		}
		pause = min(max(2*pause, minPause), maxPause)
		select {
		case <-s.ctx.Done():
		case <-time.After(pause):
		}
		failed = time.Now()
	}
}

// withRemedy says of an error of accept what an operator can do.
func withRemedy(err error) error {
	if errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("%w (raise LimitNOFILE of the unit, or ulimit -n)", err)
	}
	return err
}

// transient reports whether an error of accept passes by itself: what the
// machine lacks, and faults of the one connection (accept(2), "Error handling").
func transient(err error) bool {
	return IsAny(err,
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.EINTR, syscall.EAGAIN, syscall.EPERM, syscall.EPROTO,
		syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENETUNREACH)
}

// IsAny reports whether an error is one of some.
func IsAny(err error, of ...error) bool {
	return slices.ContainsFunc(of, func(e error) bool { return errors.Is(err, e) })
}

// admit lets a connection in, as a stranger where it has to be greeted, or
// closes it where there are too many.
func (s *serving) admit(nc net.Conn) {
	greeter := Find[Greeter](nc)
	c := &conn{Conn: nc, s: s, source: sourceOf(nc.RemoteAddr())}
	if greeter != nil || s.Greet != nil || s.ClientFirst && c.source.IsValid() {
		if greeter != nil {
			c.source = netip.Prefix{} // a load balancer's, which has many
		}
		c.budget = Find[*bounded](nc)
		s.takeStranger(c)
		s.wg.Add(2)
		go func() {
			defer s.wg.Done()
			if s.greet(c, greeter) {
				s.handle(s.ctx, c)
			}
		}()
		return
	}
	s.mu.Lock()
	ok := s.take(c)
	s.mu.Unlock()
	if !ok {
		s.turnAway(c)
		return
	}
	s.wg.Add(2)
	go func() {
		defer s.wg.Done()
		s.handle(s.ctx, c)
	}()
}

// take gives a connection a place among those that are served. The lock is
// held.
func (s *serving) take(c *conn) bool {
	if s.served.full() || s.served.fullOf(c.source) {
		s.refused++
		return false
	}
	s.served.add(c)
	s.total++
	return true
}

// turnAway closes a connection over a limit.
func (s *serving) turnAway(c *conn) {
	s.log.Warn("too many connections, closed one", "limit", s.MaxConns, "client", c.RemoteAddr().String())
	if s.Full != nil {
		s.Full(c.Conn)
	}
	root(c.Conn).Close()
}

// drain ends every connection: strangers now, those that wait for a client now
// too unless they may go on, and the others after Grace in any case. The accept
// loop has ended, so that no connection comes any more.
func (s *serving) drain() {
	s.each(&s.strangers, func(c *conn) { root(c.Conn).Close() })
	s.each(&s.regulars, func(c *conn) { root(c.Conn).Close() })
	if s.Ending != nil {
		s.mu.Lock()
		open := s.served.len()
		s.mu.Unlock()
		s.Ending(open)
	}
	if !s.GoOn {
		s.each(&s.served, func(c *conn) { c.Conn.SetReadDeadline(time.Unix(1, 0)) })
	}
	t := time.AfterFunc(s.Grace, func() { s.each(&s.served, func(c *conn) { c.Conn.Close() }) })
	s.wg.Wait()
	t.Stop()
}

func (s *serving) each(p *pool, f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := p.list.Front(); e != nil; e = e.Next() {
		f(e.Value.(*conn))
	}
}

// sourceOf is the Source of a client; the zero value is nowhere.
func sourceOf(a net.Addr) netip.Prefix { return Source(EndOf(a).Addr()) }

// EndOf is an end of a TCP connection, unmapped and without a zone; the zero value of
// another connection.
func EndOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

// Source is where an address counts as coming from: itself, or the /64 of an IPv6
// address; the zero value for an address that is not valid.
func Source(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	source, _ := addr.Prefix(bits)
	return source
}
