package report

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
)

// ends remembers how the ends of the last connection are written: what is found
// out about one comes together.
type ends struct {
	client, server netip.AddrPort
	text           []byte     // "|cli=192.0.2.1/1025|srv=198.51.100.2/25"
	servers        [2]lastEnd // of IPv4 and IPv6: most connections are to one
}

// lastEnd is an end as it was last written.
type lastEnd struct {
	end  netip.AddrPort
	text []byte // "|srv=198.51.100.2/25"
}

func (e *ends) append(b []byte, client, server *netip.AddrPort) []byte {
	if *client != e.client || *server != e.server || len(e.text) == 0 {
		e.client, e.server = *client, *server
		e.text = appendEnd(append(e.text[:0], "|cli="...), *client)
		e.text = e.appendServer(e.text, server)
	}
	return append(b, e.text...)
}

func (e *ends) appendServer(b []byte, server *netip.AddrPort) []byte {
	last := &e.servers[0]
	if !server.Addr().Is4() {
		last = &e.servers[1]
	}
	if last.end != *server || len(last.text) == 0 {
		last.end = *server
		last.text = appendEnd(append(last.text[:0], "|srv="...), *server)
	}
	return append(b, last.text...)
}

// appendEnd appends an end of a connection as p0f writes it.
func appendEnd(b []byte, e netip.AddrPort) []byte {
	if a := e.Addr(); a.Is4() {
		b = appendIPv4(b, a.As4())
	} else {
		b = appendIPv6(b, a.As16())
	}
	return appendNumber(append(b, '/'), int(e.Port()))
}

// appendIPv6 appends an IPv6 address in eight groups, never shortened.
func appendIPv6(b []byte, ip [16]byte) []byte {
	const room = 7*5 + 8 // seven groups with their colons, and the last as it is written
	from := len(b)
	b = slices.Grow(b, room)
	text, n := b[from:from+room], uint(0)
	for i := 0; i < len(ip); i += 2 {
		high, low := ip[i], ip[i+1]
		digits := uint64(hexPairs[high]) | uint64(hexPairs[low])<<16 | ':'<<32
		zeros := uint(bits.LeadingZeros32(uint32(high)<<8|uint32(low)|1)-16) / 4 // in front
		binary.LittleEndian.PutUint64(text[n:n+8], digits>>(8*zeros&63))
		n += 5 - zeros
	}
	return b[:from+int(n)-1]
}

// hexPairs are the bytes in two hexadecimal digits, as little-endian numbers.
var hexPairs = func() (all [256]uint16) {
	const digits = "0123456789abcdef"
	for i := range all {
		all[i] = uint16(digits[i>>4]) | uint16(digits[i&15])<<8
	}
	return all
}()

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
