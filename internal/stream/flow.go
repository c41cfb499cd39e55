package stream

import "time"

// Flow is numbers of a connection's segments. A zero time is not known.
type Flow struct {
	TCPRTT  time.Duration // the shortest from data of the server to its acknowledgement
	SMTPRTT time.Duration // the shortest from a reply, once acknowledged, to what the client says next

	Resent      [2]uint16 // segments with data that a side sent again
	ZeroWindows uint16    // times the client closed its window
	Ended       bool      // a side said that it ends, By
	Reset       bool      // by a reset
	By          Side

	closed  bool          // the client's window
	by      Side          // whose data came last
	newest  uint32        // and when, in microseconds
	replied time.Duration // when the server's last data came; negative: it was answered
	sample  struct {      // of TCPRTT
		at  time.Duration
		end uint32 // position
		on  bool
	}
}

// copied is how soon after a segment the same one is no retransmission, but as
// another interface has it: a bridge and its port both have each packet.
const copied = 1000 // microseconds

// take notes a segment that is at and ack in positions, before its data counts.
func (f *Flow) take(c *Conn, s *Segment, at, ack uint32) {
	if s.Side == Client {
		f.client(c, s, at, ack)
	}
	h := &c.half[s.Side]
	old := -ahead(at, h.next)
	n, now := len(s.Data), uint32(s.Time.Microseconds())
	if n > 0 && old == n+s.Cut && f.by == s.Side && now-f.newest < copied {
		return
	}
	if n > 0 {
		f.by, f.newest = s.Side, now
	}
	if n > 0 && old >= n && !(n == 1 && old == 1) { // one byte alone is a keep-alive
		f.Resent[s.Side] += min(1, ^f.Resent[s.Side])
		f.sample.on = f.sample.on && s.Side != Server // whose data is acknowledged cannot be known
		return
	}
	if s.Side == Server && n > 0 {
		f.replied = s.Time
		if !f.sample.on {
			f.sample.end, f.sample.at, f.sample.on = at+uint32(len(s.Data)), s.Time, true
		}
	}
}

func (f *Flow) client(c *Conn, s *Segment, at, ack uint32) {
	if closed := s.Window == 0; closed != f.closed {
		if f.closed = closed; closed {
			f.ZeroWindows += min(1, ^f.ZeroWindows)
		}
	}
	if !s.ACK {
		return
	}
	if f.sample.on && ahead(ack, f.sample.end) >= 0 {
		shortest(&f.TCPRTT, s.Time-f.sample.at)
		f.sample.on = false
	}
	if len(s.Data) > 0 && at == c.half[Client].next && f.replied > 0 && ack == c.half[Server].next {
		shortest(&f.SMTPRTT, s.Time-f.replied)
		f.replied = -1
	}
}

// end notes who ends the connection.
func (f *Flow) end(s *Segment) {
	if !f.Ended && (s.FIN || s.RST) {
		f.Ended, f.By, f.Reset = true, s.Side, s.RST
	}
}

func shortest(d *time.Duration, is time.Duration) {
	if is > 0 && (*d == 0 || is < *d) {
		*d = is
	}
}
