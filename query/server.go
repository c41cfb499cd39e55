// Package query is the query socket of text lines: one line asks about a
// connection, by the address and port of the client, and one line answers, as
// text for a header or as JSON.
//
// Server answers for any note.Lookuper; Client asks such a socket, and is a
// note.Lookuper itself: the way for a mail server in Go, or a front on another
// host, to reach the sensor. What talks to p0f finds p0f's own socket in
// package p0f. A program that holds the sensor in its own process needs
// neither.
//
// The protocol is specified in docs/query.md.
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning. The protocol only gains forms, and its answers only gain words
// at their end.
package query

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

// Defaults of Server.
const (
	serverWait         = 10 * time.Millisecond
	serverMaxWait      = time.Second
	serverWriteTimeout = 5 * time.Second
)

const (
	// bufferSize is how much of a connection is read at a time; an idle one
	// keeps that much.
	bufferSize = 1024

	// writeSize is how many bytes of answers are written at a time, or a few
	// more.
	writeSize = 8 << 10

	// maxBad is how many bad requests a connection may make, and maxSkip how
	// much of one that is too long is read.
	maxBad  = 100
	maxSkip = 64 << 10

	// drainTime is how long answers under way may take when the server ends.
	drainTime = 250 * time.Millisecond
)

// Server answers the query socket from a note.Lookuper. Set the fields before
// Serve. Its methods are safe for concurrent use; a Server may serve several
// listeners at once, and must not be copied.
type Server struct {
	// Lookuper has the answers.
	Lookuper note.Lookuper

	// Command does what a line of one word asks for: "reload", "unknown" or
	// "status", that root or the user of this process sent through a unix socket,
	// and "status" that a client with the Token sent. It returns
	// lines to answer with, and what to say at their end: done, or why it is
	// refused. Nil means that there are no commands.
	Command func(ctx context.Context, name string) (lines []byte, done string, err error)

	// MaxConns is how many connections of each listener are served at once; 0
	// means 10,000. One more is closed, so that the mail server goes on without
	// an answer.
	MaxConns int

	// Wait is how long a request that does not say may wait for the SYN of a
	// client not seen yet; 0 means 10 ms, and less than 0 not at all. The
	// requests of one read wait together.
	Wait time.Duration

	// MaxWait bounds the wait that a request asks for; 0 means one second.
	MaxWait time.Duration

	// WriteTimeout is how long answers may wait for a client to make room for
	// them, before the client is dropped; 0 means 5 s.
	WriteTimeout time.Duration

	// Token is what a connection has to begin with, where it is not empty: the
	// line "token " and this. It is for listeners that others can reach; they
	// are to be by TLS (ListenTLS). CheckToken says what it may be. At most
	// 1,000 clients at once may be without it, of which one address, or /64, may
	// be half; for one more the oldest is closed.
	Token string

	// TokenTimeout is how long that line may take, with the handshake of TLS; 0
	// means 5 s.
	TokenTimeout time.Duration

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger

	group serve.Group
}

// Stats is what a server did since its start: the connections (Open, Strangers
// without their token yet, Total, Refused over a limit, Denied without a token,
// Dropped because they did not read) and the requests (Requests, the malformed
// ones of Bad included, and Missed without a sensor).
type Stats = serve.Stats

// Stats returns the counters; each is exact, but they are not read at one
// instant.
func (s *Server) Stats() Stats { return s.group.Stats() }

// Serve answers the connections of ln until ctx ends or ln fails. It closes ln
// and every connection, and returns when all of its goroutines have ended: nil
// after the end of ctx, else why ln failed. Answers under way are finished, for
// which a client has a quarter of a second.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	log := serve.Log(s.Logger)
	cfg := serve.Config{MaxConns: s.MaxConns, GreetTime: s.TokenTimeout, ClientFirst: true, Grace: drainTime, Logger: log}
	if s.Token != "" {
		cfg.Greet = s.greet
	}
	err := s.group.Serve(ctx, ln, cfg, func(ctx context.Context, nc net.Conn) { s.conn(ctx, nc, log).serve() })
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	return nil
}

// conn is one connection, with the defaults of the server filled in.
type conn struct {
	s                           *Server
	ctx                         context.Context
	nc                          net.Conn
	log                         *slog.Logger
	wait, maxWait, writeTimeout time.Duration

	bad     int  // malformed requests
	skipped int  // bytes of a request that is too long
	closing bool // no more is answered
	started time.Time
}

func (s *Server) conn(ctx context.Context, nc net.Conn, log *slog.Logger) *conn {
	return &conn{
		s: s, ctx: ctx, nc: nc, log: log,
		wait: max(cmp.Or(s.Wait, serverWait), 0), maxWait: cmp.Or(max(s.MaxWait, 0), serverMaxWait),
		writeTimeout: cmp.Or(max(s.WriteTimeout, 0), serverWriteTimeout),
	}
}

