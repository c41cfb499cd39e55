package engine

import (
	"context"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/note"
)

// kept is a ring: frames lie there until they are fetched.
type kept struct {
	came chan struct{} // one signal

	mu     sync.Mutex
	frames []*capture.Frame
	reads  int // Ready calls

	looking, taken func() // if set: called before Empty returns, and Ready
}

func newKeptRing() *kept { return &kept{came: make(chan struct{}, 1)} }

func (k *kept) Live() bool                                       { return true }
func (k *kept) Close() error                                     { return nil }
func (k *kept) Read(context.Context, func(*capture.Frame)) error { panic("a ring is not Read") }

func (k *kept) Wait(ctx context.Context) error {
	select {
	case <-k.came:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (k *kept) Ready(fn func(*capture.Frame)) (int, error) {
	n := k.take(fn)
	if k.taken != nil && n > 0 {
		k.taken()
	}
	return n, nil
}

func (k *kept) take(fn func(*capture.Frame)) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := min(len(k.frames), fullRead)
	for _, f := range k.frames[:n] {
		fn(f)
	}
	k.frames = k.frames[n:]
	k.reads++
	return n
}

func (k *kept) Empty() bool {
	if k.looking != nil {
		k.looking()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.frames) == 0
}

func (k *kept) count() (reads int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reads
}

func (k *kept) put(f *capture.Frame) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.frames = append(k.frames, f)
	select {
	case k.came <- struct{}{}:
	default:
	}
}

// run runs an engine on a ring within a bubble.
func (k *kept) run(t *testing.T, cfg Config) *Engine {
	e := made(New(silent(t, cfg)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Run(ctx, k) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return e
}

// TestLookupFetches: a look-up answers from what lies in the ring, and waits for
// nothing.
func TestLookupFetches(t *testing.T) {
	syn := labFrame(t)
	synctest.Test(t, func(t *testing.T) {
		k := newKeptRing()
		e := k.run(t, Config{})
		for i := range 5 {
			begin := time.Now()
			client := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			k.put(fromClient(syn, client))
			synctest.Wait()
			if n, err := e.Lookup(t.Context(), note.Query{Client: at(client)}); err != nil || !n.Known() || time.Since(begin) != 0 {
				t.Errorf("client %d: %v, %v after %v", i, n.State, err, time.Since(begin))
			}
			time.Sleep(3 * time.Millisecond)
		}
	})
}

// TestRingRests: frames that no look-up asks for are entered together, soon.
func TestRingRests(t *testing.T) {
	syn := labFrame(t)
	for _, prompt := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := newKeptRing()
			e := k.run(t, Config{Prompt: prompt})
			time.Sleep(time.Second)
			reads := k.count()
			for i := range 20 {
				k.put(fromClient(syn, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})))
				synctest.Wait()
				if got := e.Stats().Frames; prompt && got != uint64(i+1) {
					t.Errorf("prompt: %d frames entered of %d", got, i+1)
				}
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Millisecond)
			reads = k.count() - reads
			if got := e.Stats().Frames; got != 20 || !prompt && reads > 2 || prompt && reads < 20 {
				t.Errorf("prompt %v: %d frames of 20, %d reads", prompt, got, reads)
			}
		})
	}
}

// TestFullRing: a ring with more than a Read takes is read on at once.
func TestFullRing(t *testing.T) {
	syn := labFrame(t)
	synctest.Test(t, func(t *testing.T) {
		k := newKeptRing()
		e := k.run(t, Config{})
		time.Sleep(time.Second)
		const burst = 3*fullRead + 1
		for i := range burst {
			k.put(fromClient(syn, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})))
		}
		time.Sleep(20*time.Millisecond + time.Microsecond)
		synctest.Wait()
		if got := e.Stats().Frames; got != burst {
			t.Errorf("%d of %d frames after the first rest", got, burst)
		}
	})
}

// TestLookupEndsRest: a look-up that came before the SYN gets it as it comes, also
// if the ring is left alone at that time.
func TestLookupEndsRest(t *testing.T) {
	syn := labFrame(t)
	synctest.Test(t, func(t *testing.T) {
		k := newKeptRing()
		e := k.run(t, Config{})
		k.put(fromClient(syn, netip.MustParseAddr("192.0.2.1")))
		time.Sleep(time.Millisecond) // its reader rests
		client := netip.MustParseAddr("192.0.2.2")
		const late = 4 * time.Millisecond
		begin := time.Now()
		time.AfterFunc(late, func() { k.put(fromClient(syn, client)) })
		n, err := e.Lookup(t.Context(), note.Query{Client: at(client), Wait: time.Minute})
		if err != nil || !n.Known() || time.Since(begin) != late {
			t.Errorf("%v, %v after %v, want an answer after %v", n.State, err, time.Since(begin), late)
		}
	})
}

// TestLookupWaitsForFetch: a frame that another look-up has taken out of the ring, and
// not yet entered, is waited for, also if it is taken while the ring is looked at.
func TestLookupWaitsForFetch(t *testing.T) {
	syn := labFrame(t)
	client := netip.MustParseAddr("192.0.2.1")
	for _, when := range []string{"before", "meanwhile"} {
		t.Run(when, func(t *testing.T) {
			k := newKeptRing()
			e := made(New(silent(t, Config{})))
			in := newInput(e, true)
			in.from(k) // without a Run: only look-ups fetch
			defer e.track(in)()
			taken, enter := make(chan struct{}), make(chan struct{})
			k.taken = func() {
				close(taken)
				<-enter
			}
			k.put(fromClient(syn, client))
			var other sync.WaitGroup
			take := func() {
				other.Go(func() { e.fetch() })
				<-taken
			}
			if when == "before" {
				take()
			} else {
				var began atomic.Bool
				k.looking = func() {
					if !began.Swap(true) {
						take()
					}
				}
			}
			// A look-up that does not wait is back long before that. One that waits is
			// right however late this is.
			time.AfterFunc(50*time.Millisecond, func() { close(enter) })
			if n, err := e.Lookup(t.Context(), note.Query{Client: at(client)}); err != nil || !n.Known() {
				t.Errorf("%v, %v: the frame was in the ring before the question", n.State, err)
			}
			other.Wait()
		})
	}
}

// TestLookupsFetchTogether has many look-ups ask at once, each for a SYN that came
// before it, while a reader and the others take frames out of the ring.
func TestLookupsFetchTogether(t *testing.T) {
	syn := labFrame(t)
	const askers, each = 16, 500
	k := newKeptRing()
	k.taken = runtime.Gosched
	e := made(New(silent(t, Config{Hosts: Hosts{MaxHosts: 2 * askers * each}})))
	in := newInput(e, true)
	in.from(k) // without a Run, to which this would be a flood
	defer e.track(in)()
	var over atomic.Bool
	var reader, wg sync.WaitGroup
	reader.Go(func() {
		for !over.Load() {
			in.fetch()
			runtime.Gosched()
		}
	})
	for a := range askers {
		wg.Go(func() {
			for i := range each {
				client := netip.AddrFrom4([4]byte{10, byte(a), byte(i >> 8), byte(i)})
				k.put(fromClient(syn, client))
				if n, err := e.Lookup(t.Context(), note.Query{Client: at(client)}); err != nil || !n.Known() {
					t.Errorf("%v: %v, %v", client, n.State, err)
					return
				}
			}
		})
	}
	wg.Wait()
	over.Store(true)
	reader.Wait()
}
