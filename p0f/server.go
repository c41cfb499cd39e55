package p0f

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

// Defaults of Server.
const (
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
)

// Server answers p0f's query socket from a note.Lookuper (p0f-v3.md §9). Set the
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

	// MaxConns is how many connections of each listener are served at once; 0
	// means 10,000. By TCP one address, or /64, may have half of them.
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

	group serve.Group
}

// Stats is what a server did since its start: the connections (Open, Total,
// Refused over a limit, Dropped because they did not read) and the queries
// (Requests, the malformed ones of Bad included, and Missed without a sensor).
type Stats = serve.Stats

// Stats returns the counters; each is exact, but they are not read at one
// instant.
func (s *Server) Stats() Stats { return s.group.Stats() }

// Serve answers the connections of ln until ctx ends or ln fails. It closes ln
// and every connection, and returns when all of its goroutines have ended: nil
// after the end of ctx, else why ln failed. Answers under way are finished, for
// which a client has a quarter of a second.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	v := &serving{Server: s, terms: newTerms(&s.group, s.Logger, s.Wait, s.WriteTimeout)}
	if err := s.group.Serve(ctx, ln, v.config(s.MaxConns), v.serve); err != nil {
		return fmt.Errorf("p0f: %w", err)
	}
	return nil
}

// serving is one call of Serve, with the defaults filled in.
type serving struct {
	*Server
	terms
}

// terms are what the two servers have in common.
type terms struct {
	count        *serve.Group
	log          *slog.Logger
	wait         time.Duration
	writeTimeout time.Duration
}

func newTerms(count *serve.Group, log *slog.Logger, wait, writeTimeout time.Duration) terms {
	return terms{
		count: count, log: serve.Log(log), wait: max(cmp.Or(wait, serverWait), 0),
		writeTimeout: cmp.Or(max(writeTimeout, 0), serverWriteTimeout),
	}
}

func (t *terms) config(maxConns int) serve.Config {
	return serve.Config{MaxConns: maxConns, Grace: drainTime, Logger: t.log}
}

// An heir is a connection that a later process may take over (package
// internal/inherit).
type heir interface {
	// Part is what an earlier process read of a query.
	Part() []byte
	// Park waits where the connection is being handed over, with what was read
	// of the next query, and reports whether to read on after an error of Read.
	Park(part []byte, err error) bool
}

// serve answers one connection until it ends. What an idle connection costs is
// the stack of this function with the buffer in it, and a caller.
func (v *serving) serve(ctx context.Context, nc net.Conn) {
	defer nc.Close()
	var (
		c    = newCaller(nc)
		in   = make([]byte, batchSize*QuerySize)
		have = 0 // bytes of in that are not answered yet
		h    = serve.Find[heir](nc)
	)
	if h != nil {
		have = copy(in, h.Part())
	}
	defer c.settle() // or the client would see a reset
	for {
		n, err := c.Read(in[have:])
		have += n
		if full := have - have%QuerySize; full > 0 {
			if !v.answer(ctx, c, in[:full]) {
				return
			}
			have = copy(in, in[full:have])
		}
		if err != nil && (h == nil || !h.Park(in[:have], err)) {
			// The end of the stream, an error or the end of the server: part of
			// a query that is left is no question.
			return
		}
	}
}

// replies keeps the buffers of answers, which only connections that answer
// need.
var replies = sync.Pool{New: func() any { return new([batchSize * ResponseSize]byte) }}

// answer answers the queries of one read in one write, and reports whether the
// connection is good for more.
func (v *serving) answer(ctx context.Context, c *caller, queries []byte) bool {
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
			v.bad(c, "socket", &c.bad)
			out = appendStatus(out, statusBadQuery)
			continue
		}
		if len(out) > 0 && wait > 0 {
			wait = max(time.Until(end), 0)
		}
		// Deviation: to p0f an IPv4-mapped IPv6 address is a host of its own,
		// which it has never seen. A mail server that listens on one socket
		// for both protocols asks with such addresses; it means the IPv4 host.
		n, err := v.Lookuper.Lookup(ctx, note.Query{
			Client: netip.AddrPortFrom(addr.Unmap(), 0),
			Wait:   wait,
		})
		if err != nil {
			v.count.Missed.Add(1)
			n = note.Note{}
		}
		out = AppendResponse(out, n)
	}
	v.count.Requests.Add(uint64(len(queries) / QuerySize))
	c.allow(v.writeTimeout)
	if _, err := c.Write(out); err != nil {
		v.unwritten(err)
		return false
	}
	return true
}

// bad counts a bad query on a socket, and logs the first of a connection.
func (t *terms) bad(nc net.Conn, socket string, logged *bool) {
	t.count.Bad.Add(1)
	if !*logged {
		t.log.Warn("bad query on the "+socket, "client", nc.RemoteAddr().String())
	}
	*logged = true
}

// unwritten sorts out why an answer could not be written. That a client has gone
// is of no interest; that it does not read is.
func (t *terms) unwritten(err error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	t.count.Dropped.Add(1)
	t.log.Warn("dropped a client that does not read its answers", "timeout", t.writeTimeout)
}
