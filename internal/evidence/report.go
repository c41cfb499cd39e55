package evidence

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// Source is where a report comes from: a store.
type Source interface {
	// Evidence returns all counts.
	Evidence(ctx context.Context) (*Counts, error)
	// Mails calls f with each mail that has a verdict, since a time.
	Mails(ctx context.Context, since time.Time, f func(*Mail) error) error
	// Connections counts those since a time, and those with a verdict.
	Connections(ctx context.Context, since time.Time) (all, judged int64, err error)
}

// Report is what the signals are worth at a site.
type Report struct {
	Made        time.Time      `json:"made"`
	Since       time.Time      `json:"since"`          // of what would have been
	Trained     bool           `json:"trained_before"` // the weights come from before Since alone
	Connections int64          `json:"connections"`
	Judged      int64          `json:"with_verdict"`
	Sources     map[string]int `json:"sources"`   // verdicts since then
	Sure        map[string]int `json:"sure"`      // those of them that are sure
	Unsure      int            `json:"unsure"`    // mails with verdicts of which none is sure, or that differ
	First       string         `json:"first_day"` // that was counted, "" where nothing was
	Last        string         `json:"last_day"`
	All         Estimate       `json:"all"`
	Wrong       Wrong          `json:"wrong_verdicts"`
	Signals     []Signal       `json:"signals"`
	Silent      int            `json:"silent"`         // tokens with enough support that say nothing
	Few         int            `json:"few"`            // tokens with too little support
	Next        []Estimate     `json:"next,omitempty"` // of these the ones with the most mails
	Combos      []Combo        `json:"combinations,omitempty"`
	Would       []*Would       `json:"would_have"`
	Missed      Missed         `json:"missed"`
}

// Signal is a token that says something, or did.
type Signal struct {
	Estimate
	Drift
	Days   []DayShare `json:"days,omitempty"`
	LostOn string     `json:"lost_its_worth_on,omitempty"`
}

// DayShare is a token's share on a day.
type DayShare struct {
	Day     string  `json:"day"`
	Senders int     `json:"senders"`
	Share   float64 `json:"share"`
}

// Combo is two signals that together say more than each.
type Combo struct {
	Estimate
	Parts [2]string `json:"parts"`
}

// Missed is spam that the filter let through, by what people or another filter
// said later.
type Missed struct {
	Mails    int       `json:"mails"`
	Marked   int       `json:"marked"` // that had a signal for spam
	Signals  []Miss    `json:"signals,omitempty"`
	Examples []Example `json:"examples,omitempty"`
}

// Miss is a signal for spam that missed mails had.
type Miss struct {
	Token string `json:"token"`
	Mails int    `json:"mails"`
}

// Example is a mail in words.
type Example struct {
	At      time.Time `json:"time"`
	Network string    `json:"network"`
	Name    string    `json:"name,omitempty"`
	Tokens  []string  `json:"tokens"`
}

// The bounds of a report.
const (
	maxSignals  = 60
	maxPairsOf  = 24
	maxCombos   = 20
	maxExamples = 5
	maxNext     = 8
	plotDays    = 45
)

// thresholds are those that are tried, in natural log-odds.
var thresholds = []float64{1, 2, 3, 4}

// Make makes a report of the last days of a source.
func Make(ctx context.Context, src Source, now time.Time, days int) (*Report, error) {
	c, err := src.Evidence(ctx)
	if err != nil {
		return nil, err
	}
	today := Day(now)
	r := &Report{Made: now.UTC().Truncate(time.Second), Sources: make(map[string]int), Sure: make(map[string]int), All: c.Estimate(Everything, today), Wrong: c.site(today).wrong}
	start := today - int32(days) + 1
	first, last := c.Days()
	if first > start-int32(days) { // little history: the later half
		start = min(max(start, (first+today)/2+1), today)
	}
	if last > 0 {
		r.First, r.Last = date(first), date(last)
	}
	r.Since = time.Unix(int64(start)*86400, 0).UTC()
	w := c.Before(start).Weights(today)
	if r.Trained = len(w) > 0; !r.Trained {
		w = c.Weights(today)
	}
	r.signals(c, today)
	for _, t := range thresholds {
		r.Would = append(r.Would, NewWould(fmt.Sprintf("score of at least %g", t), func(m *Mail) bool { return w.Score(m.Tokens) >= t }))
	}
	for _, s := range r.Signals[:min(len(r.Signals), 8)] {
		if s.Weight > 0 {
			r.Would = append(r.Would, NewWould(s.Token, func(m *Mail) bool { return slices.Contains(m.Tokens, s.Token) }))
		}
	}
	if r.Connections, r.Judged, err = src.Connections(ctx, r.Since); err != nil {
		return nil, err
	}
	p := newPairs(r.candidates(c, today))
	err = src.Mails(ctx, now.Add(-30*24*time.Hour), func(m *Mail) error {
		p.add(m)
		if m.At.Before(r.Since) {
			return nil
		}
		r.verdicts(m)
		for _, one := range r.Would {
			one.Add(m)
		}
		r.miss(m)
		return nil
	})
	for _, one := range r.Would {
		one.Finish()
	}
	r.Combos = p.combos(c, today)
	slices.SortFunc(r.Missed.Signals, func(a, b Miss) int { return cmp.Or(b.Mails-a.Mails, cmp.Compare(a.Token, b.Token)) })
	return r, err
}

