package p0f

import (
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
