package host

import "github.com/mxprint/mxprint/event"

// Observer takes what a Table finds out, in the order in which p0f prints it.
// Observe runs on the goroutine that calls Table.Update: it must not block, and
// must not keep the Observation, or its RawSig, after it returns. A fingerprint
// comes without RawSig, which an Observer that needs it makes of the Segment.
type Observer interface {
	Observe(*event.Observation)
}
