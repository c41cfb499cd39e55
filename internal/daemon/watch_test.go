package daemon

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
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
	in := &sensor{counted: &counted{Lookuper: who}, ways: &ways{}}
	w := &watch{config: config.Default(), sensor: in, log: slog.New(slog.NewTextHandler(&out, nil))}
	ask := func(n int) {
		for range n {
			in.counted.Lookup(t.Context(), note.Query{Client: netip.MustParseAddrPort("192.0.2.1:0")})
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
	wantLines("the end", "", "", "", "", "", "msg=ended packets=0 dropped=0 hosts=0 questions=104 not_seen=100 failed=0")
}
