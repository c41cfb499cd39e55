package signature

import (
	"math"
	"strings"

	"github.com/mxprint/mxprint/dialect"
)

// SMTP is one signature of [smtp:client] (docs/dialect.md).
type SMTP struct {
	File  string // as in TCP
	Line  int
	Label *Label // what it says of the sender
	Text  string // as the file has it

	Source, Date string // how and when it was observed; may be empty

	rules     [dialect.NumFields][]smtpTerm // nil: any value
	spread    [dialect.NumFields]float32    // log2 of their number
	need, not dialect.Offer
	offers    string // the condition, as it is written
	label     int    // its id, while the labels are being read
	layer     int
	builtin   bool
	given     bool                         // header=given
	writes    bool                         // a signature of the same program has the header of its own messages
	relays    bool                         // or marks what it passes on
	keyed     *[dialect.NumFields][]string // while the tree is built
	at        int                          // its place in the order of the files
}

func (t *SMTP) place() place { return place{t.File, t.Line, t.layer} }

// smtpTerm is one alternative of a field.
type smtpTerm struct {
	text   string      // all of it, or of MAIL and RCPT the part before the parameters; of header with its ?
	host   bool        // of hello: text is the verb, and the name is one of a host, whatever its form
	params []smtpParam // of MAIL and RCPT, in their order
	open   bool        // what begins so
	spread float32     // bits that it leaves open
}

// smtpParam is a parameter of MAIL or RCPT.
type smtpParam struct {
	text   string // with the blank before it
	may    bool   // it may be missing
	always bool   // it is there even where the server does not offer it
	needs  dialect.Offer
}

// Bounds of one signature.
const (
	maxSMTPTerms  = 16 // of a field
	maxSMTPParams = 16
)

const smtpFields = "write FIELD=VALUE with semicolons between them, such as hello=EHLO @;mail=MAIL FROM:<> SIZE=;flow=M+R+D/.; docs/dialect.md has the fields"

// smtpSig reads field=alternative|alternative;…
func (p *parser) smtpSig(v string) {
	t := &SMTP{File: p.file, Line: p.line, layer: p.layer, label: len(p.db.labels), Text: v, Source: p.source, Date: p.date, at: len(p.db.smtp.sigs),
		builtin: strings.HasPrefix(p.file, "builtin/")}
	if v == "" {
		p.fail(v, "empty signature", smtpFields)
		return
	}
	seen := false
	for rest := v; rest != "" && p.err == nil; {
		part, after, more := strings.Cut(rest, ";")
		name, value, ok := strings.Cut(part, "=")
		field, known := dialect.FieldOf(name)
		switch {
		case more && after == "":
			p.fail(rest[len(part):], "nothing behind the last semicolon", "remove it")
		case !ok || !known && name != "offer":
			p.fail(rest, "want a field and =", smtpFields)
		case value == "":
			p.fail(rest[len(name)+1:], "empty value", "write what the field must be, or leave it out")
		case name == "offer":
			p.smtpOffer(t, rest[len(name)+1:], value)
		case t.rules[field] != nil || t.given && field == dialect.Header:
			p.fail(rest, "field %s stands twice", "write its alternatives in one place, with | between them", name)
		default:
			p.smtpField(t, field, rest[len(name)+1:], value)
			seen = seen || t.rules[field] != nil
		}
		rest = after
	}
	if p.err == nil && !seen {
		p.fail(v, "no field but a condition", smtpFields)
	}
	if p.err != nil {
		return
	}
	key := p.db.labels[t.label-1].Title() + "\n" + v
	if old := p.smtps[key]; old != nil {
		p.covered(old.place())
		return
	}
	p.smtps[key] = t
	p.db.smtp.sigs = append(p.db.smtp.sigs, t)
	p.counted(true)
}

// smtpOffer reads a condition: extensions that must be offered, or with ! not.
func (p *parser) smtpOffer(t *SMTP, rest, value string) {
	if t.offers != "" {
		p.fail(rest, "field offer stands twice", "write all its extensions in one place, with commas between them")
		return
	}
	t.offers = value
	whole := rest
	for _, name := range strings.Split(value, ",") {
		plain, not := strings.CutPrefix(name, "!")
		o, ok := dialect.ParseOffer(plain)
		if !ok || o == 0 {
			p.fail(rest, "want extensions, each with ! before it where it must not be offered", "write offer=pipelining,!chunking; docs/dialect.md has their names")
			return
		}
		if not {
			t.not |= o
		} else {
			t.need |= o
		}
		rest = rest[min(len(name)+1, len(rest)):]
	}
	if t.need&t.not != 0 {
		p.fail(whole, "an extension that must and must not be offered", "remove one of them")
	}
}

func (p *parser) smtpField(t *SMTP, field dialect.Field, rest, value string) {
	if field == dialect.Header && value == headerGiven {
		t.given = true
		return
	}
	terms := strings.Split(value, "|")
	if len(terms) > maxSMTPTerms {
		p.fail(rest, "more than %d alternatives", someLines, maxSMTPTerms)
		return
	}
	for _, text := range terms {
		if text == "" {
			p.fail(rest, "empty alternative", "remove the bar, or write something between the bars")
			return
		}
		term := smtpTerm{text: text}
		switch field {
		case dialect.Hello:
			term.text, term.host = strings.CutSuffix(text, " @")
		case dialect.Mail, dialect.Rcpt:
			p.smtpParams(&term, rest, text)
		case dialect.Records, dialect.Refused:
			term.text, term.open = strings.CutSuffix(text, "*")
		case dialect.Flow, dialect.Next:
			p.smtpFlow(field, rest, text)
		case dialect.Header:
			p.smtpHeader(rest, text)
		}
		if p.err != nil {
			return
		}
		term.weigh()
		t.rules[field] = append(t.rules[field], term)
		rest = rest[min(len(text)+1, len(rest)):]
	}
	t.spread[field] = float32(math.Log2(float64(len(terms))))
}

