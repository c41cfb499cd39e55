package evidence

import (
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/note"
)

// Verdict is what one source said of a mail.
type Verdict struct {
	Source    string  `json:"source"`
	Spam      bool    `json:"spam"`
	Sure      bool    `json:"sure"`
	Person    bool    `json:"person,omitempty"`
	HasScore  bool    `json:"-"`
	Score     float64 `json:"score,omitempty"`
	Threshold float64 `json:"threshold,omitempty"`
}

// Mail is a connection with verdicts.
type Mail struct {
	At       time.Time
	Network  netip.Prefix
	Port     uint16
	Name     string // it called itself; "" where not known
	Sender   uint64
	Note     *note.Note
	Tokens   []string
	Verdicts []Verdict
}

// Label is what a mail is, by its verdicts.
type Label int8

// The labels.
const (
	Unsure Label = iota
	Ham
	Spam
)

// Label returns what the sure verdicts agree on. A person outweighs programs, the
// last word of a person the one before.
func (m *Mail) Label() Label {
	var l Label
	person := false
	for _, v := range m.Verdicts {
		switch {
		case !v.Sure || person && !v.Person:
			continue
		case v.Person:
			l, person = label(v.Spam), true
		case l == Unsure:
			l = label(v.Spam)
		case l != label(v.Spam):
			return m.afterConflict()
		}
	}
	return l
}

// afterConflict is the label where programs differ: that of a person, if any.
func (m *Mail) afterConflict() (l Label) {
	for _, v := range m.Verdicts {
		if v.Person && v.Sure {
			l = label(v.Spam)
		}
	}
	return l
}

func label(spam bool) Label {
	if spam {
		return Spam
	}
	return Ham
}

// Filtered returns what the last program said, sure or not: what became of the
// mail.
func (m *Mail) Filtered() Label {
	l := Unsure
	for _, v := range m.Verdicts {
		if !v.Person {
			l = label(v.Spam)
		}
	}
	return l
}

// Count adds the mail to counts.
func (m *Mail) Count(c *Counts) { c.Add(m.sample(m.Tokens)) }

func (m *Mail) sample(tokens []string) Sample {
	l := m.Label()
	return Sample{Sender: m.Sender, Day: Day(m.At), Spam: l == Spam, Unsure: l == Unsure, Tokens: tokens}
}
