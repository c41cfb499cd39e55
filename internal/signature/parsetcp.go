package signature

import (
	"strings"

	"github.com/mxprint/mxprint/packet"
)

// tcpSig reads ver:ittl:olen:mss:win,scale:layout:quirks:payload
// (p0f-v3.md §2.4).
func (p *parser) tcpSig(dir Direction, v string) {
	t := TCP{File: p.file, Line: p.line, layer: p.layer, label: len(p.db.labels), Text: v, Source: p.source, Date: p.date, Clock: p.clock}
	t.Version, v = p.version(v, "46*", wantIPVersion, tcpFields)
	v = p.initialTTL(&t, v)
	t.IPOptLen, v = p.bounded(v, "", "IP option length", 0, 255, ':')
	t.MSS, v = p.wildcard(v, "MSS", 65535, ':')
	v = p.window(&t, v)
	v = p.scale(&t, v)
	v = p.layout(&t, v)
	v = p.quirks(&t, v)
	p.payload(&t, v)
	if p.err != nil {
		return
	}
	table := &p.db.tcp[dir]
	old := table.covered(&t, p.db.labels, &p.work)
	switch {
	case p.work < 0:
		p.tooMuch()
		return
	case old != nil:
		p.covered(old.place())
		return
	}
	table.add(t)
	p.counted(true)
}

// covered reports a signature that could never be used. One of a later file
// is overridden.
func (p *parser) covered(by place) {
	if p.counted(by.layer == p.layer); by.layer == p.layer {
		p.fail(p.text, "signature is already covered by %s", "remove it, or move it up if it is the narrower one", p.where(by))
	}
}

// version reads the digit or * of a version, and the colon after it.
func (p *parser) version(v, versions, msg, hint string) (int, string) {
	switch {
	case len(v) < 2 || v[1] != ':' || strings.IndexByte(versions, v[0]) < 0:
		p.fail(v, msg, hint)
		return 0, ""
	case v[0] == '*':
		return Any, v[2:]
	}
	return int(v[0] - '0'), v[2:]
}

const wantIPVersion = "want 4, 6 or * and a colon as the IP version"

// initialTTL reads N, A+B or A-. After "A-" p0f steps over one character too
// many, so that the IP option length loses its first digit; and a minus that
// no colon follows ends the field like a colon. A sign before the first number
// is part of it: "+4" is 4 and then 4 more.
func (p *parser) initialTTL(t *TCP, v string) string {
	if p.err != nil {
		return ""
	}
	start := v
	if t.TTL, v = number(v); v == start {
		t.TTL, _ = number(strings.TrimPrefix(v, "+"))
	}
	if t.TTL < 1 || t.TTL > 255 {
		p.fail(start, "want 1 to 255 as the initial TTL", "write what the sender's stack puts there, mostly 64, 128 or 255")
		return ""
	}
	switch {
	case strings.HasPrefix(v, "-:"):
		t.RandomTTL = true
		if v = v[2:]; v == "" {
			p.fail(v, "signature ends after the initial TTL", tcpFields)
			return ""
		}
		return v[1:]
	case strings.HasPrefix(v, "+"):
		var more int
		more, v = number(v[1:])
		if t.TTL += more; t.TTL > 255 {
			p.fail(start, "want 1 to 255 as the initial TTL", "write what the sender's stack puts there, mostly 64, 128 or 255")
			return ""
		}
	case strings.HasPrefix(v, "|"):
		return p.otherTTLs(t, v)
	case strings.HasPrefix(v, "-"):
		return v[1:]
	}
	return p.colon(v, "initial TTL")
}

// bounded reads a number and the separator behind it. or is what else could
// have stood there, for the message.
func (p *parser) bounded(v, or, what string, low, high int, sep byte) (int, string) {
	if p.err != nil {
		return 0, ""
	}
	n, rest := number(v)
	if n < low || n > high {
		p.fail(v, "want %s%d to %d as the %s", fieldHints[what], or, low, high, what)
		return 0, ""
	}
	if rest == "" || rest[0] != sep {
		p.fail(rest, "want %q after the %s", tcpFields, string(sep), what)
		return 0, ""
	}
	return n, rest[1:]
}

// wildcard reads a number from 0 or *, and the separator behind it.
func (p *parser) wildcard(v, what string, high int, sep byte) (int, string) {
	if p.err == nil && strings.HasPrefix(v, "*") {
		if len(v) < 2 || v[1] != sep {
			p.fail(v[1:], "want %q after the %s", tcpFields, string(sep), what)
			return 0, ""
		}
		return Any, v[2:]
	}
	return p.bounded(v, "* or ", what, 0, high, sep)
}