// weigh counts what an alternative leaves open: a bit for each parameter that may
// be missing and each wait that may be either, and more for an open end.
func (t *smtpTerm) weigh() {
	t.spread = float32(strings.Count(t.text, "~"))
	if t.open {
		t.spread += 2 * open
	}
	for i := range t.params {
		if t.params[i].may {
			t.spread++
		}
	}
}

// smtpFlow checks an order of commands: letters, with how each waited between
// them.
func (p *parser) smtpFlow(field dialect.Field, rest, text string) {
	wait := field == dialect.Next && text != "$"
	if field == dialect.Flow && len(text) > 1 {
		var early bool // a session without a message
		if text, early = strings.CutSuffix(text, "-"); early && strings.ContainsAny(text[len(text)-1:], ".$") {
			p.fail(rest[len(text)-1:], "no session goes on after . or $", "remove the -")
			return
		}
	}
	for i := range len(text) {
		set := "ABDEHMNQRSTVx.$6n"
		if wait {
			set = "/+~!"
		}
		if strings.IndexByte(set, text[i]) < 0 {
			p.fail(rest[i:], "want letters of commands, with /, +, ~ or ! between them", "write flow=M+R+D/. or next=/Q; docs/dialect.md has the letters")
			return
		}
		wait = !wait
		if text[i] != '$' && i+1 < len(text) && text[i+1] == '$' {
			wait = false
		}
	}
	if last := text[len(text)-1]; strings.IndexByte("/+~!", last) >= 0 {
		p.fail(rest[len(text)-1:], "nothing behind the last separator", "remove it")
	}
}

// smtpHeader checks which fields a header has, in their order.
func (p *parser) smtpHeader(rest, text string) {
	const hint = "write header=DFTSIMC, with ? behind what may be missing, or header=*DFTSIMC for any order; docs/dialect.md has the letters"
	if text == dialect.Relayed || text == "none" {
		return
	}
	may, all, at := 0, 0, 0
	if strings.HasPrefix(text, anyOrder) && len(text) > len(anyOrder) {
		at = len(anyOrder)
	}
	for ; at < len(text); all++ {
		n := headerItem(text[at:])
		if n == 0 {
			p.fail(rest[at:], "want letters of a header's fields", hint)
			return
		}
		if strings.IndexByte(headerLetters, text[at]) < 0 {
			p.fail(rest[at:], "no field of a header has the letter %c", "the letters are "+headerLetters+": docs/dialect.md", text[at])
			return
		}
		if text[at+n-1] == '?' {
			may++
		}
		at += n
	}
	switch {
	case may > maxHeaderMay:
		p.fail(rest, "more than %d fields that may be missing", hint, maxHeaderMay)
	case all > maxHeaderItems:
		p.fail(rest, "more than %d fields", hint, maxHeaderItems)
	}
}

// smtpParams reads MAIL or RCPT and its parameters.
func (p *parser) smtpParams(term *smtpTerm, rest, text string) {
	head := smtpHead(text)
	term.text = text[:head]
	for tail := text[head:]; tail != ""; {
		blanks := len(tail) - len(strings.TrimLeft(tail, " "))
		n := blanks
		for n < len(tail) && tail[n] != ' ' {
			n++
		}
		at := rest[len(text)-len(tail):]
		if blanks == 0 || n == blanks {
			p.fail(at, "want a blank and a parameter", "write MAIL FROM:<> SIZE= BODY=8BITMIME?, with nothing behind the last")
			return
		}
		q := smtpParam{text: tail[:n]}
		if q.text, q.may = strings.CutSuffix(q.text, "?"); !q.may {
			q.text, q.always = strings.CutSuffix(q.text, "!")
		}
		q.needs = dialect.Needs(strings.TrimLeft(q.text, " "))
		if len(term.params) == maxSMTPParams {
			p.fail(at, "more than %d parameters", "leave some out", maxSMTPParams)
			return
		}
		term.params = append(term.params, q)
		tail = tail[n:]
	}
}

// smtpHead is how long MAIL or RCPT is without its parameters.
func smtpHead[T ~string | ~[]byte](text T) int {
	for i := 0; i+1 < len(text); i++ {
		if text[i] == '<' && text[i+1] == '>' {
			return i + 2
		}
		if text[i] == '*' { // of arguments alone
			if i+2 < len(text) && text[i+1] == '<' && text[i+2] == '>' {
				return i + 3
			}
			return i + 2
		}
		if text[i] == ':' {
			i++
			for i < len(text) && text[i] == ' ' {
				i++
			}
			if i+1 < len(text) && text[i] == '<' && text[i+1] == '>' {
				return i + 2
			}
			return min(i+1, len(text))
		}
	}
	return len(text)
}
