package signature

import "github.com/mxprint/mxprint/packet"

// rawSlots is how many raw signatures a RawMemo remembers, rawLen how long they
// may be behind the TTL: 1 MiB, a cache line each. One may have rawWays places.
const (
	rawSlots = 16384
	rawLen   = 55
	rawWays  = 2
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

// Append is AppendRaw. match is what was said of the segment, as it was said.
func (m *RawMemo) Append(dst []byte, s *packet.Segment, match *Match) []byte {
	if match.kind == 0 {
		return AppendRaw(dst, s, match.Multiple)
	}
	if m.slots == nil {
		m.slots = make([]rawText, rawSlots)
	}
	set := match.kind >> 1 % (rawSlots / rawWays) * rawWays
	ways := m.slots[set : set+rawWays : set+rawWays]
	dst = appendOrigin(dst, s)
	for i := range ways {
		if slot := &ways[i]; slot.kind == match.kind {
			return append(dst, slot.text[:slot.n]...)
		}
	}
	from := len(dst)
	dst = appendKind(dst, s, match.Multiple)
	if text := dst[from:]; len(text) <= rawLen {
		copy(ways[1:], ways) // the oldest goes
		slot := &ways[0]
		slot.kind, slot.n = match.kind, uint8(copy(slot.text[:], text))
	}
	return dst
}
