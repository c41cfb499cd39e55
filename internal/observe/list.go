package observe

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
)

// list holds what was observed, for another core, where the observations of a sighting
// are made.
type list struct {
	count  int             // of observations
	seen   []host.Sighting // those beyond its length may have been lent
	others []other
	raw    []byte // signatures
}

// other is an observation that is of no sighting.
type other struct {
	event.Observation
	after int // that number of sightings
}

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
	l.seen = l.seen[:len(l.seen)+1]
}

// add takes a copy of an observation.
func (l *list) add(o *event.Observation) {
	l.count++
	from := len(l.raw)
	l.raw = append(l.raw, o.RawSig...)
	l.others = append(l.others, other{*o, len(l.seen)})
	l.others[len(l.others)-1].RawSig = l.raw[from:len(l.raw):len(l.raw)]
}

// call calls the observers with each observation, in order.
func (l *list) call(observers []event.Observer, lent *host.Lent) {
	others, raw := l.others, l.raw
	for i := 0; ; i++ {
		for ; len(others) > 0 && others[0].after == i; others = others[1:] {
			for _, observer := range observers {
				observer.Observe(&others[0].Observation)
			}
			raw = raw[len(others[0].RawSig):]
		}
		if i == len(l.seen) {
			return
		}
		v := &l.seen[i]
		for part := range v.Parts.All {
			o := v.Observation(part, lent)
			if part == host.Fingerprint {
				o.RawSig = raw[:v.RawLen:v.RawLen]
			}
			for _, observer := range observers {
				observer.Observe(o)
			}
		}
		raw = raw[v.RawLen:]
	}
}

// emptied is the list without its observations, to be filled again.
func (l *list) emptied() list { return list{0, l.seen[:0], l.others[:0], l.raw[:0]} }
