package evidence

import (
	"fmt"
	"strings"
)

// spares is the share of the ham senders' days that a rule may hit and still be
// proposed: at most one in a hundred, by the upper end of its interval.
const spares = 0.01

// Brief is the report in a few sentences: what a reader does next depends on them.
func (r *Report) Brief() []string {
	list := []string{fmt.Sprintf("Of 100 senders on a day %s send spam (%s). The strongest signals for it: %s.", r.All.Percent(), r.All.Interval.Percent(), r.strongest(1))}
	list = append(list, fmt.Sprintf("The strongest against it: %s.", r.strongest(-1)))
	list = append(list, r.proposal())
	list = append(list, r.changes()...)
	if r.Missed.Mails > 0 {
		list = append(list, fmt.Sprintf("%d mails that the filter let through were spam by later verdicts; %d of them had a signal for spam.", r.Missed.Mails, r.Missed.Marked))
	} else {
		list = append(list, "What the filter let through is not known: no person and no second filter said of such a mail that it is spam.")
	}
	if w := r.Wrong; w.Taken > 0 {
		list = append(list, fmt.Sprintf("Verdicts err: by them even the half of your regular senders with the least spam has %s %% spam. So %s %% of the sure verdicts are taken for wrong, and the shares are corrected for that; the intervals hold with the correction and without it.", percent(w.Cleanest), percent(w.Taken)))
	}
	return list
}

// changes says what is not as it was.
func (r *Report) changes() (list []string) {
	var turned []string
	for _, s := range r.Signals {
		if s.LostOn != "" {
			list = append(list, fmt.Sprintf("%s lost its worth on %s: do not build on it.", s.Token, s.LostOn))
		} else if turn := s.Turn(); turn != "" && len(turned) < 3 {
			turned = append(turned, fmt.Sprintf("%s (%s points)", s.Token, turn))
		}
	}
	if len(turned) > 0 {
		return append(list, fmt.Sprintf("In the last seven days the share of spam changed, beyond chance: %s.", strings.Join(turned, ", ")))
	} else if len(list) == 0 {
		return append(list, "No signal lost its worth, and none changed in the last seven days beyond chance.")
	}
	return append(list, "No other signal changed in the last seven days beyond chance.")
}

// strongest names up to three signals for spam (1) or against (-1) that have not
// lost their worth.
func (r *Report) strongest(direction float64) string {
	var words []string
	for _, s := range r.Signals {
		if s.Weight*direction > 0 && s.LostOn == "" && len(words) < 3 {
			words = append(words, fmt.Sprintf("%s (%s %% spam, %s)", s.Token, s.Percent(), s.Interval.Percent()))
		}
	}
	return orNone(strings.Join(words, ", "))
}

// best is the rule that hits the most spam of those that spare honest senders; nil
// where none does.
func (r *Report) best() (best *Would) {
	for _, w := range r.Would {
		if w.Spam > 0 && w.HamInterval.High <= spares && (best == nil || w.Spam > best.Spam) {
			best = w
		}
	}
	return best
}

func (r *Report) proposal() string {
	best := r.best()
	if best == nil {
		return "No rule of those that were tried is safe to act on: each that hits spam may hit more than 1 % of the senders of ham. Take the signals as one reason among others."
	}
	text := fmt.Sprintf("Of the rules that, by the upper end of the interval, hit at most 1 %% of the senders of ham, %q hits the most spam: %d of %d mails hit since %s; %d were surely ham.",
		best.What, best.Spam, best.Hit, r.Since.Format("2006-01-02"), best.Ham)
	if best.More == 0 {
		text += " The filter had caught all of that spam: the rule would have added nothing."
	} else {
		text += fmt.Sprintf(" The filter had let %d of that spam through: this is what the rule would have added.", best.More)
	}
	for _, w := range r.Would {
		if w.Spam > best.Spam && w.HamHit <= spares && w.HamInterval.High > spares {
			text += fmt.Sprintf(" %q hits more, but perhaps up to %s %% of the senders of ham.", w.What, percent(w.HamInterval.High))
			break
		}
	}
	return text
}

// Rule is a rule for the configuration that asks for one signal: the best one, or
// else the strongest for spam that has not lost its worth; "" where no rule can ask
// for any.
func (r *Report) Rule() string {
	var tokens []string
	if best := r.best(); best != nil {
		tokens = append(tokens, best.What)
	}
	for _, s := range r.Signals {
		if s.Weight > 0 && s.LostOn == "" {
			tokens = append(tokens, s.Token)
		}
	}
	for _, token := range tokens {
		if when := Condition(token); when != "" {
			return fmt.Sprintf("[[policy.rules]]\nname = \"by-report\"\nwhen = '%s'\naction = \"WARN by report\"\nobserve = true\n", when)
		}
	}
	return ""
}
