package engine

import (
	"cmp"
	"context"

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
		return in.failed(err)
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
	frames, err := in.ring.Ready(in.frame)
	in.came.Add(int32(frames))
	in.flush()
	return in.failed(err)
}

// failed returns why the source, or what comes from it, cannot be read.
func (in *input) failed(err error) error {
	if in.err != nil {
		return in.err
	}
	return err
}

// rings calls do with each ring.
func (e *Engine) rings(do func(*input)) {
	e.sourcesMu.RLock()
	defer e.sourcesMu.RUnlock()
	for _, in := range e.sources {
		if in.ring != nil {
			do(in)
		}
	}
}

// fetch enters all that came before a look-up. In a flood that would make it wait
// for others, and the reader is not far behind.
func (e *Engine) fetch() {
	e.rings(func(in *input) {
		if !in.rest.Flood() {
			in.fetch() // an error ends the goroutine that reads
		}
	})
}
