package daemon

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// answers gives one state.
type answers struct{ state note.State }

func (a *answers) Lookup(context.Context, note.Query) (note.Note, error) {
	return note.Note{State: a.state}, nil
}

// TestF02NothingIsSilent: a sensor that sees nothing reports so, once, and again
// when it is over.
func TestF02NothingIsSilent(t *testing.T) {
	e, err := engine.New(engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var out fronttest.Log
	who := &answers{note.NotSeen}
	in := &sensor{ways: &ways{}, monitor: &monitor{meter: status.NewMeter(who, nil)}}
	front := in.monitor.meter.Front()
	w := &watch{config: config.Default(), sensor: in, log: slog.New(slog.NewTextHandler(&out, nil))}
	ask := func(n int) {
		for range n {
			front.Lookup(t.Context(), note.Query{Client: netip.MustParseAddrPort("192.0.2.1:0")})
		}
		w.look()
		w.look()
	}
	wantLines := func(what string, want ...string) {
		t.Helper()
		lines := out.Lines()
		if len(lines) != len(want) {
			t.Fatalf("%s: %q, want %d lines", what, lines, len(want))
		}
		for i := range want {
			if !strings.Contains(lines[i], want[i]) {
				t.Errorf("%s: %s, want %q", what, lines[i], want[i])
			}
		}
	}
	ask(strangeRow - 1)
	wantLines("99 strangers")
	ask(1)
	wantLines("100 strangers", `level=WARN msg="questions in a row about clients that were never seen`)
	who.state = note.Matched
	ask(1)
	wantLines("one that is known", "level=WARN", `level=INFO msg="clients that are asked about were seen again"`)
	in.engine = e // which captures nothing
	ask(1)
	wantLines("no packet", "", "", `level=WARN msg="questions come, and no packet`)
	for range oneWayAfter {
		in.ways.Observe(&event.Observation{Module: event.SYN})
	}
	ask(1)
	wantLines("one direction", "", "", "", `level=WARN msg="only packets from clients are captured`)
	in.ways.Observe(&event.Observation{Module: event.SYNACK})
	ask(1)
	wantLines("both directions", "", "", "", "", "both directions are captured now")
	w.end()
	wantLines("the end", "", "", "", "", "", "msg=ended packets=0 dropped=0 unread=0 hosts=0 questions=104 not_seen=100 failed=0")
}

// frames is an interface that hands over frames, one Read each.
type frames chan []capture.Frame

func (frames) Live() bool   { return true }
func (frames) Close() error { return nil }

func (f frames) Read(ctx context.Context, fn func(*capture.Frame)) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case all := <-f:
		for i := range all {
			fn(&all[i])
		}
		return nil
	}
}

// TestF02UnreadIsNotSilent: frames that come and cannot be read are reported once,
// by kind, in the log and in the status.
func TestF02UnreadIsNotSilent(t *testing.T) {
	e, err := engine.New(engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	source := make(frames)
	stopped := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { stopped <- e.Run(ctx, source) }()
	defer func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("Run = %v", err)
		}
	}()
	send := func(n int, data string, wireLen int) {
		source <- slices.Repeat([]capture.Frame{{Data: []byte(data), WireLen: wireLen, Link: packet.LinkRaw, Time: 1}}, n)
		source <- nil // what was handed over before is counted
	}
	var out fronttest.Log
	drops := uint64(0)
	late := &watchedSource{kind: config.SourceCapture, name: "late0"}
	late.part(source, func() capture.Stats { return capture.Stats{Drops: drops} })
	m := &monitor{sources: []*watchedSource{late}, engine: e}
	w := &watch{config: config.Default(), sensor: &sensor{engine: e, monitor: m}, log: slog.New(slog.NewTextHandler(&out, nil))}
	look := func(what string, want ...string) {
		t.Helper()
		before := len(out.Lines())
		w.look()
		lines := out.Lines()[before:]
		if len(lines) != len(want) {
			t.Fatalf("%s: %q, want %d lines", what, lines, len(want))
		}
		for i := range want {
			if !strings.Contains(lines[i], want[i]) {
				t.Errorf("%s: %s, want %q", what, lines[i], want[i])
			}
		}
	}
	syn := string(savedSYN(t))
	send(100, syn, len(syn))
	send(unreadAfter-1, "\x70"+syn[1:], len(syn))
	look("a few frames")
	send(unreadAfter, "\x70"+syn[1:], len(syn))
	send(100, syn, len(syn))
	look("one in eleven")
	send(2*unreadAfter, "\x70"+syn[1:], len(syn))
	look("most frames", `level=WARN msg="frames cannot be read`)
	if line := out.Lines()[0]; !strings.Contains(line, `kinds="39 frames: `) || !strings.Contains(line, "mxprint read unread.pcap") {
		t.Errorf("no kind or no line to type: %s", line)
	}
	send(1, syn[:40], len(syn))
	send(1, syn[:40], 40) // all that was sent
	drops = 7
	look("a cut SYN, and packets dropped on an interface that came late", `level=INFO msg="frames can be read again"`,
		`level=WARN msg="SYNs are longer than what is kept of a frame`, `level=WARN msg="the kernel dropped packets`)
	look("the end", `level=INFO msg="SYNs are whole again"`, `level=INFO msg="no more packets are dropped"`)
	if st := e.Stats(); st.Cut != 1 {
		t.Errorf("%d SYNs cut, want 1", st.Cut)
	}
	if got := strings.Join(e.Unread(), "; "); !strings.Contains(got, "39 frames: ") || !strings.Contains(got, "1 SYN cut inside its header") {
		t.Errorf("Unread = %s", got)
	}
}

// savedSYN is an IPv4 SYN without a link header.
func savedSYN(t *testing.T) []byte {
	t.Helper()
	syn, err := hex.DecodeString("4500003C395D40004006035D7F0000017F000001BAE8386DF3A9CBF900000000A002FFD7FE3000000204FFD70402080AC104064E0000000001030300")
	if err != nil {
		t.Fatal(err)
	}
	return syn
}
