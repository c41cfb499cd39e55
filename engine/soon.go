package engine

import "runtime"

// patience is how often a goroutine on the way of a file looks again, and lets
// others run, before it sleeps. The queues between these goroutines are short,
// so that what one core has written the other finds in a cache: one that slept
// and was woken for each list would lose more than that gains.
const patience = 300

// soon receives what comes soon, or nil.
func soon[T any](from <-chan *T) *T {
	for range patience {
		select {
		case v := <-from:
			return v
		default:
			runtime.Gosched()
		}
	}
	return nil
}

// receive receives; nil when the channel is closed.
func receive[T any](from <-chan *T) *T {
	if v := soon(from); v != nil {
		return v
	}
	return <-from
}

// put sends, and waits for room.
func put[T any](to chan<- *T, v *T) {
	for range patience {
		select {
		case to <- v:
			return
		default:
			runtime.Gosched()
		}
	}
	to <- v
}
