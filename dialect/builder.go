package dialect

import "time"

// Heard says how much of the server's last reply a client had received when it
// spoke. From segments it is what they acknowledge.
type Heard uint8

const (
	NotKnown Heard = iota
	All            // to its end
	Part           // some of it
	Nothing
)

// Command is one line of a client.
type Command struct {
	Line   string // as it was spelled, without its line end; the Builder keeps no address and no value
	Heard  Heard
	BareLF bool          // it ends with LF alone, or
	BareCR bool          // has a CR that no LF follows
	Think  time.Duration // since the reply before; 0 is not known
}

// Message is a mail as it was sent after DATA, or a chunk of it after BDAT.
type Message struct {
	Bytes  uint32 // with the final dot
	First  uint32 // of them in the first segment or write; 0 is not known
	Dot    End    // how the final dot came
	Heard  Heard  // of the reply to DATA
	BareLF bool

	Header     string // what HeaderField returned for each field of its header, in their order; or Relayed alone
	HeaderSeen bool   // its header was read to its end
}

// End is how a message or a connection ended.
type End uint8

const (
	Unseen    End = iota
	DotWith       // the final dot came with text before it
	DotAlone      // it came in a segment or write of its own
	DotCRLF       // likewise, with the line end before it
	FIN           // the client closed the connection
	ResetByIt     // the client reset it
)

const (
	maxPending = 16
	maxFlow    = 20
	maxRecs    = 64
	fewBytes   = 128 // of a first segment or record: more than a line of a header is rare
	fullBytes  = 500 // of a first segment: it may be as long as the network takes (RFC 9293 §3.7.1)
)

// Builder makes a Fingerprint of what both sides say, in the order in which it
// was said. Its zero value is ready. It takes about 1 KiB, does not allocate,
// and is not safe for concurrent use.
type Builder struct {
	f         Fingerprint
	pending   [maxPending]verb // commands without a reply
	nPending  int
	begun     bool // the greeting waits in pending
	spoken    bool
	helloLen  int // of the first greeting line, with its end
	refusedIt bool
	last      verb
	quit      bool
	tls       bool // STARTTLS was said
	closing   bool // the server said 421
	closed    bool
	left      bool // the server ended the connection

	flow     [maxFlow]byte
	nFlow    int
	flowDone bool
	message  bool
	next     bool

	accepted, denied int // replies to RCPT
	rcpts, mails     int // of the first mail
	refused          [3]byte
	nRefused         int

	slowest time.Duration
	timed   bool
	slow    bool

	recs
}

func (b *Builder) begin() {
	if !b.begun {
		b.begun = true
		b.push(greeting)
	}
}

func (b *Builder) push(v verb) {
	if b.nPending < maxPending {
		b.pending[b.nPending] = v
		b.nPending++
	}
}

func (b *Builder) pop() verb {
	if b.nPending == 0 {
		return other
	}
	v := b.pending[0]
	b.nPending--
	copy(b.pending[:], b.pending[1:1+b.nPending])
	return v
}

// Reply takes a reply of the server, the greeting included: its code, and for a
// reply to EHLO what it offers. Replies answer commands in their order.
func (b *Builder) Reply(code int, offer Offer) {
	b.begin()
	if code == 421 {
		b.closing = true
	}
	if b.nPending > 0 && b.pending[0] == auth && code == 334 {
		return
	}
	switch b.pop() {
	case ehlo:
		if code/100 == 2 {
			b.f.Offer, b.f.OfferKnown = offer, true
		} else if code/100 == 5 {
			b.refusedIt = true
		}
	case helo:
		if !b.f.OfferKnown {
			b.f.OfferKnown = true
		}
	case rcpt:
		if b.mails > 1 {
			break
		}
		if code/100 == 2 {
			b.accepted++
		} else if code >= 400 {
			b.denied++
		}
	}
}

// Offers says what a server offers where its replies are not seen.
func (b *Builder) Offers(offer Offer) { b.f.Offer, b.f.OfferKnown = offer, true }

