package engine

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/internal/host"
)

const (
	fileSize   = 384                   // observations of a file handed over together, or some more
	liveSize   = 4 * fileSize          // of an interface
	talesQueue = 16                    // so many lists may wait
	talesMost  = 1 << 15               // observations that may wait there, and as many in the shards: 12 MiB
	settle     = 5 * time.Millisecond  // without anything to tell, and what was told is written
	flushEvery = 50 * time.Millisecond // else
	complain   = 10 * time.Second      // between two warnings
)

// teller calls the observers, on a goroutine of its own, so that neither the
// formatting of a log nor a slow disk holds up the capture. Shards hand over
// what they say in lists, and wake it when it sleeps; small lists it fetches
// itself.
type teller struct {
	observers []Observer
	choosers  []Chooser // the same, where each of them is one
	log       *slog.Logger
	shards    []*shard
	queue     chan *tales
	spare     chan *tales
	asleep    atomic.Bool   // until it is handed something
	waiting   atomic.Int64  // observations handed over and not told
	lost      atomic.Uint64 // observations nobody was told of
	unwritten atomic.Uint64 // observations that could not be written
	lent      lent

	// Of the goroutine.
	more    bool      // of a file will come soon
	since   time.Time // something is told and not flushed, or zero
	fetched []*tales
	warned  struct {
		slow, failed time.Time // when
		lost         uint64    // of which
		unwritten    uint64
		reason       error // why something could not be written, since
	}

	mu      sync.Mutex
	sources int           // that run
	quit    chan struct{} // closed when the last of them has ended
	done    chan struct{} // closed when all is told
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
		return &tales{list: make([]tale, 0, fileSize+2*batchSize)}
	}
}

// maxKept bounds the lists that are kept for others.
const maxKept = 2 * liveSize

// recycle keeps lists of the usual size.
func (t *teller) recycle(some *tales) {
	if cap(some.list) > maxKept {
		return
	}
	some.clear()
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

// run tells what is handed over. It flushes when nothing has come for a
// moment: a flood would else be written in little pieces.
func (t *teller) run(quit, done chan struct{}) {
	defer close(done)
	moment := time.NewTimer(settle)
	defer moment.Stop()
	for {
		if some := t.next(); some != nil {
			t.tell(some)
		} else {
			if t.since.IsZero() && t.sleep(quit) {
				t.warn(true)
				return
			}
			moment.Reset(settle)
			select {
			case some := <-t.queue:
				t.tell(some)
			case <-moment.C:
				t.settled()
			case <-quit:
				t.settled()
			}
		}
		if !t.since.IsZero() && time.Since(t.since) >= flushEvery {
			t.flush()
		}
		t.warn(false)
	}
}

// next returns what is queued, if anything, or soon will be.
func (t *teller) next() *tales {
	if t.more {
		return soon(t.queue)
	}
	select {
	case some := <-t.queue:
		return some
	default:
		return nil
	}
}

// settled is for when nothing more is handed over.
func (t *teller) settled() {
	if !t.fetch() {
		t.flush()
	}
}

// sleep waits until there is something to tell, and tells it. It reports
// whether there will be nothing more.
func (t *teller) sleep(quit chan struct{}) (ended bool) {
	t.asleep.Store(true)
	defer t.asleep.Store(false)
	if t.fetch() { // said before anybody saw that this sleeps
		return false
	}
	select {
	case some := <-t.queue:
		t.tell(some)
		return false
	case <-quit:
	}
	return !t.fetch()
}

// take queues what a shard has said, if there is room. The shard is locked, so
// that what it says next comes later.
func (t *teller) take(s *shard) {
	n := int64(len(s.said.list))
	if t.waiting.Add(n) > talesMost {
		t.waiting.Add(-n)
		return
	}
	select {
	case t.queue <- s.said:
		s.said = t.blank()
	default:
		t.waiting.Add(-n)
	}
}

// fetch tells what the shards have not handed over, and before it what they
// have. It reports whether there was anything.
func (t *teller) fetch() (found bool) {
	for _, s := range t.shards {
		all, next := t.fetched[:0], t.blank()
		s.mu.Lock()
		for len(t.queue) > 0 {
			all = append(all, <-t.queue)
		}
		t.waiting.Add(int64(len(s.said.list)))
		all, s.said = append(all, s.said), next
		s.mu.Unlock()
		for _, some := range all {
			found = found || len(some.list) > 0
			t.tell(some)
		}
		t.fetched = all
	}
	return found
}

// tell has the observers told, and keeps the list for others.
func (t *teller) tell(some *tales) {
	some.each(&t.lent, t.observers)
	t.waiting.Add(-int64(len(some.list)))
	t.more = some.file
	if len(some.list) > 0 && t.since.IsZero() {
		t.since = time.Now()
	}
	t.recycle(some)
}

// flush has the observers write.
func (t *teller) flush() {
	for _, obs := range t.observers {
		lost, err := obs.Flush()
		if err != nil {
			t.unwritten.Add(uint64(lost))
			t.warned.reason = err
		}
	}
	t.since = time.Time{}
}

// warn says what was lost. A full disk fails at every flush, and is worth a line
// every complain, and one at the end.
func (t *teller) warn(end bool) {
	w := &t.warned
	if lost := t.lost.Load(); lost != w.lost && (end || time.Since(w.slow) >= complain) {
		t.log.Warn("observations were not logged: the log is slower than the capture", "lost", lost-w.lost)
		w.lost, w.slow = lost, time.Now()
	}
	if w.reason != nil && (end || time.Since(w.failed) >= complain) {
		unwritten := t.unwritten.Load()
		t.log.Error("observations could not be written", "reason", w.reason, "lost", unwritten-w.unwritten)
		w.unwritten, w.failed, w.reason = unwritten, time.Now(), nil
	}
}
