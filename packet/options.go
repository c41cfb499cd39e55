package packet

import "encoding/binary"

// decodeOptions walks the TCP options (p0f v3 §1.8). Every kind enters the
// layout before it is checked; an option whose length byte is wrong is taken
// at its nominal size; one that does not fit ends the walk.
func (s *Segment) decodeOptions(opt []byte) {
	for len(opt) > 0 {
		if s.Layout.Len == MaxOptions {
			s.Quirks |= Bad
			return
		}
		kind := opt[0]
		opt = opt[1:]
		s.Layout.Kinds[s.Layout.Len] = kind
		s.Layout.Len++
		switch kind {
		case OptEOL:
			s.endOfList(opt)
			return
		case OptNOP:
			continue
		}
		size := s.option(kind, opt)
		if size < 0 {
			s.Quirks |= Bad
			return
		}
		opt = opt[size:]
	}
}

// endOfList takes the padding behind an end-of-list option. The last byte is
// not looked at, as p0f does not.
func (s *Segment) endOfList(pad []byte) {
	s.Layout.EOLPad = uint8(len(pad))
	for i := 0; i < len(pad)-1; i++ {
		if pad[i] != 0 {
			s.Quirks |= OptNonZero
			return
		}
	}
}

// option reads one option that has a length; b starts at the length byte. It
// returns how many bytes of b the option takes, or -1 where it does not fit.
func (s *Segment) option(kind uint8, b []byte) int {
	size := nominalSize(kind)
	if size == 0 { // SACK and unknown kinds say their own length
		low, high := 2, 40
		if kind == OptSACK {
			low, high = 10, 34
		}
		if len(b) < 1 || int(b[0]) < low || int(b[0]) > high || int(b[0])-1 > len(b) {
			return -1
		}
		return int(b[0]) - 1
	}
	if len(b) < size-1 {
		return -1
	}
	if int(b[0]) != size {
		s.Quirks |= Bad
	}
	switch kind {
	case OptMSS:
		s.MSS = binary.BigEndian.Uint16(b[1:])
	case OptWS:
		s.Scale = b[1]
		if s.Scale > 14 { // RFC 7323 §2.3
			s.Quirks |= ScaleBig
		}
	case OptTS:
		s.timestamp(binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint32(b[5:]))
	}
	return size - 1
}

func (s *Segment) timestamp(own, peer uint32) {
	s.TS1, s.TS2 = own, peer
	if own == 0 {
		s.Quirks |= TS1Zero
	}
	if peer != 0 && s.Type == SYN {
		s.Quirks |= TS2NonZero
	}
}

// nominalSize returns the size of an option, kind and length byte included, or
// 0 where the option itself says it.
func nominalSize(kind uint8) int {
	switch kind {
	case OptMSS:
		return 4
	case OptWS:
		return 3
	case OptSOK:
		return 2
	case OptTS:
		return 10
	}
	return 0
}
