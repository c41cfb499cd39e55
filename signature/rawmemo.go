package signature

import "github.com/mxprint/mxprint/packet"

// rawSlots is how many raw signatures a RawMemo remembers, rawLen how long
// they may be behind the TTL: 1 MiB, a cache line each.
const (
	rawSlots = 16384
	rawLen   = 55
)

// A RawMemo appends raw signatures as AppendRaw does, and remembers the last
// ones without their TTL: senders share a few hundred, however far away they
// are. The zero value is ready. It is not safe for concurrent use.
type RawMemo struct{ slots []rawText }

// rawText is the raw signature of one kind of segment, without its beginning.
type rawText struct {
	kind uint64 // Match.kind
	n    uint8
	text [rawLen]byte
}

// Append is AppendRaw for a segment and its match.
func (m *RawMemo) Append(dst []byte, s *packet.Segment, match *Match) []byte {
	if match.kind == 0 {
		return AppendRaw(dst, s, match.Multiple)
	}
	if m.slots == nil {
		m.slots = make([]rawText, rawSlots)
	}
	at := match.kind >> 1 % rawSlots
	slot, other := &m.slots[at], &m.slots[at^1]
	dst = appendOrigin(dst, s)
	if slot.kind == match.kind {
		return append(dst, slot.text[:slot.n]...)
	}
	if other.kind == match.kind {
		return append(dst, other.text[:other.n]...)
	}
	from := len(dst)
	dst = appendKind(dst, s, match.Multiple)
	if text := dst[from:]; len(text) <= rawLen {
		*other = *slot // the neighbour keeps what the slot had before
		slot.kind, slot.n = match.kind, uint8(copy(slot.text[:], text))
	}
	return dst
}
