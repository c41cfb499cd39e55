package observe

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
)

// list holds what was observed in order, for another core, where observations are made
// of sightings.
type list struct {
	count  int             // of observations
	order  []kind          // of sightings and others
	seen   []host.Sighting // those beyond its length may have been lent
	others []event.Observation
	raw    []byte // signatures
}

type kind bool

const (
	sighting kind = true
	other    kind = false
)

// next is where the next sighting is to be written.
func (l *list) next() *host.Sighting {
	n := len(l.seen)
	if n == cap(l.seen) {
		l.seen = append(l.seen, host.Sighting{})[:n]
	}
	return &l.seen[:n+1][n]
}

// addNext takes v, which is in next, and a copy of its raw signature, which is lent.
func (l *list) addNext(v *host.Sighting, raw []byte) {
	l.count += v.Parts.Count()
	l.raw, v.RawLen = append(l.raw, raw...), uint16(len(raw))
	l.seen, l.order = l.seen[:len(l.seen)+1], append(l.order, sighting)
}

// add takes a copy of an observation.
func (l *list) add(o *event.Observation) {
	l.count++
	l.order, l.others = append(l.order, other), append(l.others, *o)
	from := len(l.raw)
	l.raw = append(l.raw, o.RawSig...)
	l.others[len(l.others)-1].RawSig = l.raw[from:len(l.raw):len(l.raw)]
}

// call calls the observers with each observation.
func (l *list) call(observers []event.Observer, lent *host.Lent) {
	seen, others, raw := l.seen, l.others, l.raw
	for _, k := range l.order {
		if k == other {
			for _, observer := range observers {
				observer.Observe(&others[0])
			}
			others, raw = others[1:], raw[len(others[0].RawSig):]
			continue
		}
		v := &seen[0]
		for part := host.Fingerprint; part <= host.Uptime; part <<= 1 {
			if v.Parts&part == 0 {
				continue
			}
			o := v.Observation(part, lent)
			if part == host.Fingerprint {
				o.RawSig = raw[:v.RawLen:v.RawLen]
			}
			for _, observer := range observers {
				observer.Observe(o)
			}
		}
		seen, raw = seen[1:], raw[v.RawLen:]
	}
}

// emptied is the list without its observations, to be filled again.
func (l *list) emptied() list {
	return list{0, l.order[:0], l.seen[:0], l.others[:0], l.raw[:0]}
}
