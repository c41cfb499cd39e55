package signature

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mxprint/mxprint/dialect"
)

// smtpTable is the signatures of [smtp:client].
type smtpTable struct {
	sigs    []*SMTP
	root    *smtpNode
	weights smtpWeights
}

// smtpNode is a leaf, or asks one field: children has the signatures that want
// a value, rest those that take any.
type smtpNode struct {
	sigs     []*SMTP
	field    dialect.Field
	children map[string]*smtpNode
	rest     *smtpNode
}

// smtpKeyed are the fields by which signatures are found, those that a session
// always has and that separate best first.
var smtpKeyed = [...]dialect.Field{dialect.Records, dialect.Mail, dialect.Hello, dialect.Flow, dialect.Rcpt, dialect.TLS, dialect.Settings, dialect.Hints, dialect.Padding, dialect.SNI,
	dialect.Data, dialect.Header, dialect.Write, dialect.Dot, dialect.EndBy, dialect.Quit, dialect.NoHello, dialect.Refused}

const smtpLeaf = 3 // so few are compared faster than looked for

// finish builds the tree.
func (t *smtpTable) finish(labels []Label) {
	for _, s := range t.sigs {
		s.Label = &labels[s.label-1]
	}
	budget := 128*len(t.sigs) + 1000
	for _, s := range t.sigs {
		s.keyed = new([dialect.NumFields][]string)
		for _, f := range smtpKeyed {
			s.keyed[f] = s.keys(f)
		}
	}
	t.root = buildSMTP(t.sigs, smtpKeyed[:], &budget)
	t.weights.weigh(t.sigs)
	for _, s := range t.sigs {
		s.keyed = nil
	}
}

// buildSMTP makes the tree of some signatures out of some fields, each time with
// the one that leaves the least to compare. budget is how often a signature may
// still be listed: what takes many values is in many places.
func buildSMTP(sigs []*SMTP, fields []dialect.Field, budget *int) *smtpNode {
	if len(sigs) == 0 {
		return nil
	}
	best, least, listed := -1, len(sigs), 0
	for i, f := range fields {
		if len(sigs) <= smtpLeaf {
			break
		}
		rest, most, total := 0, 0, 0
		count := make(map[string]int)
		for _, s := range sigs {
			keys := s.keyed[f]
			if keys == nil {
				rest++
			}
			total += len(keys)
			for _, k := range keys {
				count[k]++
				most = max(most, count[k])
			}
		}
		if rest+most < least && total <= min(16*len(sigs), *budget) {
			best, least, listed = i, rest+most, total
		}
	}
	if best < 0 {
		return &smtpNode{sigs: sigs}
	}
	*budget -= listed
	n := &smtpNode{field: fields[best], children: make(map[string]*smtpNode)}
	lists := make(map[string][]*SMTP)
	var rest []*SMTP
	for _, s := range sigs {
		keys := s.keyed[n.field]
		if keys == nil {
			rest = append(rest, s)
		}
		for _, k := range keys {
			lists[k] = append(lists[k], s)
		}
	}
	left := slices.Concat(fields[:best], fields[best+1:])
	for k, list := range lists {
		n.children[k] = buildSMTP(list, left, budget)
	}
	n.rest = buildSMTP(rest, left, budget)
	return n
}

// hostForms are the names of hosts that @ stands for. Those that a program makes
// up, such as localhost, are not among them.
var hostForms = [...]string{"fqdn", "bare", "ip", "[ip]", "[ipv6]", "underscore"}

// keys are the values of a field that a signature takes, or nil for too many to
// list.
func (s *SMTP) keys(f dialect.Field) []string {
	var keys []string
	for i := range s.rules[f] {
		t := &s.rules[f][i]
		forms := []string{t.text}
		switch {
		case t.open, f == dialect.Header && strings.HasPrefix(t.text, anyOrder):
			return nil
		case t.host:
			forms = forms[:0]
			for _, form := range hostForms {
				forms = append(forms, t.text+" "+form)
			}
		case f == dialect.Mail || f == dialect.Rcpt:
			forms = t.withParams()
		case f == dialect.Flow:
			forms = flowForms(t.text)
		case f == dialect.Write:
			forms = writeForms(t.text)
		case f == dialect.Header:
			forms = headerForms(t.text)
		}
		if keys = append(keys, forms...); len(forms) == 0 || len(keys) > maxSMTPKeys {
			return nil
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

const maxSMTPKeys = 64 // of a signature and a field

// writeForms lists what one way to write takes.
func writeForms(want string) (forms []string) {
	for _, value := range [...]string{"one", "parts", "bulk", "date", "lines"} {
		if takesWrite(want, value) {
			forms = append(forms, value)
		}
	}
	return forms
}

// withParams lists a command with each choice of its parameters.
func (t *smtpTerm) withParams() []string {
	forms := []string{t.text}
	for i := range t.params {
		q := &t.params[i]
		for _, form := range forms[:len(forms):len(forms)] {
			forms = append(forms, form+q.text)
		}
		if q.always && !q.may {
			forms = forms[len(forms)/2:]
		}
		if len(forms) > maxSMTPKeys {
			return nil
		}
	}
	return forms
}

// flowForms lists the orders that one of a signature takes, behind a p where
// the server offers PIPELINING.
func flowForms(text string) []string {
	var all []string
	for _, forms := range [][]string{{"p"}, {"-"}} {
		offered := forms[0] == "p"
		for i := range len(text) {
			waits := text[i : i+1]
			switch {
			case waits == "~":
				waits = "+/"
			case waits == "!":
				waits = "+"
			case waits == "+" && !offered:
				waits = "/"
			}
			var longer []string
			for _, form := range forms {
				for _, c := range []byte(waits) {
					longer = append(longer, form+string(c))
				}
			}
			if forms = longer; len(forms) > maxSMTPKeys {
				return nil
			}
		}
		all = append(all, forms...)
	}
	return all
}

// smtpKey is a value by which signatures are found, or nil where it was not
// seen, or not to its end. It may be built in buf.
func smtpKey(f *dialect.Fingerprint, field dialect.Field, buf *[32]byte) []byte {
	value := f.Get(field)
	if len(value) == 0 {
		return nil
	}
	switch field {
	case dialect.Hello, dialect.Mail, dialect.Rcpt:
		if unspelled(value) {
			return nil
		}
	case dialect.Records:
		if value[len(value)-1] == '-' {
			return nil
		}
	case dialect.Flow:
		if value[len(value)-1] == '-' || !f.OfferKnown || len(value) >= len(buf) || bytes.IndexByte(value, '~') >= 0 {
			return nil
		}
		key := append(buf[:0], '-')
		if f.Offer.Has(pipelining) {
			key[0] = 'p'
		}
		return append(key, value...)
	}
	return value
}
