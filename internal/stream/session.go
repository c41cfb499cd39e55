// Package stream reads the first bytes of an SMTP connection from its segments:
// the commands of the client and the replies of the server with what each had
// acknowledged, and, once TLS has begun, its ClientHello and the lengths of its
// records. It reads both directions from the SYN on, through retransmission,
// overlap, reordering and loss, in a bounded amount of memory.
//
// What it keeps says how a program speaks, not what it says: addresses,
// passwords and messages are skipped as they come, counted and never stored; of a
// message's header a letter for each of some common fields is kept
// (docs/privacy.md). A Table keeps many connections; a Conn is one.
//
// It reads RFC 5321 and the extensions that change its framing: PIPELINING (RFC
// 2920), CHUNKING (RFC 3030), STARTTLS (RFC 3207), AUTH (RFC 4954).
package stream

import (
	"time"

	"github.com/mxprint/mxprint/clienthello"
)

// Bounds of one connection.
const (
	MaxConnBytes = 4096 // all of it, while it is read
	maxText      = 1024 // of all lines together
	maxEvents    = 72
	maxRecords   = 48 // of TLS, of the client
	growEvents   = 8
	growRecords  = 3 // of TLS: they come one by one, and the connection stays for long
	growText     = 128
	connBytes    = 520 // of a Conn, and of what its caller finds it by
	eventBytes   = 44
)

// State says how far a session has been read.
type State uint8

const (
	Reading  State = iota
	Closed         // to its end: both sides said FIN
	Reset          // to its end: one side reset it
	Full           // no further: a bound was reached
	Lost           // no further: bytes are missing
	NotSMTP        // no further: one side does not speak SMTP, or not as it must
	TimedOut       // no further: nothing came for long
)

var stateNames = [...]string{"reading", "closed", "reset", "full", "lost", "not SMTP", "timed out"}

func (s State) String() string { return stateNames[s] }

// Session is what was read of a connection. It is a plain value but for its
// events and text.
type Session struct {
	Events []Event
	Flow   Flow

	// HelloErr is why the client's first bytes of TLS are no ClientHello.
	HelloErr error

	State State
	TLS   TLS

	// From here on the order of the fields saves a tenth of a connection.
	mode      mode
	records   uint8
	hints     hints
	helloDone bool
	begun     bool
	text      []byte
	collected []byte // of a ClientHello that is not complete
	onHello   func(*clienthello.Hello)
	start     time.Duration
	tail      uint64    // the last bytes of a message
	left      [2]uint32 // bytes of a message, chunk or record still to skip
	parse     [2]line
	header    [2][recordHeader]byte
	have      [2]uint8
	pending   verbs // commands without a reply
}

// TLS says whether and how TLS began.
type TLS uint8

const (
	NoTLS       TLS = iota
	StartTLS        // after STARTTLS and the server's 220
	ImplicitTLS     // with the first byte, on a port for it
	SuddenTLS       // with the first byte, where SMTP is spoken
)

// Kind is what an Event is.
type Kind uint8

const (
	Command  Kind = iota // a line of the client
	AuthLine             // a line of the client that belongs to AUTH
	Message              // the text of a mail, or a chunk of it
	Reply                // of the server, all its lines
	Record               // of TLS
	End                  // FIN or RST
)

// Flags say more of an Event.
type Flags uint16

const (
	BareLF     Flags = 1 << iota // a line ended by LF alone; in a message, some line
	BareCR                       // a CR that no LF follows
	Cut                          // the line was longer than is kept
	DotAlone                     // the final dot came in a segment of its own
	Unfinished                   // the connection ended, or TLS began, before its end
	IsFIN                        // of End
	IsRST                        // of End
	WithData                     // the FIN came with the last data
	EightBit                     // bytes above 127
	Early                        // a message that began before the reply to DATA
	ended
	HeaderLike // a command that begins like a header of a mail: a name and a colon
	NoLetter   // a command that does not begin with a letter
	DotCRLF    // of DotAlone: the line end before the dot came with it
	Gap        // a message of which bytes were not seen
	HeaderRead // a message of which the header was read: Text has what dialect.HeaderField says of its fields
)

// Event is one thing that a side said. Positions count the bytes of its side
// from the first on; Ack is what the side had acknowledged of the other's, which
// is below 0 as an int32 where it acknowledged nothing or not this connection.
type Event struct {
	Kind  Kind
	Side  Side
	Verb  Verb   // of a Command
	Lines uint8  // of a Reply
	Flags Flags  //
	Code  uint16 // of a Reply; of a Record its type; of a Message how many line ends are bare, 65,535 at most
	Offer Offer  // of a Reply to EHLO

	text, textLen uint16

	Segment    uint16 // number of its side's segment, with data, that brought the first byte
	EndSegment uint16 // and the last
	First      uint16 // bytes of a Message that its first segment brought, 65535 at most
	Len        uint32 // bytes: of a Command without line end, of all lines of a Reply, of a Message, of a Record's body
	At         uint32 // position of its first byte
	Ack        uint32
	Millis     uint32 // since the first segment with data
	Mark       uint32 // of a Reply: bytes of its first line; of a Message: those before its first bare line end
}

// Whole reports whether the end of an event was read: the last line of a reply,
// the final dot of a message, the last byte of a chunk.
func (e *Event) Whole() bool { return e.Flags&ended != 0 }

