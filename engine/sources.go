package engine

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/capture"
)

// SourceStats counts what came from one source that runs.
type SourceStats struct {
	Source capture.Source
	Frames uint64    // that the source handed over
	SYNs   uint64    // of these, those that open a connection
	Last   time.Time // of the last frame; zero before the first
}

// Sources returns the counts of the sources that run now. It may be called at
// any time; a count is some frames late.
func (e *Engine) Sources() []SourceStats {
	e.sourcesMu.Lock()
	defer e.sourcesMu.Unlock()
	var all []SourceStats
	for _, in := range e.sources {
		st := SourceStats{Source: in.source, Frames: in.counts.frames.Load(), SYNs: in.counts.syns.Load()}
		if at := in.counts.last.Load(); at > 0 {
			st.Last = time.UnixMicro(at)
		}
		all = append(all, st)
	}
	return all
}

// counts are of one source. Its goroutine counts in frames and syns of input,
// and publishes them here after each Read.
type counts struct {
	frames, syns atomic.Uint64
	last         atomic.Int64 // microseconds since 1970
}

// publish adds what was counted since the last time.
func (in *input) publish() {
	if in.frames == 0 {
		return
	}
	in.publishUnread()
	in.counts.frames.Add(in.frames)
	in.counts.syns.Add(in.syns)
	in.counts.last.Store(in.at)
	in.frames, in.syns = 0, 0
}

// enter and leave keep the list of sources that run.
func (e *Engine) enter(in *input) {
	e.sourcesMu.Lock()
	defer e.sourcesMu.Unlock()
	e.sources = append(e.sources, in)
}

func (e *Engine) leave(in *input) {
	e.sourcesMu.Lock()
	defer e.sourcesMu.Unlock()
	e.sources = slices.DeleteFunc(e.sources, func(o *input) bool { return o == in })
}