func (p *parser) window(t *TCP, v string) string {
	if p.err == nil && hasTerms(v, ",:") {
		return p.windowAlternatives(t, v)
	}
	rest := v
	switch {
	case strings.HasPrefix(v, "%"):
		t.Kind = WindowModulo
		t.Window, rest = p.bounded(v[1:], "", "window divisor", 2, 65535, ',')
	case strings.HasPrefix(v, "mss*"):
		t.Kind = WindowMSS
		t.Window, rest = p.bounded(v[4:], "", "window multiplier", 1, maxMultiple, ',')
	case strings.HasPrefix(v, "mtu*"):
		t.Kind = WindowMTU
		t.Window, rest = p.bounded(v[4:], "", "window multiplier", 1, maxMultiple, ',')
	default:
		t.Kind = WindowEqual
		if t.Window, rest = p.wildcard(v, "window", 65535, ','); t.Window == Any {
			t.Kind, t.Window = WindowAny, 0
		}
	}
	return rest
}

// layout reads the option layout. One trailing comma is tolerated, as by p0f.
func (p *parser) layout(t *TCP, v string) string {
	if field, _, _ := strings.Cut(v, ":"); p.err == nil && strings.ContainsAny(field, "[]()|~") {
		return p.layoutForms(t, v)
	}
	for p.err == nil && v != "" && v[0] != ':' {
		if t.Layout.Len == packet.MaxOptions {
			p.fail(v, "more than %d options", "a TCP header has no room for that many", packet.MaxOptions)
			return ""
		}
		kind, pad, n := option(v)
		if n == 0 {
			p.fail(v, "want an option: eol+N, nop, mss, ws, sok, sack, ts or ?N", "write an option without a name by its kind, such as ?30")
			return ""
		}
		t.Layout.Kinds[t.Layout.Len] = kind
		t.Layout.Len++
		rest := v[n:]
		if strings.HasPrefix(v, "eol+") {
			t.Layout.EOLPad = uint8(pad)
			if !strings.HasPrefix(rest, ":") {
				p.fail(rest, "eol must be the last option", "remove what stands behind it; eol+N counts the bytes")
				return ""
			}
		}
		v = strings.TrimPrefix(rest, ",")
		if rest == v && !strings.HasPrefix(v, ":") {
			p.fail(v, "want a comma or a colon after an option", "put commas between the options, and a colon behind the last")
			return ""
		}
	}
	return p.colon(v, "option layout")
}

// option reads one option of a layout and returns its kind, for eol its
// padding, and the bytes read; 0 for none.
func option(v string) (kind uint8, pad, n int) {
	for _, prefix := range [...]string{"eol+", "?"} {
		if !strings.HasPrefix(v, prefix) {
			continue
		}
		num, rest := number(v[len(prefix):])
		if num > 255 {
			return 0, 0, 0
		}
		n = len(v) - len(rest)
		if prefix == "?" {
			return uint8(num), 0, n
		}
		return packet.OptEOL, num, n
	}
	for kind, name := range optionNames {
		if name != "" && strings.HasPrefix(v, name) {
			return uint8(kind), 0, len(name)
		}
	}
	return 0, 0, 0
}

func (p *parser) quirks(t *TCP, v string) string {
	for p.err == nil && v != "" && v[0] != ':' {
		q, n := quirk(v)
		if n == 0 {
			p.fail(v, "unknown quirk", "want df, id+, id-, ecn, 0+, flow, seq-, ack+, ack-, uptr+, urgf+, pushf+, ts1-, ts2+, opt+, exws or bad")
			return ""
		}
		if t.Version == 6 && q&(packet.QuirkDF|packet.QuirkIDNonZero|packet.QuirkIDZero|packet.QuirkMustBeZero) != 0 {
			p.fail(v, "quirk of IPv4 in a signature for IPv6", "remove the quirk, or make the version * or 4")
			return ""
		}
		if t.Version == 4 && q == packet.QuirkFlow {
			p.fail(v, "quirk of IPv6 in a signature for IPv4", "remove the quirk, or make the version * or 6")
			return ""
		}
		rest := v[n:]
		if optional, ok := strings.CutPrefix(rest, "?"); ok {
			t.terms().optional |= q
			rest = optional
		} else {
			t.Quirks |= q
		}
		v = strings.TrimPrefix(rest, ",")
		if rest == v && !strings.HasPrefix(v, ":") {
			p.fail(v, "want a comma or a colon after a quirk", "put commas between the quirks, and a colon behind the last")
			return ""
		}
	}
	return p.colon(v, "quirks")
}

func quirk(v string) (packet.Quirks, int) {
	for q := packet.QuirkDF; q <= packet.QuirkBad; q <<= 1 {
		if name := q.String(); strings.HasPrefix(v, name) {
			return q, len(name)
		}
	}
	return 0, 0
}

func (p *parser) colon(v, what string) string {
	if p.err == nil && !strings.HasPrefix(v, ":") {
		p.fail(v, "want a colon after the %s", "the colon is missing, or something stands before it; "+tcpFields, what)
	}
	if p.err != nil {
		return ""
	}
	return v[1:]
}

func (p *parser) payload(t *TCP, v string) {
	switch v {
	case "*":
		t.Payload = Any
	case "+":
		t.Payload = 1
	case "0":
		t.Payload = 0
	default:
		p.fail(v, "want a payload class, 0 or + or *", "the line ends with the payload class; nothing may stand behind it, no comment either")
	}
}
