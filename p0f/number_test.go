package p0f

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestHundredths: as strconv, which rounds exactly, halves included.
func TestHundredths(t *testing.T) {
	numbers := []float64{0, -1, 0.7, 0.125, 0.994999, 0.995, 1, 1.005, 1.125, 1.375, 2.625, 999.995, 1023.875, 2047.995, 2047.999, 2048, 1e300, math.Inf(1), math.NaN()}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		numbers = append(numbers, rnd.Float64()*1600, float64(rnd.IntN(1<<18))/128)
	}
	for _, f := range numbers {
		if got, want := string(appendHundredths(nil, f)), strconv.FormatFloat(f, 'f', 2, 64); got != want {
			t.Errorf("appendHundredths(%v) = %s, want %s", f, got, want)
		}
	}
}

func TestGroup(t *testing.T) {
	for n := range 1 << 16 {
		if got, want := string(appendGroup(nil, byte(n>>8), byte(n))), fmt.Sprintf("%x", n); got != want {
			t.Errorf("appendGroup(%#x) = %s, want %s", n, got, want)
		}
	}
}
