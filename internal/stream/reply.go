package stream

// Offer is the set of extensions that a server's reply to EHLO offers.
type Offer uint32

const (
	Pipelining Offer = 1 << iota
	Size
	EightBitMIME
	SMTPUTF8
	DSN
	Chunking
	OfferStartTLS
	OfferAuth
	EnhancedCodes
	OfferVrfy
	OfferEtrn
	RequireTLS
	OfferHelp
	BinaryMIME
	Limits
	OtherOffer // one that is not named here
)

var offers = map[string]Offer{
	"PIPELIN": Pipelining, "SIZE": Size, "8BITMIM": EightBitMIME, "SMTPUTF": SMTPUTF8, "DSN": DSN, "CHUNKIN": Chunking,
	"STARTTL": OfferStartTLS, "AUTH": OfferAuth, "AUTH=PL": OfferAuth, "AUTH=LO": OfferAuth, "ENHANCE": EnhancedCodes,
	"VRFY": OfferVrfy, "ETRN": OfferEtrn, "REQUIRE": RequireTLS, "HELP": OfferHelp, "BINARYM": BinaryMIME, "LIMITS": Limits,
}

// reply takes bytes of the server up to the end of a line. Codes and offers are
// kept, text is not.
func (s *Session) reply(p *piece) int {
	l := &s.parse[Server]
	e := s.openReply()
	if e == nil {
		if e = s.event(Reply, p); e == nil {
			return len(p.data)
		}
	}
	if !l.open {
		*l = line{open: true}
		e.Lines++
		if e.Lines == 0 {
			e.Lines = 255
		}
	}
	for i, c := range p.data {
		e.Len++
		if c != '\n' {
			l.replyByte(c)
			continue
		}
		l.open = false
		s.endReply(e, l, p)
		return i + 1
	}
	return len(p.data)
}

// openReply returns the reply that is not complete.
func (s *Session) openReply() *Event {
	if e := s.lastOf(Server); e != nil && e.Kind == Reply && e.Flags&ended == 0 {
		return e
	}
	return nil
}

// replyByte takes a byte of a line: three digits, - or blank, and a word. quote
// says that more lines follow, escape that the line is no reply.
func (l *line) replyByte(c byte) {
	switch {
	case l.part == skipped || c == '\r':
	case l.n < 3:
		if c < '0' || c > '9' {
			l.escape, l.part = true, skipped
			return
		}
		l.value = l.value*10 + uint32(c-'0')
		if l.n++; l.n == 3 {
			l.key[7] = 0 // length of the word
		}
	case l.n == 3:
		l.quote = c == '-'
		l.n++
	case c == ' ' || c == '=' && l.key[7] == 4:
		l.part = skipped
	case l.key[7] < 7:
		if c >= 'a' && c <= 'z' {
			c &^= 0x20
		}
		l.key[l.key[7]] = c
		l.key[7]++
	}
}

// cutMessage ends a message whose last bytes the capture has cut off, when the
// server answers them: the final dot was among them.
func (s *Session) cutMessage(e *Event, p *piece) {
	m := s.lastOf(Client)
	if s.mode == message && m != nil && m.Kind == Message && m.Flags&Gap != 0 && s.tail == 0 && p.ack == m.At+m.Len {
		m.Flags |= ended
		s.mode, e.Verb = lines, Dot
	}
}

// endReply does what follows from a line of the server.
func (s *Session) endReply(e *Event, l *line, p *piece) {
	if l.escape || l.n < 3 {
		s.stop(NotSMTP)
		return
	}
	e.EndSegment = p.segment
	e.Code = uint16(l.value)
	if e.Lines == 1 {
		e.Mark = e.Len
	}
	if n := l.key[7]; e.Lines > 1 && n > 0 && s.pending.n > 0 && s.pending.list[0] == EHLO {
		o := offers[string(l.key[:n])]
		if o == 0 {
			o = OtherOffer
		}
		e.Offer |= o
	}
	if l.quote {
		return
	}
	e.Flags |= ended
	if s.pending.n > 0 && s.pending.list[0] == AUTH && e.Code == 334 {
		e.Verb = AUTH
		return
	}
	verb, ok := s.pending.pop()
	if !ok {
		s.cutMessage(e, p)
		return
	}
	e.Verb = verb
	switch {
	case verb == DATA && e.Code == 354 && s.mode == lines && !s.parse[Client].open && !s.pending.has(Dot): // whose message came before the 354
		s.mode = message
	case verb == STARTTLS && e.Code == 220:
		s.mode = records
		if s.TLS == NoTLS {
			s.TLS = StartTLS
		}
	}
}
