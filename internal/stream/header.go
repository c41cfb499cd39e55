package stream

import (
	"bytes"

	"github.com/mxprint/mxprint/dialect"
)

// Bounds of a header. Of one that is longer nothing is said.
const (
	maxHeader       = 8 << 10 // bytes
	maxHeaderName   = 32      // of a name; a dialect has no longer one
	maxHeaderFields = 24      // of those that a dialect has
)

// beginHeader prepares for the header of a message that begins now. Only that of
// the first mail, or of its first chunk, is read.
func (s *Session) beginHeader() {
	s.parse[Client] = line{part: fieldName}
	for i := range s.Events[:len(s.Events)-1] {
		if s.Events[i].Kind == Message {
			s.noHeader()
		}
	}
}

// noHeader ends the reading of a header. Of a name without its end nothing is kept.
func (s *Session) noHeader() {
	l := &s.parse[Client]
	for i := len(s.Events) - 1; i >= 0 && l.part == fieldName; i-- {
		if e := &s.Events[i]; e.Kind == Message {
			s.dropName(e, uint16(l.n))
			break
		}
	}
	l.part, l.n = skipped, 0
}

// forgetHeader ends it for one of which nothing is said.
func (s *Session) forgetHeader(e *Event) {
	s.parse[Client].part = skipped
	s.dropName(e, e.textLen)
	e.Flags &^= HeaderRead
}

// readHeader looks for the names of fields in the next bytes of a message. A name is
// kept until its colon, and then only as what a dialect has of it.
func (s *Session) readHeader(e *Event, data []byte) {
	l := &s.parse[Client]
	for len(data) > 0 && l.part != skipped {
		if l.value >= maxHeader {
			s.forgetHeader(e)
			return
		}
		if l.part == fieldValue {
			n := bytes.IndexByte(data, '\n') + 1
			if n == 0 {
				n = len(data)
			} else {
				l.part, l.n = fieldName, 0
			}
			l.value += uint32(n)
			data = data[n:]
			continue
		}
		c := data[0]
		data = data[1:]
		l.value++
		s.headerByte(e, l, c)
		if e.Flags&Cut != 0 {
			s.forgetHeader(e)
		}
	}
}

// headerByte takes a byte of a line of the header before its colon.
func (s *Session) headerByte(e *Event, l *line, c byte) {
	switch {
	case c == ':' && l.n > 0:
		s.endName(e, l)
	case l.n == 0 && (c == ' ' || c == '\t'): // the line before goes on
		l.part = fieldValue
	case c == '\r' && l.n == 0:
	case c < ' ' && c != '\r' && c != '\n' && c != '\t', c > '~': // not text
		s.forgetHeader(e)
	case c <= ' ' || c == ':': // an empty line, or one that is no field
		e.Flags |= HeaderRead
		s.noHeader()
	case l.n == maxHeaderName:
		s.dropName(e, maxHeaderName)
		l.part = fieldValue
	default:
		s.keep(e, c)
		l.n++
	}
}

// endName replaces a name by what a dialect has of it.
func (s *Session) endName(e *Event, l *line) {
	name := s.text[len(s.text)-int(l.n):]
	text := dialect.HeaderField(string(name))
	s.dropName(e, uint16(l.n))
	l.part = fieldValue
	if text == dialect.Relayed {
		s.dropName(e, e.textLen)
		e.Flags |= HeaderRead
		s.noHeader()
	}
	for i := range len(text) {
		s.keep(e, text[i])
	}
	if e.textLen > 2*maxHeaderFields {
		s.forgetHeader(e)
	}
}

// dropName takes the last bytes of the text of an event, the last one that has
// any, away again.
func (s *Session) dropName(e *Event, n uint16) {
	s.text = s.text[:len(s.text)-int(n)]
	e.textLen -= n
}
