// Package policyd tells Postfix who its client is: it is a policy service that
// has the connection note prepended to each mail as a header.
//
// Use it with check_policy_service in smtpd_data_restrictions. Package milter
// does the same and can also remove headers; a policy service cannot, so that
// forged ones have to be kept out by Postfix itself (docs/postfix.md). Other
// mail servers do not speak this protocol.
//
// It implements Postfix's policy delegation protocol (SMTPD_POLICY_README),
// with the attributes of Postfix 3.1 and newer: before, the client's port is
// not told, and answers are those of the address.
package policyd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

// ErrHeader says that Server.Header is not the name of a header.
var ErrHeader = front.ErrHeader

// defaultDeadline of a look-up.
const defaultDeadline = 50 * time.Millisecond

// sightTime is how long a look-up waits for a SYN not seen yet: by the time of
// RCPT or DATA it was seen, or never will be.
const sightTime = 10 * time.Millisecond

// Limits of a connection; Postfix itself closes one that is idle for 300 s.
const (
	idleTime    = time.Hour       // between two requests
	requestTime = 5 * time.Second // from the first byte of a request to its last
	writeTime   = 5 * time.Second // for an answer
	drainTime   = 250 * time.Millisecond
)

// Server answers Postfix with the note of the client. Set the fields before
// Serve. It is safe for concurrent use, may serve several listeners at once,
// and must not be copied.
//
// A request about a client that the sensor has seen is answered with PREPEND;
// everything else with DUNNO, so that Postfix goes on as if it had not asked:
// a client that was not seen, a look-up without an answer, a request that is
// none. Of the requests about one mail, which come one a recipient where the
// service stands among the restrictions of recipients, the first gets the
// PREPEND.
type Server struct {
	// Lookuper has the answers.
	Lookuper note.Lookuper

	// Header is the name of the header; empty means X-p0f-Result.
	Header string

	// Form makes the text of the header; nil means (*note.Note).Header. A text
	// that is not one line of printable ASCII is refused.
	Form func(*note.Note) string

	// Deadline is how long a look-up may take; 0 means 50 ms.
	Deadline time.Duration

	// MaxConns is how many connections are served at once; 0 means 10,000. One
	// more is closed at once.
	MaxConns int

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger

	mu      sync.Mutex
	serving map[*serving]struct{}
	ended   serve.Stats // of listeners that are served no more

	requests, prepended, missed, bad atomic.Uint64

	missedLines, badLines, textLines, stateLines serve.Lines
}

// Stats is what a Server did since its start.
type Stats struct {
	Open        int    // connections open now
	Connections uint64 // connections served, the open ones included
	Rejected    uint64 // connections closed at once, over MaxConns
	Requests    uint64 // requests answered
	Prepended   uint64 // of these, with PREPEND
	Missed      uint64 // of these, without a note by the deadline, or without a sensor
	Bad         uint64 // requests that were none
}

// Stats returns the counters; they are not read at one instant.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	sum := s.ended
	for v := range s.serving {
		sum = sum.Add(v.ln.Stats())
	}
	s.mu.Unlock()
	return Stats{
		Open: sum.Open, Connections: sum.Accepted, Rejected: sum.Rejected,
		Requests: s.requests.Load(), Prepended: s.prepended.Load(),
		Missed: s.missed.Load(), Bad: s.bad.Load(),
	}
}

