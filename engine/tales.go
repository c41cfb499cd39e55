package engine

import (
	"net/netip"

	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

// tales are observations on their way, without what they do not say and without
// what those of one packet share: all are copied twice, once from the table and
// once to another core.
type tales struct {
	list  []tale
	times []int64 // of the packets of which they are, in order
	ends  []ends  // of those that do not begin with a fingerprint, which has them
	frame uint64  // the number of the last packet
	file  bool    // of a file, of which more will come soon

	// What the modules have to say, in order.
	fingerprints []fingerprint
	mtus         []mtu
	uptimes      []uptime
	rest         []rest // of modules that seldom say anything
}

// tale is one observation.
type tale struct {
	module host.Module
	role   host.Role
	begins bool // is the first of its packet
	back   bool // and a fingerprint, of a packet to the client
}

// ends are of whom a packet is.
type ends struct{ client, server netip.AddrPort }

// fingerprint is of a SYN or SYN+ACK.
type fingerprint struct {
	segment packet.Segment
	match   signature.Match
}

type mtu struct {
	bytes int
	link  string
}

type uptime struct {
	minutes, modDays uint32
	frequency        float64
	clock            signature.Clock
}

// rest is an observation with what it refers to.
type rest struct {
	host.Observation
	raw []byte
}

// add takes a copy of an observation, of the frame with that number.
func (t *tales) add(o *host.Observation, frame uint64) {
	begins, back := frame != t.frame || len(t.list) == 0, false
	if begins {
		t.frame = frame
		*longer(&t.times) = o.At
		if o.Segment == nil {
			*longer(&t.ends) = ends{o.Client, o.Server}
		} else {
			back = o.Client != o.Segment.Src // not the role: anybody may answer
		}
	}
	*longer(&t.list) = tale{o.Module, o.Role, begins, back}
	switch o.Module {
	case host.SYN, host.SYNACK, host.Probe, host.ProbeResponse:
		f := longer(&t.fingerprints)
		f.segment, f.match = *o.Segment, o.Match
	case host.MTU:
		*longer(&t.mtus) = mtu{o.MTU, o.Link}
	case host.Uptime:
		*longer(&t.uptimes) = uptime{o.UptimeMin, o.ModDays, o.Frequency, o.Clock}
	default:
		r := longer(&t.rest)
		r.Observation = *o
		r.raw = append(r.raw[:0], o.HTTP.RawSig...)
		r.HTTP.RawSig = r.raw
	}
}

// longer makes a list longer by one, whose old content may still be there.
func longer[T any](list *[]T) *T {
	n := len(*list)
	if n < cap(*list) {
		*list = (*list)[:n+1]
	} else {
		*list = append(*list, *new(T))
	}
	return &(*list)[n]
}

// clear forgets all, but not the room it took.
func (t *tales) clear() {
	t.file = false
	t.list, t.times, t.ends = t.list[:0], t.times[:0], t.ends[:0]
	t.fingerprints, t.mtus, t.uptimes, t.rest = t.fingerprints[:0], t.mtus[:0], t.uptimes[:0], t.rest[:0]
}

// lent are observations that observers are shown, one a module that is not rare,
// so that of each only what it says must be set.
type lent struct{ fingerprint, mtu, uptime host.Observation }

// each shows every observation to all observers, in order.
func (t *tales) each(lent *lent, observers []Observer) {
	var packets, allEnds, fingerprints, mtus, uptimes, others int // so many were shown
	var at int64
	var client, server *netip.AddrPort
	for i := range t.list {
		one := &t.list[i]
		var o *host.Observation
		switch one.module {
		case host.SYN, host.SYNACK, host.Probe, host.ProbeResponse:
			o = &lent.fingerprint
			f := &t.fingerprints[fingerprints]
			o.Segment, o.Match = &f.segment, f.match
			fingerprints++
		case host.MTU:
			o = &lent.mtu
			m := &t.mtus[mtus]
			o.MTU, o.Link = m.bytes, m.link
			mtus++
		case host.Uptime:
			o = &lent.uptime
			u := &t.uptimes[uptimes]
			o.UptimeMin, o.ModDays, o.Frequency, o.Clock = u.minutes, u.modDays, u.frequency, u.clock
			uptimes++
		default:
			o = &t.rest[others].Observation
			others++
		}
		o.Module, o.Role = one.module, one.role
		if one.begins {
			at = t.times[packets]
			packets++
			switch {
			case o.Segment == nil:
				client, server = &t.ends[allEnds].client, &t.ends[allEnds].server
				allEnds++
			case one.back:
				client, server = &o.Segment.Dst, &o.Segment.Src
			default:
				client, server = &o.Segment.Src, &o.Segment.Dst
			}
		}
		o.At, o.Client, o.Server = at, *client, *server
		for _, observer := range observers {
			observer.Observe(o)
		}
	}
}
