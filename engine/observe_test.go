package engine

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

// TestWants: observations that Config.Wants refuses reach no observer.
func TestWants(t *testing.T) {
	r := &recorder{}
	runFile(t, made(New(silent(t, Config{
		Observers: []event.Observer{r},
		Wants:     func(o *event.Observation) bool { return o.Module == event.SYN || o.Module == event.SYNACK },
	}))), labCapture)
	want := "syn 198.18.0.1:41688\nsyn+ack 198.18.0.1:41688\nsyn [2001:db8::1]:51546\nsyn+ack [2001:db8::1]:51546\nflush"
	if got := join(r.said); got != want {
		t.Errorf("the observer got\n%s\nwant\n%s", got, want)
	}
}

// TestDevFull: on a device that is full every line is counted, and the capture
// goes on.
func TestDevFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		lab.Skip(t, "needs /dev/full: "+err.Error())
	}
	defer full.Close()
	var said bytes.Buffer
	e := made(New(Config{DB: labDB(t), Observers: []event.Observer{report.NewLog(full)}, Logger: slog.New(slog.NewTextHandler(&said, nil))}))
	runFile(t, e, labCapture)
	if st := e.Stats(); st.Frames != 4 || st.Unwritten != 8 {
		t.Errorf("%+v, want 4 frames and 8 lines unwritten", st)
	}
	if got := said.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "no space left on device\" lost=8") {
		t.Errorf("it says\n%s\nwant one line, of 8", got)
	}
}

// stuck is an observer whose Observe waits until it may go on.
type stuck struct{ gate chan struct{} }

func (s *stuck) Observe(*event.Observation) { <-s.gate }
func (s *stuck) Flush() (int, error)        { return 0, nil }

// counted is a file of SYNs that counts what was read of it.
type counted struct {
	changing
	read atomic.Int32
}

func (c *counted) Read(ctx context.Context, fn func(*capture.Frame)) error {
	return c.changing.Read(ctx, func(f *capture.Frame) { c.read.Add(1); fn(f) })
}

// TestFileBounded: where an observer does not go on, the reading of a file stops,
// with a bounded number of frames on their way; and all of them arrive when it does.
func TestFileBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const frames = 20_000
		s := &stuck{gate: make(chan struct{})}
		e := made(New(silent(t, Config{Observers: []event.Observer{s}, Workers: 2})))
		src := &counted{changing: changing{frame: labFrame(t), left: frames}}
		ended := make(chan error)
		go func() { ended <- e.Run(context.Background(), src) }()
		time.Sleep(time.Second)
		synctest.Wait()
		// A batch is being filled, the others are full; a list has two
		// observations of each SYN, and the observers hold one more list.
		const most = pipeFrames*(pipeBatches+1) + 2*4096
		if got := src.read.Load(); got < pipeFrames || got > most {
			t.Errorf("%d frames were read of the file while the observer waits, want %d to %d", got, pipeFrames, most)
		}
		close(s.gate)
		if err := <-ended; err != nil || e.Stats().Frames != frames || e.Stats().Lost != 0 {
			t.Errorf("Run = %v, %+v; want %d frames, and none lost", err, e.Stats(), frames)
		}
	})
}

// synSegment is a SYN to port 25.
var synSegment = packet.Segment{
	Dst: netip.MustParseAddrPort("198.18.0.2:25"), Version: 4, Type: packet.SYN, TTL: 61, Window: 64240, MSS: 1460,
}
