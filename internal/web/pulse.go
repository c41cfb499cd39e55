package web

import (
	"context"
	"sync"
	"time"

	"github.com/mxprint/mxprint/internal/status"
)

// pulseTime is between two samples, and pulseKept how many are kept.
const (
	pulseTime = time.Second
	pulseKept = 900
)

// Sample is what the sensor did within a second. All but the last five are
// numbers a second.
type Sample struct {
	At          int64   `json:"time"` // seconds since 1970
	Frames      float64 `json:"frames"`
	SYNs        float64 `json:"syns"`
	Drops       float64 `json:"drops"`
	Matched     float64 `json:"matched"`
	Unknown     float64 `json:"unknown"`
	NotSeen     float64 `json:"not_seen"`
	Unavailable float64 `json:"unavailable"`
	Late        float64 `json:"late"`
	P50         float64 `json:"p50_seconds"` // of the look-ups of the second; 0 without any
	P99         float64 `json:"p99_seconds"`
	Hosts       int     `json:"hosts"`
	Connections int     `json:"connections"`
	Health      string  `json:"health"`
}

// pulse keeps the samples of the last quarter of an hour.
type pulse struct {
	mu      sync.Mutex
	samples []Sample // the oldest first
	last    *status.Status
}

// Run samples the sensor once a second until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(pulseTime)
	defer tick.Stop()
	for {
		s.pulse.add(s.Status())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// add takes a sample.
func (p *pulse) add(st *status.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.last
	p.last = st
	if was == nil {
		return
	}
	took := st.Now.Sub(was.Now).Seconds()
	if took <= 0 {
		return
	}
	now, then := st.Totals(), was.Totals()
	rate := func(a, b uint64) float64 { // what a failed source had is gone
		return float64(max(a, b)-b) / took
	}
	l := st.Lookups.Since(&was.Lookups)
	p.samples = append(p.samples, Sample{
		At: st.Now.Unix(), Frames: rate(now.Frames, then.Frames), SYNs: rate(now.SYNs, then.SYNs), Drops: rate(now.Drops, then.Drops),
		Matched: rate(now.Answers.Matched, then.Answers.Matched), Unknown: rate(now.Answers.Unknown, then.Answers.Unknown),
		NotSeen: rate(now.Answers.NotSeen, then.Answers.NotSeen), Unavailable: rate(now.Answers.Unavailable, then.Answers.Unavailable),
		Late: rate(now.Late, then.Late), P50: l.P50, P99: l.P99,
		Hosts: st.Hosts.Now, Connections: st.Connections.Now, Health: string(st.Health),
	})
	if n := len(p.samples); n > pulseKept {
		p.samples = append(p.samples[:0:0], p.samples[n-pulseKept:]...)
	}
}

// list are all samples.
func (p *pulse) list() []Sample {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Sample{}, p.samples...)
}

// newest is the last sample, if it is of another second than that of before.
func (p *pulse) newest(before int64) (Sample, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.samples); n > 0 && p.samples[n-1].At != before {
		return p.samples[n-1], true
	}
	return Sample{}, false
}
