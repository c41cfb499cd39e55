package conduct

import (
	"bytes"
	"strconv"

	"github.com/mxprint/mxprint/internal/stream"
)

// pair finds the reply to everything that gets one. Replies come in the order of
// the commands (RFC 2920 §3.2). Where the two do not fit, the capture is wrong or
// the server is odd, and nothing further is judged.
func (r *reader) pair() {
	r.asked[0] = exchange{verb: stream.Greeting}
	r.n = 1
	chunk := false // the next message is a chunk, whose reply is that to BDAT
	for i := range r.s.Events {
		e := &r.s.Events[i]
		switch {
		case e.Side != stream.Client || r.n == maxAsked:
		case e.Kind == stream.Command:
			r.asked[r.n] = exchange{verb: e.Verb, event: e}
			r.n++
			chunk = e.Verb == stream.BDAT
		case e.Kind == stream.Message && e.Whole() && !chunk:
			r.asked[r.n] = exchange{verb: stream.Dot, event: e}
			r.n++
		}
	}
	k := 0
	for i := range r.s.Events {
		e := &r.s.Events[i]
		if e.Side != stream.Server || e.Kind != stream.Reply || goesOn(e) {
			continue
		}
		if k == r.n || e.Whole() && e.Verb != r.asked[k].verb {
			r.cut(k)
			return
		}
		r.asked[k].reply = e
		k++
		r.replied = k
	}
}

// goesOn reports whether a reply asks for more of AUTH.
func goesOn(e *stream.Event) bool { return e.Verb == stream.AUTH && e.Code == 334 }

// cut leaves out what stands behind a place where the two sides do not fit.
func (r *reader) cut(k int) {
	r.unsure = true
	r.n = min(r.n, k)
}

// heard says what a client had received of a reply when it spoke.
type heard uint8

const (
	unsure heard = iota
	all
	notAll
)

// heardOf compares the acknowledgement of an event with the reply of an
// exchange.
func (r *reader) heardOf(k int, e *stream.Event) heard {
	reply := r.asked[k].reply
	switch {
	case int32(e.Ack) < 0: // before the first byte: not of this connection
		return unsure
	case reply == nil: // it would begin where the last one that was read ends, or after that
		end := uint32(0)
		if r.replied > 0 {
			last := r.asked[r.replied-1].reply
			end = last.At + last.Len
		}
		if e.Ack <= end {
			return notAll
		}
		return unsure
	case e.Ack < reply.At+reply.Len:
		return notAll
	case reply.Whole():
		return all
	}
	return unsure
}

// judge looks at what each thing that the client said had heard.
func (r *reader) judge() {
	quit := false
	offer, offered := stream.Offer(0), false // what the client has heard
	for k := 1; k < r.n; k++ {
		e, before := r.asked[k].event, r.asked[k-1]
		if quit {
			r.find(AfterQuit, evidence{event: e})
		}
		if e.Kind == stream.Command {
			switch r.heardOf(k-1, e) {
			case unsure:
				r.cut(k)
				return
			case all:
				offer, offered = offerOf(&before, offer, offered)
				r.unoffered(e, offer, offered)
			case notAll:
				r.blind(e, &before, k, offered && offer&stream.Pipelining != 0)
			}
			if r.unsure {
				return
			}
		}
		quit = quit || r.asked[k].verb == stream.QUIT
	}
	r.messages()
	r.tls(quit)
}

// offerOf is what is offered after a reply: that to HELO offers nothing.
func offerOf(x *exchange, offer stream.Offer, offered bool) (stream.Offer, bool) {
	switch {
	case x.verb == stream.EHLO && x.reply.Code/100 == 2:
		return x.reply.Offer, true
	case x.verb == stream.HELO && x.reply.Code/100 == 2:
		return 0, true
	}
	return offer, offered
}

// blind notes a command that was sent before the reply to the one before had
// been received.
func (r *reader) blind(e *stream.Event, before *exchange, k int, may bool) {
	v := evidence{event: e, reply: before.reply}
	switch before.verb {
	case stream.Greeting:
		greeting := before.reply
		if greeting != nil && greeting.Lines > 1 && greeting.Mark > 0 && e.Ack >= greeting.Mark {
			r.find(GreetingTalker, v)
		} else {
			r.find(EarlyTalker, v)
		}
	case stream.STARTTLS:
		r.find(StartTLSEarly, v)
	case stream.QUIT: // AfterQuit says it
	case stream.AUTH: // or it belongs to AUTH, and the capture is out of step
		r.cut(k)
	case stream.MAIL, stream.RCPT, stream.RSET, stream.BDAT, stream.Dot: // RFC 2920 §3.1, RFC 3030 §4.2
		if !may {
			r.find(Pipelining, v)
		}
	default:
		if may {
			r.find(PipeliningOrder, v)
		} else {
			r.find(Pipelining, v)
		}
	}
}

