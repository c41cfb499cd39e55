package host

import (
	"bytes"

	"github.com/mxprint/mxprint/packet"
)

const (
	maxData = 8192 // payload bytes of each side that a flow looks at
	httpMin = 15   // bytes that the shortest request line takes
)

// ack takes a segment with ACK and without SYN, FIN or RST (p0f v3 §5.3).
// Segments out of order are ignored: nothing is reassembled.
func (t *Table) ack(fl uint32, role Role, s *packet.Segment, payload []byte) {
	f := t.flows.at(fl)
	if f.probe || !f.answered {
		t.destroyFlow(fl)
		return
	}
	if s.Seq != f.next[role] {
		return
	}
	t.checkUptime(f, role, s, nil)
	f.next[role] += uint32(s.PayloadLen)
	if s.PayloadLen == 0 {
		return
	}
	if role == Client && int(f.data[Client]) < httpMin {
		copy(f.start[f.data[Client]:], payload)
	}
	f.data[role] = uint16(min(int(f.data[role])+int(s.PayloadLen), maxData))
	if f.finished(role) {
		t.destroyFlow(fl)
	}
}

var get, head = []byte("GET /"), []byte("HEAD /")

// finished reports whether a flow has nothing more to tell: a protocol whose
// server speaks first, a client that does not begin with GET or HEAD, or full
// buffers.
func (f *flowRec) finished(role Role) bool {
	http := int(f.data[Client]) >= httpMin &&
		(bytes.HasPrefix(f.start[:], get) || bytes.HasPrefix(f.start[:], head))
	if role == Client && int(f.data[Client]) < httpMin {
		return false // not enough to tell
	}
	return !http || f.data[Client] == maxData && f.data[Server] == maxData
}
