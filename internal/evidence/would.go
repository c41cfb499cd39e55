package evidence

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// Would is what a rule or a threshold would have done with the mails of some
// days. It counts senders on days, as evidence does, and mails.
type Would struct {
	What  string `json:"what"`
	Hit   int    `json:"hit"`    // mails
	Spam  int    `json:"spam"`   // of these, by sure verdicts
	Ham   int    `json:"ham"`    //
	More  int    `json:"more"`   // spam that the filter let through
	Of    int    `json:"of"`     // mails in all
	OfHam int    `json:"of_ham"` // ham in all

	Share       float64     `json:"share"` // of spam among the senders' days that are hit
	Interval    Interval    `json:"interval"`
	HamHit      float64     `json:"ham_hit"` // share of the ham senders' days that are hit
	HamInterval Interval    `json:"ham_interval"`
	HamSenders  []HitSender `json:"ham_senders,omitempty"` // by name, the most mails first, up to 20
	HamNames    int         `json:"ham_names"`             // how many there are

	matches   func(*Mail) bool
	hit       *tally
	hamHit    *tally
	hamByName map[string]*HitSender
}

// HitSender is a sender of ham that would have been hit, with an example.
type HitSender struct {
	Name    string `json:"name"` // that it called itself, else its network
	Mails   int    `json:"mails"`
	Example string `json:"example"` // time and network
}

// The number of senders that are named.
const (
	maxNamed = 20
	maxHeld  = 10_000
)

// NewWould tries a condition.
func NewWould(what string, matches func(*Mail) bool) *Would {
	return &Would{What: what, matches: matches, hit: newTally(), hamHit: newTally(),
		hamByName: make(map[string]*HitSender)}
}

// Add tries the condition with a mail.
func (w *Would) Add(m *Mail) {
	w.Of++
	l, hit := m.Label(), w.matches(m)
	key := senderDay{m.Sender, Day(m.At)}
	one := mails{ham: 1}
	if l == Spam {
		one = mails{spam: 1}
	}
	if l == Ham {
		w.OfHam++
		of := mails{ham: 1} // of a ham sender's days "spam" are those that are hit
		if hit {
			of = mails{spam: 1}
		}
		w.hamHit.add(key, of)
	}
	if !hit {
		return
	}
	w.Hit++
	switch l {
	case Spam:
		w.Spam++
		if m.Filtered() == Ham {
			w.More++
		}
	case Ham:
		w.Ham++
		w.name(m)
	default:
		return
	}
	w.hit.add(key, one)
}

func (w *Would) name(m *Mail) {
	name := cmp.Or(m.Name, place(m.Network))
	s := w.hamByName[name]
	if s == nil {
		if len(w.hamByName) >= maxHeld {
			return
		}
		s = &HitSender{Name: name, Example: fmt.Sprintf("%s %s", m.At.UTC().Format("2006-01-02 15:04"), place(m.Network))}
		w.hamByName[name] = s
	}
	s.Mails++
}

// place is a network in words: one address without its length.
func place(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// Finish works out the shares. No mail is added after it.
func (w *Would) Finish() {
	for _, p := range []struct {
		from     *tally
		share    *float64
		interval *Interval
	}{{w.hit, &w.Share, &w.Interval}, {w.hamHit, &w.HamHit, &w.HamInterval}} {
		l := p.from.sorted()
		var today int32
		for _, e := range l {
			today = max(today, e.day)
		}
		m := l.measure(today, 0, today, nil)
		*p.share, *p.interval = m.share(), wilson(m.share(), m.effective(), within)
	}
	list := slices.SortedFunc(maps.Values(w.hamByName), func(a, b *HitSender) int {
		return cmp.Or(cmp.Compare(b.Mails, a.Mails), cmp.Compare(a.Name, b.Name))
	})
	w.HamNames = len(list)
	for _, s := range list[:min(len(list), maxNamed)] {
		w.HamSenders = append(w.HamSenders, *s)
	}
}
