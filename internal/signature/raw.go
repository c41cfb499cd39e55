package signature

import (
	"slices"
	"strings"

	"github.com/mxprint/mxprint/packet"
)

// ParseRaw reads a raw signature as AppendRaw and p0f print it (p0f-v3.md §3.4),
// into a segment that has it: a SYN, without addresses. What a raw signature
// leaves out is filled in: where the window is mss*N, the first of p0f's
// divisors that gives it. Errors are of type *SyntaxError, in line 1 of
// "raw signature".
func ParseRaw(text string) (packet.Segment, error) {
	p := parser{db: new(DB), place: place{file: "raw signature", line: 1}, text: text}
	var t TCP
	s := packet.Segment{Type: packet.SYN}
	var v string
	if t.Version, v = p.version(text, "46*", wantIPVersion, tcpFields); p.err == nil && t.Version == Any {
		p.fail(text, "want 4 or 6 as the IP version of a packet", rawForm)
	}
	v = p.rawTTL(&s, v)
	t.IPOptLen, v = p.bounded(v, "", "IP option length", 0, 40, ':')
	t.MSS, v = p.wildcard(v, "MSS", 65535, ':')
	window := v
	v = p.window(&t, v)
	scale := v
	v = p.scale(&t, v)
	layout := v
	v = p.layout(&t, v)
	v = p.quirks(&t, v)
	p.payload(&t, v)
	switch {
	case p.err != nil:
	case t.Kind != WindowEqual && t.Kind != WindowMSS && t.Kind != WindowMTU:
		p.fail(window, "want a number, mss*N or mtu*N as the window of a packet", rawForm)
	case t.Scale == Any:
		p.fail(scale, "want 0 to 255 as the window scale of a packet", rawForm)
	case t.Payload == Any:
		p.fail(v, "want 0 or + as the payload of a packet", rawForm)
	case t.ext != nil:
		p.fail(layout, "a packet has no alternatives", rawForm)
	case slices.Contains(t.Layout.Kinds[:max(t.Layout.Len, 1)-1], packet.OptEOL): // written as ?0
		p.fail(layout, "eol must be the last option", "remove what stands behind it; eol+N counts the bytes")
	default:
		fillRaw(&s, &t)
		if !rawWindow(&s, &t) {
			p.fail(window, "no window is this multiple", rawForm)
		}
	}
	if p.err != nil {
		fault := p.err.(*SyntaxError)
		fault.Hint = rawForm // and not that of a line of a database
		return packet.Segment{}, fault
	}
	return s, nil
}

// rawTTL reads TTL+DISTANCE, where the distance may be ?, or missing.
func (p *parser) rawTTL(s *packet.Segment, v string) string {
	if p.err != nil {
		return ""
	}
	n, rest := number(v)
	if rest == v || n > 255 {
		p.fail(v, "want 0 to 255 as the TTL of a packet", rawForm)
		return ""
	}
	s.TTL = uint8(n)
	if distance, ok := strings.CutPrefix(rest, "+"); ok {
		if rest, ok = strings.CutPrefix(distance, "?"); !ok {
			_, rest = number(distance)
		}
	}
	return p.colon(rest, "TTL")
}

// fillRaw gives the segment what the fields say, and what follows from them.
func fillRaw(s *packet.Segment, t *TCP) {
	s.Version, s.IPOptLen, s.Scale = uint8(t.Version), uint8(t.IPOptLen), uint8(t.Scale)
	s.Layout, s.Quirks = t.Layout, t.Quirks
	s.PayloadLen = uint16(t.Payload)
	s.MSS = probeMSS // AppendRaw writes * for it
	if t.MSS != Any {
		s.MSS = uint16(t.MSS)
	}
	if hasTimestamp(&t.Layout) && t.Quirks&packet.QuirkTS1Zero == 0 {
		s.TS1 = 1
	}
	s.HeaderLen = headerLen(s)
}

// headerLen is how many bytes the headers of a segment have at least, and
// mostly.
func headerLen(s *packet.Segment) uint8 {
	options := int(s.Layout.EOLPad)
	for _, kind := range s.Layout.Kinds[:s.Layout.Len] {
		options += optionLen(kind)
	}
	ip := 20 + int(s.IPOptLen)
	if s.Version == 6 {
		ip = 40
	}
	return uint8(ip + 20 + min((options+3)&^3, 40))
}

// optionLen is how many bytes an option has at least, and mostly.
func optionLen(kind uint8) int {
	switch kind {
	case packet.OptEOL, packet.OptNOP:
		return 1
	case packet.OptMSS:
		return 4
	case packet.OptWS:
		return 3
	case packet.OptSACK, packet.OptTS:
		return 10
	}
	return 2
}

// rawWindow looks for a window that is the multiple of the raw signature.
func rawWindow(s *packet.Segment, t *TCP) bool {
	if t.Kind == WindowEqual {
		s.Window = uint16(t.Window)
		return true
	}
	mss := int(s.MSS)
	for _, unit := range [...]int{mss, mss - 12, 1460, 1448, 1440, 1428, mss + 40, mss + int(s.HeaderLen), mss + 60, 1500} {
		window := unit * t.Window
		if window < 1 || window > maxWindow {
			continue
		}
		s.Window = uint16(window)
		if MultipleOf(s, 0) == (Multiple{t.Kind, t.Window}) {
			return true
		}
	}
	return false
}
