package stream

import (
	"slices"
	"time"

	"github.com/mxprint/mxprint/clienthello"
	"github.com/mxprint/mxprint/dialect"
)

// offered are the extensions of which a dialect depends.
var offered = [...]struct {
	here  Offer
	there dialect.Offer
}{
	{Pipelining, dialect.OfferOf("PIPELINING")}, {Size, dialect.OfferOf("SIZE")}, {EightBitMIME, dialect.OfferOf("8BITMIME")},
	{SMTPUTF8, dialect.OfferOf("SMTPUTF8")}, {DSN, dialect.OfferOf("DSN")}, {Chunking, dialect.OfferOf("CHUNKING")},
	{OfferStartTLS, dialect.OfferOf("STARTTLS")}, {OfferAuth, dialect.OfferOf("AUTH")}, {RequireTLS, dialect.OfferOf("REQUIRETLS")},
	{BinaryMIME, dialect.OfferOf("BINARYMIME")},
}

// Dialect describes how the client of a session speaks. library is what its
// ClientHello was said to be of, if there was one.
func (s *Session) Dialect(library clienthello.Library) dialect.Fingerprint {
	r := dialectReader{s: s, waiting: 1}
	if s.TLS != NoTLS && s.helloDone && s.HelloErr == nil {
		var buf [16]byte
		letters, padding := s.hints.text(buf[:0])
		name := s.hints&named != 0
		r.b.ClientHello(dialect.ClientHello{Library: library.Name, Settings: library.Settings, Hints: string(letters),
			Padding: padding, Name: name, Implicit: s.TLS != StartTLS})
	}
	if f := &s.Flow; f.SMTPRTT > 0 && f.TCPRTT > 0 && f.SMTPRTT-f.TCPRTT > typed {
		r.b.Slow()
	}
	for i := range s.Events {
		if e := &s.Events[i]; e.Side == Client {
			r.client(e)
		} else {
			r.server(e)
		}
	}
	return r.b.Fingerprint()
}

// typed is the shortest silence before a command, less a round trip, of a person
// at a terminal or of a script that sleeps. Programs answer at once at least once
// in a session.
const typed = 150 * time.Millisecond

// dialectReader feeds a session to a dialect.Builder.
type dialectReader struct {
	s       *Session
	b       dialect.Builder
	waiting int    // commands without a complete reply
	begin   uint32 // of the last reply
	end     uint32
	millis  uint32
}

func (r *dialectReader) server(e *Event) {
	switch e.Kind {
	case Reply:
		r.begin, r.millis = e.At, e.Millis
		if e.Flags&ended == 0 {
			return
		}
		r.end = e.At + e.Len
		r.waiting = max(0, r.waiting-1)
		var o dialect.Offer
		for _, x := range offered {
			if e.Offer&x.here != 0 {
				o |= x.there
			}
		}
		r.b.Reply(int(e.Code), o)
	case Record:
		r.b.Record(true, uint8(e.Code), int(e.Len))
	case End:
		r.b.ServerClosed()
	}
}

// heard says what of the last reply a client had when it sent an event.
func (r *dialectReader) heard(e *Event) dialect.Heard {
	switch {
	case r.waiting == 0 && ahead(e.Ack, r.end) >= 0:
		return dialect.All
	case ahead(e.Ack, r.begin) > 0 && e.Ack > 0 && ahead(e.Ack, r.end) != 0:
		return dialect.Part
	}
	return dialect.Nothing
}

func (r *dialectReader) client(e *Event) {
	switch e.Kind {
	case Command:
		c := dialect.Command{Line: r.s.Text(e), Heard: r.heard(e), BareLF: e.Flags&BareLF != 0, BareCR: e.Flags&BareCR != 0}
		if c.Heard == dialect.All {
			c.Think = time.Duration(max(1, int64(e.Millis)-int64(r.millis))) * time.Millisecond
		}
		r.b.Command(c)
		r.waiting++
	case Message:
		m := dialect.Message{Bytes: e.Len, First: uint32(e.First), Dot: dialect.DotWith, Heard: dialect.All, BareLF: e.Flags&BareLF != 0}
		if m.HeaderSeen = e.Flags&HeaderRead != 0; m.HeaderSeen {
			m.Header = r.s.Text(e)
		}
		switch {
		case e.Flags&ended == 0:
			m.Dot = dialect.Unseen
		case e.Flags&DotCRLF != 0:
			m.Dot = dialect.DotCRLF
		case e.Flags&DotAlone != 0:
			m.Dot = dialect.DotAlone
		}
		if e.Flags&Early != 0 {
			m.Heard = dialect.Nothing
		}
		r.b.Message(m)
		if r.s.dialogueOf(e) == DATA {
			r.waiting++
		}
	case Record:
		r.b.Record(false, uint8(e.Code), int(e.Len))
	case End:
		how := dialect.FIN
		if e.Flags&IsRST != 0 {
			how = dialect.ResetByIt
		}
		r.b.Close(how, r.heard(e))
	}
}

// dialogueOf is the command that a message belongs to, DATA or BDAT.
func (s *Session) dialogueOf(message *Event) Verb {
	verb := Unknown
	for i := range s.Events {
		e := &s.Events[i]
		if e == message {
			break
		}
		if e.Side == Client && e.Kind == Command {
			verb = e.Verb
		}
	}
	return verb
}

// hints are what a program chooses in a ClientHello, whatever the release of its
// library: a bit for each letter, and for padding.
type hints uint16

// hintLetters name the bits. Sent are: TLS 1.3; ALPN; encrypt-then-MAC;
// post-handshake authentication; record size limit; extended master secret;
// status request; session ticket; a record of version 1.2; ciphers without a
// certificate.
const hintLetters = "3aehlmotvn"

const (
	recordV        = 8
	anonym         = 9
	named    hints = 1 << 13
	padded   hints = 1 << 14
	unpadded hints = 1 << 15
)

// hintExtensions are the extensions of all letters but the last two.
var hintExtensions = [len(hintLetters) - 2]uint16{43, 16, 22, 49, 28, 23, 5, 35}

// anonymous are ciphers that need no certificate (RFC 5246 §A.5, RFC 8422 §6):
// DH and ECDH with AES.
var anonymous = [...]uint16{0x0034, 0x003a, 0x006c, 0x006d, 0x00a6, 0x00a7, 0xc018, 0xc019}

// hintsOf reads a hello of a length.
func hintsOf(h *clienthello.Hello, length int) (all hints) {
	for _, e := range h.Extensions {
		for i, known := range hintExtensions {
			if e == known {
				all |= 1 << i
			}
		}
		switch e {
		case 0:
			all |= named
		case 21:
			all |= padded
		}
	}
	if h.RecordVersion == 0x0303 {
		all |= 1 << recordV
	}
	for _, c := range anonymous {
		if slices.Contains(h.Ciphers, c) {
			all |= 1 << anonym
		}
	}
	if all&padded == 0 && length > 0xff && length < 0x200 { // OpenSSL pads these, where it is asked to (RFC 7685 §3)
		all |= unpadded
	}
	return all
}

func (h hints) text(b []byte) (letters []byte, padding string) {
	for i := range len(hintLetters) {
		if h&(1<<i) != 0 {
			b = append(b, hintLetters[i])
		}
	}
	switch {
	case h&padded != 0:
		return b, "yes"
	case h&unpadded != 0:
		return b, "no"
	}
	return b, ""
}
