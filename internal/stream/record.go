package stream

import (
	"errors"
	"slices"

	"github.com/mxprint/mxprint/clienthello"
)

const (
	recordHeader = 5
	maxRecord    = 1<<14 + 2048 // RFC 5246 §6.2.3
)

// record takes bytes of TLS: headers and the ClientHello; the rest is counted.
func (s *Session) record(p *piece) int {
	n := 0
	if have := s.have[p.side]; have < recordHeader {
		n = copy(s.header[p.side][have:], p.data)
		s.have[p.side] += uint8(n)
		if s.have[p.side] == recordHeader {
			s.startRecord(p, n)
		}
		if p.side == Client && s.State == Reading {
			s.hello(p.data[:n])
		}
		return n
	}
	n = min(len(p.data), int(s.left[p.side]))
	if p.side == Client {
		s.hello(p.data[:n])
	}
	if s.left[p.side] -= uint32(n); s.left[p.side] == 0 {
		s.have[p.side] = 0
	}
	return n
}

// startRecord notes a record of which n bytes of the piece completed the header.
func (s *Session) startRecord(p *piece, n int) {
	h := &s.header[p.side]
	size := uint32(h[3])<<8 | uint32(h[4])
	if h[0] < 20 || h[0] > 24 || h[1] != 3 || size > maxRecord {
		s.stop(NotSMTP)
		return
	}
	if s.left[p.side] = size; size == 0 {
		s.have[p.side] = 0
	}
	if p.side == Server {
		if e := s.lastEvent2(); e != nil && e.Kind == Record && e.Side == Server {
			e.Len += size
			e.Lines += uint8(min(1, 255-int(e.Lines)))
			return
		}
	} else if s.records++; s.records > maxRecords {
		s.stop(Full)
		return
	}
	at := *p
	at.at += uint32(n) - recordHeader
	if e := s.event(Record, &at); e != nil {
		e.Code, e.Len, e.Lines = uint16(h[0]), size, 1
	}
}

func (s *Session) lastEvent2() *Event {
	if len(s.Events) == 0 {
		return nil
	}
	return s.lastEvent()
}

// hello collects the client's first bytes of TLS until they are a ClientHello.
func (s *Session) hello(data []byte) {
	if s.helloDone || len(data) == 0 {
		return
	}
	if len(s.collected)+len(data) > cap(s.collected) {
		size := min(max(cap(s.collected)+growHello, len(s.collected)+len(data)), maxHello)
		if len(s.collected)+len(data) > size {
			s.helloDone, s.HelloErr, s.collected = true, clienthello.ErrTooLong, nil
			return
		}
		s.collected = append(make([]byte, 0, size), s.collected...)
	}
	s.collected = append(s.collected, data...)
	var h clienthello.Hello
	err := h.Parse(s.collected)
	if errors.Is(err, clienthello.ErrMore) {
		return
	}
	if err == nil {
		s.hints = hintsOf(&h, len(s.collected)-recordHeader)
	}
	s.helloDone, s.HelloErr, s.collected = true, err, nil
	s.Events, s.text = slices.Clip(slices.Clone(s.Events)), slices.Clip(slices.Clone(s.text)) // without room for more
	if err == nil && s.onHello != nil {
		s.onHello(&h)
	}
	if err != nil {
		s.stop(NotSMTP)
	}
}

const (
	maxHello  = 2560 // of its records: what leaves room for the lines before it
	growHello = 640
)
