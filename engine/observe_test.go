package engine

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
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

// synInput is the SYN of the n-th client.
func synInput(n int) host.Input {
	in := host.Input{At: int64(n), Decoded: true, Segment: synSegment}
	in.Segment.Src = synClient(n)
	return in
}

func synClient(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000)
}

// synSegment is a SYN to port 25.
var synSegment = packet.Segment{
	Dst: netip.MustParseAddrPort("198.18.0.2:25"), Version: 4, Type: packet.SYN, TTL: 61, Window: 64240, MSS: 1460,
}
