package signature

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mxprint/mxprint/dialect"
)

// MaxSoftware is how many programs that look the same are named. Where there are
// more, none is.
const MaxSoftware = 3

// SMTPMatch is which programs speak as a fingerprint says. It is a plain value.
type SMTPMatch struct {
	Sigs  [MaxSoftware]*SMTP // one for each name, in the order of the files
	N     int                // of them; 0 where nothing matched, or too much did
	Many  bool               // more than MaxSoftware match, or may: too little was said, or nothing that is of one alone
	Loose bool               // signatures of the first name have different flavors
	Weak  bool               // built-in signatures, of several programs or of what too many do: candidates and no name
}

// Quality says how well it matches: Exact, Generic, or None.
func (m *SMTPMatch) Quality() Quality {
	switch {
	case m.N == 0:
		return None
	case m.Weak, m.Sigs[0].Label.Generic:
		return Generic
	}
	return Exact
}

// Flavor returns the releases of the first program, or "" where the signatures
// that match do not agree.
func (m *SMTPMatch) Flavor() string {
	if m.N == 0 || m.Loose {
		return ""
	}
	return m.Sigs[0].Label.Flavor
}

// MatchSMTP compares a fingerprint with the signatures of clients of SMTP. All
// that agree with it in each field that both have count; specific ones before
// generic ones, those of a file read first before those of a later one. A session
// that came neither to MAIL nor into TLS names none: probes, monitors and guessers
// of passwords look alike. What the built-in ones say of several programs, or of
// values that many programs have, is Weak: a program that they do not know may
// well speak so. It does not allocate.
func (db *DB) MatchSMTP(f *dialect.Fingerprint) SMTPMatch {
	if !f.Has(dialect.Mail) && !f.Has(dialect.Records) {
		return SMTPMatch{Many: true}
	}
	specific, generic := smtpFound{plain: plain(f)}, smtpFound{}
	db.smtp.find(db.smtp.root, f, &specific, &generic)
	found := &specific
	if specific.n == 0 {
		found = &generic
	}
	m := found.match()
	m.Many = m.Many || m.N == 0 && specific.plain
	m.Weak = m.N > 0 && m.Sigs[0].builtin && (m.N > 1 || len(m.Sigs[0].Label.Others) > 0 || !db.smtp.weights.enough(f))
	return m
}

// plain reports whether a session without TLS is spelled as RFC 5321 has its
// examples, command by command. Many small programs and libraries speak so, and
// the built-in database does not know them all: it names none. A file of one's own
// may, for a site knows what it runs.
func plain(f *dialect.Fingerprint) bool {
	if f.TLSUsed {
		return false
	}
	for field := range plainValues {
		v := f.Get(dialect.Field(field))
		if v == nil || plainValues[field] == nil || unspelled(v) {
			continue
		}
		if !slices.Contains(plainValues[field], string(v)) {
			return false
		}
	}
	return true
}

// unspelled reports whether a value is one of arguments alone: * stands for how
// they were spelled.
func unspelled(value []byte) bool { return bytes.IndexByte(value, '*') >= 0 }

var plainValues = [dialect.NumFields][]string{
	dialect.Hello:   {"EHLO fqdn", "EHLO bare", "EHLO [ip]"},
	dialect.NoHello: {"H"},
	dialect.Mail:    {"MAIL FROM:<>", "MAIL FROM:<> BODY=8BITMIME"},
	dialect.Rcpt:    {"RCPT TO:<>"},
	dialect.Data:    {"DATA"},
	dialect.Flow:    {"M/R/D/.", "M/R/D-", "M/R-", "M-"},
	dialect.Next:    {"/Q", "/M"},
	dialect.Refused: {"Q", "Q/$", "$"},
	dialect.Quit:    {"QUIT"},
	dialect.EndBy:   {"quit", "fin", "rst"},
}

