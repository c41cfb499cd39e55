package signature

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mxprint/mxprint/dialect"
)

// MaxSoftware is how many programs are named, the likeliest ones.
const MaxSoftware = 3

// SMTPMatch is which programs speak as a fingerprint says. It is a plain value.
type SMTPMatch struct {
	Sigs  [MaxSoftware]*SMTP // one for each name, the likeliest first
	N     int                // of them
	Many  bool               // more than MaxSoftware match, or may: too little was said
	Loose bool               // signatures of the first name have different flavors
	Weak  bool               // more programs match, or built-in signatures of what too many do: candidates and no name
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
// that agree with it in each field that both have match; specific ones before
// generic ones, those of a file read first before those of a later one. The
// likeliest programs come first: those whose signatures leave the fewest values
// open, and of those that leave as many those that are read first. Of a session that
// came neither to MAIL nor into TLS the built-in ones have candidates at most: probes,
// monitors and guessers of passwords look alike. What they say of several programs,
// or of values that many programs have, is Weak: a program that they do not know may
// well speak so. It does not allocate.
func (db *DB) MatchSMTP(f *dialect.Fingerprint) SMTPMatch {
	if !came(f) && !(f.Has(dialect.Hello) && (f.Has(dialect.Flow) || f.Has(dialect.NoHello))) {
		return SMTPMatch{Many: true}
	}
	var specific, generic smtpFound
	db.smtp.find(db.smtp.root, f, db.smtp.weights.carried(f), &specific, &generic)
	if specific.n == 0 {
		return db.smtp.weights.judge(f, &generic)
	}
	return db.smtp.weights.judge(f, &specific)
}

// came reports whether a session came to MAIL or into TLS.
func came(f *dialect.Fingerprint) bool { return f.Has(dialect.Mail) || f.Has(dialect.Records) }

// unnamed reports whether a client greeted without the name of a host in the DNS, as
// programs do that guess passwords and look for mail servers.
func unnamed(f *dialect.Fingerprint) bool {
	hello := f.Get(dialect.Hello)
	return slices.Contains([]string{"bare", "empty", "underscore"}, string(hello[bytes.LastIndexByte(hello, ' ')+1:]))
}

// judge is what MatchSMTP answers of the signatures that match.
func (w *smtpWeights) judge(f *dialect.Fingerprint, found *smtpFound) SMTPMatch {
	switch {
	case found.n == 0:
		return found.answer(false)
	case came(f) || !found.hits[0].sig.builtin:
		return found.answer(w.enough(f, found.hits[0].sig))
	case unnamed(f):
		return SMTPMatch{Many: true}
	}
	return found.answer(false)
}

// answer is what the programs that match are worth: names, or candidates. rare
// says whether the session has values that few of the programs have that the
// built-in signatures know.
func (r *smtpFound) answer(rare bool) SMTPMatch {
	m := r.match()
	switch {
	case m.N == 0:
	case !m.Sigs[0].builtin:
		m.Weak = m.Many
	case !rare || len(m.Sigs[0].Label.Others) > 0, m.N > 1 && r.hits[1].cost-r.hits[0].cost < clearly:
		m.Weak = true
	default:
		m.N, m.Many = 1, false
	}
	return m
}

// clearly is by how many bits the likeliest of several programs must be likelier
// than the next one to be named.
const clearly = 3

// plain reports whether a session without TLS is spelled as RFC 5321 has its
// examples, command by command. Many small programs and libraries speak so, and
// the built-in database does not know them all: it has candidates, and no name.
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

// maxHits is how many names that match are kept; what is more is the least
// likely.
const maxHits = 16

// smtpFound gathers the signatures that match, one for each name, the likeliest
// first.
type smtpFound struct {
	layer int
	hits  [maxHits]smtpHit
	n     int
}

// smtpHit is a program of which a signature matches.
type smtpHit struct {
	sig   *SMTP
	cost  float32 // bits that the signature leaves open
	loose bool    // its signatures that match have different flavors
}

func (h *smtpHit) before(other *smtpHit) bool {
	return h.cost < other.cost || h.cost == other.cost && h.sig.at < other.sig.at
}

func (r *smtpFound) add(s *SMTP, cost float32) {
	if r.n > 0 && s.layer > r.layer {
		return
	}
	if s.layer < r.layer {
		r.n = 0
	}
	r.layer = s.layer
	hit := smtpHit{sig: s, cost: cost}
	at := 0
	for at < r.n && !r.hits[at].sig.Label.SameName(s.Label) {
		at++
	}
	switch {
	case at < r.n:
		old := &r.hits[at]
		loose := old.loose || old.sig.Label.Flavor != s.Label.Flavor
		if !hit.before(old) {
			old.loose = loose
			return
		}
		hit.loose = loose
	case r.n < maxHits:
		r.n++
	default:
		if at--; !hit.before(&r.hits[at]) {
			return
		}
	}
	for ; at > 0 && hit.before(&r.hits[at-1]); at-- {
		r.hits[at] = r.hits[at-1]
	}
	r.hits[at] = hit
}

func (r *smtpFound) match() (m SMTPMatch) {
	m.N, m.Many, m.Loose = min(r.n, MaxSoftware), r.n > MaxSoftware, r.hits[0].loose
	for i := range m.N {
		m.Sigs[i] = r.hits[i].sig
	}
	return m
}

func (t *smtpTable) find(n *smtpNode, f *dialect.Fingerprint, carried float32, specific, generic *smtpFound) {
	for ; n != nil; n = n.rest {
		if n.children == nil {
			for _, s := range n.sigs {
				cost, ok := s.fits(f, carried)
				if !ok {
					continue
				}
				if s.Label.Generic {
					generic.add(s, cost)
				} else {
					specific.add(s, cost)
				}
			}
			return
		}
		var buf [32]byte
		if key := smtpKey(f, n.field, &buf); key != nil {
			if child := n.children[string(key)]; child != nil {
				t.find(child, f, carried, specific, generic)
			}
			continue
		}
		for _, child := range n.children {
			t.find(child, f, carried, specific, generic)
		}
	}
}

// needed are the fields without which a signature does not describe a session
// that has them.
var needed = [dialect.NumFields]bool{dialect.Records: true, dialect.Mail: true, dialect.Flow: true, dialect.LineEnd: true}

// open is what a field costs, in bits, of which a signature says nothing.
const open = 1.5

// fits reports whether a fingerprint agrees with a signature in each field that
// both have, and how many bits the signature leaves open of what was seen: a
// field of which it takes one value of four leaves two. carried is what a header
// costs of which it says nothing.
func (s *SMTP) fits(f *dialect.Fingerprint, carried float32) (cost float32, ok bool) {
	if f.OfferKnown && (!f.Offer.Has(s.need) || f.Offer&s.not != 0) {
		return 0, false
	}
	if s.builtin && f.Has(dialect.Pace) && s.rules[dialect.Pace] == nil {
		return 0, false // typed by a person
	}
	for field := dialect.Field(0); field < dialect.NumFields; field++ {
		value := f.Get(field)
		switch {
		case value == nil:
		case s.rules[field] == nil:
			switch {
			case needed[field], s.writes && field == dialect.Header && string(value) == dialect.Relayed: // another one passes it on
				return 0, false
			case field == dialect.Header:
				cost += s.carries(value, carried)
			default:
				cost += open
			}
		default:
			t := s.takes(f, field, value)
			if t == nil {
				return 0, false
			}
			if cost += s.spread[field] + t.spread; field == dialect.Write && string(value) != t.text {
				cost += open // it says less, or more
			}
		}
	}
	return cost, true
}

// carries is what a header costs that the program did not write. Less likely are a
// program that had another where it was recorded and is not said to send what it is
// given, one that would have marked it as relayed, and one that is no mail server but
// would pass it on.
func (s *SMTP) carries(header []byte, carried float32) float32 {
	relayed := string(header) == dialect.Relayed
	if s.writes && !s.given || !relayed && s.relays || relayed && s.builtin && s.Label.Class != "mta" {
		return carried + 2*open
	}
	return carried
}

// takes returns the alternative of a field that takes a value, or nil.
func (s *SMTP) takes(f *dialect.Fingerprint, field dialect.Field, value []byte) *smtpTerm {
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
		case dialect.Write:
			ok = takesWrite(t.text, string(value))
		case dialect.Header:
			ok = takesHeader(t.text, value)
		default:
			ok = string(value) == t.text || t.open && len(value) > len(t.text) && string(value[:len(t.text)]) == t.text
		}
		if ok {
			return t
		}
	}
	return nil
}

// takesWrite compares how a message is written. A first segment that is full may
// have been all or a part, and a date is a line.
func takesWrite(want, value string) bool {
	switch want {
	case value:
		return true
	case "bulk":
		return value == "one" || value == "parts"
	case "lines":
		return value == "date"
	}
	return value == "bulk" && (want == "one" || want == "parts")
}

func (t *smtpTerm) takesHello(value []byte) bool {
	if len(value) > 1 && value[0] == '*' && value[1] == ' ' { // * NAME
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
