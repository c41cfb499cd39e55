package observe

import (
	"net/netip"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
)

// list holds observations in order, for another core. To move their cache lines is
// much of what a log takes, so links and uptimes, which most packets have, are kept
// without the fields that are zero, in a quarter of the lines.
type list struct {
	order []event.Module      // of all
	short []short             // links and uptimes
	seen  []event.Observation // fingerprints, with nothing else set
	whole []event.Observation // all others
	raw   []byte              // signatures
}

// short is a link or an uptime.
type short struct {
	role           event.Role
	clock          note.Clock
	client, server netip.AddrPort
	at             int64
	mtu            int
	link           string
	min, modDays   uint32
	frequency      float64
}

// lent has an observation for each module, in which what others set is zero.
type lent [event.Modules]event.Observation

// add copies an observation.
func (l *list) add(o *event.Observation) {
	l.order = append(l.order, o.Module)
	if o.Module == event.MTU || o.Module == event.Uptime {
		l.short = append(l.short, short{
			role: o.Role, clock: o.Clock, client: o.Client, server: o.Server, at: o.At,
			mtu: o.MTU, link: o.Link, min: o.UptimeMin, modDays: o.ModDays, frequency: o.Frequency,
		})
		return
	}
	from := len(l.raw)
	l.raw = append(l.raw, o.RawSig...) // which is lent
	raw := l.raw[from:len(l.raw):len(l.raw)]
	if !o.Module.Fingerprint() {
		l.whole = append(l.whole, *o)
		l.whole[len(l.whole)-1].RawSig = raw
		return
	}
	if n := len(l.seen); n < cap(l.seen) {
		l.seen = l.seen[:n+1]
	} else {
		l.seen = append(l.seen, event.Observation{})
	}
	to := &l.seen[len(l.seen)-1]
	to.Module, to.Role, to.Client, to.Server, to.At = o.Module, o.Role, o.Client, o.Server, o.At
	to.Segment, to.PeerMSS, to.Distance, to.System, to.RawSig = o.Segment, o.PeerMSS, o.Distance, o.System, raw
}

// each calls do with each observation, which is valid until do returns.
func (l *list) each(lent *lent, do func(*event.Observation)) {
	short, seen, whole := l.short, l.seen, l.whole
	for _, module := range l.order {
		switch {
		case module.Fingerprint():
			do(&seen[0])
			seen = seen[1:]
			continue
		case module != event.MTU && module != event.Uptime:
			do(&whole[0])
			whole = whole[1:]
			continue
		}
		o, s := &lent[module], &short[0]
		o.Module, o.Role, o.Client, o.Server, o.At = module, s.role, s.client, s.server, s.at
		o.MTU, o.Link = s.mtu, s.link
		o.UptimeMin, o.ModDays, o.Frequency, o.Clock = s.min, s.modDays, s.frequency, s.clock
		do(o)
		short = short[1:]
	}
}

// emptied is the list without its observations, to be filled again.
func (l *list) emptied() list {
	return list{l.order[:0], l.short[:0], l.seen[:0], l.whole[:0], l.raw[:0]}
}
