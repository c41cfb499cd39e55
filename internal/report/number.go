package report

import (
	"math"
	"strconv"
)

// appendNumber is strconv.AppendInt for small numbers.
func appendNumber(b []byte, n int) []byte {
	switch {
	case n < 0 || n > 99_999:
		return strconv.AppendInt(b, int64(n), 10)
	case n < 10:
		return append(b, '0'+byte(n))
	case n < 100:
		p := &pairs[n]
		return append(b, p[0], p[1])
	case n < 1000:
		p := &pairs[n%100]
		return append(b, '0'+byte(n/100), p[0], p[1])
	case n < 10_000:
		p, q := &pairs[n/100], &pairs[n%100]
		return append(b, p[0], p[1], q[0], q[1])
	}
	p, q := &pairs[n/100%100], &pairs[n%100]
	return append(b, '0'+byte(n/10_000), p[0], p[1], q[0], q[1])
}

// pairs are the numbers below 100 with two digits.
var pairs = func() (all [100][2]byte) {
	for i := range all {
		all[i] = [2]byte{'0' + byte(i/10), '0' + byte(i%10)}
	}
	return all
}()

// appendHundredths appends a number with two decimals, rounded exactly and to
// even, as p0f's printf does. strconv takes its long way for that.
func appendHundredths(b []byte, f float64) []byte {
	const (
		fraction = 52 // bits of a float64
		bias     = 1023
		least    = 1 // most frequencies are
		most     = 2048
	)
	if !(f >= least && f < most) {
		return strconv.AppendFloat(b, f, 'f', 2, 64)
	}
	bits := math.Float64bits(f)
	shift := fraction + bias - bits>>fraction
	x := (bits&(1<<fraction-1) | 1<<fraction) * 100
	n, rest, half := x>>shift, x&(1<<shift-1), uint64(1)<<(shift-1)
	if rest > half || rest == half && n&1 == 1 {
		n++
	}
	b, p := appendNumber(b, int(n/100)), &pairs[n%100]
	return append(b, '.', p[0], p[1])
}
