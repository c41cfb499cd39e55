// Package policyd is a policy service of Postfix: it answers by an operator's
// rules about the connection note, and has the note prepended to each mail as a
// header.
//
// Use it with check_policy_service: in smtpd_data_restrictions for the header, and
// in smtpd_recipient_restrictions for rules that reject or defer. Package milter
// does the same and can also remove headers; a policy service cannot, so that
// forged ones have to be kept out by Postfix itself (docs/postfix.md). Other
// mail servers do not speak this protocol.
//
// It implements Postfix's policy delegation protocol (SMTPD_POLICY_README),
// with the attributes of Postfix 3.1 and newer: before, the client's port is
// not sent, and answers are those of the address.
package policyd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/internal/claim"
	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/policy"
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

	// Rules are asked first, in every state of the protocol; nil means none. A
	// rule that acts is the answer instead of the header.
	Rules *policy.Set

	// Claims are compared with each note, for rules and header; nil means not.
	Claims *claim.Table

	// Logger gets a line a second at most of each kind, and a line of each mail
	// that a rule fires on; nil means none.
	Logger *slog.Logger

	group     serve.Group
	prepended atomic.Uint64
	fired     atomic.Uint64
}

// Stats is what a Server did since its start. Missed are requests without a note
// by the deadline, or without a sensor.
type Stats struct {
	serve.Stats
	Prepended uint64 // requests answered with the header
	Fired     uint64 // requests that a rule answered
}

// Stats returns the counters; they are not read at one instant.
func (s *Server) Stats() Stats {
	return Stats{Stats: s.group.Stats(), Prepended: s.prepended.Load(), Fired: s.fired.Load()}
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
	v := &serving{Server: s, header: header, log: serve.Log(s.Logger), deadline: cmp.Or(max(s.Deadline, 0), defaultDeadline)}
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
	var last mail
	for ctx.Err() == nil {
		req, err := r.next()
		if err != nil && !errors.Is(err, errRequest) {
			return // the end of the stream, of our patience or of the server
		}
		answer := dunno
		if err != nil {
			v.complain(nc, err)
		} else {
			if req.instance == "" || req.instance != last.instance {
				last = mail{instance: req.instance}
			}
			if action := v.action(req, &last); action != "" {
				answer = "action=" + action + "\n\n"
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

// mail is what was done about one. Postfix asks once a recipient, and again at
// DATA, where the service stands in several places.
type mail struct {
	instance string
	header   bool   // it got the note's header
	ruled    bool   // it got the header of a rule
	missed   bool   // there was no answer in time: no more waiting for this mail
	logged   string // the rules that were logged
}

// action is what Postfix is answered, or empty for nothing.
func (v *serving) action(r *request, m *mail) string {
	late := !r.inTime()
	if late && v.Rules == nil {
		v.log.Warn("asked when no header can be added; use smtpd_data_restrictions", "state", r.state)
	}
	if v.Rules == nil && (late || m.header) || m.missed || !r.client.IsValid() { // an address that Postfix does not know either
		return ""
	}
	n, err := v.lookup(note.Query{Client: r.client, Server: r.server, Hello: r.more["helo_name"], Wait: min(sightTime, v.deadline)})
	if err != nil {
		m.missed = true
		v.group.Missed.Add(1)
		v.log.Warn("mail without a note", "client", r.client, "deadline", v.deadline, "reason", err)
		return ""
	}
	if v.Claims != nil && n.Known() {
		found := v.Claims.Check(&n, r.claims())
		n.Contradictions = &found
	}
	if action := v.ruled(r, &n, m); action != "" {
		v.fired.Add(1)
		return action
	}
	if late || m.header {
		return ""
	}
	text, err := v.header.Text(&n)
	if err != nil {
		v.log.Warn("mail without a header", "client", r.client, "reason", err)
	}
	if text == "" {
		return ""
	}
	m.header = true
	v.prepended.Add(1)
	return "PREPEND " + v.header.Name + ": " + text
}

// ruled is the action of the rule that acts, or empty.
func (v *serving) ruled(r *request, n *note.Note, m *mail) string {
	if v.Rules == nil {
		return ""
	}
	verdict := v.Rules.Judge(r.mail(n))
	if verdict.Err != nil {
		v.log.Warn("a rule could not be computed", "client", r.client, "reason", verdict.Err)
	}
	acts, ok := verdict.Acts()
	v.logHits(r, &verdict, m)
	switch {
	case !ok || acts.Action.IsNothing():
		return ""
	case acts.Action.IsPrepend():
		if m.ruled || !r.inTime() {
			return "" // once a mail; Postfix refuses it elsewhere
		}
		m.ruled = true
	}
	return acts.Action.String()
}

// logHits writes the rules that fired, once a mail: what an operator compares
// with the mail log.
func (v *serving) logHits(r *request, verdict *policy.Verdict, m *mail) {
	var names string
	for _, h := range verdict.Hits {
		names += " " + h.Rule
	}
	if v.Logger == nil || names == "" || names == m.logged {
		return
	}
	m.logged = names
	for _, h := range verdict.Hits {
		v.Logger.Info("rule", "rule", h.Rule, "action", h.Action.String(), "observe", h.Observe,
			"client", r.client, "state", r.state, "instance", r.instance)
	}
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
