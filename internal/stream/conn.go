package stream

import (
	"time"

	"github.com/mxprint/mxprint/clienthello"
)

// Conn reads one connection: it puts the segments of both sides into order and
// hands them to the parser of SMTP and TLS. It is not safe for concurrent use.
type Conn struct {
	half    [2]half
	parser  parser // &session
	session Session

	key        Key // of one in a Table, as what follows
	last       time.Duration
	next, prev *Conn
}

// parser takes the bytes of both sides in order.
type parser interface {
	read(*piece)
	// slack is how many of the next bytes of a side may be missing.
	slack(Side) uint32
	// fin and reset note the end of a side.
	fin(s *Segment, at, ack uint32, withData bool)
	reset(s *Segment, at, ack uint32)
	stop(State)
	done() bool
	bytes() int
}

// NewConn begins to read a connection. client and server are the initial
// sequence numbers, those of the SYN and the SYN+ACK. implicitTLS says that TLS
// begins with the first byte, as on port 465. onHello, unless nil, gets the
// ClientHello once it is complete; it is valid during the call.
func NewConn(client, server uint32, implicitTLS bool, onHello func(*clienthello.Hello)) *Conn {
	c := new(Conn)
	c.open(client, server, implicitTLS, onHello)
	return c
}

func (c *Conn) open(client, server uint32, implicitTLS bool, onHello func(*clienthello.Hello)) {
	c.half[Client].first, c.half[Server].first = client+1, server+1
	c.session.open(implicitTLS, onHello)
	c.parser = &c.session
}

// Key returns the name of a connection of a Table.
func (c *Conn) Key() Key { return c.key }

// Session returns what was read. It belongs to the Conn and changes with the
// next segment.
func (c *Conn) Session() *Session { return &c.session }

// Done reports whether nothing more will be read.
func (c *Conn) Done() bool { return c.parser.done() }

// Bytes returns what the connection takes in memory, about.
func (c *Conn) Bytes() int {
	return connBytes + c.half[Client].bytes() + c.half[Server].bytes() + c.parser.bytes()
}

// room is how many bytes one side may hold back.
func (c *Conn) room(side Side) int {
	return c.half[side].bytes() + max(0, MaxConnBytes-c.Bytes())
}

// Segment takes one segment.
func (c *Conn) Segment(s *Segment) {
	if c.Done() || !s.ACK && !s.RST { // RFC 9293 §3.10.7.4: a receiver drops what acknowledges nothing
		return
	}
	h, other := &c.half[s.Side], &c.half[s.Side^1]
	at, ack := s.Seq-h.first, s.Ack-other.first
	if far := ahead(at, h.next); far > maxAhead || far < -maxAhead {
		return // of no use: a keep-alive of long ago, or not of this connection
	}
	if s.ACK && !c.plausible(s.Side^1, ack) {
		return
	}
	if s.RST {
		if s.ACK || ahead(at, h.next) == 0 || h.hasFIN && at == h.fin+1 || len(h.held) > 0 { // RFC 5961 §3.2
			c.session.Flow.end(s)
			c.end(s, Reset)
		}
		return
	}
	if s.FIN && !h.hasFIN {
		h.hasFIN, h.fin = true, at+uint32(len(s.Data)+s.Cut)
		c.session.Flow.end(s)
	}
	c.session.Flow.take(c, s, at, ack)
	c.data(s, at, ack)
	if s.Cut > 0 {
		c.cut(s, at+uint32(len(s.Data)), ack)
	}
	c.acknowledged(s.Side^1, ack)
	c.finish(s)
}

// plausible reports whether a position of a side may have been acknowledged: a
// receiver drops a segment that acknowledges what was never sent, or far less
// than before (RFC 9293 §3.10.7.4, RFC 5961 §5), so that a sender that does not
// see the connection has to guess this, too. What the capture has not seen yet,
// or lost without harm, may have been acknowledged.
func (c *Conn) plausible(side Side, ack uint32) bool {
	far := ahead(ack, c.half[side].next)
	return far <= maxAhead+int(c.parser.slack(side)) && far >= -maxFlight
}

