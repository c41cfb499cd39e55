package difftest

import (
	"encoding/binary"
	"net/netip"
)

// TCP flags as they stand in the header; flagNS is the lowest reserved bit.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
	flagURG
	flagECE
	flagCWR
	flagNS
)

// TCP option kinds.
const (
	optEOL  = 0
	optNOP  = 1
	optMSS  = 2
	optWS   = 3
	optSOK  = 4
	optSACK = 5
	optTS   = 8
)

// segment is a packet before it is written: every field that p0f looks at, and
// nothing that it does not (checksums are zero).
type segment struct {
	src, dst     netip.AddrPort
	ttl, tos     uint8
	df, mf, evil bool // flags of the IPv4 header; evil is the reserved one
	fragOff      uint16
	id           uint16
	flowLabel    uint32
	ipOpts       []byte // IPv4 only, a multiple of four
	seq, ack     uint32
	flags        uint16 // flagFIN..flagNS
	reserved     uint8  // the other three reserved bits, 0..7
	win, urg     uint16
	opts         []byte // TCP options, a multiple of four, at most 40
	payload      []byte
	trailing     int // bytes after the IP packet, as Ethernet padding is
}

func (s *segment) v6() bool { return s.src.Addr().Is6() }

// ip returns the packet from its IP header on.
func (s *segment) ip() []byte {
	be := binary.BigEndian
	tcp := make([]byte, 20, 20+len(s.opts)+len(s.payload))
	be.PutUint16(tcp[0:], s.src.Port())
	be.PutUint16(tcp[2:], s.dst.Port())
	be.PutUint32(tcp[4:], s.seq)
	be.PutUint32(tcp[8:], s.ack)
	tcp[12] = byte((20+len(s.opts))/4)<<4 | s.reserved<<1 | byte(s.flags>>8&1)
	tcp[13] = byte(s.flags)
	be.PutUint16(tcp[14:], s.win)
	be.PutUint16(tcp[18:], s.urg)
	tcp = append(append(tcp, s.opts...), s.payload...)

	src, dst := s.src.Addr().AsSlice(), s.dst.Addr().AsSlice()
	if s.v6() {
		h := make([]byte, 40)
		be.PutUint32(h[0:], 6<<28|uint32(s.tos)<<20|s.flowLabel&0xfffff)
		be.PutUint16(h[4:], uint16(len(tcp)))
		h[6], h[7] = 6, s.ttl
		copy(h[8:], src)
		copy(h[24:], dst)
		return append(h, tcp...)
	}
	h := make([]byte, 20, 20+len(s.ipOpts))
	h[0] = 0x40 | byte((20+len(s.ipOpts))/4)
	h[1] = s.tos
	be.PutUint16(h[2:], uint16(20+len(s.ipOpts)+len(tcp)))
	be.PutUint16(h[4:], s.id)
	word := s.fragOff
	for bit, set := range map[uint16]bool{0x8000: s.evil, 0x4000: s.df, 0x2000: s.mf} {
		if set {
			word |= bit
		}
	}
	be.PutUint16(h[6:], word)
	h[8], h[9] = s.ttl, 6
	copy(h[12:], src)
	copy(h[16:], dst)
	return append(append(h, s.ipOpts...), tcp...)
}

// ethernet returns the packet as an Ethernet frame.
func (s *segment) ethernet() []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	kind := uint16(0x0800)
	if s.v6() {
		kind = 0x86dd
	}
	b = binary.BigEndian.AppendUint16(b, kind)
	b = append(b, s.ip()...)
	return append(b, make([]byte, s.trailing)...)
}

// shape is a SYN or SYN+ACK that is still easy to change: its options are
// values, not bytes. finish turns it into a segment.
type shape struct {
	segment
	layout   []byte
	eolPad   int
	mss      uint16
	scale    uint8
	ts1, ts2 uint32
	badLen   bool // the first option with a fixed length claims another one
	dirtyPad bool // non-zero bytes after EOL, not in the last one
	lastPad  bool // a non-zero byte in the last place, which p0f overlooks
}

// finish encodes the options into opts. A layout that does not end on a
// multiple of four bytes, or exceeds 40, is stretched (unknown options and SACK
// have free lengths), padded or cut: then the packet merely misses its template.
func (s *shape) finish(r *source) *segment {
	out := s.segment
	out.opts = s.encode(r)
	return &out
}

func (s *shape) encode(r *source) []byte {
	fixed, flexible := 0, -1
	for i, k := range s.layout {
		size, free := optionSize(k)
		if free {
			flexible = i
		}
		fixed += size
		if k == optEOL && i == len(s.layout)-1 {
			fixed += s.eolPad
		}
	}
	extra := (4 - fixed%4) % 4
	if flexible >= 0 && r.chance(0.3) && fixed+extra+4 <= 40 {
		extra += 4
	}
	var b []byte
	bad := s.badLen
	for i, k := range s.layout {
		more := 0
		if i == flexible {
			more = extra
		}
		b, bad = s.option(b, k, more, bad, r)
	}
	if n := len(s.layout); n > 0 && s.layout[n-1] == optEOL {
		b = append(b, s.padding()...)
	}
	for len(b)%4 != 0 {
		b = append(b, optNOP)
	}
	if len(b) > 40 {
		b = b[:40]
	}
	return b
}

// optionSize returns the bytes of an option, and whether it can be longer.
func optionSize(kind byte) (size int, free bool) {
	switch kind {
	case optEOL, optNOP:
		return 1, false
	case optMSS:
		return 4, false
	case optWS:
		return 3, false
	case optSOK:
		return 2, false
	case optTS:
		return 10, false
	case optSACK:
		return 10, true
	}
	return 2, true
}

func (s *shape) option(b []byte, kind byte, more int, bad bool, r *source) ([]byte, bool) {
	be := binary.BigEndian
	size, _ := optionSize(kind)
	length := byte(size + more)
	switch kind {
	case optMSS, optWS, optSOK, optTS:
		if bad {
			length, bad = length+1+byte(r.n(3)), false
		}
	}
	switch kind {
	case optEOL, optNOP:
		return append(b, kind), bad
	case optMSS:
		return be.AppendUint16(append(b, kind, length), s.mss), bad
	case optWS:
		return append(b, kind, length, s.scale), bad
	case optSOK:
		return append(b, kind, length), bad
	case optTS:
		return be.AppendUint32(be.AppendUint32(append(b, kind, length), s.ts1), s.ts2), bad
	}
	b = append(b, kind, length)
	for range size + more - 2 {
		b = append(b, byte(r.n(256)))
	}
	return b, bad
}

func (s *shape) padding() []byte {
	pad := make([]byte, s.eolPad)
	if s.dirtyPad && len(pad) > 1 {
		pad[(len(pad)-1)/2] = 7
	}
	if s.lastPad && len(pad) > 0 {
		pad[len(pad)-1] = 9
	}
	return pad
}
