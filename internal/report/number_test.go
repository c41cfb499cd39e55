package report

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
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

func TestNumber(t *testing.T) {
	numbers := []int{math.MinInt, -100_000, -1, 123_456, math.MaxInt}
	for n := range 101_000 {
		numbers = append(numbers, n)
	}
	for _, n := range numbers {
		if got, want := string(appendNumber(nil, n)), strconv.Itoa(n); got != want {
			t.Errorf("appendNumber(%d) = %s", n, got)
		}
	}
}

// TestIPv6: every group, at every place, as it is without zeros in front.
func TestIPv6(t *testing.T) {
	for n := range 1 << 16 {
		for place := range 8 {
			var ip [16]byte
			want := bytes.Repeat([]byte("0:"), 8)
			want = slices.Replace(want, 2*place, 2*place+1, fmt.Appendf(nil, "%x", n)...)
			binary.BigEndian.PutUint16(ip[2*place:], uint16(n))
			if got, want := string(appendIPv6([]byte("|"), ip)), "|"+string(want[:len(want)-1]); got != want {
				t.Fatalf("%s, want %s", got, want)
			}
		}
	}
	const longest = "1111:2222:3333:4444:5555:6666:7777:8888"
	if got := string(appendIPv6(nil, netip.MustParseAddr(longest).As16())); got != longest {
		t.Errorf("%s, want %s", got, longest)
	}
}
