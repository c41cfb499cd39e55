package engine

import (
	"context"
	"testing"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/filter"
)

// held is a live source that hands over frames and waits.
type held struct {
	frames []capture.Frame
	handed chan struct{}
}

func (h *held) Live() bool   { return true }
func (h *held) Close() error { return nil }

func (h *held) Read(ctx context.Context, fn func(*capture.Frame)) error {
	if len(h.frames) == 0 {
		close(h.handed)
		<-ctx.Done()
		return ctx.Err()
	}
	for i := range h.frames {
		fn(&h.frames[i])
	}
	h.frames = nil
	return nil
}

// TestSources counts frames, SYNs and the last frame of each source that runs.
func TestSources(t *testing.T) {
	e, err := New(Config{Rule: filter.Rule{}})
	if err != nil {
		t.Fatal(err)
	}
	syn := *labFrame(t)
	fin := syn
	fin.Data = append([]byte(nil), syn.Data...)
	fin.Data[14+20+13] = 0x11 // FIN, ACK
	fin.Time++
	src := &held{frames: []capture.Frame{syn, fin}, handed: make(chan struct{})}
	if got := e.Sources(); len(got) != 0 {
		t.Fatalf("Sources = %+v before Run", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Run(ctx, src) }()
	<-src.handed
	got := e.Sources()
	if len(got) != 1 || got[0].Source != src || got[0].Frames != 2 || got[0].SYNs != 1 || got[0].Last.UnixMicro() != fin.Time {
		t.Errorf("Sources = %+v, want 2 frames, 1 SYN, the last at %d", got, fin.Time)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	if got := e.Sources(); len(got) != 0 {
		t.Errorf("Sources = %+v after Run", got)
	}
}
