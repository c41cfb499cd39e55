package p0f

import (
	"math"
	"strconv"
)

// appendNumber is strconv.AppendInt for small numbers.
func appendNumber(b []byte, n int) []byte {
	if n < 0 || n > 99_999 {
		return strconv.AppendInt(b, int64(n), 10)
	}
	var digits [5]byte
	i := len(digits) - 1
	for ; n > 9; i-- {
		digits[i] = '0' + byte(n%10)
		n /= 10
	}
	digits[i] = '0' + byte(n)
	return append(b, digits[i:]...)
}

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
	b = strconv.AppendUint(b, n/100, 10)
	return append(b, '.', '0'+byte(n/10%10), '0'+byte(n%10))
}

// appendGroup appends two bytes in hexadecimal, without zeros in front.
func appendGroup(b []byte, high, low byte) []byte {
	const hex = "0123456789abcdef"
	switch {
	case high > 15:
		return append(b, hex[high>>4], hex[high&15], hex[low>>4], hex[low&15])
	case high > 0:
		return append(b, hex[high], hex[low>>4], hex[low&15])
	case low > 15:
		return append(b, hex[low>>4], hex[low&15])
	}
	return append(b, hex[low])
}
