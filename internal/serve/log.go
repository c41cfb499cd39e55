package serve

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// maxKinds is how many kinds of lines are counted apart.
const maxKinds = 128

// Log returns a logger that writes to l one line of each kind a second, whatever
// clients do; a line carries how many were left out before it ("suppressed").
// The kind is the message. Nil discards every line.
func Log(l *slog.Logger) *slog.Logger { return Burst(l, 1) }

// Burst is Log for n lines of each kind a second.
func Burst(l *slog.Logger, n int) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	k := &kinds{burst: n, lines: make(map[string]*lines), left: new(atomic.Uint64)}
	if outer, ok := l.Handler().(*limited); ok {
		k.left = outer.kinds.left
	}
	return slog.New(&limited{l.Handler(), k})
}

// Suppressed returns how many lines were left out by a logger of Log or Burst
// and by all that were made of it; 0 of any other.
func Suppressed(l *slog.Logger) uint64 {
	if h, ok := l.Handler().(*limited); ok {
		return h.kinds.left.Load()
	}
	return 0
}

// limited is the handler of such a logger.
type limited struct {
	slog.Handler
	kinds *kinds
}

func (h *limited) Handle(ctx context.Context, r slog.Record) error {
	ok, more := h.kinds.allow(r.Message)
	if !ok {
		return nil
	}
	if more > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Uint64("suppressed", more))
	}
	return h.Handler.Handle(ctx, r)
}

func (h *limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &limited{h.Handler.WithAttrs(attrs), h.kinds}
}

func (h *limited) WithGroup(name string) slog.Handler {
	return &limited{h.Handler.WithGroup(name), h.kinds}
}

// kinds counts the lines of each kind. Those over maxKinds count as one.
type kinds struct {
	burst int
	left  *atomic.Uint64 // lines left out, those of loggers made of this one included
	mu    sync.Mutex
	lines map[string]*lines
}

type lines struct {
	since      time.Time // of the second that is counted
	written    int       // in it
	suppressed uint64    // since the last line
}

// allow reports whether a line may be written, and how many were not since the
// last one.
func (k *kinds) allow(kind string) (bool, uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now() // the times of records are out of order on a busy machine
	l := k.lines[kind]
	if l == nil {
		if len(k.lines) >= maxKinds {
			kind = ""
		}
		if l = k.lines[kind]; l == nil {
			l = &lines{}
			k.lines[kind] = l
		}
	}
	if now.Sub(l.since) >= time.Second {
		l.since, l.written = now, 0
	}
	if l.written >= k.burst {
		l.suppressed++
		k.left.Add(1)
		return false, 0
	}
	l.written++
	more := l.suppressed
	l.suppressed = 0
	return true, more
}
