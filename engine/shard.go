package engine

import (
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/observe"
	"github.com/mxprint/mxprint/packet"
)

// shard is a part of the memory of hosts: all that concerns its clients. One
// source at a time writes to it, a batch of frames at a time; a look-up holds
// the lock for less than a microsecond.
type shard struct {
	mu    sync.Mutex
	table *host.Table
	list  *observe.List // what the table found out; nil without observers

	_ [64]byte // no two locks in one cache line
}

// Observe calls the observers with what another part of the program found out.
func (e *Engine) Observe(o *event.Observation) {
	s := e.shards[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list.Observe(o)
	s.list.Hand(false)
}

// update feeds a batch of frames. Of a file it waits where the observers are
// slow; of an interface observations are kept up to a bound, and then lost.
func (e *Engine) update(s *shard, batch []host.Input, file bool) {
	s.mu.Lock()
	if !file && !e.rule.P0f {
		s.table.Tick(batch[0].At, time.Since(e.began))
	}
	s.table.UpdateAll(batch)
	s.list.Hand(file)
	s.mu.Unlock()
	if e.waiting.Any() {
		e.wake(batch)
	}
}

// wake ends the waiting for the clients of a batch, which is in the table. A SYN
// makes the client known, an ACK may say which of two SYNs is the connection's.
func (e *Engine) wake(batch []host.Input) {
	for i := range batch {
		if in := &batch[i]; in.Decoded && (in.Segment.Type == packet.SYN || in.Segment.Type == packet.ACK) {
			e.waiting.Wake(in.Segment.Src)
		}
	}
}

// Save writes what the engine knows of hosts and connections, for Restore in a
// later process, which may be another version with another database and other
// bounds. With four million hosts it takes less than a second. Meanwhile, and
// until resume is called, the engine stands still: frames wait at their source,
// and look-ups too, so that nothing happens that is not in what was written.
// After an error it goes on, and resume does nothing.
func (e *Engine) Save(w io.Writer) (resume func(), err error) {
	e.fetch() // what lies in a ring would be lost with it
	tables := make([]*host.Table, len(e.shards))
	for i, s := range e.shards {
		s.mu.Lock()
		tables[i] = s.table
	}
	resume = func() {
		for _, s := range e.shards {
			s.mu.Unlock()
		}
	}
	if err := host.Snapshot(w, time.Now(), tables); err != nil {
		resume()
		return func() {}, err
	}
	return resume, nil
}

// Restored is what Restore took.
type Restored struct {
	Hosts, Conns int
	Age          time.Duration // since Save
	SetBack      time.Duration // how far the clock was set back since
}

// Restore reads what Save wrote. Call it before Run: after an error, as where r
// is damaged, of another format or older than hosts may be, the engine knows
// nothing. How much it takes and how long is bounded by the engine's own bounds
// and by r.
func (e *Engine) Restore(r io.Reader) (Restored, error) {
	tables := make([]*host.Table, len(e.shards))
	for i, s := range e.shards {
		s.mu.Lock()
		defer s.mu.Unlock()
		tables[i] = s.table
	}
	got, err := host.Restore(r, time.Now(), tables, func(client netip.Addr) *host.Table {
		return tables[e.fanout.Worker(netip.AddrPortFrom(client, 1), netip.AddrPort{}, len(tables))]
	})
	return Restored(got), err
}
