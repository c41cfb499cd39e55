package export

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// How long to wait after a failure, longer from time to time, and how often a
// failure that goes on is logged.
const (
	firstWait  = time.Second
	lastWait   = time.Minute
	stillFails = 5 * time.Minute
)

// sender sends what is in the spool, the oldest first, one batch at a time.
type sender struct {
	to    *ClickHouse
	spool *spool
	log   *slog.Logger
	now   func() time.Time
	first time.Duration
	wake  chan struct{}

	one      sync.Mutex // one request at a time: Forget waits for a batch
	migrated bool       // of one

	mu       sync.Mutex
	fault    error
	since    time.Time // of the fault
	said     time.Time // in the log
	sent     uint64    // rows
	batches  uint64
	failures uint64
	refused  uint64 // rows that the server called wrong
	last     time.Time
}

// nudge has the sender look into the spool.
func (s *sender) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends.
func (s *sender) run(ctx context.Context) {
	wait := time.Duration(0)
	for {
		sent, err := s.step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.failed(err)
			wait = min(max(2*wait, s.first), lastWait)
			if !sleep(ctx, jitter(wait)) {
				return
			}
			continue
		}
		wait = 0
		if sent {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
	}
}

// jitter is a time of half to one and a half of another: sensors whose server
// comes back do not all send at once.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// step sends the oldest entry, and reports whether there was one.
func (s *sender) step(ctx context.Context) (sent bool, err error) {
	s.one.Lock()
	defer s.one.Unlock()
	f, body, ok := s.spool.next()
	if !ok {
		return false, nil
	}
	if !s.migrated {
		if err := s.to.migrate(ctx); err != nil {
			return false, err
		}
		s.migrated = true
	}
	if f.kind == forgetting {
		err = s.forget(ctx, body)
	} else {
		err = s.to.insert(ctx, f.table, body, f.name())
	}
	switch {
	case err == nil:
		s.spool.done(&f)
		s.works(f.rows)
		return true, nil
	case isBadRows(err):
		s.log.Error("ClickHouse refuses a batch of history; it is dropped", "file", f.name(), "rows", f.rows, "reason", err)
		s.mu.Lock()
		s.refused += uint64(f.rows)
		s.failures++
		s.mu.Unlock()
		s.spool.done(&f)
		return true, nil
	case hasCode(err, codeUnknownTable) || hasCode(err, codeUnknownDatabase):
		s.migrated = false
	}
	return false, err
}

// forget does what an entry asks for that was made while the server was away.
func (s *sender) forget(ctx context.Context, body []byte) error {
	var f forget
	if err := json.Unmarshal(body, &f); err != nil {
		s.log.Error("a request to forget is damaged; it is dropped: run mxprint forget again", "reason", err)
		return nil
	}
	return f.run(ctx, s.to)
}

// failed notes why nothing is sent, and logs it: at once, and every few minutes.
func (s *sender) failed(err error) {
	waiting := s.spool.waiting()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.failures++
	if s.fault == nil {
		s.since = now
	}
	if s.fault == nil || now.Sub(s.said) >= stillFails {
		s.log.Warn("cannot send history to ClickHouse; it waits in the spool", "at", s.to.String(), "reason", err, "rows", waiting, "since", s.since.UTC().Format(time.RFC3339))
		s.said = now
	}
	s.fault = err
}

// works notes that a batch was taken.
func (s *sender) works(rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += uint64(rows)
	s.batches++
	s.last = s.now()
	if s.fault != nil {
		s.log.Info("history goes to ClickHouse again", "at", s.to.String(), "after", fmt.Sprint(s.last.Sub(s.since).Round(time.Second)))
		s.fault = nil
	}
}
