package amavis

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/note"
)

// Limits of the two datagrams, in bytes.
const (
	maxRequest = 64   // p0f-analyzer reads no more; amavis's longest is 60
	maxReply   = 1024 // amavis reads no more
)

// errRequest says that a datagram is no question.
var errRequest = errors.New("want [address]:port nonce")

// request is one question.
type request struct {
	text   string         // as it came: it stands at the head of the answer
	client netip.AddrPort // without a port where none was given
}

// parseRequest reads a question, "[address]:port nonce". amavis leaves ":port"
// out where it does not know it. The nonce is any printable ASCII but a space,
// as amavis itself reads it in the answer, and may be empty.
//
// Deviation: p0f-analyzer cuts a longer datagram at 64 bytes and takes a nonce
// with spaces. No asker recognises the answers to these; but an answer of ours
// would be a question in the eyes of another such server, and the two would
// talk to each other for ever.
func parseRequest(datagram []byte) (request, error) {
	fail := func(what string) (request, error) {
		return request{}, fmt.Errorf("%w: %s: %.64q", errRequest, what, datagram)
	}
	if len(datagram) > maxRequest {
		return fail("more than 64 bytes")
	}
	for _, c := range datagram {
		if c < ' ' || c > '~' {
			return fail("bytes that are not printable")
		}
	}
	who, nonce, ok := bytes.Cut(datagram, []byte{' '})
	if !ok || bytes.IndexByte(nonce, ' ') >= 0 {
		return fail("not two words")
	}
	addr, ok := strings.CutPrefix(string(who), "[")
	addr, rest, closed := strings.Cut(addr, "]")
	if !ok || !closed {
		return fail("no brackets")
	}
	port, ok := strings.CutPrefix(rest, ":")
	if ok {
		// No sign, as ParseUint has it, and no more digits than a port has.
		if _, err := strconv.ParseUint(port, 10, 16); err != nil || len(port) > 5 {
			return fail("port")
		}
	} else if rest != "" {
		return fail("no port after the address")
	}
	client := front.AddrPort(addr, port)
	if !client.IsValid() {
		return fail("address")
	}
	return request{text: string(datagram), client: client}, nil
}

// appendReply appends the answer: the question, the text, CR LF. Text that is
// too long is cut, and whatever is in it the answer is one line of printable
// ASCII.
func appendReply(b []byte, question, text string) []byte {
	b = append(append(b, question...), ' ')
	if room := maxReply - len(b) - len("\r\n"); len(text) > room {
		text = text[:room]
	}
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			c = '?'
		}
		b = append(b, c)
	}
	return append(b, "\r\n"...)
}

// v3Text is the note in the words of p0f 3's log, as p0f-analyzer joins them:
// the system, and then the others sorted by their names. What is not known is
// left out, but for the system. A client that was not seen is the empty string.
func v3Text(n *note.Note) string {
	if !n.Known() {
		return ""
	}
	var b strings.Builder
	if n.OSName == "" {
		b.WriteString("???")
	} else {
		b.WriteString(note.Clean(n.Title()))
	}
	if hops, ok := n.Distance.Hops(); ok {
		fmt.Fprintf(&b, "; dist: %d", hops)
	}
	if n.LinkType != "" {
		b.WriteString("; link: " + note.Clean(n.LinkType))
	}
	b.WriteString("; params: " + params(n))
	if n.RawSig != "" {
		b.WriteString("; raw_sig: " + n.RawSig)
	}
	if n.UpModDays != 0 && n.Clock != note.ClockRandom {
		fmt.Fprintf(&b, "; uptime: %d days %d hrs %d min (modulo %d days)",
			n.UptimeMin/(24*60), n.UptimeMin/60%24, n.UptimeMin%60, n.UpModDays)
	}
	return b.String()
}

// params are those of p0f's that a note knows (p0f-v3.md §3.4).
func params(n *note.Note) string {
	if n.Quality&(note.Fuzzy|note.Generic) == 0 {
		return "none"
	}
	return n.Quality.String()
}
