package dialect

import "strings"

// Relayed is what HeaderField returns for a field that a server adds to a message
// that it passes on. The fields below it, and often those above, were written by
// others.
const Relayed = "relayed"

// headerFields are those that programs write unasked, each with its letter. What
// they write only when they are asked to, such as Cc, says nothing of them, and
// other names may say whose a message is: neither is kept.
var headerFields = [...]struct {
	name   string
	letter byte
}{
	{"Date", 'D'}, {"From", 'F'}, {"To", 'T'}, {"Subject", 'S'}, {"Message-ID", 'I'}, {"MIME-Version", 'M'},
	{"Content-Type", 'C'}, {"Content-Transfer-Encoding", 'E'}, {"Content-Disposition", 'P'}, {"Content-Language", 'L'},
	{"User-Agent", 'U'}, {"X-Mailer", 'X'},
}

// traces are fields that servers add to a message that they pass on or deliver
// (RFC 5321 §4.4, RFC 8601, RFC 8617 §4).
var traces = [...]string{"Received", "Return-Path", "Delivered-To", "X-Received", "Authentication-Results",
	"ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"}

// HeaderField returns what a fingerprint has of a field of a message's header, by
// its name: a letter, and a sign if the name is spelled unusually; Relayed; or
// nothing for a field that is left out. docs/dialect.md has the letters.
func HeaderField(name string) string {
	for _, trace := range traces {
		if strings.EqualFold(name, trace) {
			return Relayed
		}
	}
	for i := range headerFields {
		if h := &headerFields[i]; len(name) == len(h.name) && strings.EqualFold(name, h.name) { // EqualFold takes ſ for s
			return headerTexts[i][spelling(name, h.name)]
		}
	}
	return ""
}

// spellings are the signs behind a letter: as usual, Mime-Version, Mime-version,
// mime-version, MIME-VERSION, and any other way.
var spellings = [...]string{"", "'", ".", "_", "^", "~"}

// headerTexts are the letters of headerFields with each sign.
var headerTexts = func() (all [len(headerFields)][len(spellings)]string) {
	for i, h := range headerFields {
		for j, sign := range spellings {
			all[i][j] = string(h.letter) + sign
		}
	}
	return all
}()

// spelling is the place in spellings of how a name is spelled.
func spelling(name, usual string) int {
	if name == usual {
		return 0
	}
	is := [len(spellings)]bool{1: true, 2: true, 3: true, 4: true, 5: true}
	for i := range len(name) {
		c, first := name[i], i == 0 || name[i-1] == '-'
		if !isLetter(c) {
			continue
		}
		upper := c < 'a'
		is[1] = is[1] && upper == first
		is[2] = is[2] && upper == (i == 0)
		is[3] = is[3] && !upper
		is[4] = is[4] && upper
	}
	for i := 1; i < len(is)-1; i++ {
		if is[i] {
			return i
		}
	}
	return len(is) - 1
}

// maxHeader bounds the field of a message's header: a message has no more of the
// fields that programs write.
const maxHeader = 48

// headerText is the field of a header, or nothing where it is not in the
// language.
func headerText(letters string) string {
	switch {
	case letters == "":
		return "none"
	case letters == Relayed:
		return letters
	case len(letters) > maxHeader:
		return ""
	}
	for i := 0; i < len(letters); i++ {
		if !isField(letters[i]) {
			return ""
		}
		if i+1 < len(letters) && strings.IndexByte("'._^~", letters[i+1]) >= 0 {
			i++
		}
	}
	return letters
}

// isField reports whether a letter is that of a field: a mail server that reports
// names instead of letters has none of them kept.
func isField(letter byte) bool {
	for i := range headerFields {
		if headerFields[i].letter == letter {
			return true
		}
	}
	return false
}

// Fields gathers which fields a header has, for a mail server that reports them. Its
// zero value is ready. It is not safe for concurrent use.
type Fields struct{ text string }

// added are traces that a mail server, or one of its filters, adds to the header before
// it is reported (RFC 8601 §5, RFC 8617 §5.1).
var added = [...]string{"Authentication-Results", "ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"}

// Add takes the name of the next field, as it is spelled. The server's own Received is
// not for it; of what else a server adds it takes nothing.
func (f *Fields) Add(name string) {
	for _, own := range added {
		if strings.EqualFold(name, own) {
			return
		}
	}
	switch text := HeaderField(name); {
	case f.text == Relayed, len(f.text) > maxHeader && text != Relayed: // more than a fingerprint takes
	case text == Relayed:
		f.text = text
	default:
		f.text += text
	}
}

// String returns them as the field of a fingerprint: DFTSIMC, Relayed, or "none". That
// of a header with too many is longer than a fingerprint takes.
func (f *Fields) String() string {
	if f.text == "" {
		return "none"
	}
	return f.text
}
