package engine

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/host"
	"github.com/mxprint/mxprint/packet"
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
	lost      atomic.Uint64 // observations nobody was told of
	unwritten struct {      // flushes that failed
		count    int // since the last warning
		warnedAt time.Time
	}

	mu      sync.Mutex
	sources int           // that run
	quit    chan struct{} // closed when the last of them has ended
	done    chan struct{} // closed when all is told
}

// tale is an observation with what it refers to.
type tale struct {
	host.Observation
	segment packet.Segment
	raw     []byte
}

// tales are observations on their way.
type tales []tale

func (t *tales) full() bool { return len(*t) >= talesSize }

// add takes a copy of an observation.
func (t *tales) add(o *host.Observation) {
	n := len(*t)
	if n < cap(*t) {
		*t = (*t)[:n+1]
	} else {
		*t = append(*t, tale{})
	}
	last := &(*t)[n]
	last.Observation = *o
	if o.Segment != nil {
		last.segment = *o.Segment
	}
	if o.HTTP.RawSig != nil {
		last.raw = append(last.raw[:0], o.HTTP.RawSig...)
	}
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
		b := make(tales, 0, talesSize+2*batchSize)
		return &b
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
		t.lost.Add(uint64(len(*some)))
		t.recycle(some)
	}
}

func (t *teller) recycle(some *tales) {
	*some = (*some)[:0]
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
	for i := range *some {
		one := &(*some)[i]
		if one.Segment != nil {
			one.Segment = &one.segment
		}
		if one.HTTP.RawSig != nil {
			one.HTTP.RawSig = one.raw
		}
		for _, obs := range t.observers {
			obs.Observe(&one.Observation)
		}
	}
	t.recycle(some)
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
