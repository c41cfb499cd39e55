package builtin_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// frameOf makes the SYN that has the raw signature sig, with the TTL that stands
// in it: "4:117:0:1460:8192,8:mss,nop,ws,nop,nop,sok:df,id+:0". IP options and
// payload are left out, windows must be in bytes.
func frameOf(sig string) ([]byte, error) {
	part := strings.Split(sig, ":")
	if len(part) != 8 {
		return nil, fmt.Errorf("signature %q has %d parts, want 8", sig, len(part))
	}
	window, scale, _ := strings.Cut(part[4], ",")
	var n [4]int // TTL, MSS, window, scale
	for i, text := range []string{part[1], part[3], window, scale} {
		v, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("signature %q: %w", sig, err)
		}
		n[i] = v
	}
	options, err := optionsOf(part[5], n[1], n[3])
	if err != nil {
		return nil, fmt.Errorf("signature %q: %w", sig, err)
	}
	quirks := strings.Split(part[6], ",")
	tcp := tcpOf(n[2], options, slices.Contains(quirks, "ecn"))
	if part[0] == "6" {
		return append(ipv6Of(n[0], len(tcp), slices.Contains(quirks, "flow")), tcp...), nil
	}
	return append(ipv4Of(n[0], len(tcp), slices.Contains(quirks, "df"), slices.Contains(quirks, "id+"), slices.Contains(quirks, "id-")), tcp...), nil
}

// optionsOf lays the options out. A layout that does not fill the last word
// needs its eol+N written out, as on the wire.
func optionsOf(layout string, mss, scale int) ([]byte, error) {
	var out []byte
	for name := range strings.SplitSeq(layout, ",") {
		switch {
		case name == "":
		case name == "mss":
			out = append(out, 2, 4, byte(mss>>8), byte(mss))
		case name == "ws":
			out = append(out, 3, 3, byte(scale))
		case name == "sok":
			out = append(out, 4, 2)
		case name == "ts":
			out = append(out, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0)
		case name == "nop":
			out = append(out, 1)
		case strings.HasPrefix(name, "eol+"):
			n, err := strconv.Atoi(name[4:])
			if err != nil {
				return nil, err
			}
			out = append(out, make([]byte, 1+n)...)
		case name == "?34": // Fast Open asks for a cookie
			out = append(out, 34, 2)
		case name == "?76": // a WAN optimiser's probe
			out = append(out, 76, 3, 0)
		default:
			return nil, fmt.Errorf("option %q is not made here", name)
		}
	}
	if len(out)%4 != 0 {
		return nil, fmt.Errorf("layout %q has %d bytes, which is no multiple of 4", layout, len(out))
	}
	return out, nil
}

func tcpOf(window int, options []byte, ecn bool) []byte {
	flags := byte(0x02)
	if ecn {
		flags |= 0xc0 // ECE and CWR
	}
	out := []byte{0x80, 1, 0, 25, 1, 2, 3, 4, 0, 0, 0, 0, byte((20 + len(options)) / 4 << 4), flags, byte(window >> 8), byte(window), 0, 0, 0, 0}
	return append(out, options...)
}

func ipv4Of(ttl, payload int, df, id, zero bool) []byte {
	out := make([]byte, 14+20)
	out[12], out[13] = 0x08, 0x00
	ip := out[14:]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(20+payload))
	if id || !df && !zero { // without DF an ID of zero is the quirk id-
		ip[5] = 7
	}
	if df {
		ip[6] = 0x40
	}
	ip[8], ip[9] = byte(ttl), 6
	copy(ip[12:], []byte{198, 18, 0, 1, 198, 18, 0, 2})
	return out
}

func ipv6Of(ttl, payload int, flow bool) []byte {
	out := make([]byte, 14+40)
	out[12], out[13] = 0x86, 0xdd
	ip := out[14:]
	ip[0] = 0x60
	if flow {
		ip[3] = 9
	}
	binary.BigEndian.PutUint16(ip[4:], uint16(payload))
	ip[6], ip[7] = 6, byte(ttl)
	copy(ip[8:], []byte{0x20, 0x01, 0x0d, 0xb8, 15: 1})
	copy(ip[24:], []byte{0x20, 0x01, 0x0d, 0xb8, 15: 2})
	return out
}
