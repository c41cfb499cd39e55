package engine

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/mxprint/mxprint/host"
	"github.com/mxprint/mxprint/packet"
)

// shard is a part of the memory of hosts: all that concerns its clients. One
// source at a time writes to it, a batch of frames at a time; a look-up holds
// the lock for less than a microsecond.
type shard struct {
	mu    sync.Mutex
	table *host.Table
	said  *tales // observations not handed over yet; nil without observers

	_ [64]byte // no two locks in one cache line
}

// Observe makes a shard the observer of its own table. It runs under its lock.
func (s *shard) Observe(o *host.Observation) { s.said.add(o) }

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

// handOver hands over what every table has said so far.
func (e *Engine) handOver(patient bool) {
	if e.tell == nil {
		return
	}
	for _, s := range e.shards {
		s.mu.Lock()
		some := s.said
		if len(*some) == 0 {
			some = nil
		} else {
			s.said = e.tell.blank()
		}
		s.mu.Unlock()
		if some != nil {
			e.tell.take(some, patient)
		}
	}
}

// shardOf is the part of the memory for a segment: the same for both directions
// of a connection, and for all connections of a client. Who the client is, the
// ports tell well enough: his is the higher one.
func (e *Engine) shardOf(s *packet.Segment) int {
	if len(e.shards) == 1 {
		return 0
	}
	client := s.Src
	if s.Dst.Port() > s.Src.Port() {
		client = s.Dst
	}
	return int(e.spread(client.Addr()) % uint32(len(e.shards)))
}

// spread is a number for an address. A packet socket's fanout computes the
// same (capture.Fanout), so that each worker has the shard of its frames for
// itself.
func (e *Engine) spread(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return binary.BigEndian.Uint32(b[:]) * e.factor >> 16
	}
	b := a.As16()
	var sum uint32
	for i := 0; i < len(b); i += 4 {
		sum ^= binary.BigEndian.Uint32(b[i:])
	}
	return sum * e.factor >> 16
}
