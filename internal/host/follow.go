package host

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/packet"
)

// Follower is an event.Follower. Only a table with Config.Recent has handshakes.
type Follower = event.Follower

// Follow has the Follower that make returns, which reports to observe, get what the
// table takes from now on; a nil make returns none.
func (t *Table) Follow(make func(observe func(*event.Observation)) Follower, observe func(*event.Observation)) {
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
