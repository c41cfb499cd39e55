package evidence

import "math"

// What a change needs to be named.
const (
	driftSpan  = 45  // days before and after that are compared
	driftSure  = 4.0 // standard errors between before and after
	fewSenders = 5   // on either side
)

// Drift is how a token's worth changed.
type Drift struct {
	// Lost is the day since which a signal is worth less than half of what it was,
	// 0 if it is not.
	Lost int32 `json:"-"`
	// Before and After are the token's share less that of all senders.
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// Trend is how much the share of the last seven days is above that before.
	Trend float64 `json:"trend"`
	// Turned: that is more than chance.
	Turned bool `json:"turned"`
}

// Drift looks for the day on which a token lost its worth: of all days the one
// between whose two sides the difference is surest.
func (c *Counts) Drift(token string, today int32) Drift {
	if c.tokens[token] == nil || c.tokens[Everything] == nil {
		return Drift{}
	}
	t, all := c.tokens[token].sorted(), c.tokens[Everything].sorted()
	var d Drift
	week, before := t.measure(today, today-6, today, nil), t.measure(today, today-driftSpan, today-7, nil)
	if week.senders >= fewSenders && before.senders >= fewSenders {
		d.Trend = week.share() - before.share()
		d.Turned = math.Abs(d.Trend) > speaks*math.Hypot(week.error(), before.error())
	}
	best := driftSure
	for day := today - driftSpan; day <= today; day++ {
		was, is := t.measure(today, day-driftSpan, day-1, nil), t.measure(today, day, today, nil)
		if was.senders < MinSenders || is.senders < fewSenders {
			continue
		}
		allWas, allIs := all.measure(today, day-driftSpan, day-1, nil), all.measure(today, day, today, nil)
		worthWas, errWas := was.share()-allWas.share(), was.error()
		worthIs, errIs := is.share()-allIs.share(), is.error()
		if math.Abs(worthWas) < speaks*errWas || worthIs*sign(worthWas) > math.Abs(worthWas)/2 {
			continue
		}
		if z := math.Abs(worthWas-worthIs) / math.Hypot(errWas, errIs); z > best {
			best, d.Lost, d.Before, d.After = z, day, worthWas, worthIs
		}
	}
	return d
}

// error is the standard error of the share. Where all agree one case of each
// kind is assumed beside them (Laplace).
func (m *measured) error() float64 {
	n := m.effective()
	p := (m.share()*n + 1) / (n + 2)
	return math.Sqrt(p * (1 - p) / (n + 2))
}

func sign(x float64) float64 { return math.Copysign(1, x) }
