// Package observe calls the observers of an engine on a goroutine of its own, so
// that neither the formatting of a log nor a slow disk holds up the capture. It
// counts what observers could not take, and warns of it.
package observe

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
)

const (
	many       = 4096                  // observations of a list that are fetched at once
	mostWaits  = 2 * many              // that a list holds before its writer waits
	settle     = 5 * time.Millisecond  // without observations, and the observers flush
	flushEvery = 50 * time.Millisecond // with some
	complain   = 10 * time.Second      // between two warnings
)

// Caller calls observers with what its lists hold. A nil Caller has no observers.
type Caller struct {
	observers []event.Observer
	wants     func(*event.Observation) bool // nil: all
	log       *slog.Logger
	lists     []*List
	idle      atomic.Bool   // waits for wake, however long
	wake      chan struct{} // one signal: fetch now
	lost      atomic.Uint64 // observations that no observer was called with
	unwritten atomic.Uint64 // observations that could not be written

	// Of the goroutine.
	spare  list
	lent   host.Lent
	warned struct {
		slow, failed time.Time // when
		lost         uint64    // of which
		unwritten    uint64
		reason       error // why something could not be written, since
	}

	mu      sync.Mutex
	started int           // Start without Stop
	quit    chan struct{} // closed when the last has stopped
	done    chan struct{} // closed when the observers were called with all
}

// List is what was observed under a lock and no observer has been called with yet.
// A nil List drops all.
type List struct {
	caller *Caller
	mu     *sync.Mutex
	list
	lent host.Lent  // to the caller's wants
	room *sync.Cond // they were fetched
	most int        // of them
}

// New returns a Caller, nil where there are no observers. wants reports which
// observations are; nil stands for all. It is called under the locks of the lists.
func New(observers []event.Observer, wants func(*event.Observation) bool, log *slog.Logger) *Caller {
	if len(observers) == 0 {
		return nil
	}
	return &Caller{observers: observers, wants: wants, log: log, wake: make(chan struct{}, 1)}
}

// TakesAll reports whether the observers are called with all observations.
func (c *Caller) TakesAll() bool { return c != nil && c.wants == nil }

// List returns one more list, for what is observed under mu. It holds up to most
// observations; more are lost. Make all lists before Start.
func (c *Caller) List(mu *sync.Mutex, most int) *List {
	if c == nil {
		return nil
	}
	l := &List{caller: c, mu: mu, room: sync.NewCond(mu), most: most}
	c.lists = append(c.lists, l)
	return l
}

// Observe keeps an observation if an observer wants it. Call it under the lock.
func (l *List) Observe(o *event.Observation) {
	if l != nil && (l.caller.wants == nil || l.caller.wants(o)) && l.holds(1) {
		l.add(o)
	}
}

// Room implements host.Observer. Call it, Wants and Take under the lock.
func (l *List) Room() *host.Sighting { return l.next() }

// Wants implements host.Observer.
func (l *List) Wants(v *host.Sighting) bool {
	if l.caller.wants == nil {
		return true
	}
	for part := range v.Parts.All {
		if !l.caller.wants(v.Observation(part, &l.lent)) {
			v.Parts &^= part
		}
	}
	return v.Parts != 0
}

// Take implements host.Observer.
func (l *List) Take(v *host.Sighting, raw []byte) {
	if l.holds(v.Parts.Count()) {
		l.addNext(v, raw)
	}
}

// holds reports whether the list may hold some observations more, or else counts them
// as lost.
func (l *List) holds(more int) bool {
	if l.count+more > l.most {
		l.caller.lost.Add(uint64(more))
		return false
	}
	return true
}

// Hand has the observers called with what was observed. Call it under the lock,
// which it leaves while it waits, if it is to, for observers that are slow.
func (l *List) Hand(wait bool) {
	if l == nil || l.count == 0 {
		return
	}
	if l.count >= min(many, l.most/2) || l.caller.idle.Swap(false) {
		l.caller.fetchNow()
	}
	for wait && l.count >= min(mostWaits, l.most/2) {
		l.room.Wait()
	}
}

// Counts returns how many observations observers did not get, and how many they
// could not write; what two could not write counts twice.
func (c *Caller) Counts() (lost, unwritten uint64) {
	if c == nil {
		return 0, 0
	}
	return c.lost.Load(), c.unwritten.Load()
}

// Start begins to call the observers; each call needs one of Stop.
func (c *Caller) Start() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started++; c.started == 1 {
		c.quit, c.done = make(chan struct{}), make(chan struct{})
		go c.run(c.quit, c.done)
	}
}

// Stop returns when the observers were called with all, if it is the last.
func (c *Caller) Stop() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started--; c.started == 0 {
		close(c.quit)
		<-c.done
	}
}

// fetchNow wakes the goroutine.
func (c *Caller) fetchNow() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run fetches what was seen every moment, and flushes when nothing has come for
// one: a flood would else be written in little pieces.
func (c *Caller) run(quit, done chan struct{}) {
	defer close(done)
	moment := time.NewTimer(settle)
	defer moment.Stop()
	var since time.Time // something was observed and not flushed, or zero
	for ended := false; ; {
		found := c.fetch()
		if found && since.IsZero() {
			since = time.Now()
		}
		if !since.IsZero() && (!found || time.Since(since) >= flushEvery) {
			c.flush()
			since = time.Time{}
		}
		c.warn(ended && !found)
		switch {
		case ended && !found:
			return
		case ended:
		case found || !since.IsZero():
			c.idle.Store(false)
			moment.Reset(settle)
			select {
			case <-c.wake:
			case <-moment.C:
			case <-quit:
				ended = true
			}
		case !c.idle.Swap(true): // fetch what a list did not signal before
		default:
			select {
			case <-c.wake:
			case <-quit:
				ended = true
			}
		}
	}
}

// fetch calls the observers with all that the lists hold, and reports whether
// there was anything.
func (c *Caller) fetch() (found bool) {
	for _, l := range c.lists {
		l.mu.Lock()
		got := l.list
		l.list = c.spare.emptied()
		l.room.Broadcast()
		l.mu.Unlock()
		found = found || got.count > 0
		got.call(c.observers, &c.lent)
		if c.spare = got; max(cap(got.seen), cap(got.others)) > mostWaits*3/2 { // of a flood
			c.spare = list{}
		}
	}
	return found
}

// flush has the observers write.
func (c *Caller) flush() {
	for _, observer := range c.observers {
		lost, err := observer.Flush()
		if err != nil {
			c.unwritten.Add(uint64(lost))
			c.warned.reason = err
		}
	}
}

// warn reports what was lost. A full disk fails at every flush, and is worth a
// line every complain, and one at the end.
func (c *Caller) warn(end bool) {
	w := &c.warned
	if lost := c.lost.Load(); lost != w.lost && (end || time.Since(w.slow) >= complain) {
		c.log.Warn("observations were lost: the log is slower than the capture", "lost", lost-w.lost)
		w.lost, w.slow = lost, time.Now()
	}
	if w.reason != nil && (end || time.Since(w.failed) >= complain) {
		unwritten := c.unwritten.Load()
		c.log.Error("observations could not be written", "reason", w.reason, "lost", unwritten-w.unwritten)
		w.unwritten, w.failed, w.reason = unwritten, time.Now(), nil
	}
}
