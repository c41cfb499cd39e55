package host

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/http1"
	"github.com/mxprint/mxprint/packet"
)

// ack takes a segment with ACK and without SYN, FIN or RST (p0f-v3.md §5.3).
// Segments out of order are ignored: nothing is reassembled.
func (t *Table) ack(fl uint32, role event.Role, s *packet.Segment, payload []byte) {
	f := t.flows.at(fl)
	if f.probe || !f.answered {
		t.destroyFlow(fl)
		return
	}
	if s.Seq != f.next[role] {
		return
	}
	t.ticks(f, role, s)
	f.next[role] += uint32(s.PayloadLen)
	if s.PayloadLen == 0 || t.verifies() && !f.verified { // whose sender may be forged
		return
	}
	f.data[role] = uint16(min(int(f.data[role])+int(s.PayloadLen), http1.MaxData))
	if t.http(fl, role, s, payload) || f.data[event.Client] == http1.MaxData && f.data[event.Server] == http1.MaxData {
		t.destroyFlow(fl)
	}
}
