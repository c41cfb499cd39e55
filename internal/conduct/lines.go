package conduct

import (
	"bytes"

	"github.com/mxprint/mxprint/internal/stream"
)

// nextParameter returns the first of the parameters of MAIL or RCPT in capitals,
// without its value, and those behind it. A name is at most 12 bytes long.
func nextParameter(rest []byte) (name [12]byte, n int, behind []byte) {
	word, behind, _ := bytes.Cut(bytes.TrimLeft(rest, " \t"), []byte{' '})
	word, _, _ = bytes.Cut(word, []byte{'='})
	n = copy(name[:], word)
	for i, c := range name {
		if c >= 'a' && c <= 'z' {
			name[i] = c - 'a' + 'A'
		}
	}
	return name, n, behind
}

// command returns the event of an exchange that is a command, or nil.
func (r *reader) command(k int) *stream.Event {
	if e := r.asked[k].event; e.Kind == stream.Command {
		return e
	}
	return nil
}

// lines looks at each command alone.
func (r *reader) lines() {
	for k := 1; k < r.n; k++ {
		e := r.command(k)
		switch {
		case e == nil:
			continue
		case e.Verb == stream.HTTP:
			r.find(NonSMTP, evidence{event: e, word: "an HTTP request"})
		case e.Flags&stream.HeaderLike != 0:
			r.find(NonSMTP, evidence{event: e, word: "a header"})
		case e.Flags&stream.NoLetter != 0:
			r.find(NonSMTP, evidence{event: e, word: "not a letter at its beginning"})
		case e.Verb == stream.Unknown && e.Len > 0 && !r.s.Partial(e):
			r.find(UnknownCommand, evidence{event: e})
		}
		if e.Flags&stream.BareLF != 0 {
			r.find(BareLF, evidence{event: e})
		}
		if e.Flags&stream.BareCR != 0 {
			r.find(BareCR, evidence{event: e})
		}
	}
}

// hellos compares the names that a client gives itself, and looks at what it does
// when EHLO is refused.
func (r *reader) hellos() {
	var first []byte
	refused := false
	for k := 1; k < r.n; k++ {
		e := r.command(k)
		if e == nil || e.Verb != stream.EHLO && e.Verb != stream.HELO {
			continue
		}
		if e.Verb == stream.HELO && refused {
			r.find(HELOAfterRefusal, evidence{event: e})
		}
		reply := r.asked[k].reply
		refused = e.Verb == stream.EHLO && reply != nil && reply.Whole() && reply.Code >= 500
		_, name, _ := bytes.Cut(r.s.Bytes(e), []byte{' '})
		name = bytes.TrimSpace(name)
		switch {
		case e.Flags&stream.Cut != 0 || len(name) == 0:
		case first == nil:
			first = name
		case !bytes.EqualFold(first, name):
			r.find(HelloRenamed, evidence{event: e})
		}
	}
}

// storms counts RSET and NOOP in a row.
func (r *reader) storms() {
	row := 0
	for k := 1; k < r.n; k++ {
		e := r.command(k)
		if e == nil || e.Verb != stream.RSET && e.Verb != stream.NOOP {
			row = 0
			continue
		}
		if r.asked[k-1].verb != e.Verb {
			row = 0
		}
		if row++; row == Storm {
			r.find(map[stream.Verb]string{stream.RSET: RSETStorm, stream.NOOP: NOOPStorm}[e.Verb], evidence{event: e, count: Storm})
		}
	}
}

// end looks at how the client hung up. Where the server ended the connection
// first, or said that it would, the client had no choice; inside TLS a QUIT does
// not show.
func (r *reader) end() {
	if r.unsure || r.s.TLS != stream.NoTLS || r.s.State != stream.Closed && r.s.State != stream.Reset {
		return
	}
	e := r.hangUp()
	if e == nil {
		return
	}
	after := "after the connection"
	for k := range r.asked[:r.n] {
		x := &r.asked[k]
		if x.verb == stream.QUIT || x.reply != nil && (x.reply.Code == 221 || x.reply.Code == 421) {
			return
		}
		if x.event != nil && x.event.Kind == stream.Command {
			after = string(quote([]byte("after "), r.s.Text(x.event)))
		}
	}
	if int32(e.Ack) < 0 { // it acknowledges nothing: the socket was closed already, and how is lost or comes later
		r.unsure = true
		return
	}
	r.find(NoQuit, evidence{event: e, word: after})
}

// hangUp returns the client's FIN or RST, unless the server ended the connection
// first: the server's FIN counts as a byte that the client acknowledges.
func (r *reader) hangUp() *stream.Event {
	var end *stream.Event
	sent := uint32(0) // by the server
	for i := range r.s.Events {
		switch e := &r.s.Events[i]; {
		case e.Kind == stream.Reply:
			sent = e.At + e.Len
		case e.Kind != stream.End:
		case e.Side == stream.Client && end == nil:
			end = e
		case e.Side == stream.Server && (end == nil || e.Flags&stream.IsRST != 0):
			return nil
		}
	}
	if end == nil {
		return nil
	}
	if int32(end.Ack-sent) > 0 { // it has received what is missing here
		r.unsure = true
		return nil
	}
	return end
}