// signals lists what says something now, or has lost its worth, the strongest
// first.
func (r *Report) signals(c *Counts, today int32) {
	for _, e := range c.Estimates(today) {
		d := Drift{}
		if e.Senders >= MinSenders {
			d = c.Drift(e.Token, today)
		}
		switch {
		case e.Signal || d.Lost != 0:
			s := Signal{Estimate: e, Drift: d, Days: c.byDay(e.Token, today)}
			if d.Lost != 0 {
				s.LostOn = date(d.Lost)
			}
			r.Signals = append(r.Signals, s)
		case e.Enough:
			r.Silent++
		default:
			r.Few++
			r.Next = append(r.Next, e)
		}
	}
	slices.SortStableFunc(r.Next, func(a, b Estimate) int { return b.Mails - a.Mails })
	r.Next = r.Next[:min(len(r.Next), maxNext)]
	slices.SortStableFunc(r.Signals, func(a, b Signal) int { return cmp.Compare(math.Abs(b.Weight), math.Abs(a.Weight)) })
	r.Signals = r.Signals[:min(len(r.Signals), maxSignals)]
}

// verdicts counts those on a mail.
func (r *Report) verdicts(m *Mail) {
	for _, v := range m.Verdicts {
		r.Sources[v.Source]++
		if v.Sure {
			r.Sure[v.Source]++
		}
	}
	if m.Label() == Unsure {
		r.Unsure++
	}
}

// date is a day in words.
func date(day int32) string { return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly) }

// byDay returns the share of each of the last days.
func (c *Counts) byDay(token string, today int32) (list []DayShare) {
	t := c.tokens[token]
	type sum struct {
		n    int
		spam float64
	}
	days := make(map[int32]sum)
	for key, m := range t.days {
		if key.day > today-plotDays && m.sure() > 0 {
			s := days[key.day]
			days[key.day] = sum{s.n + 1, s.spam + m.share()}
		}
	}
	for day := today - plotDays + 1; day <= today; day++ {
		if s, ok := days[day]; ok {
			list = append(list, DayShare{date(day), s.n, s.spam / float64(s.n)})
		}
	}
	return list
}

// candidates are the tokens of which pairs are tried: those with the most
// senders.
func (r *Report) candidates(c *Counts, today int32) []string {
	list := slices.DeleteFunc(c.Estimates(today), func(e Estimate) bool { return !e.Enough })
	slices.SortStableFunc(list, func(a, b Estimate) int { return b.Senders - a.Senders })
	var tokens []string
	for _, e := range list[:min(len(list), maxPairsOf)] {
		tokens = append(tokens, e.Token)
	}
	return tokens
}

// miss notes a mail that is spam and that the filter let through.
func (r *Report) miss(m *Mail) {
	if m.Label() != Spam || m.Filtered() != Ham {
		return
	}
	r.Missed.Mails++
	marked := false
	for _, s := range r.Signals {
		if s.Weight <= 0 || !slices.Contains(m.Tokens, s.Token) {
			continue
		}
		marked = true
		i := slices.IndexFunc(r.Missed.Signals, func(x Miss) bool { return x.Token == s.Token })
		if i < 0 {
			i = len(r.Missed.Signals)
			r.Missed.Signals = append(r.Missed.Signals, Miss{Token: s.Token})
		}
		r.Missed.Signals[i].Mails++
	}
	if marked {
		r.Missed.Marked++
	}
	if len(r.Missed.Examples) < maxExamples {
		r.Missed.Examples = append(r.Missed.Examples, Example{m.At.UTC(), place(m.Network), m.Name, m.Tokens})
	}
}

// pairs counts mails by two tokens at once.
type pairs struct {
	counts *Counts
	of     map[string]bool
}

func newPairs(tokens []string) *pairs {
	p := &pairs{NewCounts(), make(map[string]bool)}
	for _, token := range tokens {
		p.of[token] = true
	}
	return p
}

// between stands between the parts of a pair.
const between = " and "

func (p *pairs) add(m *Mail) {
	var have, both []string
	for _, token := range m.Tokens {
		if p.of[token] {
			have = append(have, token)
		}
	}
	slices.Sort(have)
	for i, a := range have {
		for _, b := range have[i+1:] {
			if groupOf(a) != groupOf(b) {
				both = append(both, a+between+b)
			}
		}
	}
	p.counts.Add(m.sample(both))
}

// combos are the pairs whose share is beyond that of both parts, in the same
// direction.
func (p *pairs) combos(c *Counts, today int32) (list []Combo) {
	single, s := make(map[string]Estimate), c.site(today)
	for token := range p.of {
		single[token] = c.estimate(token, today, s)
	}
	for a, ea := range single {
		for b, eb := range single {
			if a >= b {
				continue
			}
			e := p.counts.estimate(a+between+b, today, s)
			if !e.Signal {
				continue
			}
			// By the verdicts as they are: what is wrong with them is so of all three.
			sure := wilson(e.verdicts, e.effective, speaks)
			of, with := wilson(ea.verdicts, ea.effective, within), wilson(eb.verdicts, eb.effective, within)
			if sure.Low > max(of.High, with.High) || sure.High < min(of.Low, with.Low) {
				list = append(list, Combo{e, [2]string{a, b}})
			}
		}
	}
	slices.SortFunc(list, func(a, b Combo) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Weight), math.Abs(a.Weight)), cmp.Compare(a.Token, b.Token))
	})
	return list[:min(len(list), maxCombos)]
}
