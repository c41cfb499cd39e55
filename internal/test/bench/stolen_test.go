//go:build linux

package main

import (
	"math"
	"testing"
)

func TestTicks(t *testing.T) {
	before := parseTicks([]byte("cpu  100 0 50 800 10 0 20 5 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n"))
	after := parseTicks([]byte("cpu  150 0 70 870 10 0 25 60 8 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n"))
	if want := (ticks{stolen: 5, all: 985}); before != want {
		t.Errorf("got %+v, want %+v", before, want)
	}
	if got := after.stolenSince(before); math.Abs(got-0.275) > 1e-9 {
		t.Errorf("got %v stolen, want 0.275", got)
	}
	if got := (ticks{}).stolenSince(ticks{}); got != 0 {
		t.Errorf("got %v stolen of nothing, want 0", got)
	}
	if got := readTicks(); got.all == 0 {
		t.Error("/proc/stat has no ticks")
	}
}

// A figure is taken as it is where nothing is stolen.
func TestUndisturbed(t *testing.T) {
	b := new(bench)
	n := 0
	got, err := undisturbed(b, mostStolen, func() (int, error) { n++; return n, nil })
	if err != nil || got < 1 || got > n || n > tries {
		t.Errorf("got %d after %d measurements: %v", got, n, err)
	}
	if b.stolen > 1 {
		t.Errorf("%v was stolen", b.stolen)
	}
}
