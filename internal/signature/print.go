package signature

import (
	"strconv"

	"github.com/mxprint/mxprint/packet"
)

// probeMSS is the MSS of p0f's own probes; a SYN+ACK may only echo it.
const probeMSS = 1331

// AppendRaw appends the raw signature of a segment, in p0f's notation
// (p0f-v3.md §3.4), to dst. mult is the Multiple of the segment's Match.
func AppendRaw(dst []byte, s *packet.Segment, mult Multiple) []byte {
	return appendKind(appendOrigin(dst, s), s, mult)
}

// appendOrigin appends how far the segment came.
func appendOrigin(dst []byte, s *packet.Segment) []byte {
	return append(append(dst, '0'+s.Version, ':'), origins[s.TTL]...)
}

// origins are the TTLs as raw signatures show them: "57+7:".
var origins = func() (all [256]string) {
	for ttl := range all {
		distance := "?"
		if d := GuessDistance(uint8(ttl)); d <= MaxDistance {
			distance = strconv.Itoa(d)
		}
		all[ttl] = strconv.Itoa(ttl) + "+" + distance + ":"
	}
	return all
}()

// appendKind appends the rest, which all segments of a stack may share.
func appendKind(dst []byte, s *packet.Segment, mult Multiple) []byte {
	dst = strconv.AppendUint(dst, uint64(s.IPOptLen), 10)
	dst = append(dst, ':')
	if s.MSS == probeMSS && s.Type == packet.SYNACK {
		dst = append(dst, '*')
	} else {
		dst = strconv.AppendUint(dst, uint64(s.MSS), 10)
	}
	dst = append(dst, ':')
	return appendTCP(dst, s, mult)
}

// appendTCP appends the fields of the TCP header, from the window on.
func appendTCP(dst []byte, s *packet.Segment, mult Multiple) []byte {
	switch mult.Kind {
	case WindowMSS:
		dst = strconv.AppendInt(append(dst, "mss*"...), int64(mult.N), 10)
	case WindowMTU:
		dst = strconv.AppendInt(append(dst, "mtu*"...), int64(mult.N), 10)
	default:
		dst = strconv.AppendUint(dst, uint64(s.Window), 10)
	}
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, uint64(s.Scale), 10)
	dst = append(dst, ':')
	dst = appendLayout(dst, &s.Layout)
	dst = append(dst, ':')
	dst, _ = s.Quirks.AppendText(dst)
	if s.PayloadLen > 0 {
		return append(dst, ':', '+')
	}
	return append(dst, ':', '0')
}

// AppendDraft appends a signature that takes the segment, to begin from where
// none does. mult is the Multiple of its Match. The MSS, which belongs to the
// path, is left open, the TTL is the initial one that GuessDistance takes, and
// the version is * where the quirks are those of either.
func AppendDraft(dst []byte, s *packet.Segment, mult Multiple) []byte {
	version := byte('*')
	if s.Quirks&(packet.QuirkDF|packet.QuirkIDNonZero|packet.QuirkIDZero|packet.QuirkMustBeZero|packet.QuirkFlow) != 0 {
		version = '0' + s.Version
	}
	dst = append(dst, version, ':')
	initial := max(int(s.TTL), 1)
	if d := GuessDistance(s.TTL); d <= MaxDistance {
		initial = int(s.TTL) + d // else the TTL fits no usual one, and is a limit itself
	}
	dst = append(strconv.AppendInt(dst, int64(initial), 10), ':')
	dst = append(strconv.AppendUint(dst, uint64(s.IPOptLen), 10), ":*:"...)
	if mult.N > maxMultiple {
		mult = Multiple{}
	}
	return appendTCP(dst, s, mult)
}

func appendLayout(dst []byte, l *packet.Layout) []byte {
	for i, kind := range l.Kinds[:l.Len] {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch name := optionNames[kind]; {
		case kind == packet.OptEOL:
			dst = strconv.AppendUint(append(dst, "eol+"...), uint64(l.EOLPad), 10)
		case name != "":
			dst = append(dst, name...)
		default:
			dst = strconv.AppendUint(append(dst, '?'), uint64(kind), 10)
		}
	}
	return dst
}

// optionNames are the names that option kinds have in a layout.
var optionNames = [256]string{
	packet.OptNOP: "nop", packet.OptMSS: "mss", packet.OptWS: "ws", packet.OptSOK: "sok", packet.OptSACK: "sack", packet.OptTS: "ts",
}
