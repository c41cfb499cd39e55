package evidence

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// What an estimate needs before it says anything, and how it is made.
const (
	MinVerdicts = 50
	MinSenders  = 10
	HalfLife    = 30.0 // days

	share     = 0.04 // of a token's weight that one sender can have
	prior     = 10.0 // days of senders that speak for the site's own share of spam
	maxWeight = 4.0  // of a token, in natural log-odds
	within    = 1.96 // standard errors of an interval: 95 %
	speaks    = 3.29 // and of a signal: 1 of 1,000 tokens without worth would be one
)

// Interval is a range that holds the truth in 95 of 100 cases.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Holds reports whether x is within.
func (i Interval) Holds(x float64) bool { return i.Low <= x && x <= i.High }

// Estimate is what a token is worth.
type Estimate struct {
	Token    string   `json:"token"`
	Senders  int      `json:"senders"` // distinct
	Mails    int      `json:"mails"`   // with a sure verdict
	Enough   bool     `json:"enough"`  // support: else the rest means nothing
	Share    float64  `json:"share"`   // of spam among the senders' days, recent ones first
	Interval Interval `json:"interval"`
	Base     float64  `json:"base"`   // the share of all senders
	Lift     float64  `json:"lift"`   // Share by Base
	Signal   bool     `json:"signal"` // the share is another than Base, beyond chance
	// Weight is the logarithm of how many times likelier spam is with the token
	// than without knowing it, shrunk to 0 where little is known, from -4 to 4.
	Weight         float64  `json:"weight"`
	WeightInterval Interval `json:"weight_interval"`

	verdicts  float64 // the share by the verdicts as they are
	effective float64 // independent days of senders that the estimate is worth
}

// Estimates returns what is known of each token on a day.
func (c *Counts) Estimates(today int32) []Estimate {
	s := c.site(today)
	var list []Estimate
	for _, token := range c.Tokens() {
		list = append(list, c.tokens[token].estimate(token, today, s))
	}
	return list
}

// Estimate returns what is known of one token on a day.
func (c *Counts) Estimate(token string, today int32) Estimate {
	return c.estimate(token, today, c.site(today))
}

func (c *Counts) estimate(token string, today int32, s *site) Estimate {
	if t := c.tokens[token]; t != nil {
		return t.estimate(token, today, s)
	}
	return Estimate{Token: token, Base: s.correct(s.share)}
}

// estimate works out a token. Whether it says something, and what it weighs, are
// by the verdicts as they are: wrong ones make every token weigh less.
func (t *tally) estimate(token string, today int32, s *site) Estimate {
	m := t.sorted().measure(today, math.MinInt32, today, s)
	e := Estimate{
		Token: token, Senders: m.senders << t.shift, Mails: m.mails << t.shift, Base: s.correct(s.share),
		Enough: m.decayedMails*t.scale() >= MinVerdicts && m.decayedSenders*t.scale() >= MinSenders,
	}
	if m.weight == 0 {
		return e
	}
	e.verdicts, e.effective = m.share(), m.effective()
	e.Share, e.Interval = s.correct(e.verdicts), s.interval(e.verdicts, e.effective, within)
	if e.Base > 0 {
		e.Lift = e.Share / e.Base
	}
	e.Signal = e.Enough && token != Everything && !wilson(e.verdicts, e.effective, speaks).Holds(s.share)
	e.weigh(s.share)
	return e
}

// scale is what a sender of the sample stands for.
func (t *tally) scale() float64 { return math.Ldexp(1, int(t.shift)) }

// weigh sets the weight. The prior counts as days of senders with the site's own
// share: a token that was seen seldom weighs little, whatever was seen.
func (e *Estimate) weigh(base float64) {
	base = min(max(base, 0.001), 0.999)
	spam := e.verdicts*e.effective + prior*base
	ham := (1-e.verdicts)*e.effective + prior*(1-base)
	w := math.Log(spam/ham) - math.Log(base/(1-base))
	err := within * math.Sqrt(1/spam+1/ham)
	bound := func(x float64) float64 { return min(max(x, -maxWeight), maxWeight) }
	e.Weight, e.WeightInterval = bound(w), Interval{bound(w - err), bound(w + err)}
	if !e.Enough {
		e.Weight, e.WeightInterval = 0, Interval{-maxWeight, maxWeight}
	}
}

// wilson is the interval of a share of n cases, z standard errors wide (Wilson
// 1927): within 0 to 1, and wide where n is small.
func wilson(p, n, z float64) Interval {
	if n <= 0 {
		return Interval{0, 1}
	}
	mid := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return Interval{max(mid-half, 0), min(mid+half, 1)}
}

