package signature

import (
	"strings"

	"github.com/mxprint/mxprint/dialect"
)

// maxHeaderMay bounds the fields of a header that may be missing.
const maxHeaderMay = 5

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
	return takesFields(want, value)
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

// headerForms lists a header with each choice of its fields that may be missing.
func headerForms(text string) []string {
	if text == dialect.Relayed || text == "none" {
		return []string{text}
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
