package status

import (
	"sync"
	"time"
)

// Every is how often a History wants an entry, and Span how far back it looks.
const (
	Every = 30 * time.Second
	Span  = 10 * time.Minute
)

// History keeps the totals of the last minutes, so that a Status can say what is
// recent. Safe for concurrent use; bounded by Span.
type History struct {
	mu      sync.Mutex
	entries []entry // the oldest first
}

type entry struct {
	at  time.Time
	sum Recent
}

// Add keeps the totals of a Status.
func (h *History) Add(s *Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = append(h.entries, entry{s.Now, s.Totals()})
	for len(h.entries) > 1 && (s.Now.Sub(h.entries[1].at) >= Span || len(h.entries) > int(Span/Every)+2) {
		h.entries = h.entries[1:]
	}
}

// Fill sets what is recent in a Status: since the oldest entry, or since the
// start before the first one.
func (h *History) Fill(s *Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := entry{at: s.Started}
	if len(h.entries) > 0 {
		since = h.entries[0]
	}
	now, then := s.Totals(), since.sum
	s.Recent = Recent{
		Seconds: s.Now.Sub(since.at).Seconds(),
		Answers: now.Answers.minus(then.Answers),
		Late:    now.Late - then.Late,
		// Those of a source that has failed are gone.
		Frames: less(now.Frames, then.Frames), SYNs: less(now.SYNs, then.SYNs), Drops: less(now.Drops, then.Drops),
		NotRead: less(now.NotRead, then.NotRead), Lost: now.Lost - then.Lost, Rows: now.Rows - then.Rows,
	}
}

func less(a, b uint64) uint64 { return max(a, b) - b }

// Totals are the counters that have a Recent.
func (s *Status) Totals() (sum Recent) {
	for _, f := range s.Fronts {
		sum.Answers = sum.Answers.plus(f.Answers)
		sum.Late += f.Late
	}
	for _, src := range s.Sources {
		sum.Frames += src.Frames
		sum.SYNs += src.SYNs
		sum.Drops += src.Drops
	}
	sum.NotRead = s.NotRead
	if s.Export != nil {
		sum.Rows = s.Export.Dropped.Sum()
	}
	sum.Lost = s.Lost.Observations + s.Lost.Unwritten
	return sum
}
