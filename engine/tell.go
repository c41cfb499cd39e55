package engine

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/host"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

const (
	talesSize  = 192 // observations handed over together, or some more
	talesQueue = 16  // of these may wait, about 2 MiB
	flushEvery = 100 * time.Millisecond
	complain   = 10 * time.Second // between two warnings
)

// teller calls the observers, on a goroutine of its own, so that neither the
// formatting of a log nor a slow disk holds up the capture.
type teller struct {
	observers []Observer
	choosers  []Chooser // the same, where each of them is one
	log       *slog.Logger
	queue     chan *tales
	spare     chan *tales
	lost      atomic.Uint64                               // observations nobody was told of
	lent      struct{ fingerprint, mtu host.Observation } // to the observers, one at a time
	unwritten struct {                                    // flushes that failed
		count    int // since the last warning
		warnedAt time.Time
	}

	mu      sync.Mutex
	sources int           // that run
	quit    chan struct{} // closed when the last of them has ended
	done    chan struct{} // closed when all is told
}

// tales are observations on their way, without what they do not say: all are
// copied twice, once from the table and once to another core.
type tales struct {
	list         []tale
	fingerprints []fingerprint // of those of SYNs and SYN+ACKs, in order
	rest         []rest        // the rest of those of rare modules, in order
}

// tale is what all observations have, and all of an MTU's.
type tale struct {
	module         host.Module
	role           host.Role
	mtu            uint32
	at             int64
	client, server netip.AddrPort
	link           string
}

// fingerprint is what observations of SYNs and SYN+ACKs have.
type fingerprint struct {
	segment packet.Segment
	match   signature.Match
}

// rest is an observation with what it refers to.
type rest struct {
	host.Observation
	raw []byte
}

func (t *tales) full() bool { return len(t.list) >= talesSize }

// add takes a copy of an observation.
func (t *tales) add(o *host.Observation) {
	one := longer(&t.list)
	one.module, one.role, one.at = o.Module, o.Role, o.At
	one.client, one.server = o.Client, o.Server
	switch o.Module {
	case host.SYN, host.SYNACK, host.Probe, host.ProbeResponse:
		f := longer(&t.fingerprints)
		f.segment, f.match = *o.Segment, o.Match
	case host.MTU:
		one.mtu, one.link = uint32(o.MTU), o.Link
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

func newTeller(observers []Observer, log *slog.Logger) *teller {
	if len(observers) == 0 {
		return nil
	}
	t := &teller{
		observers: observers, log: log,
		queue: make(chan *tales, talesQueue), spare: make(chan *tales, talesQueue+1),
	}
	for _, o := range observers {
		c, ok := o.(Chooser)
		if !ok {
			t.choosers = nil
			break
		}
		t.choosers = append(t.choosers, c)
	}
	return t
}

// wants reports whether anyone wants to be told.
func (t *teller) wants(o *host.Observation) bool {
	for _, c := range t.choosers {
		if c.Wants(o) {
			return true
		}
	}
	return t.choosers == nil
}

// blank returns an empty list.
func (t *teller) blank() *tales {
	select {
	case b := <-t.spare:
		return b
	default:
		return &tales{list: make([]tale, 0, talesSize+2*batchSize)}
	}
}

// take queues observations. With patience it waits where the observers are
// slow, as for a file; without, as for an interface, they are lost, and
// counted.
func (t *teller) take(some *tales, patient bool) {
	if patient {
		t.queue <- some
		return
	}
	select {
	case t.queue <- some:
	default:
		t.lost.Add(uint64(len(some.list)))
		t.recycle(some)
	}
}

func (t *teller) recycle(some *tales) {
	some.list, some.fingerprints, some.rest = some.list[:0], some.fingerprints[:0], some.rest[:0]
	select {
	case t.spare <- some:
	default:
	}
}

// start begins to tell; each call needs one of stop.
func (t *teller) start() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sources++; t.sources == 1 {
		t.quit, t.done = make(chan struct{}), make(chan struct{})
		go t.run(t.quit, t.done)
	}
}

// stop returns when all that was queued is told, if no source is left.
func (t *teller) stop() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sources--; t.sources == 0 {
		close(t.quit)
		<-t.done
	}
}

// run tells what is queued. It flushes when nothing is, and at least every
// flushEvery.
func (t *teller) run(quit, done chan struct{}) {
	defer close(done)
	var flushed, warned time.Time
	clean := true // nothing was told since the last flush
	flush := func() {
		if !clean {
			t.flush()
			clean = true
		}
	}
	var told uint64 // of the lost ones
	for {
		select {
		case some := <-t.queue:
			t.tell(some)
			clean = false
		default:
			flush()
			select {
			case some := <-t.queue:
				t.tell(some)
				clean, flushed = false, time.Now()
			case <-quit:
				if len(t.queue) == 0 {
					return
				}
			}
		}
		now := time.Now()
		if now.Sub(flushed) >= flushEvery {
			flush()
			flushed = now
		}
		if lost := t.lost.Load(); lost != told && now.Sub(warned) >= complain {
			t.log.Warn("observations were not logged: the log is slower than the capture", "lost", lost-told)
			told, warned = lost, now
		}
	}
}

func (t *teller) tell(some *tales) {
	fingerprints, others := some.fingerprints, some.rest
	for i := range some.list {
		var o *host.Observation
		switch one := &some.list[i]; one.module {
		case host.SYN, host.SYNACK, host.Probe, host.ProbeResponse:
			o = &t.lent.fingerprint
			one.fill(o)
			o.Segment, o.Match = &fingerprints[0].segment, fingerprints[0].match
			fingerprints = fingerprints[1:]
		case host.MTU:
			o = &t.lent.mtu
			one.fill(o)
			o.MTU, o.Link = int(one.mtu), one.link
		default:
			o = &others[0].Observation
			others = others[1:]
		}
		for _, obs := range t.observers {
			obs.Observe(o)
		}
	}
	t.recycle(some)
}

// fill sets what all observations have.
func (t *tale) fill(o *host.Observation) {
	o.Module, o.Role, o.At = t.module, t.role, t.at
	o.Client, o.Server = t.client, t.server
}

// flush has the observers write. A full disk fails ten times a second, and is
// worth a line every complain.
func (t *teller) flush() {
	for _, obs := range t.observers {
		err := obs.Flush()
		if err == nil {
			continue
		}
		u := &t.unwritten
		u.count++
		if now := time.Now(); now.Sub(u.warnedAt) >= complain {
			t.log.Error("observations lost", "reason", err, "writes", u.count)
			u.count, u.warnedAt = 0, now
		}
	}
}
