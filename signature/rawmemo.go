package signature

import (
	"encoding/binary"
	"math/bits"

	"github.com/mxprint/mxprint/packet"
)

// rawSlots is how many raw signatures a RawMemo remembers, rawLen how long
// they may be behind the TTL: 1 MiB, two cache lines each.
const (
	rawSlots = 8192
	rawLen   = 79
)

// A RawMemo appends raw signatures as AppendRaw does, and remembers the last
// ones without their TTL: senders share a few hundred, however far away they
// are. The zero value is ready. It is not safe for concurrent use.
type RawMemo struct{ slots []rawText }

// rawKind is all of a segment that appendKind looks at, and a bit that the zero
// kind, which is none, has not.
type rawKind [6]uint64

// is compares without the call that == would be for so many bytes.
func (k *rawKind) is(o *rawKind) bool {
	return (k[0]^o[0])|(k[1]^o[1])|(k[2]^o[2])|(k[3]^o[3])|(k[4]^o[4])|(k[5]^o[5]) == 0
}

// rawText is the raw signature of one kind of segment, without its beginning.
type rawText struct {
	kind rawKind
	n    uint8
	text [rawLen]byte
}

// Append is AppendRaw.
func (m *RawMemo) Append(dst []byte, s *packet.Segment, mult Multiple) []byte {
	if m.slots == nil {
		m.slots = make([]rawText, rawSlots)
	}
	k := rawKindOf(s, mult)
	at := k.place()
	slot, other := &m.slots[at], &m.slots[at^1]
	dst = appendOrigin(dst, s)
	if slot.kind.is(&k) {
		return append(dst, slot.text[:slot.n]...)
	}
	if other.kind.is(&k) {
		return append(dst, other.text[:other.n]...)
	}
	from := len(dst)
	dst = appendKind(dst, s, mult)
	if text := dst[from:]; len(text) <= rawLen {
		*other = *slot // the neighbour keeps what the slot had before
		slot.kind, slot.n = k, uint8(copy(slot.text[:], text))
	}
	return dst
}

func rawKindOf(s *packet.Segment, mult Multiple) rawKind {
	flags := 1<<63 | uint64(mult.Kind)<<8
	if s.PayloadLen > 0 {
		flags |= 1
	}
	if s.Type == packet.SYNACK {
		flags |= 2
	}
	le := binary.LittleEndian
	options := &s.Layout.Kinds
	return rawKind{
		le.Uint64(options[0:]), le.Uint64(options[8:]), le.Uint64(options[16:]),
		uint64(s.Layout.Len) | uint64(s.Layout.EOLPad)<<8 | uint64(s.Scale)<<16 | uint64(s.IPOptLen)<<24,
		uint64(s.Quirks) | uint64(s.Window)<<32 | uint64(s.MSS)<<48,
		flags | uint64(uint32(mult.N))<<16,
	}
}

// place is where a kind is remembered. Who chooses segments that go to one
// place has them written anew, as if nothing was remembered.
func (k *rawKind) place() uint {
	const odd1, odd2, odd3 = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9
	h := (k[3]^k[0])*odd1 ^ bits.RotateLeft64(k[1]^k[2], 29)
	h = (h ^ h>>32 ^ k[4]) * odd2
	h = (h ^ h>>32 ^ k[5]) * odd3
	return uint(h>>32) % rawSlots
}
