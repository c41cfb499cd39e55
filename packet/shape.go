package packet

import "encoding/binary"

// shape is a list of TCP options but for the values of MSS, window scale and
// timestamps. Senders share a few dozen, so that most lists are compared with a
// shape, a few words at a time, instead of walked option by option.
type shape struct {
	// The list as words from the end of the TCP header backwards, the last of
	// them first in the header. The first word may begin in the fixed header.
	want, mask [maxWords]uint64

	size   uint8  // bytes of the list; 0 where there is no shape
	eolPad uint8  // as in Layout
	count  uint8  // options, Layout.Len
	quirks Quirks // OptNonZero or nothing

	mss, scale, ts uint8 // where the values stand in the TCP header, 0 = not there

	kinds [MaxOptions]uint8
}

const (
	tcpHeaderMin = 20
	maxWords     = 5 // of 8 bytes, in 40 of options

	shapeSets = 64
	shapeWays = 4

	// manyLists is after how many lists a Decoder begins to remember shapes: 30
	// KiB are too much for one that decodes a single SYN.
	manyLists = 16
)

// shapes remembers the last shapes, in sets of which each list belongs to one.
// Who makes up lists has his walked, and those of the same set too. It allocates
// nothing.
type shapes struct {
	sets [shapeSets][shapeWays]shape
	next uint8 // the way to give up next
}

// decode takes the options at the end of a TCP header into s, as decodeOptions
// does. There are some.
func (m *shapes) decode(s *Segment, tcp []byte) {
	size := len(tcp) - tcpHeaderMin
	set := &m.sets[setOf(tcp)]
	for i := range set {
		if sh := &set[i]; int(sh.size) == size && sh.fits(tcp) {
			sh.decode(s, tcp)
			return
		}
	}
	s.decodeOptions(tcp[tcpHeaderMin:])
	if s.Quirks&QuirkBad == 0 {
		m.next++
		set[m.next%shapeWays].learn(s, tcp)
	}
}

// setOf chooses a set by the size of a list and by bytes at its start that are
// no values, most often.
func setOf(tcp []byte) uint32 {
	key := binary.LittleEndian.Uint32(tcp[tcpHeaderMin:])
	if key&0xffff == OptMSS|4<<8 && len(tcp) >= tcpHeaderMin+8 {
		key = binary.LittleEndian.Uint32(tcp[tcpHeaderMin+4:]) & 0xffff
	}
	return (key ^ uint32(len(tcp))<<16) * 0x9e3779b1 >> 26 % shapeSets
}

// fits compares a list with the shape of its size.
func (sh *shape) fits(tcp []byte) bool {
	want, mask := &sh.want, &sh.mask
	differ := func(w *[8]byte, i int) uint64 {
		return (binary.LittleEndian.Uint64(w[:]) ^ want[i]) & mask[i]
	}
	switch n := len(tcp); (n - tcpHeaderMin + 7) / 8 {
	case 1:
		w := (*[8]byte)(tcp[n-8:])
		return differ(w, 0) == 0
	case 2:
		w := (*[16]byte)(tcp[n-16:])
		return differ((*[8]byte)(w[0:]), 0)|differ((*[8]byte)(w[8:]), 1) == 0
	case 3:
		w := (*[24]byte)(tcp[n-24:])
		return differ((*[8]byte)(w[0:]), 0)|differ((*[8]byte)(w[8:]), 1)|differ((*[8]byte)(w[16:]), 2) == 0
	case 4:
		w := (*[32]byte)(tcp[n-32:])
		return differ((*[8]byte)(w[0:]), 0)|differ((*[8]byte)(w[8:]), 1)|differ((*[8]byte)(w[16:]), 2)|
			differ((*[8]byte)(w[24:]), 3) == 0
	default:
		w := (*[40]byte)(tcp[n-40:])
		return differ((*[8]byte)(w[0:]), 0)|differ((*[8]byte)(w[8:]), 1)|differ((*[8]byte)(w[16:]), 2)|
			differ((*[8]byte)(w[24:]), 3)|differ((*[8]byte)(w[32:]), 4) == 0
	}
}

// decode takes over a list that fits.
func (sh *shape) decode(s *Segment, tcp []byte) {
	s.Layout.Kinds, s.Layout.Len, s.Layout.EOLPad = sh.kinds, sh.count, sh.eolPad
	s.Quirks |= sh.quirks
	if sh.mss != 0 {
		s.MSS = binary.BigEndian.Uint16(tcp[sh.mss:])
	}
	if sh.scale != 0 {
		s.setScale(tcp[sh.scale])
	}
	if sh.ts != 0 {
		v := (*[8]byte)(tcp[sh.ts:])
		s.timestamp(binary.BigEndian.Uint32(v[0:]), binary.BigEndian.Uint32(v[4:]))
	}
}

// learn makes a shape of a list that was walked and is not Bad. A list that has
// a value twice gives none.
func (sh *shape) learn(s *Segment, tcp []byte) {
	*sh = shape{eolPad: s.Layout.EOLPad, count: s.Layout.Len, quirks: s.Quirks & QuirkOptNonZero, kinds: s.Layout.Kinds}
	var fixed [8 * maxWords]byte // 255 where a byte belongs to the shape
	size := len(tcp) - tcpHeaderMin
	from := len(tcp) - (size+7)&^7
	at := tcpHeaderMin
	for _, kind := range s.Layout.Kinds[:s.Layout.Len] {
		fixed[at-from] = 255
		if kind == OptNOP {
			at++
			continue
		}
		if kind == OptEOL {
			for ; at < len(tcp); at++ {
				fixed[at-from] = 255
			}
			break
		}
		fixed[at+1-from] = 255
		if value := sh.value(kind); value != nil {
			if *value != 0 {
				return
			}
			*value = uint8(at + 2)
		}
		at += int(tcp[at+1])
	}
	for i := range (len(tcp) - from) / 8 {
		sh.mask[i] = binary.LittleEndian.Uint64(fixed[8*i:])
		sh.want[i] = binary.LittleEndian.Uint64(tcp[from+8*i:])
	}
	sh.size = uint8(size)
}

// value returns where the place of an option's value is kept, or nil.
func (sh *shape) value(kind uint8) *uint8 {
	switch kind {
	case OptMSS:
		return &sh.mss
	case OptWS:
		return &sh.scale
	case OptTS:
		return &sh.ts
	}
	return nil
}
