package feed

import (
	"context"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
)

// Wants reports whether the feed needs an observation (engine.Config.Wants):
// those of connections whose payload was read, which are verified.
func Wants(o *event.Observation) bool { return o.Module > event.HTTPResponse }

// Observe notes that there is more to learn of a connection. It never waits:
// where there is no room the connection keeps what is known of it.
func (f *Feed) Observe(o *event.Observation) {
	if !Wants(o) {
		return
	}
	select {
	case f.stale <- ends{o.Client, o.Server}:
	default:
	}
}

// Flush does nothing: readers fetch what they want.
func (f *Feed) Flush() (lost int, err error) { return 0, nil }

// Run asks who about the connections that were observed, until ctx ends.
func (f *Feed) Run(ctx context.Context, who note.Lookuper) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-f.stale:
			f.refresh(ctx, who, e)
		}
	}
}

// refreshTime bounds one question of the feed itself.
const refreshTime = time.Second

func (f *Feed) refresh(ctx context.Context, who note.Lookuper, e ends) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	q := note.Query{Client: e.client, Server: e.server}.Unmapped()
	n, err := who.Lookup(ctx, q)
	if err != nil {
		return // nothing is learned
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// A mail server may have asked without its own end.
	k := f.byEnds[ends{client: q.Client}]
	if k == nil || f.byEnds[ends{q.Client, q.Server}] != nil {
		k = f.entry(q, f.now())
	}
	f.changed(k, k.conn.Load().Fronts, &n, f.now())
}
