package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxText is the length of the longest expression, in bytes.
const maxText = 65535

// Error is a fault in the text of an expression.
type Error struct {
	Word   string // the word at fault; empty for the end of the text
	Column int    // the byte it starts at, counted from 1
	Reason string
}

func (e *Error) Error() string {
	if e.Word == "" {
		return fmt.Sprintf("filter: end of the expression at column %d: %s", e.Column, e.Reason)
	}
	return fmt.Sprintf("filter: %q at column %d: %s", e.Word, e.Column, e.Reason)
}

type tokenKind uint8

const (
	tokenEnd     tokenKind = iota
	tokenKeyword           // a reserved word
	tokenName              // any other word, or one after a backslash
	tokenNumber            // also a named constant such as tcp-syn
	tokenIPv4              // two to four numbers with dots between
	tokenIPv6
	tokenMAC
	tokenOp // punctuation; && and || and ! are the keywords they stand for
)

type token struct {
	kind   tokenKind
	raw    string // as written
	text   string // the same; for a keyword or operator its usual spelling
	column int
	number uint32     // of tokenNumber
	addr   netip.Addr // of tokenIPv6
	mac    uint64     // of tokenMAC
}

func (t token) is(text string) bool {
	return (t.kind == tokenKeyword || t.kind == tokenOp) && t.text == text
}

func (t token) errorf(format string, args ...any) error {
	return &Error{Word: t.raw, Column: t.column, Reason: fmt.Sprintf(format, args...)}
}

// lex splits an expression into tokens; the last is tokenEnd.
func lex(text string) ([]token, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%w: %d bytes of text, at most %d", ErrLong, len(text), maxText)
	}
	var toks []token
	for i := 0; ; {
		for i < len(text) && strings.IndexByte(" \t\r\n", text[i]) >= 0 {
			i++
		}
		if i == len(text) {
			return append(toks, token{kind: tokenEnd, column: i + 1}), nil
		}
		t, n, err := lexOne(text[i:], i+1)
		if err != nil {
			return nil, err
		}
		t.raw = text[i : i+n]
		toks = append(toks, t)
		i += n
	}
}

// lexOne reads the token that s begins with and returns its length. As in
// libpcap the longest reading wins: 25-30 and 0-14 are one word each.
func lexOne(s string, column int) (token, int, error) {
	t := token{column: column}
	word := wordPrefix(s)
	if addr, n := ipv6Prefix(s); n > 0 && n >= len(word) {
		t.kind, t.text, t.addr = tokenIPv6, s[:n], addr
		return t, n, nil
	}
	if n := macPrefix(s); n > len(word) {
		t.kind, t.text = tokenMAC, s[:n]
		t.mac, _ = parseMAC(t.text)
		return t, n, nil
	}
	if word != "" {
		t.raw, t.text = word, word
		err := t.classify()
		return t, len(word), err
	}
	if s[0] == '\\' {
		if n := strings.IndexAny(s[1:]+" ", " !()\n\t"); n > 0 {
			t.kind, t.text = tokenName, s[1:1+n]
			return t, 1 + n, nil
		}
	}
	t.kind = tokenOp
	for _, op := range []string{"&&", "||", "<<", ">>", "<=", ">=", "==", "!="} {
		if strings.HasPrefix(s, op) {
			t.text = op
			switch op {
			case "&&":
				t.kind, t.text = tokenKeyword, "and"
			case "||":
				t.kind, t.text = tokenKeyword, "or"
			case "==":
				t.text = "="
			}
			return t, 2, nil
		}
	}
	if strings.IndexByte("+-*/%:[]!<>()&|^=", s[0]) >= 0 {
		t.text = s[:1]
		if s[0] == '!' {
			t.kind, t.text = tokenKeyword, "not"
		}
		return t, 1, nil
	}
	_, n := utf8.DecodeRuneInString(s)
	t.raw = s[:n]
	return t, 0, t.errorf("not a character of the filter language")
}

// wordPrefix returns the word s begins with: letters, digits, dots, hyphens
// and underscores, with neither of the last two at either end.
func wordPrefix(s string) string {
	n := 0
	for n < len(s) && (isAlnum(s[n]) || n > 0 && strings.IndexByte("-_.", s[n]) >= 0) {
		n++
	}
	return strings.TrimRight(s[:n], "-_")
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// ipv6Prefix returns the IPv6 address s begins with, and its length or 0.
func ipv6Prefix(s string) (netip.Addr, int) {
	n, colons := 0, 0
	for n < len(s) && (strings.IndexByte("0123456789abcdefABCDEF:.", s[n]) >= 0) {
		if s[n] == ':' {
			colons++
		}
		n++
	}
	if colons < 2 {
		return netip.Addr{}, 0
	}
	addr, err := netip.ParseAddr(s[:n])
	if err != nil || !addr.Is6() {
		return netip.Addr{}, 0
	}
	return addr, n
}

// classify finds out what kind of word t.text is.
func (t *token) classify() error {
	if v, ok := constants[t.text]; ok {
		t.kind, t.number = tokenNumber, v
		return nil
	}
	if keywords[t.text] {
		t.kind = tokenKeyword
		if t.text == "length" {
			t.text = "len"
		}
		return nil
	}
	if unsupported[t.text] {
		return t.errorf("not supported; supported are %s", supported)
	}
	if mac, ok := parseMAC(t.text); ok {
		t.kind, t.mac = tokenMAC, mac
		return nil
	}
	t.kind = tokenName
	if t.text[0] < '0' || t.text[0] > '9' {
		return nil
	}
	parts := strings.Split(t.text, ".")
	for _, part := range parts {
		if !isNumber(part) {
			return nil
		}
	}
	switch len(parts) {
	case 1:
		v, reason := parseNumber(t.text)
		if reason != "" {
			return t.errorf("%s", reason)
		}
		t.kind, t.number = tokenNumber, v
	case 2, 3, 4:
		t.kind = tokenIPv4
	}
	return nil
}

// isNumber reports whether s is written as a decimal, octal or hexadecimal
// number of C, the digits 8 and 9 included.
func isNumber(s string) bool {
	digits := "0123456789"
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		s, digits = s[2:], "0123456789abcdefABCDEF"
	}
	return s != "" && strings.Trim(s, digits) == ""
}

// parseNumber returns the value of a number isNumber knows, or why it has none.
func parseNumber(s string) (uint32, string) {
	v, err := strconv.ParseUint(s, 0, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, "the number needs more than 32 bits"
	case err != nil:
		return 0, "a number that begins with 0 is octal and has no digits 8 and 9"
	}
	return uint32(v), ""
}
