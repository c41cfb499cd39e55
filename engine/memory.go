package engine

import (
	"io"
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/internal/host"
)

// Save writes what the engine knows of hosts and connections, for Restore in a
// later process, which may be another version with another database and other
// bounds. With four million hosts it takes less than a second. Meanwhile, and
// until resume is called, the engine stands still: frames wait at their source,
// and look-ups too, so that nothing happens that is not in what was written.
// After an error it goes on, and resume does nothing.
func (e *Engine) Save(w io.Writer) (resume func(), err error) {
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
