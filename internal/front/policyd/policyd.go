// Package policyd answers Postfix about its client: it is a policy service that
// has the connection note prepended to each mail as a header.
//
// Use it with check_policy_service in smtpd_data_restrictions. Package milter
// does the same and can also remove headers; a policy service cannot, so that
// forged ones have to be kept out by Postfix itself (docs/postfix.md). Other
// mail servers do not speak this protocol.
//
// It implements Postfix's policy delegation protocol (SMTPD_POLICY_README),
// with the attributes of Postfix 3.1 and newer: before, the client's port is
// not sent, and answers are those of the address.
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

	group     serve.Group
	prepended atomic.Uint64
}

// Stats is what a Server did since its start. Missed are requests without a note
// by the deadline, or without a sensor.
type Stats struct {
	serve.Stats
	Prepended uint64 // requests answered with PREPEND
}

// Stats returns the counters; they are not read at one instant.
func (s *Server) Stats() Stats {
	return Stats{Stats: s.group.Stats(), Prepended: s.prepended.Load()}
}

// Serve answers the connections of ln until ctx ends or ln fails. It closes ln
// and every connection, and returns when all of its goroutines have ended: nil
// after the end of ctx, else why ln failed. An invalid Header returns ErrHeader.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	header, err := front.NewHeader(s.Header, s.Form)
	if err != nil {
		ln.Close()
		return fmt.Errorf("policyd: %w", err)
	}
	v := &serving{Server: s, header: header, log: serve.Log(s.Logger), deadline: s.Deadline}
	if v.deadline <= 0 {
		v.deadline = defaultDeadline
	}
	cfg := serve.Config{MaxConns: s.MaxConns, ClientFirst: true, Grace: drainTime, Logger: v.log}
	err = s.group.Serve(ctx, ln, cfg, v.serve)
	v.lookups.Wait()
	if err != nil {
		return fmt.Errorf("policyd: %w", err)
	}
	return nil
}

// serving is one call of Serve, with the defaults filled in.
type serving struct {
	*Server
	header   front.Header
	log      *slog.Logger
	deadline time.Duration
	lookups  sync.WaitGroup
}

// serve answers one connection until it ends.
func (v *serving) serve(ctx context.Context, nc net.Conn) {
	defer nc.Close()
	r := newReader(nc)
	var last string // the mail that got its header
	for ctx.Err() == nil {
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
		v.group.Requests.Add(1)
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
		v.log.Warn("asked when no header can be added; use smtpd_data_restrictions", "state", r.state)
		return ""
	}
	if !r.client.IsValid() {
		return "" // Postfix does not know it either
	}
	n, err := v.lookup(note.Query{Client: r.client, Server: r.server, Wait: min(sightTime, v.deadline)})
	if err != nil {
		v.group.Missed.Add(1)
		v.log.Warn("mail without a note", "client", r.client, "deadline", v.deadline, "reason", err)
		return ""
	}
	text, err := v.header.Text(&n)
	if err != nil {
		v.log.Warn("mail without a header", "client", r.client, "reason", err)
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
	ctx, cancel := context.WithTimeout(context.Background(), v.deadline)
	defer cancel()
	done := make(chan answer, 1)
	v.lookups.Go(func() {
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

// complain logs a malformed request.
func (v *serving) complain(nc net.Conn, err error) {
	v.group.Bad.Add(1)
	v.log.Warn("bad request", "client", nc.RemoteAddr().String(), "reason", err)
}
