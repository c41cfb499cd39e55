package host

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/packet"
)

// Follower reads on where a Table stops: it gets the connections whose handshake
// the table saw completed, and then their segments. Its methods run on the
// goroutine that calls Table.Update; they must not block, and must keep neither
// the segment nor the payload. Only a table with Config.Recent has handshakes.
type Follower interface {
	// Open takes a connection. s is the client's segment that completes the
	// handshake, and Segment takes it too; client and server are the numbers that
	// the two ends chose, at is microseconds since 1970.
	Open(s *packet.Segment, client, server uint32, at int64)
	// Segment takes each segment but SYNs, whether or not its connection was
	// opened: where it was not, the segment may be forged. payload may be less
	// than the segment has.
	Segment(s *packet.Segment, payload []byte, at int64)
	// Close ends all connections: nothing more will come.
	Close()
}

// NewFollower makes a Follower that reports what it finds out to observe, which
// keeps nothing of the observation.
type NewFollower func(observe func(*event.Observation)) Follower

// Follow has a Follower get what the table takes from now on; nil makes none.
func (t *Table) Follow(make NewFollower, observe func(*event.Observation)) {
	if make != nil {
		t.follower = make(observe)
	}
}

// Unfollow ends what the Follower reads.
func (t *Table) Unfollow() {
	if t.follower != nil {
		t.follower.Close()
	}
}

// opened hands a connection over whose handshake is complete.
func (t *Table) opened(s *packet.Segment) {
	if r := t.conns.exact(s.Src, s.Dst); t.follower != nil && r != nil {
		t.follower.Open(s, r.syn.seq, r.syn.answer, t.at)
	}
}
