package p0f

import (
	"math"
	"net/netip"
	"strconv"
)

// ends remembers how the two ends of a connection are written: what is found
// out about one comes together.
type ends struct {
	client, server netip.AddrPort
	text           []byte // "|cli=192.0.2.1/1025|srv=198.51.100.2/25"
}

func (e *ends) append(b []byte, client, server netip.AddrPort) []byte {
	if client != e.client || server != e.server || len(e.text) == 0 {
		e.client, e.server = client, server
		e.text = appendEnd(append(e.text[:0], "|cli="...), client)
		e.text = appendEnd(append(e.text, "|srv="...), server)
	}
	return append(b, e.text...)
}

// appendEnd appends an end of a connection as p0f writes it: IPv6 addresses in
// eight groups, never shortened.
func appendEnd(b []byte, e netip.AddrPort) []byte {
	if a := e.Addr(); a.Is4() {
		b = appendIPv4(b, a.As4())
	} else {
		raw := a.As16()
		for i := 0; i < 16; i += 2 {
			if i > 0 {
				b = append(b, ':')
			}
			b = appendGroup(b, raw[i], raw[i+1])
		}
	}
	return appendNumber(append(b, '/'), int(e.Port()))
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

// octets are the numbers of an IPv4 address, each with the dot behind it.
var octets = func() (all [256]struct {
	text [4]byte
	n    uint8
}) {
	for i := range all {
		all[i].n = uint8(copy(all[i].text[:], strconv.Itoa(i)+"."))
	}
	return all
}()

func appendIPv4(b []byte, ip [4]byte) []byte {
	for _, o := range ip {
		t := &octets[o]
		n := len(b) + int(t.n)
		b = append(b, t.text[0], t.text[1], t.text[2], t.text[3])[:n]
	}
	return b[:len(b)-1]
}

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
		least    = 1
		most     = 2048 // hundred times as much fits into 63 bits, before it is shifted
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
