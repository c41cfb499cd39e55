package shared

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// A mail server on another machine asks at the end of a mail what the session has
// said, before the session is over: what was read so far is published at these
// times after the handshake, where it has changed.
var laterSteps = [...]time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 1500 * time.Millisecond, 5 * time.Second, 20 * time.Second}

const (
	laterEvery = 50 * time.Millisecond
	maxLater   = 20_000 // sessions that wait for one step
)

// later is the sessions to look at again. Safe for concurrent use.
type later struct {
	mu    sync.Mutex
	steps [len(laterSteps)][]due // each in order of time
}

// due is a session to look at.
type due struct {
	client, server netip.AddrPort
	opened         time.Time
}

// add adds a session to a step; where too many wait it is left out until its end.
func (l *later) add(step int, d due) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if step < len(l.steps) && len(l.steps[step]) < maxLater {
		l.steps[step] = append(l.steps[step], d)
	}
}

// take returns those of a step whose time has come.
func (l *later) take(step int, now time.Time) []due {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, n := l.steps[step], 0
	for n < len(all) && now.Sub(all[n].opened) >= laterSteps[step] {
		n++
	}
	if l.steps[step] = all[n:]; n == len(all) {
		l.steps[step] = nil
	}
	return all[:n:n]
}

// lookAgain has the sessions looked at until ctx ends.
func (s *Store) lookAgain(ctx context.Context) {
	if !s.Sessions {
		return
	}
	tick := time.NewTicker(laterEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for step := range laterSteps {
				for _, d := range s.later.take(step, now) {
					if s.current(d) {
						s.push(item{what: session, client: d.client, server: d.server, opened: d.opened})
						s.later.add(step+1, d)
					}
				}
			}
		}
	}
}

// current reports whether a connection is still open.
func (s *Store) current(d due) bool {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	c, known := s.recent.young[endsOf(d.client, d.server)]
	return known && !c.ended && c.opened == max(d.opened.Sub(s.recent.since), 1)
}

// isNews reports whether what a session has said is not what was published of it.
func (s *Store) isNews(it *item, sum uint64) bool {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	e := endsOf(it.client, it.server)
	c, known := s.recent.young[e]
	if !known || c.said == sum {
		return false
	}
	c.said = sum
	s.recent.put(e, c)
	return true
}
