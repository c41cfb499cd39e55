package query

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/note"
)

// maxRequest is how long a request may be, in bytes, without its line end.
const maxRequest = 256

// form is the form of an answer.
type form uint8

const (
	formText form = iota
	formJSON
	formV2
	formFull
)

var formNames = map[string]form{"text": formText, "json": formJSON, "v2": formV2, "full": formFull}

// request is one line of a client.
type request struct {
	form   form
	client netip.AddrPort
	server netip.AddrPort // zero where it is not given
	wait   time.Duration  // less than 0 where it is not given
	report *report        // of one that begins with ask; else nil
}

// parseRequest reads a request without its line end. Errors are printable
// ASCII in one line.
func parseRequest(line string) (r request, err error) {
	r.wait = -1
	words := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' })
	ask := len(words) > 0 && words[0] == askWord
	switch {
	case ask && len(line) > maxAsk:
		return r, errAskTooLong
	case ask:
		words = words[1:]
	case len(line) > maxRequest:
		return r, errTooLong
	}
	if len(words) > 0 {
		if f, ok := formNames[words[0]]; ok {
			r.form, words = f, words[1:]
		}
	}
	if len(words) > 0 {
		if ms, ok := strings.CutPrefix(words[0], "wait="); ok {
			if r.wait, err = parseWait(ms); err != nil {
				return r, err
			}
			words = words[1:]
		}
	}
	if r.client, words, err = parseEnd(words); err != nil {
		return r, err
	}
	if len(words) > 0 && !(ask && strings.Contains(words[0], "=")) {
		if r.server, words, err = parseEnd(words); err != nil {
			return r, err
		}
	}
	if ask {
		r.report, err = parseReport(words)
		return r, err
	}
	if len(words) > 0 {
		return r, fmt.Errorf("one word too many: %s", quote(words[0]))
	}
	return r, nil
}

func parseWait(ms string) (time.Duration, error) {
	n, err := strconv.ParseUint(ms, 10, 31)
	if err != nil {
		return -1, fmt.Errorf("not a number of milliseconds: %s", quote(ms))
	}
	return time.Duration(n) * time.Millisecond, nil
}

// parseEnd reads one end of a connection, of one word or two, and returns the
// words after it.
func parseEnd(words []string) (end netip.AddrPort, rest []string, err error) {
	if len(words) == 0 {
		return end, nil, errNoAddress
	}
	addr, port, both := splitPort(words[0])
	rest = words[1:]
	if !both && len(rest) > 0 && isNumber(rest[0]) {
		port, rest = rest[0], rest[1:]
	}
	a, err := netip.ParseAddr(trimAddr(addr))
	if err != nil {
		return end, nil, fmt.Errorf("not an address: %s", quote(words[0]))
	}
	var p uint64
	if both || port != "" {
		if p, err = strconv.ParseUint(port, 10, 16); err != nil {
			return end, nil, fmt.Errorf("not a port: %s", quote(port))
		}
	}
	return netip.AddrPortFrom(a.WithZone("").Unmap(), uint16(p)), rest, nil
}

// splitPort takes the port off a word that has one for certain: behind a
// bracket, or behind an IPv4 address.
func splitPort(word string) (addr, port string, ok bool) {
	i := strings.LastIndexByte(word, ':')
	if i < 0 {
		return word, "", false
	}
	if host := trimPrefix(word[:i]); strings.HasSuffix(host, "]") || !strings.Contains(host, ":") && host != "" {
		return word[:i], word[i+1:], true
	}
	return word, "", false
}

// trimAddr takes prefix and brackets off an address; either may be outside.
func trimAddr(s string) string {
	s = trimPrefix(s)
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = trimPrefix(s[1 : len(s)-1])
	}
	return s
}

// trimPrefix takes off what Sendmail and Exim write before an IPv6 address
// (RFC 5321 §4.1.3).
func trimPrefix(s string) string {
	const prefix = "IPv6:"
	if len(s) > len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):]
	}
	return s
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// quote shows what a client wrote, as printable ASCII and not too much of it.
func quote(s string) string {
	const most = 50
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// appendRequest appends a request for a note in JSON, to be answered at once,
// line end included. Where the query reports something, it begins with ask.
func appendRequest(dst []byte, q note.Query) []byte {
	reports := q.Heard != nil || q.Claims != nil
	if reports {
		dst = append(dst, askWord+" "...)
	}
	dst = appendEnd(append(dst, "json wait=0"...), q.Client)
	if q.Server.Addr().IsValid() {
		dst = appendEnd(dst, q.Server)
	}
	if reports {
		dst = appendReport(dst, &q)
	}
	return append(dst, '\n')
}

func appendEnd(dst []byte, end netip.AddrPort) []byte {
	dst = append(dst, ' ')
	dst = end.Addr().WithZone("").Unmap().AppendTo(dst)
	return strconv.AppendUint(append(dst, ' '), uint64(end.Port()), 10)
}
