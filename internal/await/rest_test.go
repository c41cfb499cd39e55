package await

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRest()
		want := func(when string, hurry bool, want time.Duration) {
			t.Helper()
			begin := time.Now()
			if err := r.Wait(t.Context(), hurry); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begin); got != want {
				t.Errorf("%s: a rest of %v, want %v", when, got, want)
			}
		}
		want("at first", false, longRest)
		want("in a hurry", true, 0)
		r.Came(14)
		want("after a mail", false, longRest)
		go func() { time.Sleep(longRest / 4); r.End() }()
		want("ended", false, longRest/4)
		want("after that", false, longRest)
		r.Came(0)

		time.Sleep(longRest)
		r.Came(500)
		want("many mails", false, most*longRest/500)
		r.Came(most)
		want("as many", false, most*longRest/500)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, hurry := range []bool{false, true} {
			if err := r.Wait(ctx, hurry); err != context.Canceled {
				t.Errorf("Wait in a hurry, %v, = %v after the end of its context", hurry, err)
			}
		}
	})
}

// TestRestInFlood: frames that come fast are read soon, also one by one, and no
// longer when they come slowly again.
func TestRestInFlood(t *testing.T) {
	r := NewRest()
	came := func(frames int, gap time.Duration) {
		r.count, r.since = frames-1, time.Now().Add(-time.Duration(frames)*gap)
		r.Came(1)
	}
	came(most, time.Millisecond)
	if r.Flood() || r.gap < time.Millisecond {
		t.Errorf("a gap of %v after one of a millisecond", r.gap)
	}
	for _, hurry := range []bool{false, true} {
		came(4096, floodGap/4)
		begin := time.Now()
		if err := r.Wait(t.Context(), hurry); !r.Flood() || err != nil || time.Since(begin) < floodRest {
			t.Errorf("a rest of %v, %v in a flood, want %v", time.Since(begin), err, floodRest)
		}
	}
	r.End() // not of a nap
	came(3, longRest)
	if r.Flood() {
		t.Errorf("a flood after the flood, with a gap of %v", r.gap)
	}
}
