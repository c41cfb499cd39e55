package host

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// Observer takes what a Table finds out, in the order in which p0f prints it.
// Its methods run on the goroutine that calls Table.Update: they must not block, and
// must not keep the Observation, or its RawSig, after they return.
type Observer interface {
	// Room is where the next fingerprint is to be written. What is not of a fingerprint
	// is zero there. It may be lent again where Observe was not called.
	Room() *event.Observation
	// Wants reports whether Observe is to be called. A fingerprint has no RawSig yet.
	Wants(*event.Observation) bool
	Observe(*event.Observation)
}

func (t *Table) observe(o *event.Observation) {
	if t.observer.Wants(o) {
		t.observer.Observe(o)
	}
}

// observeSYN is observe for the fingerprint of a segment.
func (t *Table) observeSYN(o *event.Observation, s *packet.Segment, m *signature.Match) {
	o.RawSig = nil // the last one's
	if t.observer.Wants(o) {
		o.RawSig = t.rawSig(s, m)
		t.observer.Observe(o)
	}
}
