package p0f

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/note"
)

// Defaults of Server.
const (
	serverMaxConns     = 10000
	serverWait         = 10 * time.Millisecond // capture hands over after 0.15 ms (p99), 7 ms at the worst under a flood
	serverWriteTimeout = 5 * time.Second
)

const (
	// batchSize is how many queries of one connection are read and answered at
	// a time. An idle connection keeps a buffer of that many queries (672
	// bytes); the 7,424 bytes of the answers are far below half of a socket
	// buffer, so that Linux takes them whole or not at all and no reply is ever
	// split.
	batchSize = 32

	// drainTime is how long answers under way may take when the server ends.
	drainTime = 250 * time.Millisecond

	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Server answers p0f's query socket from a note.Lookuper (p0f v3 §9). Set the
// fields before Serve. Its methods are safe for concurrent use; a Server may
// serve several listeners at once, and must not be copied.
//
// As with p0f a connection may ask any number of queries, in any portions and
// without waiting for answers, and may idle for ever; answers come in the order
// of the queries, and nothing is ever sent unasked. A query that is no query is
// answered so, and the connection goes on with the next 21 bytes.
//
// Deviation: where p0f can be killed or made to spin by a client that hangs up
// early, closes only one direction or does not read, ours answers what was
// asked before the end of the stream, and ends that one connection.
type Server struct {
	// Lookuper has the answers. A note of state NotSeen or Unavailable is p0f's
	// "no match".
	Lookuper note.Lookuper

	// MaxConns is how many connections are served at once; 0 means 10,000.
	//
	// Deviation: p0f (20, at most 100) leaves one connection more unanswered
	// until another ends; ours closes it at once, so that the mail server goes
	// on without an answer instead of holding up the mail.
	MaxConns int

	// Wait is how long the queries of one read together may wait for the SYN of
	// an address not seen yet; 0 means 10 ms, and less than 0 not at all. See
	// note.Query.
	Wait time.Duration

	// WriteTimeout is how long the answers to one read may wait for a client to
	// make room for them, or up to a sixteenth longer, before the client is
	// dropped; 0 means 5 s.
	WriteTimeout time.Duration

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger

	counters counters

	grace time.Duration // of connections at a hand-over, in tests; drainTime at the least

	handing  sync.Mutex // held by Handover
	mu       sync.Mutex // guards the rest
	servings map[*serving]struct{}
	adopted  []adopted
}

// Stats is what a Server did since its start.
type Stats struct {
	Open        int64  // connections open now
	Connections uint64 // connections served, the open ones included
	Rejected    uint64 // connections closed at once, over MaxConns
	Dropped     uint64 // connections closed because the client did not read
	Queries     uint64 // queries answered, the bad ones included
	BadQueries  uint64 // queries with a wrong magic or address type
	Unavailable uint64 // queries which the Lookuper could not answer
}

type counters struct {
	open                                  atomic.Int64
	connections, rejected, dropped        atomic.Uint64
	queries, badQueries, unavailable      atomic.Uint64
	badLines, rejectedLines, droppedLines lineLimit
}

// Stats returns the counters; each is exact, but they are not read at one
// instant.
func (s *Server) Stats() Stats {
	c := &s.counters
	return Stats{
		Open:        c.open.Load(),
		Connections: c.connections.Load(),
		Rejected:    c.rejected.Load(),
		Dropped:     c.dropped.Load(),
		Queries:     c.queries.Load(),
		BadQueries:  c.badQueries.Load(),
		Unavailable: c.unavailable.Load(),
	}
}

// Serve answers the connections of ln until ctx ends or ln fails. It closes ln
// and every connection, and returns when all of its goroutines have ended: nil
// after the end of ctx, else why ln failed. Answers under way are finished, for
// which a client has a quarter of a second.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := s.serving(ctx)
	v.ln, v.cancel = ln, cancel
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		v.unheld()
		ln.Close()
		close(closed)
	})
	for _, c := range s.enlist(v) {
		v.admit(c.Conn, c.part)
	}
	defer s.strike(v)
	err := v.accept(ln)
	cancel()
	<-closed
	v.drain()
	return err
}

