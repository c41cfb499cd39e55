package engine

import (
	"context"
	"net/netip"
	"sync"
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
	k.mu.Lock()
	defer k.mu.Unlock()
	n := min(len(k.frames), fullRead)
	for _, f := range k.frames[:n] {
		fn(f)
	}
	k.frames = k.frames[n:]
	k.reads++
	return n, nil
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
