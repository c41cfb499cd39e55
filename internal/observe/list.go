package observe

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
)

// list holds observations in order, for another core. To move their cache lines is
// much of what a log takes, so a fingerprint is written where it lies, and of the link
// and the uptime that the same segment shows only what is not in the fingerprint.
type list struct {
	order   []event.Module      // of all, with follows
	seen    []event.Observation // fingerprints, with nothing else set; so are those beyond its length
	links   []link
	uptimes []uptime
	whole   []event.Observation // all others
	raw     []byte              // signatures
}

// follows is set in the module of a link or uptime that has the ends, the role and the
// time of the last fingerprint.
const follows event.Module = 1 << 7

type link struct {
	mtu  int
	name string
}

type uptime struct {
	min, modDays uint32
	frequency    float64
	clock        note.Clock
}

// next is where the next fingerprint is to be written.
func (l *list) next() *event.Observation {
	n := len(l.seen)
	if n == cap(l.seen) {
		l.seen = append(l.seen, event.Observation{})[:n]
	}
	return &l.seen[:n+1][n]
}

// add takes an observation: as it is if it lies in next, a copy of any other.
func (l *list) add(o *event.Observation) {
	module := o.Module
	switch {
	case module.Fingerprint():
		l.addSeen(o)
	case !l.follows(o):
		l.whole = append(l.whole, *o)
		l.whole[len(l.whole)-1].RawSig = l.keep(o.RawSig)
	case module == event.MTU:
		module |= follows
		l.links = append(l.links, link{o.MTU, o.Link})
	default:
		module |= follows
		l.uptimes = append(l.uptimes, uptime{o.UptimeMin, o.ModDays, o.Frequency, o.Clock})
	}
	l.order = append(l.order, module)
}

func (l *list) addSeen(o *event.Observation) {
	to := l.next()
	if o != to {
		to.Module, to.Role, to.Client, to.Server, to.At = o.Module, o.Role, o.Client, o.Server, o.At
		to.Segment, to.PeerMSS, to.Distance, to.System = o.Segment, o.PeerMSS, o.Distance, o.System
	}
	to.RawSig = l.keep(o.RawSig)
	l.seen = l.seen[:len(l.seen)+1]
}

// keep copies a signature, which is lent.
func (l *list) keep(raw []byte) []byte {
	from := len(l.raw)
	l.raw = append(l.raw, raw...)
	return l.raw[from:len(l.raw):len(l.raw)]
}

// follows reports whether o is a link or uptime of the segment of the last fingerprint.
func (l *list) follows(o *event.Observation) bool {
	if o.Module != event.MTU && o.Module != event.Uptime || len(l.seen) == 0 {
		return false
	}
	last := &l.seen[len(l.seen)-1]
	return o.At == last.At && o.Role == last.Role && o.Client == last.Client && o.Server == last.Server
}

// lent has an observation for each module, in which what others set is zero.
type lent [event.Modules]event.Observation

// each calls do with each observation, which is valid until do returns.
func (l *list) each(lent *lent, do func(*event.Observation)) {
	seen, links, uptimes, whole := l.seen, l.links, l.uptimes, l.whole
	var last *event.Observation
	for _, module := range l.order {
		switch {
		case module.Fingerprint():
			last, seen = &seen[0], seen[1:]
			do(last)
			continue
		case module&follows == 0:
			do(&whole[0])
			whole = whole[1:]
			continue
		}
		module &^= follows
		o := &lent[module]
		o.Module, o.Role, o.Client, o.Server, o.At = module, last.Role, last.Client, last.Server, last.At
		if module == event.MTU {
			o.MTU, o.Link = links[0].mtu, links[0].name
			links = links[1:]
		} else {
			u := &uptimes[0]
			o.UptimeMin, o.ModDays, o.Frequency, o.Clock = u.min, u.modDays, u.frequency, u.clock
			uptimes = uptimes[1:]
		}
		do(o)
	}
}

// emptied is the list without its observations, to be filled again.
func (l *list) emptied() list {
	return list{l.order[:0], l.seen[:0], l.links[:0], l.uptimes[:0], l.whole[:0], l.raw[:0]}
}
