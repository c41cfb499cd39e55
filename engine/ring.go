package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/internal/await"
)

// ring is a source that keeps frames until they are fetched, as capture.Ring does.
// A look-up fetches what has come before it looks. Nothing else is in a hurry: frames
// that no look-up asks for are fetched together, because a sensor that is woken for
// each packet takes the time from the mail server beside it.
type ring interface {
	Wait(context.Context) error
	Ready(func(*capture.Frame)) (frames int, err error)
	Empty() bool
}

// fullRead is the most that capture.Ring hands over at once. After that many there may
// be more, and there is no rest: a flood that begins after a silence would fill the ring.
const fullRead = 4096

// from says where the frames come from.
func (in *input) from(src capture.Source) {
	in.source = src
	if in.ring, _ = src.(ring); in.ring != nil {
		in.rest = await.NewRest()
	}
}

// read waits for frames of the source and enters them.
func (in *input) read(ctx context.Context) error {
	if in.ring == nil {
		err := in.source.Read(ctx, in.frame)
		in.flush()
		return cmp.Or(in.err, err)
	}
	if in.lately == 0 {
		if err := in.ring.Wait(ctx); err != nil {
			return err
		}
	}
	over := in.rest.Wait(ctx, in.engine.prompt || in.engine.waiting.Any() || in.lately >= fullRead)
	err := in.fetch()
	in.lately = int(in.came.Swap(0))
	in.rest.Came(in.lately)
	return cmp.Or(over, err)
}

// fetch enters what the ring has.
func (in *input) fetch() error {
	in.entering.Lock()
	defer in.entering.Unlock()
	in.fetching.Store(true)
	defer in.fetching.Store(false)
	frames, err := in.ring.Ready(in.frame)
	in.came.Add(int32(frames))
	in.flush()
	return cmp.Or(in.err, err)
}

// due reports whether a look-up has to fetch, or to wait for a fetch: what is no more in
// the ring may not be in the table yet, so the ring is looked at first. In a flood that
// would make it wait for others, and the reader is not far behind.
func (in *input) due() bool {
	return in.ring != nil && !in.rest.Flood() && (!in.ring.Empty() || in.fetching.Load())
}

// fetch enters all that came before a look-up. If that is nothing it takes no lock.
func (e *Engine) fetch() {
	if !slices.ContainsFunc(*e.sources.Load(), (*input).due) {
		return
	}
	e.sourcesMu.RLock() // no Run ends meanwhile
	defer e.sourcesMu.RUnlock()
	for _, in := range *e.sources.Load() {
		if in.due() {
			in.fetch() // an error ends the goroutine that reads
		}
	}
}