// Command takes a line of the client. The lines of a dialogue of AUTH are left
// out.
func (b *Builder) Command(c Command) {
	b.begin()
	if b.closed || b.closing {
		return
	}
	v, rest := verbOf(c.Line)
	if isGreeting(c.Line) {
		v = ehlo
	}
	b.manner(&c)
	b.reaction(v, c.Heard)
	b.push(v)
	var buf [160]byte
	line := c.Line[:min(len(c.Line), 512)]
	if isVerbAlone(rest) {
		b.alone(v, c.Heard)
		return
	}
	switch v {
	case helo, ehlo:
		switch {
		case !b.f.Has(Hello):
			b.helloLen = len(c.Line) + 2
			b.f.set(Hello, hello(buf[:0], line))
		case b.tls && v == helo && string(b.f.Get(StartTLS)) == "STARTTLS":
			b.f.set(StartTLS, append(buf[:0], "STARTTLS/HELO"...))
		}
		b.last = v
		return
	case startTLS:
		b.f.set(StartTLS, word(buf[:0], line))
		b.tls, b.last = true, v
		return
	case auth:
		b.last = v
		return
	case mail:
		b.once(Mail, path(buf[:0], line))
		if !b.tls && b.f.OfferKnown && b.f.Offer.Has(offerStartTLS) {
			b.once(StartTLS, append(buf[:0], "no"...))
		}
	case rcpt:
		b.once(Rcpt, path(buf[:0], line))
	case data, bdat:
		n := len(line)
		if v == bdat {
			n = 4
		}
		b.once(Data, word(buf[:0], line[:n]))
	case quit:
		b.quit = true
		b.once(Quit, word(buf[:0], line))
	}
	b.step(v, c.Heard)
}

// alone takes a command of which the verb is known and no more.
func (b *Builder) alone(v verb, heard Heard) {
	switch v {
	case helo, ehlo, auth, startTLS:
		b.tls = b.tls || v == startTLS
		b.last = v
		return
	case quit:
		b.quit = true
	}
	b.step(v, heard)
}

// once sets a field that has no value yet.
func (b *Builder) once(field Field, value []byte) {
	if !b.f.Has(field) {
		b.f.set(field, value)
	}
}

// manner notes how a line came.
func (b *Builder) manner(c *Command) {
	if !b.spoken {
		b.spoken = true
		switch c.Heard {
		case All:
			b.f.set(Greet, []byte("wait"))
		case Part:
			b.f.set(Greet, []byte("between"))
		case Nothing:
			b.f.set(Greet, []byte("early"))
		}
	}
	b.lineEnd(c.BareLF, c.BareCR)
	if c.Think > 0 {
		b.timed, b.slowest = true, max(b.slowest, c.Think)
	}
}

func (b *Builder) lineEnd(lf, cr bool) {
	switch {
	case b.f.Has(LineEnd):
	case lf:
		b.f.set(LineEnd, []byte("lf"))
	case cr:
		b.f.set(LineEnd, []byte("cr"))
	}
}

// reaction notes what follows a refusal.
func (b *Builder) reaction(v verb, heard Heard) {
	if b.refusedIt && !b.f.Has(NoHello) {
		b.f.set(NoHello, letters[v:v+1])
	}
	switch {
	case v == mail:
		b.mails++
	case b.mails > 1:
	case v == rcpt:
		b.rcpts++
		b.nRefused = 0
		return
	}
	if b.rejected() && heard != Nothing {
		b.addRefused(letters[v])
	}
}

// rejected reports whether each recipient of the first mail was refused.
func (b *Builder) rejected() bool {
	return b.denied > 0 && b.denied == b.rcpts && b.accepted == 0 && !b.message
}

// addRefused appends to what follows, two commands at most.
func (b *Builder) addRefused(c byte) {
	switch {
	case b.nRefused == 0:
		b.refused[0], b.nRefused = c, 1
	case b.nRefused == 1:
		b.refused[1], b.refused[2], b.nRefused = '/', c, 3
	}
}

// separator is how a command came after the one before.
func separator(heard Heard) byte {
	switch heard {
	case All:
		return '/'
	case NotKnown:
		return '~'
	}
	return '+'
}

// step takes a command into the flow, or as the one after the message.
func (b *Builder) step(v verb, heard Heard) {
	defer func() { b.last = v }()
	if b.message {
		if !b.next && v != bdat {
			b.next = true
			b.f.set(Next, []byte{separator(heard), letters[v]})
		}
		return
	}
	if b.flowDone || b.nRefused > 0 || (v == rcpt || v == bdat) && b.last == v {
		return
	}
	if b.nFlow+2 > maxFlow {
		b.flowDone = true
		return
	}
	if b.nFlow > 0 {
		b.flow[b.nFlow] = separator(heard)
		b.nFlow++
	}
	b.flow[b.nFlow] = letters[v]
	b.nFlow++
}

