package stream

// maxLine is what is kept of one line.
const maxLine = 255

// Verb is a command that the parser knows.
type Verb uint8

const (
	Unknown Verb = iota
	HELO
	EHLO
	LHLO
	MAIL
	RCPT
	DATA
	BDAT
	RSET
	NOOP
	QUIT
	VRFY
	EXPN
	HELP
	ETRN
	AUTH
	STARTTLS
	XCLIENT
	XFORWARD
	HTTP     // GET, POST, HEAD, PUT, OPTIONS or CONNECT: not a mail program
	Greeting // what the server's first reply answers
	Dot      // the end of a message
	PROXY    // the header of a load balancer, in version 1 of its protocol
)

var verbNames = map[string]Verb{
	"HELO": HELO, "EHLO": EHLO, "LHLO": LHLO, "MAIL": MAIL, "RCPT": RCPT, "DATA": DATA, "BDAT": BDAT, "RSET": RSET,
	"NOOP": NOOP, "QUIT": QUIT, "VRFY": VRFY, "EXPN": EXPN, "HELP": HELP, "ETRN": ETRN, "AUTH": AUTH, "STARTTLS": STARTTLS,
	"XCLIENT": XCLIENT, "XFORWARD": XFORWARD, "PROXY": PROXY,
	"GET": HTTP, "POST": HTTP, "HEAD": HTTP, "PUT": HTTP, "OPTIONS": HTTP, "CONNECT": HTTP,
}

// verbs are the commands that wait for their replies, the oldest first.
type verbs struct {
	list [24]Verb
	n    uint8
}

func (v *verbs) push(verb Verb) bool {
	if int(v.n) == len(v.list) {
		return false
	}
	v.list[v.n] = verb
	v.n++
	return true
}

func (v *verbs) pop() (Verb, bool) {
	if v.n == 0 {
		return 0, false
	}
	verb := v.list[0]
	v.n--
	copy(v.list[:], v.list[1:1+int(v.n)])
	return verb, true
}

// has reports whether a command waits.
func (v *verbs) has(verb Verb) bool {
	for _, w := range v.list[:v.n] {
		if w == verb {
			return true
		}
	}
	return false
}

// line is where the parser is within a line.
type line struct {
	open   bool
	part   part
	cr     bool // the byte before was CR
	quote  bool
	escape bool
	name   name
	key    [8]byte // of a parameter; the verb; the first bytes of a reply
	n      uint8
	value  uint32 // the size of a chunk; the code of a reply; bytes of a header
}

// name is how much of a line may still be the name of a mail's header.
type name uint8

const (
	nameEmpty name = iota // no byte yet
	nameOpen              // a name
	nameBlank             // and blanks
	nameNone              // no name is looked for, or it was found
)

// nameByte looks for a word with a colon, which begins a header and no command,
// and at the first byte of the line.
func (l *line) nameByte(e *Event, c byte) {
	letter := c|0x20 >= 'a' && c|0x20 <= 'z'
	switch {
	case l.name == nameEmpty && !letter:
		e.Flags |= NoLetter
		l.name = nameOpen
		if c == ':' || c <= ' ' || c > '~' {
			l.name = nameNone
		}
	case c == ':':
		e.Flags |= HeaderLike
		l.name = nameNone
	case c == ' ' || c == '\t':
		l.name = nameBlank
	case l.name == nameBlank || c < ' ' || c > '~':
		l.name = nameNone
	default:
		l.name = nameOpen
	}
}

// part is what the next byte of a command belongs to.
type part uint8

const (
	verbPart  part = iota
	whole          // kept as it is: the name after EHLO
	skipped        // counted alone
	mechanism      // of AUTH
	from           // between MAIL or RCPT and the path
	path           // in angle brackets
	barePath       // without them
	parameter      // its name
	value          // of a parameter that is kept
	hidden         // of one that is not
	chunkSize      // of BDAT

	fieldName  // of the header of a message
	fieldValue // of it
)

// command takes bytes of the client up to the end of a line, and returns how
// many.
func (s *Session) command(p *piece) int {
	l := &s.parse[Client]
	if !l.open {
		if p.data[0] == 22 && (p.at == 0 || s.pending.has(STARTTLS)) || p.at == 0 && p.data[0]&0x80 != 0 {
			s.sudden(p)
			return 0
		}
		if n := s.pending.n; n > 0 && s.pending.list[n-1] == DATA { // without waiting for the reply
			s.mode = message
			return 0
		}
		kind := Command
		if s.pending.has(AUTH) {
			kind = AuthLine
		}
		e := s.event(kind, p)
		if e == nil {
			return len(p.data)
		}
		*l = line{open: true}
		if kind == AuthLine {
			l.part = skipped
		}
	}
	e := s.lastOf(Client)
	e.EndSegment = p.segment
	for i, c := range p.data {
		if c == '\n' {
			if !l.cr {
				e.Flags |= BareLF
			}
			s.endCommand(e, l)
			return i + 1
		}
		if l.cr {
			e.Flags |= BareCR
			e.Len++
			l.cr = false
		}
		if c == '\r' {
			l.cr = true
			continue
		}
		e.Len++
		s.commandByte(e, l, c)
	}
	return len(p.data)
}

// sudden begins TLS where the client does without being asked to: at once, or
// after STARTTLS without waiting for the answer.
func (s *Session) sudden(p *piece) {
	if p.at == 0 {
		s.TLS = SuddenTLS
	} else {
		s.TLS = StartTLS
	}
	s.mode = records
}

