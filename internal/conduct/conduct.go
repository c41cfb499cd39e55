// Package conduct finds what a client of SMTP did that RFC 5321 and its
// extensions do not let it do, or that programs which deliver mail seldom do:
// speaking before the greeting, commands sent blind, HTTP, a talk after QUIT.
//
// It reads what package stream has read of a connection. A segment with data
// carries the acknowledgement that its sender had reached, which shows what the
// client had received when it spoke; a client whose bytes acknowledge less than
// the end of a reply cannot have read that reply. So no clock is needed, and
// retransmission, segmentation, delayed acknowledgements, offload and reordering
// make no finding. A capture near the server sees a lost segment's second
// sending, whose acknowledgement is higher: then a finding may be missed, and
// none is made up.
//
// Where a client speaks through a proxy that ends TCP, its acknowledgements are
// the proxy's: early talk and blind commands do not show.
//
// It implements RFC 2920 §3.1 (what may be grouped), RFC 5321 §4.1.1 and §4.3,
// RFC 3207 §4 (STARTTLS), RFC 3030 §2 (BDAT).
package conduct

import (
	"slices"
	"strconv"

	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
)

// Storm is how many RSET or NOOP in a row are a storm. Programs that keep a
// connection open send one at a time.
const Storm = 6

// The findings. A client that has one is not thereby bad: docs/policy.md says
// which honest programs show it.
const (
	EarlyTalker      = "early_talker"
	GreetingTalker   = "greeting_talker"
	Pipelining       = "pipelining"
	PipeliningOrder  = "pipelining_order"
	DataEarly        = "data_early"
	StartTLSEarly    = "starttls_early"
	SuddenTLS        = "sudden_tls"
	NonSMTP          = "non_smtp"
	UnknownCommand   = "unknown_command"
	NotOffered       = "not_offered"
	BareLF           = "bare_lf"
	BareCR           = "bare_cr"
	BareLFInMessage  = "bare_lf_message"
	BareCRInMessage  = "bare_cr_message"
	AfterQuit        = "after_quit"
	NoQuit           = "no_quit"
	HELOAfterRefusal = "helo_after_ehlo"
	HelloRenamed     = "hello_renamed"
	RSETStorm        = "rset_storm"
	NOOPStorm        = "noop_storm"
)

// Kind is a finding there may be.
type Kind struct{ ID, Words string }

// Kinds are all findings, in the order in which Read lists them.
func Kinds() []Kind { return slices.Clone(kinds[:]) }

var kinds = [...]Kind{
	{EarlyTalker, "spoke before it had received the first line of the greeting"},
	{GreetingTalker, "spoke between the lines of the greeting"},
	{Pipelining, "sent a command before the reply to the one before, which was not offered"},
	{PipeliningOrder, "sent a command before the reply to one that ends a group"},
	{DataEarly, "sent the message before the reply to DATA"},
	{StartTLSEarly, "sent something between STARTTLS and its reply"},
	{SuddenTLS, "began TLS without STARTTLS"},
	{NonSMTP, "sent something that is not SMTP: an HTTP request, a header or bytes"},
	{UnknownCommand, "sent a command that SMTP does not have"},
	{NotOffered, "used an extension that was not offered"},
	{BareLF, "ended a command by LF alone"},
	{BareCR, "sent a CR without LF in a command"},
	{BareLFInMessage, "ended a line of a message by LF alone"},
	{BareCRInMessage, "sent a CR without LF in a message"},
	{AfterQuit, "went on after QUIT"},
	{NoQuit, "hung up without QUIT"},
	{HELOAfterRefusal, "sent HELO after EHLO was refused"},
	{HelloRenamed, "gave a second name in EHLO or HELO"},
	{RSETStorm, "sent RSET many times in a row"},
	{NOOPStorm, "sent NOOP many times in a row"},
}

// Read returns what a client did, as far as the session has been read. It is
// Complete where the session was read to its end: then what is not listed did
// not happen in clear text. Behind the start of TLS nothing is seen. It is
// NotKnown where bytes are missing, or a side was not captured; the findings
// that are listed hold all the same. Each kind is listed once, with what showed
// it first.
func Read(s *stream.Session) note.Findings {
	if balancer(s) {
		return note.Findings{}
	}
	r := reader{s: s}
	r.pair()
	r.judge()
	r.lines()
	r.hellos()
	r.storms()
	r.end()
	return note.Findings{State: r.state(), List: r.list()}
}

