package opensmtpd

import (
	"bytes"

	"github.com/mxprint/mxprint/note"
)

// maxHeld is how much of a mail waits for the look-up, in bytes. A mail of
// which more has come goes on without a header. maxGathered is how much of its
// header is gathered before the question.
const (
	maxHeld     = 1 << 20
	maxGathered = 64 << 10
)

// session is one connection of a client, and the mail that it is sending.
type session struct {
	q        note.Query // about its client; without one it is zero
	said     said
	claims   claims
	reported int    // lines of said that have been reported
	asking   int    // questions without an answer
	asked    int    // questions so far
	answered int    // the question whose answer header is
	gathers  bool   // the header of a mail, before the question about it
	gaveUp   bool   // the mail no longer waits
	header   []byte // our header, whole; empty for none
	held     []byte // token|line\n…, while it is not ready

	inMail   bool // a line of the mail has been passed on
	inBody   bool
	dropping bool // the lines of a header that is not the client's to set
}

// begin makes the session ready for the next mail, also when the one before
// was given up in its middle.
func (s *session) begin() {
	s.held = nil
	s.inMail, s.inBody, s.dropping, s.gathers, s.gaveUp = false, false, false, false, false
	s.claims.begin()
}

// ready reports whether nothing is waited for.
func (s *session) ready() bool { return s.gaveUp || s.asking == 0 && !s.gathers }

// dataLine takes one line of a mail, in the transparent form of SMTP: "." alone
// is the end. r.mu is held.
func (r *run) dataLine(id, token, line []byte) {
	s := r.sessions[string(id)]
	if s == nil {
		// The connection was not reported: no header, and no forged one either.
		s = &session{}
		r.sessions[string(id)] = s
	}
	if s.ready() {
		r.pass(id, s, token, line)
		return
	}
	s.held = append(append(append(append(s.held, token...), '|'), line...), '\n')
	if s.gathers {
		r.gather(string(id), s, line)
	}
	if len(s.held) > maxHeld {
		r.release(id, s)
	}
}

// gather takes a line of a mail's header, and asks about the mail when that has
// come. r.mu is held.
func (r *run) gather(id string, s *session, line []byte) {
	if len(line) > 0 && string(line) != "." && len(s.held) <= maxGathered {
		s.claims.take(line)
		return
	}
	s.gathers = false
	s.claims.c.HeadersKnown = true
	if s.said.header == "" && len(s.held) <= maxGathered {
		s.said.header = s.claims.fields.String()
	}
	r.ask(id, s, s.reporting())
}

// reporting is a question with what the client said and claims.
func (s *session) reporting() note.Query {
	q, claims := s.q, s.claims.c
	q.Wait, q.Hello = 0, s.said.hello
	q.Heard, q.Claims = s.said.report(), &claims
	s.reported = len(s.said.lines)
	return q
}

// release ends the waiting of a mail. r.mu is held.
func (r *run) release(id []byte, s *session) {
	s.gaveUp, s.gathers = true, false
	held := s.held
	s.held = nil
	for line := range bytes.Lines(held) {
		token, text, _ := bytes.Cut(line[:len(line)-1], bar)
		r.pass(id, s, token, text)
	}
}

// pass passes a line on to smtpd: our header before the first of a mail, and
// none of that name after it.
func (r *run) pass(id []byte, s *session, token, line []byte) {
	if !s.inMail {
		s.inMail = true
		if len(s.header) > 0 {
			r.emit(id, token, s.header)
		}
	}
	switch {
	case len(line) == 1 && line[0] == '.':
		s.begin()
	case s.inBody:
	case len(line) == 0:
		s.inBody = true
	case line[0] == ' ' || line[0] == '\t':
		if s.dropping {
			return
		}
		line, s.dropping = r.withoutOurs(line)
	default:
		if s.dropping = r.ours(line); s.dropping {
			return
		}
		line, s.dropping = r.withoutOurs(line)
	}
	r.emit(id, token, line)
}

// ours reports whether a line starts a header of our name. Space before the
// colon is obsolete, and read by some (RFC 5322 §4.5).
func (r *run) ours(line []byte) bool {
	n := len(r.header.Name)
	return len(line) > n && bytes.EqualFold(line[:n], []byte(r.header.Name)) && bytes.HasPrefix(bytes.TrimLeft(line[n:], " \t"), []byte{':'})
}

// withoutOurs cuts a line before a header of our name that a CR begins, and reports
// whether there was one: smtpd keeps a CR that no LF follows, and some readers of
// mails, such as Python's, take it for the end of a line.
func (r *run) withoutOurs(line []byte) ([]byte, bool) {
	for i, c := range line {
		if c == '\r' && r.ours(line[i+1:]) {
			return line[:i], true
		}
	}
	return line, false
}

// emit answers with one line. An error of the writer stays, and comes up when
// it is flushed.
func (r *run) emit(id, token, line []byte) {
	w := r.out
	w.WriteString("filter-dataline|")
	w.Write(id)
	w.WriteByte('|')
	w.Write(token)
	w.WriteByte('|')
	w.Write(line)
	w.WriteByte('\n')
}
