package serve

import (
	"sync/atomic"
	"time"
)

// Lines lets one line a second into the log, whatever the clients do. The zero
// value is ready; safe for concurrent use.
type Lines struct {
	next       atomic.Int64 // not before; nanoseconds since 1970
	suppressed atomic.Uint64
}

// Allow reports whether a line may be written, and how many were not since the
// last one.
func (l *Lines) Allow(now time.Time) (bool, uint64) {
	next := l.next.Load()
	if now.UnixNano() < next || !l.next.CompareAndSwap(next, now.Add(time.Second).UnixNano()) {
		l.suppressed.Add(1)
		return false, 0
	}
	return true, l.suppressed.Swap(0)
}
