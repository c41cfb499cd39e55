package dialect

import "strings"

// Some mail servers report what a client said, and not how it spelled it. In a
// line that stands for less than was sent, * stands for what is not known:
//
//	MAIL *<> SIZE=   its arguments alone, as of a milter
//	RSET *           its verb alone
//	* name           a greeting, by EHLO or HELO
//	.                a message that came to its end
const unspelled = '*'

// MaxLines bounds the lines of a connection that a mail server reports.
const MaxLines = 40

// maxRedacted bounds a line that Redact returns, in bytes.
const maxRedacted = 160

// Redact returns a line of a client without what belongs to persons: addresses,
// the values of parameters, the arguments of AUTH and the words of what is no
// command. The result is printable ASCII of at most 160 bytes, and of Redact
// again. Package Builder makes the same fingerprint of it. A word that SMTP does
// not have becomes X, a header of a mail X: and what begins with no letter ?.
func Redact(line string) string {
	line = line[:min(len(line), 1024)]
	var buf [maxRedacted]byte
	b := buf[:0]
	v, rest := verbOf(line)
	switch {
	case line == ".", line == "X", line == "X:":
		return line
	case line == "":
		return ""
	case isGreeting(line):
		v = ehlo
		b = printable(b, line)
	case v == other, rest != "" && rest[0] != ' ' && rest[0] != '\t': // the word goes on
		return class(line)
	case isVerbAlone(rest):
		b = append(append(b, line[:len(line)-len(rest)]...), " *"...)
	case v == helo || v == ehlo:
		b = printable(b, line)
	case v == mail || v == rcpt:
		b = path(b, line)
	case v == auth:
		b = mechanism(b, line, rest)
	default: // an argument shows by a ?, and of some commands not at all
		b = append(b, line[:len(line)-len(rest)]...)
		switch {
		case rest == "" || v == bdat || v == vrfy || v == noop:
		case trimLeft(rest) == "":
			b = append(b, ' ')
		default:
			b = append(b, " ?"...)
		}
	}
	return string(printable(nil, string(b)))
}

// isGreeting reports whether a line is a greeting whose verb is not known.
func isGreeting(line string) bool { return len(line) >= 2 && line[0] == unspelled && line[1] == ' ' }

// isVerbAlone reports whether what follows a verb says that nothing more of the
// line is known.
func isVerbAlone(rest string) bool { return rest == " *" }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// printable appends what may be kept of a line.
func printable(b []byte, line string) []byte {
	for i := 0; i < len(line) && len(b) < maxRedacted; i++ {
		c := line[i]
		if c == '\t' {
			c = ' '
		}
		if c < ' ' || c > '~' {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// mechanism appends AUTH with its mechanism.
func mechanism(b []byte, line, rest string) []byte {
	const most = 20
	b = append(b, line[:len(line)-len(rest)]...)
	name, n := trimLeft(rest), 0
	for n < len(name) && n < most && (isLetter(name[n]) || name[n] >= '0' && name[n] <= '9' || name[n] == '-' || name[n] == '_') {
		n++
	}
	if n == 0 {
		return b
	}
	return append(append(b, ' '), name[:n]...)
}

// class is what a line is that is no command.
func class(line string) string {
	n := 0
	for n < len(line) && line[n] > ' ' && line[n] <= '~' && line[n] != ':' {
		n++
	}
	switch word := line[:n]; {
	case !isLetter(line[0]):
		return "?"
	case n < len(line) && line[n] == ':':
		return "X:"
	case known[strings.ToUpper(word)]:
		return word
	}
	return "X"
}

// known are words that are kept: commands that a dialect does not look at, and
// requests of HTTP.
var known = map[string]bool{"HELP": true, "ETRN": true, "XCLIENT": true, "XFORWARD": true,
	"GET": true, "POST": true, "HEAD": true, "PUT": true, "OPTIONS": true, "CONNECT": true}

// OfLines returns the fingerprint of what a mail server reports that its client
// said, from the first line on, each with or without what Redact leaves out. gaps
// says that lines are missing between these: then their order says nothing. How a
// command came after the reply to the one before is not known.
func OfLines(lines []string, gaps bool) Fingerprint {
	var b Builder
	for _, line := range lines {
		if line == "." {
			b.Message(Message{Bytes: 1})
			continue
		}
		b.Command(Command{Line: line})
	}
	if gaps {
		b.nFlow, b.nRefused, b.message = 0, 0, false
	}
	f := b.Fingerprint()
	if gaps {
		f.begin[Next], f.end[Next] = 0, 0
	}
	return f
}

// Join adds the fields of other that f does not have: what a mail server saw
// inside TLS, to what its packets show.
func (f *Fingerprint) Join(other *Fingerprint) {
	if !f.OfferKnown {
		f.Offer, f.OfferKnown = other.Offer, other.OfferKnown
	}
	for field := Field(0); field < NumFields; field++ {
		if !f.Has(field) {
			f.set(field, other.Get(field))
		}
	}
}
