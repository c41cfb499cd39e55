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
		size := int(nominalSizes[kind])
		if size == 0 {
			size = ownSize(opt)
		}
		if size > len(opt) {
			s.Quirks |= QuirkBad
			break
		}
		if int(opt[1]) != size {
			s.Quirks |= QuirkBad
		}
		switch kind {
		case OptMSS:
			s.MSS = binary.BigEndian.Uint16(opt[2:])
		case OptWS:
			s.setScale(opt[2])
		case OptTS:
			s.timestamp(binary.BigEndian.Uint32(opt[2:]), binary.BigEndian.Uint32(opt[6:]))
		}
		opt = opt[size:]
	}
	s.Layout.Len = uint8(n)
}

// nominalSizes are the bytes of options of which all have the same.
var nominalSizes = [256]uint8{OptMSS: 4, OptWS: 3, OptSOK: 2, OptTS: 10}

// tooLong is the size of an option that is not there whole.
const tooLong = 255

// ownSize is the size of a SACK option or one of an unknown kind, which say it themselves.
func ownSize(opt []byte) int {
	switch {
	case len(opt) < 2, opt[0] == OptSACK && (opt[1] < 10 || opt[1] > 34), opt[1] < 2 || opt[1] > 40:
		return tooLong
	}
	return int(opt[1])
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