// lastOf returns the last event of a side.
func (s *Session) lastOf(side Side) *Event {
	for i := len(s.Events) - 1; i >= 0; i-- {
		if s.Events[i].Side == side {
			return &s.Events[i]
		}
	}
	return nil
}

// commandByte takes one byte of a line. Only what says how a program speaks is
// kept: see part.
func (s *Session) commandByte(e *Event, l *line, c byte) {
	if c >= 0x80 {
		e.Flags |= EightBit
	}
	if l.name != nameNone && e.Kind == Command {
		l.nameByte(e, c)
	}
	switch l.part {
	case verbPart:
		s.verbByte(e, l, c)
	case whole:
		s.keep(e, c)
	case mechanism:
		if c == ' ' && l.n > 0 {
			l.part = skipped
			return
		}
		if c != ' ' {
			l.n++
		}
		s.keep(e, c)
	case from:
		s.fromByte(e, l, c)
	case path:
		s.pathByte(e, l, c)
	case barePath:
		if c == ' ' {
			l.part, l.n = parameter, 0
			s.keep(e, c)
		}
	case parameter, value, hidden:
		s.parameterByte(e, l, c)
	case chunkSize:
		if c >= '0' && c <= '9' && l.value < 1<<28 {
			l.value = l.value*10 + uint32(c-'0')
		} else if c|0x20 >= 'a' && c|0x20 <= 'z' { // LAST
			s.keep(e, c)
		}
	}
}

// verbByte takes a byte of the first word.
func (s *Session) verbByte(e *Event, l *line, c byte) {
	if c|0x20 >= 'a' && c|0x20 <= 'z' && int(l.n) < len(l.key) {
		l.key[l.n] = c
		l.n++
		return
	}
	s.verbEnds(e, l)
	if l.part != skipped {
		s.keep(e, c)
	}
}

// verbEnds looks the first word up. Words that are no command are not kept: they
// may be half a password.
func (s *Session) verbEnds(e *Event, l *line) {
	word := l.key[:l.n]
	var upper [len(l.key)]byte
	for i, c := range word {
		upper[i] = c &^ 0x20
	}
	e.Verb = verbNames[string(upper[:len(word)])]
	l.n = 0
	if e.Verb == Unknown {
		l.part = skipped
		s.keep(e, '?')
		return
	}
	for _, c := range word {
		s.keep(e, c)
	}
	switch e.Verb {
	case HELO, EHLO, LHLO, DATA, QUIT, RSET, STARTTLS:
		l.part = whole
	case MAIL, RCPT:
		l.part = from
	case AUTH:
		l.part = mechanism
	case BDAT:
		l.part = chunkSize
	default:
		l.part = skipped
	}
}

// fromByte takes a byte between the verb and the path: "FROM:", blanks.
func (s *Session) fromByte(e *Event, l *line, c byte) {
	switch {
	case c == '<':
		l.part, l.n = path, 0
		s.keep(e, c)
	case l.n == 0 || c == ' ' || c == '\t': // before the colon
		if c == ':' {
			l.n = 1
		} else if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c == ' ' || c == '\t') {
			l.part = skipped // an address without a word before it
			s.keep(e, '?')
			return
		} else if e.textLen > 16 {
			l.part = skipped
			return
		}
		s.keep(e, c)
	default:
		l.part = barePath
		s.keep(e, 'a')
	}
}

// pathByte takes a byte in angle brackets. Of an address its presence is kept.
func (s *Session) pathByte(e *Event, l *line, c byte) {
	switch {
	case l.escape:
		l.escape = false
	case l.quote && c == '\\':
		l.escape = true
	case c == '"':
		l.quote = !l.quote
	case c == '>' && !l.quote:
		l.part, l.n = parameter, 0
		s.keep(e, c)
		return
	}
	if l.n == 0 {
		l.n = 1
		s.keep(e, 'a')
	}
}

// parameterByte takes a byte behind the path. Names of parameters are kept, and
// the value of BODY; others become *.
func (s *Session) parameterByte(e *Event, l *line, c byte) {
	switch {
	case c == ' ' || c == '\t':
		l.part, l.n = parameter, 0
		s.keep(e, c)
	case l.part == value:
		if l.n++; l.n > 12 {
			l.part = hidden
			return
		}
		s.keep(e, c)
	case l.part == hidden:
	case c == '=':
		s.keep(e, c)
		if l.n == 4 && l.key[0]|0x20 == 'b' && l.key[1]|0x20 == 'o' && l.key[2]|0x20 == 'd' && l.key[3]|0x20 == 'y' {
			l.part, l.n = value, 0
		} else {
			l.part = hidden
			s.keep(e, '*')
		}
	case (c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-') && l.n < 12:
		if int(l.n) < len(l.key) {
			l.key[l.n] = c
		}
		l.n++
		s.keep(e, c)
	default: // not a parameter
		l.part = hidden
		s.keep(e, '*')
	}
}

// endCommand does what follows from a whole line.
func (s *Session) endCommand(e *Event, l *line) {
	if l.part == verbPart && e.Kind == Command {
		s.verbEnds(e, l)
	}
	size := l.value
	*l = line{}
	if e.Kind == AuthLine {
		return // one reply to all of them
	}
	if !s.pending.push(e.Verb) {
		s.stop(Full)
		return
	}
	switch e.Verb {
	case BDAT:
		if size > 0 {
			s.mode, s.left[Client] = chunk, size
		}
	}
}
