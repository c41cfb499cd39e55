package query

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/note"
)

// A request that begins with ask also reports: words KEY=VALUE behind the ends of
// the connection say what the mail server saw of the client, and what the mail
// claims. A value that is no word stands as KEY:=BASE64. docs/query.md has the
// keys; one that is not known is ignored, for a client may be newer.

const (
	askWord = "ask"
	// maxAsk is how long such a request may be, in bytes.
	maxAsk = 8192
	// maxValue is how much of a value counts.
	maxValue = 300
	// maxLines is how much of one its lines may take.
	maxLines = 6144
)

var (
	errAskTooLong = fmt.Errorf("a request that begins with ask has %d bytes at most", maxAsk)
	errKey        = errors.New("want KEY=VALUE or KEY:=BASE64 behind the client and the server")
)

// report is what such a request says.
type report struct {
	hello  string
	heard  note.Heard
	claims note.Claims
	verbs  string
	any    [2]bool // heard, claims
}

// parseReport reads the words.
func parseReport(words []string) (*report, error) {
	r := new(report)
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("%w, not %s", errKey, quote(word))
		}
		if name, encoded := strings.CutSuffix(key, ":"); encoded {
			key = name
			text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
			if err != nil {
				return nil, fmt.Errorf("%s is not base64: %s", quote(key), quote(value))
			}
			value = string(text)
		}
		r.take(key, value)
	}
	if r.verbs != "" {
		r.history()
	}
	return r, nil
}

// take takes one word. Of what a client or a mail says nothing but printable
// ASCII remains, and of addresses nothing.
func (r *report) take(key, value string) {
	text := clean(value)
	heard, claims := &r.any[0], &r.any[1]
	switch key {
	case "helo":
		r.hello = text
	case "line":
		*heard = true
		if len(r.heard.Lines) < dialect.MaxLines {
			r.heard.Lines = append(r.heard.Lines, dialect.Redact(value))
		}
	case "verbs":
		r.verbs = text
	case "gaps":
		r.heard.Gaps = true
	case "offer":
		*heard, r.heard.Offer, r.heard.OfferKnown = true, offerOf(value), true
	case "header":
		*heard, r.heard.Header = true, text
	case "fields":
		*heard, r.heard.Header = true, headerOf(value)
	case "saw":
		*heard, r.heard.Saw = true, strings.Split(text, ",")
	case "tls":
		*heard, r.heard.TLS = true, strings.TrimPrefix(strings.TrimPrefix(text, "TLS"), "v")
	case "cipher":
		*heard, r.heard.Cipher = true, text
	case "name":
		*claims, r.claims.Name, r.claims.NameKnown = true, strings.TrimSuffix(text, "."), true
	case "headers":
		*claims, r.claims.HeadersKnown = true, true
	case "mailer":
		*claims, r.claims.Mailer = true, text
	case "message_id":
		*claims, r.claims.MessageID = true, text
	case "received":
		*claims, r.claims.Received = true, text
	}
}

// offerOf makes an offer of lines of a reply to EHLO, or of the names that
// dialect has for them. What it does not know is left out.
func offerOf(value string) string {
	var all dialect.Offer
	for _, line := range strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == '\n' }) {
		all |= dialect.OfferOf(line)
	}
	return all.String()
}

// maxFields is how long the list of Exim's fields may be: it cuts a longer one.
const maxFields = 1500

// headerOf makes note.Heard's Header of the names of fields that Exim lists, its own
// Received first. It is empty where the list may be cut.
func headerOf(list string) string {
	if list == "" || len(list) >= maxFields {
		return ""
	}
	var f dialect.Fields
	for name := range strings.SplitSeq(strings.TrimPrefix(list, "Received,"), ",") {
		f.Add(name)
	}
	return f.String()
}

// history makes lines of Exim's $smtp_command_history, whose verbs are in
// capitals: EHLO,MAIL,RCPT,DATA. It has at most 20, and is asked for when the
// message of the last one has come.
func (r *report) history() {
	const most = 20
	verbs := strings.Split(r.verbs, ",")
	r.any[0] = true
	first := verbs[0] == "EHLO" || verbs[0] == "HELO"
	r.heard.Gaps = r.heard.Gaps || !first || len(verbs) >= most
	for i, verb := range verbs[:min(len(verbs), most)] {
		line := dialect.Redact(verb + " *")
		if (verb == "EHLO" || verb == "HELO") && r.hello != "" {
			line = dialect.Redact("* " + r.hello)
		}
		r.heard.Lines = append(r.heard.Lines, line)
		if verb == "DATA" && (i+1 == len(verbs) || verbs[i+1] == "MAIL") {
			r.heard.Lines = append(r.heard.Lines, ".")
		}
	}
}

// clean makes text printable, in one line and short.
func clean(s string) string {
	s = s[:min(len(s), maxValue)]
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s))
}

// add adds a report to a query. r may be nil.
func (r *report) add(q *note.Query) {
	if r == nil {
		return
	}
	q.Hello = r.hello
	if r.any[0] {
		q.Heard = &r.heard
	}
	if r.any[1] {
		q.Claims = &r.claims
	}
}

// appendReport appends what a query reports, as words.
func appendReport(dst []byte, q *note.Query) []byte {
	begin := len(dst)
	dst = appendWord(dst, "helo", q.Hello)
	if c := q.Claims; c != nil {
		if c.NameKnown {
			dst = appendWord(append(dst, " name="...), "", c.Name)
		}
		if c.HeadersKnown {
			dst = append(dst, " headers=Y"...)
		}
		dst = appendWord(dst, "mailer", c.Mailer)
		dst = appendWord(dst, "message_id", c.MessageID)
		dst = appendWord(dst, "received", c.Received)
	}
	h := q.Heard
	if h == nil {
		return dst
	}
	dst = appendWord(dst, "tls", h.TLS)
	dst = appendWord(dst, "cipher", h.Cipher)
	dst = appendWord(dst, "header", h.Header)
	dst = appendWord(dst, "saw", strings.Join(h.Saw, ","))
	if h.OfferKnown {
		dst = appendWord(append(dst, " offer="...), "", h.Offer)
	}
	if h.Gaps {
		dst = append(dst, " gaps=Y"...)
	}
	for i, line := range h.Lines {
		if i == dialect.MaxLines || len(dst)-begin > maxLines {
			break
		}
		dst = appendWord(dst, "line", dialect.Redact(line))
	}
	return dst
}

// appendWord appends a key and its value, in base64 where it is no word.
func appendWord(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	value = value[:min(len(value), maxValue)]
	word := true
	for i := range len(value) {
		word = word && value[i] > ' ' && value[i] <= '~'
	}
	if key == "" { // the key stands there, with =
		if word {
			return append(dst, value...)
		}
		dst[len(dst)-1] = ':'
		dst = append(dst, '=')
	} else {
		dst = append(append(dst, ' '), key...)
		if word {
			return append(append(dst, '='), value...)
		}
		dst = append(dst, ":="...)
	}
	return base64.RawStdEncoding.AppendEncode(dst, []byte(value))
}
