package engine

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/event"
)

const (
	manySeen   = 512                   // observations of a shard that are fetched at once
	fileSeen   = 2 * manySeen          // that a shard holds before the reading of a file waits
	liveSeen   = 1 << 15               // that all shards hold of interfaces, 16 MiB; more are lost
	settle     = 5 * time.Millisecond  // without observations, and the observers flush
	flushEvery = 50 * time.Millisecond // with some
	complain   = 10 * time.Second      // between two warnings
)

// teller calls the observers, on a goroutine of its own, so that neither the
// formatting of a log nor a slow disk holds up the capture. It fetches what the
// shards have seen.
type teller struct {
	observers []event.Observer
	wants     func(*event.Observation) bool // nil: all
	log       *slog.Logger
	shards    []*shard
	idle      atomic.Bool   // waits for wake, however long
	wake      chan struct{} // one signal: fetch now
	lost      atomic.Uint64 // observations that no observer was called with
	unwritten atomic.Uint64 // observations that could not be written

	// Of the goroutine.
	spare  []seen
	warned struct {
		slow, failed time.Time // when
		lost         uint64    // of which
		unwritten    uint64
		reason       error // why something could not be written, since
	}

	mu      sync.Mutex
	sources int           // that run
	quit    chan struct{} // closed when the last of them has ended
	done    chan struct{} // closed when the observers were called with all
}

// seen is an observation that no observer has been called with, and the room
// for its raw signature.
type seen struct {
	event.Observation
	raw []byte
}

func newTeller(cfg *Config) *teller {
	if len(cfg.Observers) == 0 {
		return nil
	}
	return &teller{observers: cfg.Observers, wants: cfg.Wants, log: cfg.Logger, wake: make(chan struct{}, 1)}
}

// start begins to call the observers; each call needs one of stop.
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

// stop returns when the observers were called with all that was seen, if no
// source is left.
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

// fetchNow wakes the goroutine.
func (t *teller) fetchNow() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// run fetches what was seen every moment, and flushes when nothing has come for
// one: a flood would else be written in little pieces.
func (t *teller) run(quit, done chan struct{}) {
	defer close(done)
	moment := time.NewTimer(settle)
	defer moment.Stop()
	var since time.Time // something was observed and not flushed, or zero
	for ended := false; ; {
		found := t.fetch()
		if found && since.IsZero() {
			since = time.Now()
		}
		if !since.IsZero() && (!found || time.Since(since) >= flushEvery) {
			t.flush()
			since = time.Time{}
		}
		t.warn(ended && !found)
		switch {
		case ended && !found:
			return
		case ended:
		case found || !since.IsZero():
			t.idle.Store(false)
			moment.Reset(settle)
			select {
			case <-t.wake:
			case <-moment.C:
			case <-quit:
				ended = true
			}
		case !t.idle.Swap(true): // fetch what a shard did not signal before
		default:
			select {
			case <-t.wake:
			case <-quit:
				ended = true
			}
		}
	}
}

// fetch calls the observers with all that the shards have seen, and reports
// whether there was anything.
func (t *teller) fetch() (found bool) {
	for _, s := range t.shards {
		s.mu.Lock()
		list := s.seen
		s.seen = t.spare[:0]
		s.room.Broadcast()
		s.mu.Unlock()
		found = found || len(list) > 0
		for i := range list {
			for _, o := range t.observers {
				o.Observe(&list[i].Observation)
			}
		}
		if t.spare = list; cap(list) > 4*manySeen { // of a flood
			t.spare = nil
		}
	}
	return found
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
}

// warn reports what was lost. A full disk fails at every flush, and is worth a
// line every complain, and one at the end.
func (t *teller) warn(end bool) {
	w := &t.warned
	if lost := t.lost.Load(); lost != w.lost && (end || time.Since(w.slow) >= complain) {
		t.log.Warn("observations were lost: the log is slower than the capture", "lost", lost-w.lost)
		w.lost, w.slow = lost, time.Now()
	}
	if w.reason != nil && (end || time.Since(w.failed) >= complain) {
		unwritten := t.unwritten.Load()
		t.log.Error("observations could not be written", "reason", w.reason, "lost", unwritten-w.unwritten)
		w.unwritten, w.failed, w.reason = unwritten, time.Now(), nil
	}
}