// enlist adds a serving, and returns the connections it shall begin with.
func (s *Server) enlist(v *serving) []adopted {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.servings == nil {
		s.servings = make(map[*serving]struct{})
	}
	s.servings[v] = struct{}{}
	conns := s.adopted
	s.adopted = nil
	return conns
}

func (s *Server) strike(v *serving) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.servings, v)
}

// serving is one call of Serve, with the defaults filled in.
type serving struct {
	*Server
	ctx          context.Context
	cancel       context.CancelFunc
	ln           net.Listener
	log          *slog.Logger
	maxConns     int64
	wait         time.Duration
	writeTimeout time.Duration
	last         atomic.Pointer[caller] // who asked last

	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	hold  *hold // while the connections are being handed over
}

func (s *Server) serving(ctx context.Context) *serving {
	v := &serving{
		Server:       s,
		ctx:          ctx,
		log:          s.Logger,
		maxConns:     int64(s.MaxConns),
		wait:         s.Wait,
		writeTimeout: s.WriteTimeout,
		conns:        make(map[net.Conn]struct{}),
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if v.maxConns <= 0 {
		v.maxConns = serverMaxConns
	}
	switch {
	case v.wait == 0:
		v.wait = serverWait
	case v.wait < 0:
		v.wait = 0
	}
	if v.writeTimeout <= 0 {
		v.writeTimeout = serverWriteTimeout
	}
	return v
}

// accept takes connections until ctx ends. When the machine runs short of
// descriptors or memory it pauses, longer from time to time, and goes on.
func (v *serving) accept(ln net.Listener) error {
	var pause time.Duration
	for {
		nc, err := ln.Accept()
		if err == nil {
			pause = 0
			v.admit(nc, nil)
			continue
		}
		if v.ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if v.parkListener() {
				continue
			}
			return nil
		}
		if !transient(err) {
			return fmt.Errorf("p0f: accepting a connection: %w", err)
		}
		if pause == 0 {
			v.log.Warn("cannot accept connections, trying again", "err", err)
		}
		pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
		select {
		case <-v.ctx.Done():
			return nil
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

// admit starts to serve a connection of whose first query part is there, or
// closes it when there are too many.
func (v *serving) admit(nc net.Conn, part []byte) {
	if v.counters.open.Add(1) > v.maxConns {
		v.counters.open.Add(-1)
		v.counters.rejected.Add(1)
		nc.Close()
		if ok, more := v.counters.rejectedLines.allow(time.Now()); ok {
			v.log.Warn("too many connections, closed one", "limit", v.maxConns, "suppressed", more)
		}
		return
	}
	v.counters.connections.Add(1)
	v.mu.Lock()
	v.conns[nc] = struct{}{}
	v.mu.Unlock()
	v.wg.Add(1)
	go v.serve(nc, part)
}

// drain ends every connection: the idle ones now, the others when they have
// written what they are about to write, and after drainTime in any case. The
// accept loop has ended, so that no connection comes any more.
func (v *serving) drain() {
	v.each(func(nc net.Conn) { nc.SetReadDeadline(time.Unix(1, 0)) })
	t := time.AfterFunc(drainTime, func() {
		v.each(func(nc net.Conn) { nc.Close() })
	})
	v.wg.Wait()
	t.Stop()
}

func (v *serving) each(f func(net.Conn)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for nc := range v.conns {
		f(nc)
	}
}

// serve answers one connection until it ends. What an idle connection costs is
// the stack of this function with the buffer in it, and a caller.
func (v *serving) serve(nc net.Conn, part []byte) {
	defer v.end(nc)
	var (
		c    = newCaller(nc, &v.last)
		in   = make([]byte, batchSize*QuerySize)
		have = copy(in, part) // bytes of in that are not answered yet
	)
	defer c.settle() // or the client would be told that its connection was reset
	for {
		n, err := c.Read(in[have:])
		have += n
		if full := have - have%QuerySize; full > 0 {
			if !v.answer(c, in[:full]) {
				return
			}
			have = copy(in, in[full:have])
		}
		if err != nil && !v.park(nc, in[:have], err) {
			// The end of the stream, an error or the end of the server: part of
			// a query that is left is nobody's question.
			return
		}
	}
}

func (v *serving) end(nc net.Conn) {
	nc.Close()
	v.mu.Lock()
	delete(v.conns, nc)
	if v.hold != nil {
		v.hold.notify()
	}
	v.mu.Unlock()
	v.counters.open.Add(-1)
	v.wg.Done()
}

// replies keeps the buffers of answers, which only connections that answer
// need.
var replies = sync.Pool{New: func() any { return new([batchSize * ResponseSize]byte) }}

// answer answers the queries of one read in one write, and reports whether the
// connection is good for more.
func (v *serving) answer(c *caller, queries []byte) bool {
	buf := replies.Get().(*[batchSize * ResponseSize]byte)
	defer replies.Put(buf)
	out := buf[:0]
	wait, end := v.wait, time.Time{}
	if len(queries) > QuerySize {
		end = time.Now().Add(v.wait)
	}
	for q := queries; len(q) > 0; q = q[QuerySize:] {
		addr, err := DecodeQuery(q[:QuerySize])
		if err != nil {
			v.bad(c)
			out = appendStatus(out, statusBadQuery)
			continue
		}
		if len(out) > 0 && wait > 0 {
			wait = max(time.Until(end), 0)
		}
		// Deviation: to p0f an IPv4-mapped IPv6 address is a host of its own,
		// which it has never seen. A mail server that listens on one socket
		// for both protocols asks with such addresses; it means the IPv4 host.
		n, err := v.Lookuper.Lookup(v.ctx, note.Query{
			Client: netip.AddrPortFrom(addr.Unmap(), 0),
			Wait:   wait,
		})
		if err != nil {
			v.counters.unavailable.Add(1)
			n = note.Note{}
		}
		out = AppendResponse(out, n)
	}
	v.counters.queries.Add(uint64(len(queries) / QuerySize))
	c.allow(v.writeTimeout)
	if _, err := c.Write(out); err != nil {
		v.unwritten(err)
		return false
	}
	return true
}

// bad counts a bad query, and logs the first of a connection.
func (v *serving) bad(c *caller) {
	v.counters.badQueries.Add(1)
	if c.bad {
		return
	}
	c.bad = true
	if ok, more := v.counters.badLines.allow(time.Now()); ok {
		v.log.Warn("bad query on the socket", "client", c.RemoteAddr().String(), "suppressed", more)
	}
}

// unwritten sorts out why an answer could not be written. A client that has
// gone is of no interest to anybody; one that does not read is.
func (v *serving) unwritten(err error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	v.counters.dropped.Add(1)
	if ok, more := v.counters.droppedLines.allow(time.Now()); ok {
		v.log.Warn("dropped a client that does not read its answers", "timeout", v.writeTimeout, "suppressed", more)
	}
}

// lineLimit lets one line a second into the log, whatever the clients do.
type lineLimit struct {
	next       atomic.Int64 // not before; nanoseconds since 1970
	suppressed atomic.Uint64
}

// allow reports whether a line may be written, and how many were not since the
// last one.
func (l *lineLimit) allow(now time.Time) (bool, uint64) {
	next := l.next.Load()
	if now.UnixNano() < next || !l.next.CompareAndSwap(next, now.Add(time.Second).UnixNano()) {
		l.suppressed.Add(1)
		return false, 0
	}
	return true, l.suppressed.Swap(0)
}
