package evidence

import (
	"math"
	"strings"
)

// maxScore bounds the sum of a mail's weights, in natural log-odds.
const maxScore = 8.0

// Weights are what tokens say, for a score.
type Weights map[string]float64

// Weights returns the weight of each signal on a day: the end of its interval
// that is nearer to 0, so that what is little known says little.
func (c *Counts) Weights(today int32) Weights {
	w := make(Weights)
	for _, e := range c.Estimates(today) {
		if !e.Signal {
			continue
		}
		if e.Weight > 0 {
			w[e.Token] = max(e.WeightInterval.Low, 0)
		} else {
			w[e.Token] = min(e.WeightInterval.High, 0)
		}
	}
	return w
}

// Score adds up the weights of a mail's tokens. Of tokens that say the same in
// other words, as a system and its version, the strongest counts alone.
func (w Weights) Score(tokens []string) float64 {
	var strongest [8]struct {
		group  string
		weight float64
	}
	n := 0
next:
	for _, token := range tokens {
		weight, ok := w[token]
		if !ok {
			continue
		}
		group := groupOf(token)
		for i := range n {
			if strongest[i].group == group {
				if math.Abs(weight) > math.Abs(strongest[i].weight) {
					strongest[i].weight = weight
				}
				continue next
			}
		}
		if n < len(strongest) {
			strongest[n].group, strongest[n].weight = group, weight
			n++
		}
	}
	var sum float64
	for i := range n {
		sum += strongest[i].weight
	}
	return min(max(sum, -maxScore), maxScore)
}

// groupOf is what a token is about.
func groupOf(token string) string {
	kind, _, _ := strings.Cut(token, "=")
	switch kind {
	case "dialect":
		return "software"
	case "ja4":
		return "tls"
	case "handshake time", "tcp time", "smtp time":
		return "flow"
	}
	first, _, _ := strings.Cut(kind, " ")
	return first
}

// Before returns the counts of the days before one.
func (c *Counts) Before(day int32) *Counts {
	b := NewCounts()
	for token, t := range c.tokens {
		some := newTally()
		some.shift = t.shift
		for key, m := range t.days {
			if key.day < day {
				some.days[key] = m
			}
		}
		if len(some.days) > 0 {
			b.tokens[token] = some
			b.total += len(some.days)
		}
	}
	return b
}

// Days returns the first and the last day that were counted; 0, 0 without any.
func (c *Counts) Days() (first, last int32) {
	t := c.tokens[Everything]
	if t == nil {
		return 0, 0
	}
	first, last = math.MaxInt32, math.MinInt32
	for key := range t.days {
		first, last = min(first, key.day), max(last, key.day)
	}
	return first, last
}