// Message takes a mail, or a chunk of one.
func (b *Builder) Message(m Message) {
	if b.closed {
		return
	}
	b.lineEnd(m.BareLF, false)
	if b.last == data {
		b.push(dot)
	}
	if b.message {
		return
	}
	b.message = true
	if m.HeaderSeen {
		b.f.set(Header, []byte(headerText(m.Header)))
	}
	b.flowDone = b.nRefused == 0
	if b.last != data {
		return
	}
	if b.flowDone && b.nFlow+2 <= maxFlow {
		b.flow[b.nFlow], b.flow[b.nFlow+1] = separator(m.Heard), '.'
		b.nFlow += 2
	}
	b.last = dot
	if m.First > 0 {
		b.f.set(Write, writing(m.First, m.Bytes))
	}
	if m.Dot != DotWith || m.First == m.Bytes { // else a write of its own may have waited, and come with more
		b.f.set(Dot, dotName(m.Dot))
	}
}

// writing says how a message was written, by how many bytes came first.
func writing(first, bytes uint32) []byte {
	switch {
	case bytes <= first+lenCRLF:
		return []byte("one")
	case first == lenDate || first == lenDate-1:
		return []byte("date")
	case first < fewBytes:
		return []byte("lines")
	case first < fullBytes:
		return []byte("parts")
	}
	return []byte("bulk")
}

// Slow notes that each command came longer after the reply than programs and
// the network take.
func (b *Builder) Slow() { b.slow = true }

func dotName(e End) []byte {
	switch e {
	case DotWith:
		return []byte("with")
	case DotAlone:
		return []byte("alone")
	case DotCRLF:
		return []byte("crlf")
	}
	return nil
}

// Close takes the end of the connection by the client. What it had heard is
// that of the reply to QUIT.
func (b *Builder) Close(how End, heard Heard) {
	if b.closed || !b.begun {
		return
	}
	b.closed = true
	if b.closing || b.left && !b.quit || b.f.TLSUsed {
		return // with TLS, the alert at its end makes resets
	}
	b.hangUp()
	switch {
	case b.quit && (how == ResetByIt || heard == Nothing):
		b.f.set(EndBy, []byte("quit!"))
	case b.quit:
		b.f.set(EndBy, []byte("quit"))
	case how == ResetByIt:
		b.f.set(EndBy, []byte("rst"))
	default:
		b.f.set(EndBy, []byte("fin"))
	}
}

// ServerClosed takes the end of the connection by the server. What the client
// does then is no choice of its own.
func (b *Builder) ServerClosed() { b.left = true }

// hangUp notes that the end is a reaction.
func (b *Builder) hangUp() {
	switch {
	case b.refusedIt && !b.f.Has(NoHello):
		b.f.set(NoHello, []byte("$"))
	case b.rejected():
		b.addRefused('$')
	case b.message && !b.next:
		b.f.set(Next, []byte("$"))
	case !b.flowDone && b.denied == 0 && b.nFlow < maxFlow && !b.quit:
		b.flow[b.nFlow] = '$'
		b.nFlow++
	}
}

// Fingerprint returns what was seen so far.
func (b *Builder) Fingerprint() Fingerprint {
	f := b.f
	if b.nFlow > 0 {
		flow := b.flow[:b.nFlow]
		var buf [maxFlow + 1]byte
		if open := !b.flowDone && (!b.closed || b.denied > 0); open {
			flow = append(append(buf[:0], flow...), '-')
		}
		f.set(Flow, flow)
	}
	if b.nRefused > 0 && (b.nRefused == 3 || b.closed || b.refused[0] == 'Q') {
		f.set(Refused, b.refused[:b.nRefused])
	}
	if b.timed {
		bucket := byte('0')
		for _, limit := range [...]time.Duration{100 * time.Millisecond, time.Second, 10 * time.Second} {
			if b.slowest >= limit {
				bucket++
			}
		}
		f.set(Think, []byte{bucket})
	}
	if b.slow {
		f.set(Pace, []byte("slow"))
	}
	b.recs.describe(&f, b.helloLen, b.closed || b.left)
	switch {
	case !f.Has(Records):
	case b.recs.alerted():
		f.set(EndBy, []byte("alert"))
	case b.closed:
		f.set(EndBy, []byte("noalert"))
	}
	return f
}
