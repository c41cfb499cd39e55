package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/test/fronttest"
)

// A front that fails, and cannot be opened for a while, is reported and comes
// back; what runs beside it goes on until its own end.
func TestFrontIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		broken := errors.New("broken listener")
		opens := 0
		watched := &watchedFront{name: "milter"}
		front, err := keepUp(log.Logger(), watched, "/run/m", func() (task, error) {
			if opens++; opens == 2 {
				if f := watched.status().Failed; len(f) != 1 || f[0].At != "/run/m" || f[0].Reason != broken.Error() {
					t.Errorf("status has the faults %+v, want that of /run/m", f)
				}
				return nil, errors.New("no folder")
			}
			return func(ctx context.Context) error {
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(10 * time.Second):
					return broken
				}
			}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		mails := func(ctx context.Context) error { time.Sleep(15 * time.Second); return nil }
		sensor := without(log.Logger(), "the sensor", func(context.Context) error { return errors.New("the interface is gone") })
		begin := time.Now()
		if err := together(t.Context(), mails, front, sensor); err != nil {
			t.Errorf("together = %v", err)
		}
		if took := time.Since(begin); took != 15*time.Second {
			t.Errorf("all ended after %v, want 15s", took)
		}
		if opens != 3 {
			t.Errorf("the front was opened %d times, want 3", opens)
		}
		if f := watched.status(); len(f.Failed) != 0 || len(f.Listen) != 1 {
			t.Errorf("status is %+v after it was opened again", f)
		}
		text := strings.Join(log.Lines(), "\n")
		for _, want := range []string{"front=milter", "broken listener", "no folder", "the interface is gone"} {
			if !strings.Contains(text, want) {
				t.Errorf("log %q, want %q", text, want)
			}
		}
	})
}

// What the process is for ends it.
func TestTogetherEndsWithItsPurpose(t *testing.T) {
	broken := errors.New("broken")
	err := together(t.Context(), func(context.Context) error { return broken }, func(ctx context.Context) error { <-ctx.Done(); return nil })
	if err != broken {
		t.Errorf("together = %v, want %v", err, broken)
	}
	if _, err := keepUp(nil, &watchedFront{name: "x"}, "y", func() (task, error) { return nil, broken }); err != broken {
		t.Errorf("a front that cannot be opened at the start: %v, want %v", err, broken)
	}
}

// TestFinding14EveryLine: what any part of the process logs is bounded.
func TestFinding14EveryLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out fronttest.Log
		log := NewLogger(&out)
		for i := range 100_000 {
			log.Info("signatures reloaded", "signatures", i)
		}
		if n := len(out.Lines()); n != lineBurst {
			t.Errorf("%d lines in a second, want %d", n, lineBurst)
		}
	})
}
