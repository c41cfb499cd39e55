package stream

import (
	"bytes"
	"encoding/binary"
)

// finalDot is what ends a message (RFC 5321 §4.1.1.4).
const finalDot = 0x0d0a2e0d0a

// messageEvent makes sure that the last event of the client is the message, or the
// chunk of one, that is read now, and began at a position.
func (s *Session) messageEvent(p *piece, at uint32, chunk bool) bool {
	if e := s.lastOf(Client); e.Kind == Message && e.Flags&ended == 0 {
		return true
	}
	e := s.event(Message, p)
	if e == nil {
		return false
	}
	s.beginHeader()
	if e.At = at; chunk {
		return true
	}
	if s.pending.has(DATA) {
		e.Flags |= Early
	}
	s.tail = 0x0d0a // as after the line DATA
	return true
}

// message counts the bytes of a mail up to the final dot, and looks at how that
// is sent. None is kept but, in short, the names of its header's fields.
func (s *Session) message(p *piece) int {
	if !s.messageEvent(p, p.at, false) {
		return len(p.data)
	}
	e := s.lastOf(Client)
	e.EndSegment = p.segment
	s.readHeader(e, p.data)
	first := e.Len
	defer func() {
		if e.Segment == p.segment {
			e.First = uint16(min(65535, uint32(e.First)+e.Len-first))
		}
	}()
	for i := 0; i < len(p.data); i++ {
		if n := plain(p.data[i:]); n > 8 && s.tail&0xff != '\r' { // most of a mail
			s.text8(e, p.data[i:i+n])
			i += n - 1
			continue
		}
		c := p.data[i]
		if c >= 0x80 {
			e.Flags |= EightBit
		}
		switch was := s.tail & 0xff; {
		case c == '\n' && was != '\r':
			e.bare(BareLF, uint32(i))
		case c != '\n' && was == '\r':
			e.bare(BareCR, uint32(i)-1) // the byte before
		}
		s.tail = (s.tail<<8 | uint64(c)) & 0xffffffffff
		if s.tail == finalDot {
			if i <= 4 { // the segment began with the dot, or with the line end before it
				e.Flags |= DotAlone
			}
			if i == 4 {
				e.Flags |= DotCRLF
			}
			e.Flags |= ended
			e.Len += uint32(i + 1)
			s.mode = lines
			if !s.pending.push(Dot) {
				s.stop(Full)
			}
			return i + 1
		}
	}
	e.Len += uint32(len(p.data))
	return len(p.data)
}

// plain returns how many bytes come before the next CR or LF.
func plain(b []byte) int {
	if n := bytes.IndexByte(b, '\r'); n >= 0 {
		b = b[:n]
	}
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		return n
	}
	return len(b)
}

// text8 takes more than eight bytes of a mail without CR and LF.
func (s *Session) text8(e *Event, b []byte) {
	last := b[len(b)-8:]
	s.tail = binary.BigEndian.Uint64(last) & 0xffffffffff
	if e.Flags&EightBit != 0 {
		return
	}
	high := binary.LittleEndian.Uint64(last)
	for ; len(b) >= 8; b = b[8:] {
		high |= binary.LittleEndian.Uint64(b)
	}
	if high&0x8080808080808080 != 0 {
		e.Flags |= EightBit
	}
}

// bare notes a line end that is not CR LF, at a position behind what was read.
func (e *Event) bare(kind Flags, i uint32) {
	if e.Code == 0 {
		e.Mark = e.Len + i
	}
	if e.Code < 1<<16-1 {
		e.Code++
	}
	e.Flags |= kind
}

// chunk counts the bytes of a BDAT.
func (s *Session) chunk(p *piece) int {
	if !s.messageEvent(p, p.at, true) {
		return len(p.data)
	}
	e := s.lastOf(Client)
	n := min(len(p.data), int(s.left[Client]))
	s.readHeader(e, p.data[:n])
	for _, c := range p.data[:n] {
		if c >= 0x80 {
			e.Flags |= EightBit
			break
		}
	}
	e.Len += uint32(n)
	e.EndSegment = p.segment
	if s.left[Client] -= uint32(n); s.left[Client] == 0 {
		s.endChunk()
	}
	return n
}

func (s *Session) endChunk() {
	if s.parse[Client].part == fieldName {
		s.noHeader()
	}
	s.lastOf(Client).Flags |= ended
	s.mode = lines
}
