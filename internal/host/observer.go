package host

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// Observer takes what a Table finds out, in the order in which p0f prints it.
// Its methods run on the goroutine that calls Table.Update: they must not block.
type Observer interface {
	// Room is where the next Sighting is to be written. It may be lent again where
	// Take was not called.
	Room() *Sighting
	// Wants takes out of the Sighting in Room what is not wanted, and reports whether
	// anything is left for Take.
	Wants(*Sighting) bool
	// Take takes the Sighting in Room, and its raw signature, which is lent.
	Take(v *Sighting, raw []byte)
	// Observe takes anything else, if it is wanted. It must not keep the Observation,
	// or its RawSig, after it returns.
	Observe(*event.Observation)
}

// see begins the sighting of a segment, which m matches, for the table to add what else
// the segment shows.
func (t *Table) see(module event.Module, role event.Role, s *packet.Segment, m *signature.Match, peerMSS uint16) {
	if t.observer == nil {
		return
	}
	v := t.observer.Room()
	v.Parts, v.Module, v.Role, v.From, v.At = Fingerprint, module, role, t.from, t.at
	v.Segment = *s // in an assignment of its own: in one of several it is copied twice
	v.Match, v.PeerMSS = *m, peerMSS
	t.sighting = v
}

// show ends the sighting and has it observed.
func (t *Table) show(s *packet.Segment, m *signature.Match) {
	v := t.sighting
	if v != nil && t.observer.Wants(v) {
		t.observer.Take(v, t.rawSig(s, m))
	}
	t.sighting = nil
}

// finding returns an observation of something else for the caller to fill in and report,
// or nil if there is no observer. What is not of the module is zero: each module has its
// own, of which nothing else is ever set.
func (t *Table) finding(m event.Module, role event.Role) *event.Observation {
	if t.observer == nil {
		return nil
	}
	o := &t.lent[m]
	o.Module, o.Role, o.At = m, role, t.at
	if t.from == event.Client {
		o.Client, o.Server = t.packet.Src, t.packet.Dst
	} else {
		o.Client, o.Server = t.packet.Dst, t.packet.Src
	}
	return o
}
