package engine

import (
	"sync"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/signature"
)

// shard is a part of the memory of hosts: all that concerns its clients. One
// source at a time writes to it, a batch of frames at a time; a look-up holds
// the lock for less than a microsecond.
type shard struct {
	mu    sync.Mutex
	table *host.Table
	seen  []seen    // observations that were not fetched yet
	room  sync.Cond // they were
	most  int       // of them; 0 without observers
	tell  *teller

	_ [64]byte // no two locks in one cache line
}

// Observe makes a shard the observer of its own table. It runs under its lock.
func (s *shard) Observe(o *event.Observation) {
	if s.tell.wants != nil && !s.tell.wants(o) {
		return
	}
	n := len(s.seen)
	switch {
	case n == s.most:
		s.tell.lost.Add(1)
		return
	case n == cap(s.seen):
		s.seen = append(s.seen, seen{})
	default:
		s.seen = s.seen[:n+1]
	}
	to := &s.seen[n]
	if to.Observation = *o; o.Module.Fingerprint() {
		to.raw = signature.AppendRaw(to.raw[:0], &o.Segment, signature.MultipleOf(&o.Segment, o.PeerMSS))
	} else {
		to.raw = append(to.raw[:0], o.RawSig...)
	}
	to.RawSig = to.raw
}

// update feeds a batch of frames. Of a file it waits where the observers are
// slow; of an interface observations are kept up to a bound, and then lost.
func (e *Engine) update(s *shard, batch []host.Input, file bool) {
	s.mu.Lock()
	if !file && !e.rule.P0f {
		s.table.Tick(batch[0].At, time.Since(e.began))
	}
	s.table.UpdateAll(batch)
	if n := len(s.seen); n >= manySeen || n > 0 && e.tell.idle.Swap(false) {
		e.tell.fetchNow()
	}
	for file && len(s.seen) >= fileSeen {
		s.room.Wait()
	}
	s.mu.Unlock()
	if e.waiting.any() {
		e.waiting.wakeAll(batch)
	}
}
