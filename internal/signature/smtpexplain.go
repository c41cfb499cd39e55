package signature

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mxprint/mxprint/dialect"
)

// SMTPNear is a signature that a fingerprint was compared with.
type SMTPNear struct {
	Sig         *SMTP
	Differences []Difference // none: it matches
	weight      int
}

// ExplainSMTP returns the n signatures of clients of SMTP that a fingerprint
// comes nearest to, the nearest first, and in which fields it differs from each.
func (db *DB) ExplainSMTP(f *dialect.Fingerprint, n int) []SMTPNear {
	all := make([]SMTPNear, 0, len(db.smtp.sigs))
	for _, s := range db.smtp.sigs {
		all = append(all, s.Explain(f))
	}
	slices.SortStableFunc(all, func(a, b SMTPNear) int { return cmp.Compare(a.weight, b.weight) })
	return all[:min(max(n, 0), len(all))]
}

// Explain says in which fields a fingerprint differs from the signature.
func (s *SMTP) Explain(f *dialect.Fingerprint) SMTPNear {
	n := SMTPNear{Sig: s}
	add := func(weight int, d Difference) {
		n.weight += weight
		n.Differences = append(n.Differences, d)
	}
	if f.OfferKnown && (!f.Offer.Has(s.need) || f.Offer&s.not != 0) {
		add(1, Difference{Field: "offer", Want: s.offers, Has: orNone(f.Offer.String())})
	}
	for field := dialect.Field(0); field < dialect.NumFields; field++ {
		value := f.Get(field)
		d := Difference{Field: field.String(), Want: s.written(field), Has: string(value)}
		switch {
		case value == nil:
		case s.rules[field] == nil && needed[field]:
			d.Want = "nothing"
			d.Hint = "the signature describes no session that has this field"
		case s.rules[field] == nil || s.takes(f, field, value) != nil:
			continue
		}
		if value == nil {
			continue
		}
		weight := 2
		switch field {
		case dialect.Settings, dialect.Padding, dialect.Header, dialect.Write, dialect.Dot, dialect.EndBy, dialect.Next:
			weight = 1 // a release, or a message, changes these
		}
		add(weight, d)
	}
	return n
}

// written is a field as the file has it.
func (s *SMTP) written(field dialect.Field) string {
	for _, part := range strings.Split(s.Text, ";") {
		if name, value, _ := strings.Cut(part, "="); name == field.String() {
			return value
		}
	}
	return ""
}

// AppendSMTPDraft appends a signature that takes a fingerprint, to begin from
// where none does, and reports whether there is enough for one. What the server
// and the network decide is left out, and the name of a host is @.
func AppendSMTPDraft(dst []byte, f *dialect.Fingerprint) ([]byte, bool) {
	if !f.Has(dialect.Mail) && !f.Has(dialect.Records) {
		return dst, false
	}
	first := len(dst)
	for field := dialect.Field(0); field < dialect.NumFields; field++ {
		value := string(f.Get(field))
		switch field {
		case dialect.Greet, dialect.Think, dialect.Pace, dialect.StartTLS:
			continue
		case dialect.SNI:
			if value == "no" { // an address has no name
				continue
			}
		case dialect.Hello:
			for _, form := range hostForms {
				if verb, ok := strings.CutSuffix(value, " "+form); ok {
					value = verb + " @"
				}
			}
		case dialect.Mail, dialect.Rcpt:
			value = draftPath(f, value)
		case dialect.Flow, dialect.Records:
			value = strings.TrimSuffix(value, "-")
			if field == dialect.Records && len(value) < len(f.Get(field)) {
				value += "*"
			}
		case dialect.Header:
			value = draftHeader(value)
		case dialect.Next:
			value = strings.NewReplacer("6", "Q", "n", "M").Replace(value)
		}
		if value == "" {
			continue
		}
		if len(dst) > first {
			dst = append(dst, ';')
		}
		dst = append(append(append(dst, field.String()...), '='), value...)
	}
	return dst, true
}

// draftPath marks the parameters that the server did not offer.
func draftPath(f *dialect.Fingerprint, value string) string {
	head := smtpHead(value)
	text := value[:head]
	for _, p := range strings.Split(value[head:], " ") {
		if p == "" {
			continue
		}
		text += " " + p
		if needs := dialect.Needs(p); needs != 0 && f.OfferKnown && !f.Offer.Has(needs) || needs == 0 {
			text += "!"
		}
	}
	return text
}

// Title is the programs that a match names, with its quality.
func (m *SMTPMatch) Title() string {
	if m.N == 0 {
		return "nothing"
	}
	text := strings.TrimSpace(m.Sigs[0].Label.Name + " " + m.Flavor())
	for _, name := range m.Others() {
		text += " or " + name
	}
	return text + " (" + m.Quality().String() + ")"
}