// balancer reports whether the connection begins with a header of the PROXY
// protocol: the acknowledgements are a load balancer's.
func balancer(s *stream.Session) bool {
	for i := range s.Events {
		switch e := &s.Events[i]; {
		case e.Side != stream.Client || e.Kind != stream.Command:
		case e.At == 0:
			if e.Verb == stream.PROXY {
				return true
			}
			if e.Len != 0 { // version 2 begins with two empty lines
				return false
			}
		default:
			return e.At == 2 && e.Len == 0
		}
	}
	return false
}

// reader is one reading of a session. Nothing in it is allocated but what is
// found.
type reader struct {
	s       *stream.Session
	asked   [maxAsked]exchange // the greeting first
	n       int
	replied int  // how many of them, from the first on, have a reply
	unsure  bool // bytes are missing, or the two sides do not fit
	heard   bool // a mail server reports the lines: At is their number
	found   [len(kinds)]evidence
	anyFind bool
}

// maxAsked is more than a session has events.
const maxAsked = 80

// exchange is something of the client that the server replies to, and the reply.
type exchange struct {
	verb  stream.Verb
	event *stream.Event // nil: the greeting
	reply *stream.Event // nil: none was read
}

// evidence is what showed a finding first.
type evidence struct {
	event *stream.Event
	reply *stream.Event // what it did not wait for
	word  string
	count int
}

// found notes a finding.
func (r *reader) find(id string, v evidence) {
	for i := range kinds {
		if kinds[i].ID != id {
			continue
		}
		if r.found[i].count == 0 {
			v.count = max(v.count, 1)
			r.found[i], r.anyFind = v, true
			return
		}
		r.found[i].count++
	}
}

// state is how much of the client's conduct is known.
func (r *reader) state() note.Progress {
	switch {
	case r.unsure:
		return note.NotKnown
	case r.s.State == stream.Reading:
		return note.Reading
	case r.s.State == stream.Closed, r.s.State == stream.Reset, r.s.State == stream.TimedOut:
		return note.Complete
	}
	return note.NotKnown
}

// list makes the findings that were noted.
func (r *reader) list() []note.Finding {
	if !r.anyFind {
		return nil
	}
	var list []note.Finding
	for i := range kinds {
		if v := &r.found[i]; v.count > 0 {
			list = append(list, note.Finding{ID: kinds[i].ID, Words: kinds[i].Words, Evidence: r.text(v)})
		}
	}
	return list
}

// maxQuoted is how much of a command evidence quotes.
const maxQuoted = 40

// text is evidence in words: `"EHLO x" at byte 0, acknowledged 0 of 37`.
func (r *reader) text(v *evidence) string {
	var b []byte
	if v.event != nil {
		switch v.event.Kind {
		case stream.Command:
			b = quote(b, r.s.Text(v.event))
		case stream.AuthLine:
			b = append(b, "a line of AUTH"...)
		case stream.Message:
			b = append(b, "a message"...)
		case stream.Record:
			b = append(b, "TLS"...)
		case stream.End:
			b = append(b, map[bool]string{true: "RST", false: "FIN"}[v.event.Flags&stream.IsRST != 0]...)
		}
		if r.heard {
			b = strconv.AppendUint(append(b, " in line "...), uint64(v.event.At), 10)
		} else if v.event.Flags&stream.IsRST == 0 {
			b = strconv.AppendUint(append(b, " at byte "...), uint64(v.event.At), 10)
		}
	}
	if v.reply != nil {
		b = strconv.AppendUint(append(b, ", acknowledged "...), uint64(v.event.Ack), 10)
		b = strconv.AppendUint(append(b, " of "...), uint64(v.reply.At+v.reply.Len), 10)
	}
	if v.word != "" {
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = append(b, v.word...)
	}
	if v.count > 1 {
		b = strconv.AppendInt(append(b, ", times "...), int64(v.count), 10)
	}
	return string(b)
}

// quote appends a command as printable ASCII without quotes in it, shortened.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if i == maxQuoted {
			return append(b, "...\""...)
		}
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\'')
		case c < ' ' || c > '~':
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
