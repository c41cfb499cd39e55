package difftest

import (
	"math/bits"
	"math/rand/v2"
)

// source is the only origin of chance in this package. It is built on PCG alone,
// whose output is fixed, so that a seed means the same capture with every
// version of Go.
type source struct{ pcg *rand.PCG }

func newSource(seed uint64, salt string) *source {
	h := uint64(14695981039346656037)
	for _, c := range []byte(salt) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return &source{rand.NewPCG(seed, h)}
}

func (r *source) u32() uint32 { return uint32(r.pcg.Uint64() >> 32) }

// n returns a number in [0, max); 0 when max is not positive.
func (r *source) n(max int) int {
	if max <= 0 {
		return 0
	}
	hi, _ := bits.Mul64(r.pcg.Uint64(), uint64(max))
	return int(hi)
}

// between returns a number in [lo, hi].
func (r *source) between(lo, hi int) int { return lo + r.n(hi-lo+1) }

func (r *source) chance(p float64) bool { return float64(r.u32()) < p*(1<<32) }

func (r *source) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.n(256))
	}
	return b
}

// pick returns one of the items, which must not be empty.
func pick[T any](r *source, items ...T) T { return items[r.n(len(items))] }

// weighted returns an index, each as likely as its weight says.
func (r *source) weighted(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	x := r.n(sum)
	for i, w := range weights {
		if x < w {
			return i
		}
		x -= w
	}
	return 0
}
