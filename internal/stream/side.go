package stream

import "time"

// Side is one end of a connection.
type Side uint8

const (
	Client Side = iota
	Server
)

// Segment is one TCP segment of a connection, or several that the network card
// or the kernel joined into one.
type Segment struct {
	Side     Side
	Seq, Ack uint32 // as on the wire
	ACK      bool   // Ack is valid
	FIN, RST bool
	Data     []byte
	Cut      int           // bytes after Data that were not captured
	Window   uint16        // as sent
	Time     time.Duration // since any fixed moment
}

// piece is bytes of one side in order. Positions count the bytes of a side from
// its first on, and wrap as sequence numbers do.
type piece struct {
	side    Side
	data    []byte // valid during the call
	at      uint32 // position of data[0]
	ack     uint32 // what the sender had acknowledged of the other side when it first sent data[0]
	lost    uint32 // bytes that are missing before data[0]
	segment uint16 // number of the segment of this side that brought it, from 1 on
	time    time.Duration
}

// maxAhead is how far ahead of what is complete a segment may lie: the largest
// window without scaling. What lies beyond is not of this connection's first
// bytes.
const maxAhead = 1 << 16

// maxFlight is how far an acknowledgment may lie behind what was sent since: more
// than the largest window that Linux offers unasked (6 MiB).
const maxFlight = 1 << 23

// patience is how many segments may come, after the other side acknowledged
// what is missing here, until it counts as lost: the two directions of a capture
// may be a little out of step.
const patience = 3

// half is the reassembly of one side.
type half struct {
	first  uint32 // sequence number of position 0
	next   uint32 // position of the first byte that has not been delivered
	fin    uint32 // position of the FIN
	waited uint8
	hasFIN bool
	count  uint16 // segments with data
	held   []heldData
}

// heldData is a segment that came before one that precedes it. They are sorted
// by position and do not overlap.
type heldData struct {
	at, ack uint32
	segment uint16
	time    time.Duration
	data    []byte
}

// ahead returns how far a position lies ahead of another: negative where it
// lies behind.
func ahead(a, b uint32) int { return int(int32(a - b)) }

// put takes the data of a segment at a position, keeps what has not been there
// before, and reports false where it does not fit into room bytes.
func (h *half) put(at, ack uint32, data []byte, now time.Duration, room int) bool {
	i := 0
	for len(data) > 0 {
		if i < len(h.held) {
			if over := ahead(at, h.held[i].at); over >= 0 { // not before this one
				if skip := len(h.held[i].data) - over; skip > 0 {
					cut := min(skip, len(data))
					data, at = data[cut:], at+uint32(cut)
				}
				i++
				continue
			}
		}
		part := data
		if i < len(h.held) {
			part = data[:min(len(data), -ahead(at, h.held[i].at))]
		}
		if h.bytes()+len(part)+heldBytes > room {
			return false
		}
		h.held = append(h.held, heldData{})
		copy(h.held[i+1:], h.held[i:])
		h.held[i] = heldData{at: at, ack: ack, segment: h.count, time: now, data: append([]byte(nil), part...)}
		data, at = data[len(part):], at+uint32(len(part))
		i++
	}
	return true
}

// bytes is what is held in memory.
func (h *half) bytes() (n int) {
	for i := range h.held {
		n += len(h.held[i].data) + heldBytes
	}
	return n
}

// take returns the first held piece if no more than slack bytes are missing
// before it. Its data is the caller's.
func (h *half) take(side Side, slack uint32) (piece, bool) {
	for len(h.held) > 0 {
		first := h.held[0]
		lost := ahead(first.at, h.next)
		if lost > 0 && uint32(lost) > slack {
			return piece{}, false
		}
		h.held = append(h.held[:0], h.held[1:]...)
		if lost < 0 { // part of it, or all, was skipped
			cut := min(-lost, len(first.data))
			first.data, first.at, lost = first.data[cut:], first.at+uint32(cut), 0
			if len(first.data) == 0 {
				continue
			}
		}
		return piece{side: side, data: first.data, at: first.at, ack: first.ack, lost: uint32(lost),
			segment: first.segment, time: first.time}, true
	}
	h.held = nil
	return piece{}, false
}

// heldBytes is what a heldData takes beside its data.
const heldBytes = 56
