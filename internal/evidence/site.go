package evidence

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// What is known of a site's verdicts from all its senders together. Two faults of
// a filter distort the share of a signal, and both are measured here:
//
// It is not sure about each mail. A sender with one mail a day often has no sure
// verdict, one with fifty always has: bots would count less than exchangers. So
// days are weighed by how often senders with that many mails have a sure verdict
// (weighting classes, Oh and Scheuren 1983).
//
// It is wrong. Where a part e of the sure verdicts is wrong, a share p becomes
// p·(1-e) + (1-p)·e, which is turned around (Rogan and Gladen 1978). Of e no more
// is known than that the senders which send the least spam have at least that much
// by their verdicts.
type site struct {
	share float64          // of spam by the verdicts of all senders, as they are
	reach [classes]float64 // of the days of senders: the part that has a sure verdict
	wrong Wrong
}

// Wrong says how many of the sure verdicts are taken for wrong ones.
type Wrong struct {
	// Senders are those that stay: those looked at are the half with the least spam.
	// 0: there are too few, and nothing is known of wrong verdicts.
	Senders int `json:"senders"`
	// Cleanest is the share of spam among the mails of that half.
	Cleanest float64 `json:"cleanest"`
	// Taken is the part of all sure verdicts that is taken for wrong.
	Taken float64 `json:"taken"`
	// Most is what it can be at most.
	Most float64 `json:"most"`
}

const (
	stays       = 5    // even and odd days each, of a sender that stays
	fewStay     = 40   // senders that stay, of which a half says something
	believed    = 0.02 // share of spam that the cleanest may send
	mostWrong   = 0.25 // beyond which verdicts are no verdicts
	fewestReach = 0.25 // a day weighs four times as much as another at most
	classes     = 6
)

// class is that of a number of mails: 1, 2, up to 4, 8, 16, and more.
func class(n int) int { return min(bits.Len(uint(n-1)), classes-1) }

// site looks at the verdicts of all senders.
func (c *Counts) site(today int32) *site {
	s := &site{}
	for i := range s.reach {
		s.reach[i] = 1
	}
	t := c.tokens[Everything]
	if t == nil {
		return s
	}
	l := t.sorted()
	s.reach = l.reach()
	s.wrong = l.wrong()
	m := l.measure(today, math.MinInt32, today, s)
	s.share = m.share()
	return s
}

// reach returns for each class the part of the days that has a sure verdict.
func (l list) reach() (r [classes]float64) {
	var all, sure [classes]float64
	for _, e := range l {
		i := class(e.sure() + int(e.unsure))
		all[i]++
		if e.sure() > 0 {
			sure[i]++
		}
	}
	for i := range r {
		r[i] = max((sure[i]+1)/(all[i]+1), fewestReach)
	}
	return r
}

// weight is what a day counts for those of its class that have no sure verdict.
func (s *site) weight(m mails) float64 {
	if s == nil {
		return 1
	}
	return 1 / s.reach[class(m.sure()+int(m.unsure))]
}

// wrong looks at the senders that stay: those with the least spam on even days
// are judged by their odd days and the other way round, as the least of many is
// less than it should be by chance.
func (l list) wrong() (w Wrong) {
	var stay [][2]part // of each sender the even and the odd days
	for own := range l.senders {
		var p [2]part
		for _, e := range own {
			if e.sure() > 0 {
				half := &p[e.day&1]
				half.weight, half.spam = half.weight+1, half.spam+e.share()
			}
		}
		if p[0].weight >= stays && p[1].weight >= stays {
			stay = append(stay, p)
		}
	}
	if len(stay) < fewStay {
		return w
	}
	var spam, days float64
	for half := range 2 {
		best := slices.Clone(stay) // those that are alike stay in the order of their hashes, by neither half
		slices.SortStableFunc(best, func(a, b [2]part) int { return cmp.Compare(a[half].share(), b[half].share()) })
		for _, p := range best[:len(best)/2] {
			spam, days = spam+p[1-half].spam, days+p[1-half].weight
		}
	}
	w.Senders, w.Cleanest = len(stay), spam/days
	w.Taken = min(max(w.Cleanest-believed, 0)/(1-2*believed), mostWrong)
	w.Most = min(wilson(w.Cleanest, days, within).High, mostWrong)
	return w
}

func (p part) share() float64 { return p.spam / p.weight }

// without is a share without a part of wrong verdicts.
func without(share, wrong float64) float64 {
	return min(max((share-wrong)/(1-2*wrong), 0), 1)
}

// correct is a share without the verdicts that are taken for wrong.
func (s *site) correct(share float64) float64 { return without(share, s.wrong.Taken) }

// interval is that of a share by its verdicts: whether none of them is wrong, or
// as many as can be.
func (s *site) interval(share, n, z float64) Interval {
	i := wilson(share, n, z)
	return Interval{min(i.Low, without(i.Low, s.wrong.Most)), max(i.High, without(i.High, s.wrong.Most))}
}
