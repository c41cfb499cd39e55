package note

import (
	"strconv"
	"strings"
)

// maxFull is the length of what Full returns, in bytes: with the name of a
// header it stays below the 998 of a line (RFC 5322 §2.1.1).
const maxFull = 900

// Full returns all that the note says in one line of words, KEY=VALUE or
// KEY="TEXT", for a header that programs read:
//
//	os="Linux 6.16 and newer" os_quality=exact distance=9 tls="OpenSSL 3.0 to 3.4" software="Postfix"
//
// What is not known is left out; what does not fit is left out from the end, and
// cut=Y says so. It is empty where nothing is known. Whatever a client sends or
// a database holds, the text is printable ASCII of at most 900 bytes without
// line breaks, and quotes stand in pairs. docs/query.md lists the words.
func (n *Note) Full() string {
	f := &words{}
	if n.Memory != nil {
		f.word("id", n.Memory.ID)
	}
	n.system(f)
	n.sender(f)
	n.findings(f)
	n.past(f)
	if n.Software != nil {
		f.text("dialect", n.Software.Dialect)
	}
	if m := n.Memory; m != nil {
		f.count("ja4_addresses", m.JA4Addresses)
		f.count("dialect_addresses", m.DialectAddresses)
	}
	if f.cut {
		f.b = append(f.b, " cut=Y"...)
	}
	return string(f.b)
}

func (n *Note) system(f *words) {
	if !n.Known() {
		return
	}
	f.text("os", n.Title())
	if n.State == Matched {
		f.word("os_quality", strings.ReplaceAll(n.Quality.String(), " ", "_"))
		f.list("os_or", n.Others)
	}
	f.list("rewritten", n.Rewrite.names())
	f.text("link", n.LinkType)
	if hops, ok := n.Distance.Hops(); ok {
		f.word("distance", strconv.Itoa(hops))
	}
	f.yes("by_connection", n.ByConnection)
	f.yes("ambiguous", n.Ambiguous)
	f.yes("shared_ip", n.Shared())
}

func (n *Note) sender(f *words) {
	if t := n.TLS; t != nil {
		if t.State == Complete {
			f.text("tls", strings.TrimSpace(t.Library+" "+t.Release))
			f.text("tls_settings", t.Settings)
			f.word("tls_version", t.Version)
			f.word("ja4", t.JA4)
		}
		f.word("tls_agreed", t.Agreed)
		f.word("tls_cipher", t.Cipher)
		f.state("tls_state", t.State)
	}
	if s := n.Software; s != nil && s.State != Unavailable {
		f.text("software", s.Title())
		if s.State == Matched {
			f.word("software_quality", strings.ReplaceAll(s.Quality.String(), " ", "_"))
			f.list("software_or", s.Others)
		}
		f.state("software_state", s.Reading)
	}
}

// findings writes the ids; a ? behind one says that it may be innocent.
func (n *Note) findings(f *words) {
	for _, part := range []struct {
		key  string
		list *Findings
	}{{"conduct", n.Conduct}, {"contradictions", n.Contradictions}} {
		if part.list == nil {
			continue
		}
		var ids []string
		for i := range part.list.List {
			id := part.list.List[i].ID
			if part.list.List[i].MayBe {
				id += "?"
			}
			ids = append(ids, id)
		}
		f.list(part.key, ids)
		f.state(part.key+"_state", part.list.State)
	}
}

func (n *Note) past(f *words) {
	m := n.Memory
	if m == nil {
		return
	}
	f.yes("new", m.New)
	f.word("visits", strconv.FormatUint(uint64(m.Visits), 10))
	if !m.FirstSeen.IsZero() {
		f.word("first_seen", m.FirstSeen.UTC().Format("2006-01-02"))
	}
	f.list("changed", m.Changed)
	f.list("new_here", m.NewHere)
	f.count("names", m.Names)
	f.count("addresses", m.Addresses)
}

// count is word for a number that is known to be above 0.
func (f *words) count(key string, n uint32) {
	if n > 0 {
		f.word(key, strconv.FormatUint(uint64(n), 10))
	}
}

// words gathers what Full returns.
type words struct {
	b   []byte
	cut bool
}

// text appends KEY="TEXT" unless the text is empty or does not fit any more.
func (f *words) text(key, text string) {
	if text == "" {
		return
	}
	from := len(f.b)
	f.b = append(appendText(append(append(f.space(), key...), `="`...), text), '"')
	if len(f.b) > maxFull-len(" cut=Y") {
		f.b, f.cut = f.b[:from], true
	}
}

// word is text for what is one word; anything else is quoted.
func (f *words) word(key, word string) {
	for i := range len(word) {
		c := word[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.') {
			f.text(key, word)
			return
		}
	}
	if word == "" {
		return
	}
	if f.cut = f.cut || len(f.b)+len(key)+len(word)+2 > maxFull-len(" cut=Y"); f.cut {
		return
	}
	f.b = append(append(append(f.space(), key...), '='), word...)
}

func (f *words) list(key string, list []string) { f.text(key, strings.Join(list, ",")) }

func (f *words) yes(key string, is bool) {
	if is {
		f.word(key, "Y")
	}
}

// state appends how far the reading has come, unless it is complete.
func (f *words) state(key string, p Progress) {
	if p != Complete {
		f.word(key, strings.ReplaceAll(p.String(), " ", "_"))
	}
}

func (f *words) space() []byte {
	if len(f.b) == 0 {
		return f.b
	}
	return append(f.b, ' ')
}