// serve answers until the connection ends.
func (c *conn) serve() {
	defer c.nc.Close()
	in, have := make([]byte, bufferSize), 0
	for !c.closing {
		n, err := c.nc.Read(in[have:])
		have += n
		rest := c.lines(in[:have], errors.Is(err, io.EOF))
		if err != nil || c.closing {
			return
		}
		have = copy(in, rest)
		in = fit(in, have)
	}
}

// fit makes room for the rest of a request that begins with ask, and gives it up
// after that.
func fit(in []byte, have int) []byte {
	switch {
	case have == len(in) && have < maxAsk:
		return append(in, make([]byte, maxAsk+len("\r\n")-have)...)
	case have == 0 && len(in) > bufferSize:
		return make([]byte, bufferSize)
	}
	return in
}

// outputs keeps the buffers of answers, which only connections that answer
// need.
var outputs = sync.Pool{New: func() any { return new([]byte) }}

// lines answers the requests of one read, and returns the part of one that is
// left. At the end of the stream that is a request too.
func (c *conn) lines(in []byte, end bool) (rest []byte) {
	buf := outputs.Get().(*[]byte)
	out := (*buf)[:0]
	defer func() {
		*buf = out
		outputs.Put(buf)
	}()
	c.started = time.Now()
	for !c.closing {
		i := bytes.IndexByte(in, '\n')
		if i < 0 {
			break
		}
		out = c.line(out, in[:i])
		in = in[i+1:]
		if len(out) >= writeSize {
			out = c.write(out)
		}
	}
	switch {
	case c.closing:
	case c.skipped == 0 && isP0fQuery(in):
		out, in = c.refuse(out, errP0f), nil
		c.closing = true
	case end && len(in) > 0:
		out = c.line(out, in)
	case len(in) > longest(in)+len("\r"):
		out, in = c.skip(out, len(in)), nil
	case c.skipped > 0 && len(in) > 0:
		out, in = c.skip(out, len(in)), nil
	}
	c.write(out)
	return in
}

// longest is how long a request that begins so may be.
func longest(in []byte) int {
	if bytes.HasPrefix(in, []byte(askWord+" ")) {
		return maxAsk
	}
	return maxRequest
}

// isP0fQuery reports whether a client of p0f's socket speaks, which would wait
// for its answer for ever.
func isP0fQuery(b []byte) bool {
	return len(b) >= p0fQuerySize && binary.NativeEndian.Uint32(b) == p0fQueryMagic
}

// line answers one request, unless it is the end of one that was answered
// before, for being too long.
func (c *conn) line(out, line []byte) []byte {
	if c.skipped > 0 {
		c.skipped = 0
		return out
	}
	c.s.group.Requests.Add(1)
	text := string(bytes.TrimSuffix(line, []byte{'\r'}))
	if name := strings.TrimRight(text, " "); c.s.Command != nil && commands[name] {
		return c.command(out, name)
	}
	r, err := parseRequest(text)
	if err != nil {
		return c.refuse(out, err)
	}
	q := note.Query{Client: r.client, Server: r.server, Wait: c.left(r.wait)}
	r.report.add(&q)
	n, err := c.s.Lookuper.Lookup(c.ctx, q)
	if err != nil {
		c.s.group.Missed.Add(1)
		n = note.Note{}
	}
	return appendAnswer(out, r.form, &n)
}

// left is how long a request may wait: its own time, counted from the read it
// came with.
func (c *conn) left(wait time.Duration) time.Duration {
	if wait < 0 {
		wait = c.wait
	}
	if wait = min(wait, c.maxWait); wait == 0 {
		return 0
	}
	return max(wait-time.Since(c.started), 0)
}

// skip takes n bytes of a request that is too long.
func (c *conn) skip(out []byte, n int) []byte {
	if c.skipped == 0 {
		c.s.group.Requests.Add(1)
		out = c.refuse(out, errTooLong)
	}
	if c.skipped += n; c.skipped > maxSkip {
		c.closing = true
	}
	return out
}

// refuse answers what is no request. The first of a connection is logged.
func (c *conn) refuse(out []byte, err error) []byte {
	c.s.group.Bad.Add(1)
	if c.bad++; c.bad >= maxBad {
		c.closing = true
	}
	if c.bad == 1 {
		c.log.Warn("bad request on the query socket", "client", c.nc.RemoteAddr().String(), "reason", err)
	}
	return appendError(out, err)
}

// write writes the answers and returns the buffer, empty. A client that has
// gone is of no interest to anybody; one that does not read is.
func (c *conn) write(out []byte) []byte {
	if len(out) == 0 {
		return out
	}
	c.nc.SetWriteDeadline(time.Now().Add(c.writeTimeout))
	if _, err := c.nc.Write(out); err != nil {
		c.closing = true
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.s.group.Dropped.Add(1)
			c.log.Warn("dropped a client that does not read its answers", "timeout", c.writeTimeout)
		}
	}
	return out[:0]
}