// smtpFound gathers the signatures that match, one for each name.
type smtpFound struct {
	plain bool // those of the built-in database do not count
	layer int
	sigs  [MaxSoftware + 1]*SMTP
	loose [MaxSoftware + 1]bool
	n     int
}

func (r *smtpFound) add(s *SMTP) {
	if r.plain && s.builtin || r.n > 0 && s.layer > r.layer {
		return
	}
	if s.layer < r.layer {
		*r = smtpFound{plain: r.plain}
	}
	r.layer = s.layer
	for i, old := range r.sigs[:r.n] {
		if old.Label.SameName(s.Label) {
			r.loose[i] = r.loose[i] || old.Label.Flavor != s.Label.Flavor
			if s.at < old.at {
				r.sigs[i] = s
			}
			return
		}
	}
	if r.n < len(r.sigs) {
		r.sigs[r.n] = s
		r.n++
	}
}

func (r *smtpFound) match() (m SMTPMatch) {
	if r.n > MaxSoftware {
		m.Many = true
		return m
	}
	for i := 1; i < r.n; i++ { // few: sorted by hand, which takes no memory
		for j := i; j > 0 && r.sigs[j].at < r.sigs[j-1].at; j-- {
			r.sigs[j], r.sigs[j-1] = r.sigs[j-1], r.sigs[j]
			r.loose[j], r.loose[j-1] = r.loose[j-1], r.loose[j]
		}
	}
	m.N, m.Loose = r.n, r.loose[0]
	copy(m.Sigs[:], r.sigs[:r.n])
	return m
}

func (t *smtpTable) find(n *smtpNode, f *dialect.Fingerprint, specific, generic *smtpFound) {
	for ; n != nil; n = n.rest {
		if n.children == nil {
			for _, s := range n.sigs {
				if !s.fits(f) {
					continue
				}
				if s.Label.Generic {
					generic.add(s)
				} else {
					specific.add(s)
				}
			}
			return
		}
		var buf [32]byte
		if key := smtpKey(f, n.field, &buf); key != nil {
			if child := n.children[string(key)]; child != nil {
				t.find(child, f, specific, generic)
			}
			continue
		}
		for _, child := range n.children {
			t.find(child, f, specific, generic)
		}
	}
}

// needed are the fields without which a signature does not describe a session
// that has them.
var needed = [dialect.NumFields]bool{dialect.Records: true, dialect.Mail: true, dialect.Flow: true}

// fits reports whether a fingerprint agrees with a signature in each field that
// both have.
func (s *SMTP) fits(f *dialect.Fingerprint) bool {
	if f.OfferKnown && (!f.Offer.Has(s.need) || f.Offer&s.not != 0) {
		return false
	}
	for field := dialect.Field(0); field < dialect.NumFields; field++ {
		if s.rules[field] == nil {
			if needed[field] && f.Has(field) {
				return false
			}
			continue
		}
		if value := f.Get(field); value != nil && !s.takes(f, field, value) {
			return false
		}
	}
	return true
}

// takes reports whether one of a field's alternatives is a value.
func (s *SMTP) takes(f *dialect.Fingerprint, field dialect.Field, value []byte) bool {
	for i := range s.rules[field] {
		t := &s.rules[field][i]
		ok := false
		switch field {
		case dialect.Hello:
			ok = t.takesHello(value)
		case dialect.Mail, dialect.Rcpt:
			ok = t.takesPath(f, value)
		case dialect.Flow:
			ok = takesFlow(f, t.text, value)
		case dialect.Next:
			ok = takesNext(f, t.text, value)
		case dialect.Records:
			ok = t.takesRecords(value)
		default:
			ok = string(value) == t.text || t.open && len(value) > len(t.text) && string(value[:len(t.text)]) == t.text
		}
		if ok {
			return true
		}
	}
	return false
}

