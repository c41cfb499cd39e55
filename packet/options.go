package packet

import "encoding/binary"

// decodeOptions walks the TCP options (p0f-v3.md §1.8). Every kind enters the
// layout before it is checked; an option whose length byte is wrong is taken
// at its nominal size; one that does not fit ends the walk.
func (s *Segment) decodeOptions(opt []byte) {
	n := 0 // of the layout
	for len(opt) > 0 {
		if n == MaxOptions {
			s.Quirks |= QuirkBad
			break
		}
		kind := opt[0]
		s.Layout.Kinds[n] = kind
		n++
		if kind == OptNOP {
			opt = opt[1:]
			continue
		}
		if kind == OptEOL {
			s.endOfList(opt[1:])
			break
		}
		size := s.option(opt)
		if size > len(opt) {
			s.Quirks |= QuirkBad
			break
		}
		opt = opt[size:]
	}
	s.Layout.Len = uint8(n)
}

// endOfList takes the padding behind an end-of-list option. The last byte is
// not looked at, as p0f does not.
func (s *Segment) endOfList(pad []byte) {
	s.Layout.EOLPad = uint8(len(pad))
	for i := 0; i < len(pad)-1; i++ {
		if pad[i] != 0 {
			s.Quirks |= QuirkOptNonZero
			return
		}
	}
}

// tooLong is the size of an option that is not there whole.
const tooLong = 255

// option reads the option at the start of b, one that has a length. It returns
// its size, tooLong where it does not fit.
func (s *Segment) option(b []byte) int {
	switch kind := b[0]; {
	case kind == OptMSS && len(b) >= 4:
		s.MSS = binary.BigEndian.Uint16(b[2:])
		s.checkSize(b, 4)
		return 4
	case kind == OptWS && len(b) >= 3:
		s.setScale(b[2])
		s.checkSize(b, 3)
		return 3
	case kind == OptSOK && len(b) >= 2:
		s.checkSize(b, 2)
		return 2
	case kind == OptTS && len(b) >= 10:
		s.timestamp(binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint32(b[6:]))
		s.checkSize(b, 10)
		return 10
	case kind == OptMSS || kind == OptWS || kind == OptSOK || kind == OptTS || len(b) < 2:
		return tooLong
	case kind == OptSACK && (b[1] < 10 || b[1] > 34), b[1] < 2 || b[1] > 40:
		return tooLong
	}
	return int(b[1]) // SACK and unknown kinds say their own length
}

func (s *Segment) checkSize(b []byte, nominal uint8) {
	if b[1] != nominal {
		s.Quirks |= QuirkBad
	}
}

func (s *Segment) setScale(scale uint8) {
	if s.Scale = scale; scale > 14 { // RFC 7323 §2.3
		s.Quirks |= QuirkScaleBig
	}
}

func (s *Segment) timestamp(own, peer uint32) {
	s.TS1, s.TS2 = own, peer
	if own == 0 {
		s.Quirks |= QuirkTS1Zero
	}
	if peer != 0 && s.Type == SYN {
		s.Quirks |= QuirkTS2NonZero
	}
}
