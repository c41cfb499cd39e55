package signature

import (
	"slices"
	"strings"

	"github.com/mxprint/mxprint/dialect"
)

// Bounds of a header.
const (
	maxHeaderMay   = 5  // fields that may be missing
	maxHeaderItems = 48 // fields, as in a session
)

// headerItem returns how long the first field of a header is, in a signature: a
// letter, the sign of its spelling, and ? if it may be missing. It is 0 where
// something else stands.
func headerItem(text string) int {
	if text == "" || text[0] < 'A' || text[0] > 'Z' {
		return 0
	}
	n := 1
	if n < len(text) && strings.IndexByte("'._^~", text[n]) >= 0 {
		n++
	}
	if n < len(text) && text[n] == '?' {
		n++
	}
	return n
}

// takesHeader compares the fields of a header.
func takesHeader(want string, value []byte) bool {
	if want == dialect.Relayed || want == "none" || string(value) == dialect.Relayed || string(value) == "none" {
		return string(value) == want
	}
	if rest, any := strings.CutPrefix(want, anyOrder); any {
		return takesAny(rest, value)
	}
	return takesFields(want, value)
}

// anyOrder begins a header whose fields stand in any order.
const anyOrder = "*"

// takesAny compares fields whatever their order: those of a session are at most
// 48 letters and signs.
func takesAny(want string, value []byte) bool {
	var used uint64
	for len(value) > 0 {
		n := headerItem(string(value[:min(len(value), 2)]))
		if n == 0 {
			return false
		}
		found := false
		for at, i := 0, 0; at < len(want) && !found; i++ {
			m := headerItem(want[at:])
			if name := strings.TrimSuffix(want[at:at+m], "?"); used>>i&1 == 0 && name == string(value[:n]) {
				found, used = true, used|1<<i
			}
			at += m
		}
		if !found {
			return false
		}
		value = value[n:]
	}
	for at, i := 0, 0; at < len(want); i++ {
		m := headerItem(want[at:])
		if used>>i&1 == 0 && want[at+m-1] != '?' {
			return false
		}
		at += m
	}
	return true
}

// sortFields appends the fields of a session's header in the order of the alphabet,
// behind the sign for any order. Of what is not letters it returns nil.
func sortFields(b, value []byte) []byte {
	var items [maxHeaderItems]uint16
	n := 0
	for ; len(value) > 0; n++ {
		size := headerItem(string(value[:min(len(value), 2)]))
		if size == 0 || value[size-1] == '?' || n == len(items) {
			return nil
		}
		items[n] = uint16(value[0])<<8 | uint16(value[size-1])
		value = value[size:]
	}
	slices.Sort(items[:n])
	b = append(b, anyOrder...)
	for _, item := range items[:n] {
		if b = append(b, byte(item>>8)); byte(item) != byte(item>>8) {
			b = append(b, byte(item))
		}
	}
	return b
}

// takesFields takes any choice of the fields that may be missing: there are at most
// 2 to the power of maxHeaderMay.
func takesFields(want string, value []byte) bool {
	n := headerItem(want)
	if n == 0 {
		return want == "" && len(value) == 0
	}
	name, may := strings.CutSuffix(want[:n], "?")
	if len(value) >= len(name) && string(value[:len(name)]) == name {
		rest := value[len(name):]
		if (len(rest) == 0 || rest[0] >= 'A' && rest[0] <= 'Z') && takesFields(want[n:], rest) { // no sign follows
			return true
		}
	}
	return may && takesFields(want[n:], value)
}

// headerForms lists a header with each choice of its fields that may be missing,
// sorted where they may stand in any order.
func headerForms(text string) []string {
	if text == dialect.Relayed || text == "none" {
		return []string{text}
	}
	if rest, any := strings.CutPrefix(text, anyOrder); any {
		forms := headerForms(rest)
		for i, form := range forms {
			forms[i] = string(sortFields(nil, []byte(form)))
		}
		return forms
	}
	forms := []string{""}
	for text != "" {
		n := headerItem(text)
		name, may := strings.CutSuffix(text[:n], "?")
		text = text[n:]
		if may {
			forms = append(forms, forms...)
		}
		for i := range forms {
			if !may || i < len(forms)/2 {
				forms[i] += name
			}
		}
	}
	return forms
}

// draftHeader marks what the user of a program leaves out at times: To, Subject,
// and what names the program. Of a message that was relayed, or has no header, it
// says nothing.
func draftHeader(value string) string {
	if value == dialect.Relayed || value == "none" {
		return ""
	}
	text, may := "", 0
	for value != "" {
		n := headerItem(value)
		if n == 0 || value[n-1] == '?' { // not what a session has
			return ""
		}
		text += value[:n]
		if may < maxHeaderMay && strings.IndexByte("TSUX", value[0]) >= 0 {
			text += "?"
			may++
		}
		value = value[n:]
	}
	return text
}
