package engine

import (
	"sync"

	"github.com/mxprint/mxprint/host"
)

// shard is a part of the memory of hosts: all that concerns its clients. One
// source at a time writes to it, a batch of frames at a time; a look-up holds
// the lock for less than a microsecond.
type shard struct {
	mu    sync.Mutex
	table *host.Table
	said  *tales // observations not handed over yet; nil without observers
	tell  *teller

	_ [64]byte // no two locks in one cache line
}

// Observe makes a shard the observer of its own table. It runs under its lock.
func (s *shard) Observe(o *host.Observation) {
	if s.tell.wants(o) {
		s.said.add(o)
	}
}

// update feeds a batch of frames, and hands over what the table said of them
// before.
func (e *Engine) update(s *shard, batch []host.Input, patient bool) {
	s.mu.Lock()
	s.table.UpdateAll(batch)
	var full *tales
	if s.said != nil && s.said.full() {
		full, s.said = s.said, e.tell.blank()
	}
	s.mu.Unlock()
	if full != nil {
		e.tell.take(full, patient)
	}
	if e.waiting.any() {
		e.waiting.wakeAll(batch)
	}
}

// handOver hands over what the table has said so far.
func (e *Engine) handOver(s *shard, patient bool) {
	if e.tell == nil {
		return
	}
	s.mu.Lock()
	some := s.said
	if len(some.list) == 0 {
		some = nil
	} else {
		s.said = e.tell.blank()
	}
	s.mu.Unlock()
	if some != nil {
		e.tell.take(some, patient)
	}
}
