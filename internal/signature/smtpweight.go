package signature

import (
	"math"

	"github.com/mxprint/mxprint/dialect"
)

// smtpWeights say how rare a value of a field is among the programs of the
// built-in database, in bits: log2 of programs to programs that take the value,
// without the one that has it. Those without TLS come first, those with it next.
type smtpWeights [2][dialect.NumFields]map[string]float64

// The bits of a session that are enough for a name. A program that no
// signature knows comes as near to one that they know no more often than in one
// of twenty sessions (docs/score.md).
const (
	clearBits = 7.1 // all fields together
	tlsBits   = 5.6 // with TLS: those of tlsFields
	helloBits = 4.5 // or the greeting before it
)

// tlsFields say what each field counts with TLS. The library, and what else it
// decides, is the same for all programs that use it as it comes.
var tlsFields = [dialect.NumFields]float64{dialect.Records: 1, dialect.Write: 1, dialect.Next: 1, dialect.EndBy: 1, dialect.Settings: 1, dialect.Hints: 0.5}

// weigh counts the programs. The values of s.keyed must be there.
func (w *smtpWeights) weigh(sigs []*SMTP) {
	type value struct {
		tls   int
		field dialect.Field
		text  string
	}
	programs := make(map[value]map[string]bool)
	var names [2]map[string]bool
	names[0], names[1] = make(map[string]bool), make(map[string]bool)
	writers, relays := make(map[string]bool), make(map[string]bool)
	for _, s := range sigs {
		if !s.builtin || s.Label.Generic {
			continue
		}
		tls := 0
		if s.rules[dialect.Records] != nil {
			tls = 1
		}
		names[tls][s.Label.Name] = true
		for _, t := range s.rules[dialect.Header] {
			relays[s.Label.Name] = relays[s.Label.Name] || t.text == dialect.Relayed
		}
		if s.rules[dialect.Header] != nil {
			writers[s.Label.Name] = writers[s.Label.Name] || s.rules[dialect.Header][0].text != dialect.Relayed
		}
		for field := range s.keyed {
			keys := s.keyed[field]
			switch dialect.Field(field) {
			case dialect.Next:
				keys = s.nextForms()
			case dialect.LineEnd: // few have it: it is not among those that are looked for
				for _, t := range s.rules[field] {
					keys = append(keys, t.text)
				}
			case dialect.Header:
				keys = nil
				for _, t := range s.rules[field] {
					keys = append(keys, headerForms(t.text)...)
				}
			}
			for _, text := range keys {
				v := value{tls, dialect.Field(field), text}
				if programs[v] == nil {
					programs[v] = make(map[string]bool)
				}
				programs[v][s.Label.Name] = true
			}
		}
	}
	for _, s := range sigs {
		s.writes, s.relays = s.builtin && writers[s.Label.Name], s.builtin && relays[s.Label.Name]
	}
	for v, some := range programs {
		if w[v.tls][v.field] == nil {
			w[v.tls][v.field] = make(map[string]float64)
		}
		all := len(names[v.tls])
		if v.field == dialect.Header { // the others send what is given to them
			all = len(writers)
		}
		w[v.tls][v.field][v.text] = max(0, math.Log2(float64(all)/(float64(len(some))-0.5)))
	}
}

// nextForms lists what next takes; inside TLS letters are lengths.
func (s *SMTP) nextForms() []string {
	var all []string
	for _, t := range s.rules[dialect.Next] {
		if len(t.text) != 2 {
			all = append(all, t.text)
			continue
		}
		waits, letters := t.text[:1], t.text[1:]
		switch waits {
		case "+", "~":
			waits = "/+"
		case "!":
			waits = "+"
		}
		switch letters {
		case "Q", "S":
			letters += "6"
		case "M":
			letters += "n"
		}
		for _, wait := range waits {
			for _, letter := range letters {
				all = append(all, string(wait)+string(letter))
			}
		}
	}
	return all
}

// carried is what the header of a session costs for a program that sends what is
// given to it: it has the header of another program as often as programs write
// it.
func (w *smtpWeights) carried(f *dialect.Fingerprint) float32 {
	if !f.Has(dialect.Header) {
		return 0
	}
	return max(open, float32(w.bits(f, dialect.Header)))
}

// enough reports whether a session says enough to name the program of the
// signature that fits it best. If that does not have the header of the message,
// the header says nothing for the program, and something against one that was
// recorded with another.
func (w *smtpWeights) enough(f *dialect.Fingerprint, sig *SMTP) bool {
	if f.TLSUsed {
		return w.inside(f) >= tlsBits || w.bits(f, dialect.Hello) >= helloBits
	}
	bits, header := w.sum(f), w.bits(f, dialect.Header)
	if sig.rules[dialect.Header] == nil {
		return !(sig.writes && !sig.given && f.Has(dialect.Header)) && !plain(f) && bits-header >= clearBits
	}
	return bits >= clearBits
}

// inside is the bits of tlsFields.
func (w *smtpWeights) inside(f *dialect.Fingerprint) (bits float64) {
	for field, weight := range tlsFields {
		if weight > 0 {
			bits += weight * w.bits(f, dialect.Field(field))
		}
	}
	return bits
}

// sum is the bits of all fields.
func (w *smtpWeights) sum(f *dialect.Fingerprint) (bits float64) {
	for field := dialect.Field(0); field < dialect.NumFields; field++ {
		bits += w.bits(f, field)
	}
	return bits
}

func (w *smtpWeights) bits(f *dialect.Fingerprint, field dialect.Field) float64 {
	tls := 0
	if f.TLSUsed {
		tls = 1
	}
	var buf [32]byte
	bits, ok := w[tls][field][string(smtpKey(f, field, &buf))]
	if !ok && field == dialect.Header {
		var sorted [1 + 2*maxHeaderItems]byte
		bits = w[tls][field][string(sortFields(sorted[:0], f.Get(field)))]
	}
	return bits
}
