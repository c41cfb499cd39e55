package dialect

import (
	"net/netip"
	"strings"
)

// verb is what a command is.
type verb uint8

const (
	other verb = iota
	helo
	ehlo
	mail
	rcpt
	data
	bdat
	rset
	noop
	quit
	vrfy
	auth
	startTLS
	dot // the end of a message
	greeting
)

var verbs = map[string]verb{"HELO": helo, "EHLO": ehlo, "LHLO": ehlo, "MAIL": mail, "RCPT": rcpt, "DATA": data, "BDAT": bdat,
	"RSET": rset, "NOOP": noop, "QUIT": quit, "VRFY": vrfy, "EXPN": vrfy, "AUTH": auth, "STARTTLS": startTLS}

// letters are the commands in a flow.
var letters = [...]byte{other: 'x', helo: 'H', ehlo: 'E', mail: 'M', rcpt: 'R', data: 'D', bdat: 'B', rset: 'S', noop: 'N',
	quit: 'Q', vrfy: 'V', auth: 'A', startTLS: 'T', dot: '.'}

// verbOf looks the first word of a line up. Case does not count.
func verbOf(line string) (verb, string) {
	n := 0
	var upper [8]byte
	for n < len(line) && n < len(upper) && line[n]|0x20 >= 'a' && line[n]|0x20 <= 'z' {
		upper[n] = line[n] &^ 0x20
		n++
	}
	return verbs[string(upper[:n])], line[n:]
}

// word appends a command that takes no argument as it is spelled: its word, and
// the blanks behind it.
func word(b []byte, line string) []byte {
	const most = 24
	n := 0
	for n < len(line) && n < most && line[n]|0x20 >= 'a' && line[n]|0x20 <= 'z' {
		n++
	}
	b = append(b, line[:n]...)
	switch rest := trimLeft(line[n:]); {
	case rest != "":
		return append(b, " ?"...)
	case n < len(line):
		return append(b, '_') // blanks at the end
	}
	return b
}

func trimLeft(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

// hello appends a greeting verb and the form of its argument. What programs say
// of themselves is kept, and what names a host is not.
func hello(b []byte, line string) []byte {
	_, rest := verbOf(line)
	if isGreeting(line) {
		rest = line[1:]
	}
	b = append(b, line[:len(line)-len(rest)]...)
	name := trimLeft(rest)
	blanks := len(rest) - len(name)
	trimmed := name
	for trimmed != "" && (trimmed[len(trimmed)-1] == ' ' || trimmed[len(trimmed)-1] == '\t') {
		trimmed = trimmed[:len(trimmed)-1]
	}
	switch {
	case trimmed == "":
		b = append(b, " empty"...)
	default:
		for range min(max(blanks, 1), 3) {
			b = append(b, ' ')
		}
		b = append(b, nameForm(trimmed)...)
	}
	if trimmed != "" && len(trimmed) < len(name) {
		b = append(b, '_')
	}
	return b
}

// nameForm is the form of an EHLO argument.
func nameForm(name string) string {
	switch name {
	case "localhost", "localhost.localdomain", "[127.0.0.1]", "127.0.0.1", "[IPv6:::1]", "::1", "[::1]":
		return name
	}
	if name[0] == '[' {
		if len(name) < 3 || name[len(name)-1] != ']' {
			return "odd"
		}
		inner := name[1 : len(name)-1]
		if isAddr(inner) {
			return "[ip]"
		}
		if len(inner) > 5 && (inner[:5] == "IPv6:" || inner[:5] == "ipv6:") {
			return "[ipv6]"
		}
		return "odd"
	}
	if isAddr(name) {
		return "ip"
	}
	dots, odd := 0, false
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			dots++
		case c == '_':
			odd = true
		case c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c >= 0x80:
		default:
			return "odd"
		}
	}
	switch {
	case odd:
		return "underscore"
	case dots == 0:
		return "bare"
	}
	return "fqdn"
}

// isAddr reports whether a name is an IP address. Most are not, and an error of
// netip takes memory.
func isAddr(name string) bool {
	if last := name[len(name)-1]; (last < '0' || last > '9') && strings.IndexByte(name, ':') < 0 {
		return false
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

// path appends MAIL or RCPT as it is spelled: the address is left out, and so
// are the values of parameters, but for BODY's.
func path(b []byte, line string) []byte {
	const most = 120
	begin := len(b)
	i := head(line)
	b = append(b, line[:i]...)
	switch {
	case i == len(line):
		return b
	case line[i] == '<':
		b = append(b, "<>"...)
		i = closing(line, i)
	default:
		b = append(b, "a"...)
		for i < len(line) && line[i] != ' ' {
			i++
		}
	}
	for i < len(line) && len(b)-begin < most {
		from := i
		for ; i < len(line) && line[i] == ' '; i++ {
			if len(b)-begin < most {
				b = append(b, ' ')
			}
		}
		n := i
		for i < len(line) && line[i] != ' ' {
			i++
		}
		b = parameter(b, line[n:i])
		if i == from {
			return append(b, '?')
		}
	}
	return b
}

// head returns how much of a line stands before the address: the verb, FROM or TO
// and its colon, and blanks. What is neither of these words may be an address.
func head(line string) int {
	const most = 24
	_, rest := verbOf(line)
	rest = trimLeft(rest)
	if rest != "" && rest[0] == unspelled {
		return len(line) - len(rest) + 1
	}
	for _, word := range [...]string{"FROM", "TO"} {
		if len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) {
			continue
		}
		after := trimLeft(rest[len(word):])
		if after != "" && after[0] == ':' {
			rest = after[1:]
			for rest != "" && rest[0] == ' ' {
				rest = rest[1:]
			}
		} else if after == "" || len(after) < len(rest)-len(word) || after[0] == '<' {
			rest = after
		}
		break
	}
	return min(len(line)-len(rest), most)
}

// closing returns the place behind the bracket that ends a path. Quotes hide
// brackets (RFC 5321 §4.1.2).
func closing(line string, i int) int {
	quoted := false
	for ; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return i + 1
		}
	}
	return len(line)
}

func parameter(b []byte, p string) []byte {
	const most = 16
	for i := range len(p) {
		c := p[i]
		if c == '=' {
			b = append(b, '=')
			if i == 4 && Needs(p[:4]) == offer8BitMIME {
				switch p[5:] {
				case "8BITMIME", "8bitmime", "7BIT", "7bit", "BINARYMIME":
					return append(b, p[5:]...)
				}
				return append(b, '?')
			}
			return b
		}
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-') || i == most {
			return append(b, '?') // not a parameter: it may be of a person
		}
		b = append(b, c)
	}
	return b
}