// measured is the days of a token's senders, weighted.
type measured struct {
	senders, mails               int
	decayedSenders, decayedMails float64
	weight, spam                 float64 // sums over senders, capped
	squares, daySquares          float64 // of the weights of senders, and of their days
	bySender                     []part
	byDay                        map[int32]part
}

// part is the weight of a sender or of a day, and the spam in it.
type part struct{ weight, spam float64 }

func (m *measured) share() float64 {
	if m.weight == 0 {
		return 0
	}
	return m.spam / m.weight
}

// list is the days of a token's senders, those of one sender together.
type list []entry

type entry struct {
	senderDay
	mails
}

func (t *tally) sorted() list {
	l := make(list, 0, len(t.days))
	for key, m := range t.days {
		l = append(l, entry{key, m})
	}
	slices.SortFunc(l, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.sender, b.sender), cmp.Compare(a.day, b.day))
	})
	return l
}

// measure weighs the days from first to last that have a sure verdict: each counts
// for half after HalfLife, for those of its kind without one where the site is
// known, and no sender for more than its share.
func (l list) measure(today, first, last int32, s *site) measured {
	m := measured{byDay: make(map[int32]part)}
	var within list
	for _, e := range l {
		if e.day >= first && e.day <= last && e.sure() > 0 {
			within = append(within, e)
		}
	}
	var weights []float64
	for own := range within.senders {
		var weight, newest float64
		for _, e := range own {
			w := decay(today - e.day)
			weight, newest = weight+w*s.weight(e.mails), max(newest, w)
			m.mails += e.sure()
			m.decayedMails += w * float64(e.sure())
		}
		m.senders++
		m.decayedSenders += newest
		weights = append(weights, weight)
	}
	most := mostOf(slices.Clone(weights))
	for own := range within.senders {
		f := min(1, most/weights[len(m.bySender)])
		var p part
		for _, e := range own {
			w, day := f*decay(today-e.day)*s.weight(e.mails), m.byDay[e.day]
			p.weight += w
			p.spam += w * e.share()
			m.byDay[e.day] = part{day.weight + w, day.spam + w*e.share()}
			m.daySquares += w * w
		}
		m.bySender = append(m.bySender, p)
		m.weight += p.weight
		m.spam += p.spam
		m.squares += p.weight * p.weight
	}
	return m
}

// senders yields the days of each sender.
func (l list) senders(yield func(list) bool) {
	for len(l) > 0 {
		n := 1
		for n < len(l) && l[n].sender == l[0].sender {
			n++
		}
		if !yield(l[:n]) {
			return
		}
		l = l[n:]
	}
}

func (m mails) share() float64 { return float64(m.spam) / float64(m.sure()) }

// decay is what a day counts after a number of days.
func decay(days int32) float64 { return math.Exp2(-float64(max(days, 0)) / HalfLife) }

// mostOf is the most that one sender may weigh, so that none has more than its
// share of the sum. Where there are few senders all weigh the same. It sorts the
// weights.
func mostOf(weights []float64) float64 {
	slices.Sort(weights)
	var rest float64
	for _, w := range weights {
		rest += w
	}
	for k := range weights { // with the k heaviest at the bound c: c = share·(rest + k·c)
		heaviest := weights[len(weights)-1-k]
		free := 1 - float64(k)*share
		if free <= 0 {
			break
		}
		if c := share * rest / free; heaviest <= c {
			return c
		}
		rest -= heaviest
	}
	if len(weights) == 0 {
		return 0
	}
	return weights[0]
}

// effective is the number of independent days of senders that the share is as
// sure as: senders weigh unequally, and what one sender, or all senders of one
// day (a campaign), send is alike. The variance is that of a ratio over clusters,
// by sender and by day; the larger one counts. Where all senders agree that would
// be 0: half a sender more that does not is assumed.
func (m *measured) effective() float64 {
	if m.squares == 0 {
		return 0
	}
	n := m.weight * m.weight / m.squares // senders (Kish 1965)
	p := (m.share()*n + 0.5) / (n + 1)
	v := clusters(m.bySender, m.share(), m.weight)
	if len(m.byDay) >= 7 {
		v = max(v, clusters(slices.Collect(maps.Values(m.byDay)), m.share(), m.weight))
	}
	return min(p*(1-p)/(v+0.5/(n*n)), m.weight*m.weight/m.daySquares)
}

func clusters(parts []part, p, weight float64) float64 {
	if len(parts) < 2 {
		return 0
	}
	var sum float64
	for _, x := range parts {
		r := x.spam - p*x.weight
		sum += r * r
	}
	n := float64(len(parts))
	return sum * n / (n - 1) / (weight * weight)
}