// tiny is a segment that is held back even where bytes may be missing, for a
// few bytes may be the end of a message.
const tiny = 16

// data takes the bytes of a segment.
func (c *Conn) data(s *Segment, at, ack uint32) {
	data := s.Data
	h := &c.half[s.Side]
	if old := -ahead(at, h.next); old > 0 { // sent before
		cut := min(old, len(data))
		data, at = data[cut:], at+uint32(cut)
	}
	if len(data) == 0 {
		return
	}
	h.count++
	if gap := at - h.next; gap > 0 && (gap > c.parser.slack(s.Side) || gap <= tiny && len(data) <= tiny) {
		if !h.put(at, ack, data, s.Time, c.room(s.Side)) {
			c.lose(s.Side)
			if ahead(at, h.next) >= 0 && !c.Done() {
				c.deliver(piece{side: s.Side, data: data, at: at, ack: ack, lost: at - h.next, segment: h.count, time: s.Time})
			}
		}
		return
	}
	if len(h.held) == 0 || ahead(at, h.held[0].at) >= 0 {
		c.deliver(piece{side: s.Side, data: data, at: at, ack: ack, lost: at - h.next, segment: h.count, time: s.Time})
		return
	}
	// What was held may overlap what came now: what came first counts.
	gap := h.held[0].at
	if end := at + uint32(len(data)); ahead(end, gap) > 0 {
		rest := data[len(data)-ahead(end, gap):]
		data = data[:len(data)-len(rest)]
		if !h.put(gap, ack, rest, s.Time, c.room(s.Side)) {
			rest = nil
		}
	}
	c.deliver(piece{side: s.Side, data: data, at: at, ack: ack, lost: at - h.next, segment: h.count, time: s.Time})
	c.drain(s.Side, false)
}

// cut skips bytes that the capture has not kept: no segment will bring them.
func (c *Conn) cut(s *Segment, at, ack uint32) {
	h := &c.half[s.Side]
	end := at + uint32(s.Cut)
	if c.Done() || h.next != at {
		return // what comes is ahead of what is missing, or was skipped before
	}
	c.deliver(piece{side: s.Side, at: end, ack: ack, lost: uint32(s.Cut), segment: h.count, time: s.Time})
	c.drain(s.Side, false)
}

// deliver hands a piece to the parser.
func (c *Conn) deliver(p piece) {
	h := &c.half[p.side]
	h.next = p.at + uint32(len(p.data))
	h.waited = 0
	c.parser.read(&p)
}

// drain delivers what was held and is next; where lossy, also what is not.
func (c *Conn) drain(side Side, lossy bool) {
	for !c.Done() {
		slack := c.parser.slack(side)
		if lossy {
			slack = 1 << 31
		}
		p, ok := c.half[side].take(side, slack)
		if !ok {
			return
		}
		c.deliver(p)
	}
}

// lose gives up what is missing.
func (c *Conn) lose(side Side) { c.drain(side, true) }

// acknowledged counts the segments since the other side had what is missing
// here.
func (c *Conn) acknowledged(side Side, ack uint32) {
	h := &c.half[side]
	if len(h.held) == 0 || ahead(ack, h.held[0].at) < 0 {
		return
	}
	if h.waited++; h.waited > patience {
		c.lose(side)
	}
}

// finish ends a session of which a side has said its last byte.
func (c *Conn) finish(s *Segment) {
	h := &c.half[s.Side]
	if c.Done() || !h.hasFIN || ahead(h.next, h.fin) < 0 {
		return
	}
	c.parser.fin(s, h.fin, s.Ack-c.half[s.Side^1].first, len(s.Data) > 0 && s.FIN)
	if other := &c.half[s.Side^1]; other.hasFIN && other.next == other.fin {
		c.end(s, Closed)
	}
}

// end delivers what is held and ends the session.
func (c *Conn) end(s *Segment, state State) {
	c.lose(Client)
	c.lose(Server)
	if state == Reset {
		c.parser.reset(s, s.Seq-c.half[s.Side].first, s.Ack-c.half[s.Side^1].first)
	}
	c.parser.stop(state)
	c.half[Client].held, c.half[Server].held = nil, nil
}
