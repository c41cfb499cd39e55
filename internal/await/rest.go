package await

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// longRest is how long frames lie in a ring that no look-up asks for, and most
	// how many do: a look-up has to enter them first. A ring has room for those of
	// longRest at 800,000 a second.
	longRest = 20 * time.Millisecond
	most     = 256
	// If they come floodGap apart or less, 50,000 a second, it is a flood, and a rest
	// is floodRest and the kernel's 50 µs of timer slack.
	floodGap  = 20 * time.Microsecond
	floodRest = 20 * time.Microsecond
)

// Rest is the time for which a ring is left alone, so that its frames are read
// together. One goroutine uses it; End and Flood are safe for concurrent use.
type Rest struct {
	timer *time.Timer
	end   chan struct{} // one signal
	gap   time.Duration // between frames, lately
	flood atomic.Bool
	count int       // frames
	since time.Time // then
}

// NewRest returns a Rest that knows of no frames yet.
func NewRest() *Rest {
	return &Rest{timer: time.NewTimer(longRest), end: make(chan struct{}, 1), gap: longRest, since: time.Now()}
}

// Wait returns when the rest is over, or was ended, with the error of ctx. With
// hurry, what comes is waited for, and there is no rest but in a flood.
func (r *Rest) Wait(ctx context.Context, hurry bool) error {
	switch {
	case r.flood.Load():
		nap(floodRest)
		return ctx.Err()
	case hurry:
		return ctx.Err()
	}
	r.timer.Reset(min(longRest, most*r.gap))
	select {
	case <-r.timer.C:
	case <-r.end:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// End ends the rest that is under way, or else the next one.
func (r *Rest) End() {
	select {
	case r.end <- struct{}{}:
	default:
	}
}

// Flood reports whether rests are as short as in a flood.
func (r *Rest) Flood() bool { return r.flood.Load() }

// Came notes how many frames came since the last time.
func (r *Rest) Came(frames int) {
	r.count += frames
	now := time.Now()
	if took := now.Sub(r.since); r.count >= most || took >= longRest {
		r.gap = took / time.Duration(max(r.count, 1))
		r.flood.Store(r.gap <= floodGap)
		r.count, r.since = 0, now
	}
}