// Serve answers the connections of ln until ctx ends or ln fails. It closes ln
// and every connection, and returns when all of its goroutines have ended: nil
// after the end of ctx, else why ln failed. A Header that is none is ErrHeader.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	header, err := front.NewHeader(s.Header, s.Form)
	if err != nil {
		ln.Close()
		return fmt.Errorf("policyd: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &serving{
		Server: s, ctx: ctx, header: header, log: s.Logger, deadline: s.Deadline,
		ln: serve.Listen(ctx, ln, serve.Config{MaxConns: s.MaxConns, Logger: s.Logger}),
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if v.deadline <= 0 {
		v.deadline = defaultDeadline
	}
	s.mu.Lock()
	if s.serving == nil {
		s.serving = make(map[*serving]struct{})
	}
	s.serving[v] = struct{}{}
	s.mu.Unlock()

	err = v.accept()
	cancel()
	v.ln.Drain(drainTime)
	v.wg.Wait()

	s.mu.Lock()
	delete(s.serving, v)
	s.ended = s.ended.Add(v.ln.Stats())
	s.mu.Unlock()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("policyd: %w", err)
	}
	return nil
}

// serving is one call of Serve, with the defaults filled in.
type serving struct {
	*Server
	ctx      context.Context
	ln       *serve.Listener
	header   front.Header
	log      *slog.Logger
	deadline time.Duration
	wg       sync.WaitGroup
}

func (v *serving) accept() error {
	for {
		nc, err := v.ln.Accept()
		if err != nil {
			return err
		}
		v.wg.Go(func() { v.serve(nc) })
	}
}

// serve answers one connection until it ends.
func (v *serving) serve(nc net.Conn) {
	defer nc.Close()
	r := newReader(nc)
	var last string // the mail that got its header
	for v.ctx.Err() == nil {
		req, err := r.next()
		if err != nil && !errors.Is(err, errRequest) {
			return // the end of the stream, of our patience or of the server
		}
		answer := dunno
		if err != nil {
			v.complain(nc, err)
		} else if req.instance == "" || req.instance != last {
			if text := v.text(req); text != "" {
				answer = "action=PREPEND " + v.header.Name + ": " + text + "\n\n"
				last = req.instance
				v.prepended.Add(1)
			}
		}
		v.requests.Add(1)
		nc.SetWriteDeadline(time.Now().Add(writeTime))
		if _, werr := nc.Write([]byte(answer)); werr != nil || errors.Is(err, errLost) {
			return
		}
	}
}

// dunno leaves everything to the restrictions that follow.
const dunno = "action=DUNNO\n\n"

// text is the header's, or empty where the mail gets none.
func (v *serving) text(r *request) string {
	if !r.inTime() {
		if ok, more := v.stateLines.Allow(time.Now()); ok {
			v.log.Warn("asked when no header can be added; use smtpd_data_restrictions", "state", r.state, "suppressed", more)
		}
		return ""
	}
	if !r.client.IsValid() {
		return "" // Postfix does not know it either
	}
	n, err := v.lookup(note.Query{Client: r.client, Server: r.server, Wait: min(sightTime, v.deadline)})
	if err != nil {
		v.missed.Add(1)
		if ok, more := v.missedLines.Allow(time.Now()); ok {
			v.log.Warn("mail without a note", "deadline", v.deadline, "reason", err, "suppressed", more)
		}
		return ""
	}
	text, err := v.header.Text(&n)
	if err != nil {
		if ok, more := v.textLines.Allow(time.Now()); ok {
			v.log.Warn("mail without a header", "reason", err, "suppressed", more)
		}
	}
	return text
}

// lookup is bounded by the deadline, whatever the Lookuper does. The end of the
// server does not cut it short.
func (v *serving) lookup(q note.Query) (note.Note, error) {
	type answer struct {
		n   note.Note
		err error
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), v.deadline)
	defer cancel()
	done := make(chan answer, 1)
	v.wg.Go(func() {
		n, err := v.Lookuper.Lookup(ctx, q)
		done <- answer{n, err}
	})
	select {
	case a := <-done:
		return a.n, a.err
	case <-ctx.Done():
		return note.Note{}, ctx.Err()
	}
}

// complain logs a request that is none.
func (v *serving) complain(nc net.Conn, err error) {
	v.bad.Add(1)
	if ok, more := v.badLines.Allow(time.Now()); ok {
		v.log.Warn("bad request", "client", nc.RemoteAddr().String(), "reason", err, "suppressed", more)
	}
}
