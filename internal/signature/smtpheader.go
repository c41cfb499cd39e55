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

// headerLetters are those that dialect.HeaderField gives to fields.
const headerLetters = "DFTSIMCEPLUX"

// signs of how a field is spelled; the first stands for the usual way, without one.
const signs = " '._^~"

// headerItem returns how long the first field of a header is, in a signature: a
// letter, the sign of its spelling, and ? if it may be missing. It is 0 where
// something else stands.
func headerItem(text string) int {
	if text == "" || text[0] < 'A' || text[0] > 'Z' {
		return 0
	}
	n := 1
	if n < len(text) && strings.IndexByte(signs, text[n]) > 0 {
		n++
	}
	if n < len(text) && text[n] == '?' {
		n++
	}
	return n
}

// headerGiven is the header of a program that sends what it is given, where others of
// its name write their own: any header but one that was relayed, and no less likely.
const headerGiven = "given"

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

// takesAny compares fields whatever their order. It counts them, for a client may
// repeat one as often as a session takes.
func takesAny(want string, value []byte) bool {
	if len(value) > len(want) {
		return false
	}
	var count [26 * len(signs)]int8
	left := 0
	for ; len(value) > 0; left++ {
		n := headerItem(string(value[:min(len(value), 2)]))
		if n == 0 {
			return false
		}
		count[headerPlace(string(value[:n]))]++
		value = value[n:]
	}
	for _, may := range [...]bool{false, true} { // what must be there comes first
		for at := 0; at < len(want); {
			name := want[at : at+headerItem(want[at:])]
			at += len(name)
			switch name, optional := strings.CutSuffix(name, "?"); {
			case optional != may:
			case count[headerPlace(name)] > 0:
				count[headerPlace(name)]--
				left--
			case !may:
				return false
			}
		}
	}
	return left == 0
}

// headerPlace is a number for a field without its ?.
func headerPlace(name string) int {
	place := int(name[0]-'A') * len(signs)
	if len(name) > 1 {
		place += strings.IndexByte(signs, name[1])
	}
	return place
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
