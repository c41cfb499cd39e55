package engine

import (
	"sync"

	"github.com/mxprint/mxprint/internal/host"
)

// shard is a part of the memory of hosts: all that concerns its clients. One
// source at a time writes to it, a batch of frames at a time; a look-up holds
// the lock for less than a microsecond.
type shard struct {
	mu    sync.Mutex
	table *host.Table
	said  *tales // observations not handed over yet; nil without observers
	most  int    // of them
	tell  *teller

	_ [64]byte // no two locks in one cache line
}

// Observe makes a shard the observer of its own table. It runs under its lock.
func (s *shard) Observe(o *host.Observation) {
	switch {
	case !s.tell.wants(o):
	case len(s.said.list) < s.most:
		s.said.add(o, s.table.Frames())
	default:
		s.tell.lost.Add(1)
	}
}

// update feeds a batch of frames, and hands over what the table has said once
// it is much. With patience it waits where the observers are slow, as for a
// file; without, as for an interface, the shard keeps it, up to a bound.
func (e *Engine) update(s *shard, batch []host.Input, patient bool) {
	var some *tales
	s.mu.Lock()
	s.table.UpdateAll(batch)
	switch {
	case s.said == nil:
	case patient && len(s.said.list) >= fileSize:
		some, s.said = s.said, e.tell.blank()
		some.file = true
		e.tell.waiting.Add(int64(len(some.list)))
	case !patient && len(s.said.list) >= liveSize:
		e.tell.take(s)
	}
	s.mu.Unlock()
	if some != nil {
		put(e.tell.queue, some)
	}
	if e.waiting.any() {
		e.waiting.wakeAll(batch)
	}
}

// handOver hands over what the table has said so far, if nobody would fetch it.
func (e *Engine) handOver(s *shard) {
	if e.tell == nil || !e.tell.asleep.Load() {
		return
	}
	s.mu.Lock()
	if len(s.said.list) > 0 && e.tell.asleep.CompareAndSwap(true, false) {
		e.tell.take(s)
	}
	s.mu.Unlock()
}