func (t *smtpTerm) takesHello(value []byte) bool {
	if value[0] == '*' { // * NAME
		_, name, _ := strings.Cut(t.text, " ")
		return t.host && slices.Contains(hostForms[:], string(value[2:])) || !t.host && strings.TrimLeft(name, " ") == string(value[2:])
	}
	if !t.host {
		return string(value) == t.text
	}
	if len(value) < len(t.text)+2 || string(value[:len(t.text)]) != t.text || value[len(t.text)] != ' ' {
		return false
	}
	name := value[len(t.text)+1:]
	for _, form := range hostForms {
		if string(name) == form {
			return true
		}
	}
	return false
}

// takesRecords compares lengths of records; what is not complete may go on.
func (t *smtpTerm) takesRecords(value []byte) bool {
	if n := len(value) - 1; value[n] == '-' {
		value = value[:n]
		return len(value) <= len(t.text) && t.text[:len(value)] == string(value) ||
			t.open && len(value) > len(t.text) && string(value[:len(t.text)]) == t.text
	}
	return string(value) == t.text || t.open && len(value) > len(t.text) && string(value[:len(t.text)]) == t.text
}

// takesPath compares MAIL or RCPT. A parameter must be there where the server
// offers what it belongs to, and only there.
func (t *smtpTerm) takesPath(f *dialect.Fingerprint, value []byte) bool {
	head := smtpHead(value)
	if star := bytes.IndexByte(value[:head], '*'); star >= 0 { // MAIL *<>
		if !strings.HasSuffix(t.text, string(value[star+1:head])) {
			return false
		}
	} else if string(value[:head]) != t.text {
		return false
	}
	value = value[head:]
	for i := range t.params {
		q := &t.params[i]
		has := len(value) >= len(q.text) && string(value[:len(q.text)]) == q.text && (len(value) == len(q.text) || value[len(q.text)] == ' ')
		if has {
			value = value[len(q.text):]
		}
		switch offered := f.Offer.Has(q.needs); {
		case q.may || q.always && has:
		case q.always, has != offered && f.OfferKnown:
			return false
		}
	}
	return len(value) == 0
}

// takesFlow compares orders of commands; one that is not complete may go on.
func takesFlow(f *dialect.Fingerprint, want string, value []byte) bool {
	open := value[len(value)-1] == '-'
	if open {
		value = value[:len(value)-1]
	}
	if len(value) > len(want) || len(value) < len(want) && !open {
		return false
	}
	for i, c := range value {
		if w := want[i]; w != c && !takesWait(f, w, c) {
			return false
		}
	}
	return true
}

// takesWait compares how a command came after the one before. + is for where
// the server offers PIPELINING; elsewhere it waits.
func takesWait(f *dialect.Fingerprint, want, has byte) bool {
	switch has {
	case '~': // not known
		return want == '/' || want == '+' || want == '!'
	case '/':
		return want == '~' || want == '+' && f.OfferKnown && !f.Offer.Has(pipelining)
	case '+':
		return want == '~' || want == '!'
	}
	return false
}

var pipelining = dialect.OfferOf("PIPELINING")

// takesNext compares what follows the message. Inside TLS it is a word of four
// letters, or something longer.
func takesNext(f *dialect.Fingerprint, want string, value []byte) bool {
	if len(want) != len(value) {
		return false
	}
	if len(want) == 1 {
		return want[0] == value[0]
	}
	if w, c := want[0], value[0]; w != c && !takesWait(f, w, c) {
		return false
	}
	switch value[1] {
	case '6':
		return want[1] == 'Q' || want[1] == 'S' || want[1] == '6'
	case 'n':
		return want[1] == 'M' || want[1] == 'n'
	}
	return want[1] == value[1]
}

// Others returns the names of the programs that speak the same as the first one,
// each once.
func (m *SMTPMatch) Others() []string {
	if m.N == 0 || m.N == 1 && len(m.Sigs[0].Label.Others) == 0 {
		return nil
	}
	var names []string
	for i, s := range m.Sigs[:m.N] {
		for _, name := range append([]string{s.Label.Name}, s.Label.Others...) {
			if (i > 0 || name != s.Label.Name) && name != m.Sigs[0].Label.Name && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
