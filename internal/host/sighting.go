package host

import (
	"math/bits"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/answer"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// Sighting is all that one SYN or SYN+ACK shows. Its observations take twice the memory;
// they are made of it on the core that logs them.
type Sighting struct {
	Parts   Parts
	Module  event.Module // of the fingerprint
	Role    event.Role   // the end that it describes
	From    event.Role   // the end that sent it
	PeerMSS uint16       // as in an Observation
	RawLen  uint16       // of the raw signature, where the observer keeps that
	At      int64        // time of the packet, microseconds since 1970
	Segment packet.Segment
	Match   signature.Match

	// Of Change.
	Changed event.Module // HostChange or IPSharing
	Hits    [4]uint8
	Reasons event.Reasons

	// Of Link.
	LinkName string

	// Of Uptime.
	Clock     note.Clock
	ModDays   uint16
	UptimeMin uint32
	Frequency float64
}

// Parts is a set of observations that a Sighting stands for, in p0f's order.
type Parts uint8

const (
	Fingerprint Parts = 1 << iota
	Change
	Link
	Uptime
)

// All yields each part.
func (p Parts) All(yield func(Parts) bool) {
	for ; p != 0; p &= p - 1 {
		if !yield(p & -p) {
			return
		}
	}
}

// Count returns how many there are.
func (p Parts) Count() int { return bits.OnesCount8(uint8(p)) }

// Lent has an observation for each module, in which what others set is zero.
type Lent [event.Modules]event.Observation

// Observation makes the observation of one part, without RawSig.
func (v *Sighting) Observation(of Parts, lent *Lent) *event.Observation {
	var o *event.Observation
	switch of {
	case Fingerprint:
		o = &lent[v.Module]
		o.Segment = v.Segment
		o.Module, o.Distance, o.PeerMSS = v.Module, v.Match.Distance, v.PeerMSS
		answer.SetSystem(&o.System, &v.Match)
		if v.Module == event.Probe || v.Module == event.ProbeResponse {
			o.System.App = o.System.Matched
		}
	case Change:
		o = &lent[v.Changed]
		o.Module, o.Reasons = v.Changed, v.Reasons
		for i, n := range v.Hits {
			o.Hits[i] = int(n)
		}
	case Link:
		o = &lent[event.MTU]
		o.Module, o.MTU, o.Link = event.MTU, v.Segment.MTU(), v.LinkName
	default:
		o = &lent[event.Uptime]
		o.Module, o.UptimeMin, o.ModDays = event.Uptime, v.UptimeMin, uint32(v.ModDays)
		o.Frequency, o.Clock = v.Frequency, v.Clock
	}
	o.Role, o.At = v.Role, v.At
	if v.From == event.Client {
		o.Client, o.Server = v.Segment.Src, v.Segment.Dst
	} else {
		o.Client, o.Server = v.Segment.Dst, v.Segment.Src
	}
	return o
}