// messages looks at the text of mails: whether it waited for the 354, and how its
// lines end.
func (r *reader) messages() {
	data, next := 0, 1 // the exchange that is DATA, where the last command is one; the next exchange
	for i := range r.s.Events {
		e := &r.s.Events[i]
		if e.Side != stream.Client {
			continue
		}
		if next < r.n && r.asked[next].event == e {
			if e.Kind == stream.Command {
				data = 0
				if e.Verb == stream.DATA {
					data = next
				}
			}
			next++
		}
		if e.Kind != stream.Message || data == 0 {
			continue
		}
		switch reply := r.asked[data].reply; r.heardOf(data, e) {
		case notAll:
			r.find(DataEarly, evidence{event: e, reply: reply})
		case all:
			if reply.Code != 354 { // the server took it for commands, and so should we have
				r.unsure = true
				return
			}
		case unsure:
			r.unsure = true
			return
		}
		if e.Flags&(stream.BareLF|stream.BareCR) == 0 {
			continue
		}
		count, first := "", ", the first after "
		if e.Flags&stream.Gap != 0 { // bytes were lost, or came late and were skipped
			count, first = " or more", ", one after "
		}
		where := "bare line ends " + strconv.Itoa(int(e.Code)) + count + first + strconv.Itoa(int(e.Mark)) + " bytes"
		if e.Flags&stream.BareLF != 0 {
			r.find(BareLFInMessage, evidence{event: e, word: where})
		}
		if e.Flags&stream.BareCR != 0 {
			r.find(BareCRInMessage, evidence{event: e, word: where})
		}
	}
}

// tls looks at the client's first record.
func (r *reader) tls(quit bool) {
	if r.s.TLS != stream.StartTLS && r.s.TLS != stream.SuddenTLS {
		return
	}
	for i := range r.s.Events {
		e := &r.s.Events[i]
		if e.Side != stream.Client || e.Kind != stream.Record {
			continue
		}
		if quit {
			r.find(AfterQuit, evidence{event: e})
		}
		last := r.n - 1
		if r.s.TLS == stream.SuddenTLS {
			r.find(SuddenTLS, evidence{event: e})
			last = 0
		} else if r.asked[last].verb != stream.STARTTLS { // it was injected into, which is found
			return
		}
		if r.heardOf(last, e) == notAll {
			r.blind(e, &r.asked[last], last+1, false)
		}
		return
	}
	if r.s.TLS == stream.SuddenTLS { // the first bytes are TLS, and no whole record
		r.find(SuddenTLS, evidence{word: "the first byte is TLS's"})
	}
}

// needs are the extensions that commands belong to.
var needs = map[stream.Verb]stream.Offer{
	stream.STARTTLS: stream.OfferStartTLS, stream.AUTH: stream.OfferAuth, stream.BDAT: stream.Chunking,
	stream.ETRN: stream.OfferEtrn, stream.XCLIENT: stream.OtherOffer, stream.XFORWARD: stream.OtherOffer,
}

// parameters are the extensions that the parameters of MAIL and RCPT belong to.
var parameters = map[string]stream.Offer{
	"SIZE": stream.Size, "BODY": stream.EightBitMIME | stream.BinaryMIME, "SMTPUTF8": stream.SMTPUTF8,
	"RET": stream.DSN, "ENVID": stream.DSN, "NOTIFY": stream.DSN, "ORCPT": stream.DSN,
	"AUTH": stream.OfferAuth, "REQUIRETLS": stream.RequireTLS,
}

// unoffered looks for what the server's reply to the greeting did not offer. A
// client that has not said EHLO has heard no offer.
func (r *reader) unoffered(e *stream.Event, offer stream.Offer, offered bool) {
	if !offered {
		return
	}
	if need := needs[e.Verb]; need != 0 && offer&need == 0 {
		r.find(NotOffered, evidence{event: e})
	}
	if e.Verb != stream.MAIL && e.Verb != stream.RCPT {
		return
	}
	_, rest, _ := bytes.Cut(r.s.Bytes(e), []byte{'>'})
	for len(rest) > 0 {
		name, n, behind := nextParameter(rest)
		if need := parameters[string(name[:n])]; need != 0 && offer&need == 0 {
			r.find(NotOffered, evidence{event: e, word: string(name[:n])})
		}
		rest = behind
	}
}