// Text returns a command as it was spelled, with its line end left out and what
// belongs to persons replaced: <a> for an address, * for a value. Of a Message
// with HeaderRead it is which fields its header has.
func (s *Session) Text(e *Event) string {
	return string(s.text[e.text : e.text+e.textLen])
}

// Partial reports whether the end of a client's line has not been read.
func (s *Session) Partial(e *Event) bool {
	return s.parse[Client].open && e == s.lastOf(Client)
}

// Bytes is Text without a copy: not to be changed, and valid as long as the
// session.
func (s *Session) Bytes(e *Event) []byte { return s.text[e.text : e.text+e.textLen] }

// mode is what the client's bytes are.
type mode uint8

const (
	lines   mode = iota
	message      // up to the final dot
	chunk        // of BDAT
	records      // of TLS
)

func (s *Session) open(implicit bool, onHello func(*clienthello.Hello)) {
	s.onHello = onHello
	if implicit {
		s.mode, s.TLS = records, ImplicitTLS
	}
	s.pending.push(Greeting)
}

func (s *Session) bytes() int {
	return cap(s.Events)*eventBytes + cap(s.text) + cap(s.collected)
}

func (s *Session) done() bool { return s.State != Reading }

func (s *Session) stop(state State) {
	if s.State == Reading {
		s.State = state
	}
	if s.parse[Client].part == fieldName {
		s.noHeader()
	}
}

// slack is how many bytes of a side may be missing without harm: those of a
// message or a record are counted alone.
func (s *Session) slack(side Side) uint32 {
	switch {
	case s.mode == records && (side == Server || s.helloDone), side == Client && s.mode == chunk:
		return s.left[side]
	case side == Client && s.mode == message:
		return 1 << 30 // of which more than maxAhead are not looked for
	}
	return 0
}

// read takes the next bytes of a side.
func (s *Session) read(p *piece) {
	if !s.begun {
		s.begun, s.start = true, p.time
	}
	if p.lost > 0 && !s.missing(p) {
		s.stop(Lost)
		return
	}
	for len(p.data) > 0 && s.State == Reading {
		var n int
		switch {
		case s.mode == records:
			n = s.record(p)
		case p.side == Server:
			n = s.reply(p)
		case s.mode == message:
			n = s.message(p)
		case s.mode == chunk:
			n = s.chunk(p)
		default:
			n = s.command(p)
		}
		p.data, p.at = p.data[n:], p.at+uint32(n)
	}
}

// missing skips lost bytes where that does no harm.
func (s *Session) missing(p *piece) bool {
	if p.lost > s.slack(p.side) {
		return false
	}
	switch {
	case s.mode == records:
		s.left[p.side] -= p.lost
		if s.left[p.side] == 0 {
			s.have[p.side] = 0
		}
	case s.mode == chunk:
		if !s.messageEvent(p, p.at-p.lost, true) {
			return false
		}
		s.noHeader()
		s.lastOf(Client).Len += p.lost
		if s.left[Client] -= p.lost; s.left[Client] == 0 {
			s.endChunk()
		}
	case s.mode == message:
		if !s.messageEvent(p, p.at-p.lost, false) {
			return false
		}
		s.noHeader()
		s.lastOf(Client).Len += p.lost
		s.lastOf(Client).Flags |= Gap
		s.tail = 0
		if len(p.data) > 0 && p.data[0] == '\n' { // its CR may be what is missing
			s.tail = '\r'
		}
		if string(p.data) == ".\r\n" { // all that the final dot leaves for a segment
			s.tail = 0x0d0a
		}
	}
	return true
}

// event appends an event that begins with the first byte of a piece. It returns
// nil, and ends the session, where there are enough.
func (s *Session) event(kind Kind, p *piece) *Event {
	if len(s.Events) == maxEvents {
		s.stop(Full)
		return nil
	}
	if len(s.Events) == cap(s.Events) { // append would double it
		grow := growEvents
		if s.mode == records {
			grow = growRecords
		}
		s.Events = append(make([]Event, 0, cap(s.Events)+grow), s.Events...)
	}
	s.Events = append(s.Events, Event{Kind: kind, Side: p.side, Segment: p.segment, At: p.at, Ack: p.ack,
		Millis: uint32(max(0, p.time-s.start) / time.Millisecond), text: uint16(len(s.text))})
	return s.lastEvent()
}

func (s *Session) lastEvent() *Event { return &s.Events[len(s.Events)-1] }

// keep appends a byte to the text of the last event.
func (s *Session) keep(e *Event, c byte) {
	if len(s.text) == maxText || e.textLen == maxLine {
		e.Flags |= Cut
		return
	}
	if len(s.text) == cap(s.text) {
		s.text = append(make([]byte, 0, min(maxText, cap(s.text)+growText)), s.text...)
	}
	s.text = append(s.text, c)
	e.textLen++
}

// fin notes the end of a side's bytes.
func (s *Session) fin(seg *Segment, at, ack uint32, withData bool) {
	for i := range s.Events {
		if e := &s.Events[i]; e.Kind == End && e.Side == seg.Side {
			return
		}
	}
	if e := s.event(End, &piece{side: seg.Side, at: at, ack: ack, time: seg.Time}); e != nil {
		e.Flags = IsFIN
		if withData {
			e.Flags |= WithData
		}
	}
}

func (s *Session) reset(seg *Segment, at, ack uint32) {
	if !seg.ACK {
		ack = 1<<32 - 1
	}
	if e := s.event(End, &piece{side: seg.Side, at: at, ack: ack, time: seg.Time}); e != nil {
		e.Flags = IsRST
	}
}
