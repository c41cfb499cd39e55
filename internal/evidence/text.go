package evidence

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// small is a share below which a decimal is printed; rounding is what a float may
// be off by.
const (
	small    = 0.0195
	rounding = 1e-9
)

// percent is a share in words: whole percents, with a decimal below 2, and 0 and
// 100 only where they are exact.
func percent(x float64) string {
	switch p := math.Round(100 * x); {
	case x > 0 && x < 0.0005:
		return "<0.1"
	case x > 0 && x < small:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", 100*x), ".0")
	case p == 100 && x < 1:
		return ">99"
	default:
		return fmt.Sprintf("%.0f", p)
	}
}

// Percent is the interval in percent: "86 to 94". Where a decimal is printed
// it is rounded outwards: a bound that is just exceeded does not look kept.
func (i Interval) Percent() string {
	low, high := i.Low, i.High
	if high > 0 && high < small {
		high = math.Ceil(1000*high-rounding) / 1000
	}
	if low >= 0.001 && low < small {
		low = math.Floor(1000*low+rounding) / 1000
	}
	return percent(low) + " to " + percent(high)
}

// Percent is the share in percent.
func (e Estimate) Percent() string { return percent(e.Share) }

// Times is the lift in words: "3.1 times".
func (e Estimate) Times() string {
	if e.Lift >= 10 {
		return fmt.Sprintf("%.0f times", e.Lift)
	}
	return fmt.Sprintf("%.1f times", e.Lift)
}

// Turn is how the share of the last week differs, in points; empty where that is
// little, or may be chance.
func (d Drift) Turn() string {
	if p := math.Round(100 * d.Trend); d.Turned && math.Abs(p) >= 3 {
		return fmt.Sprintf("%+.0f", p)
	}
	return ""
}

// Enough reports whether the site has enough verdicts for anything to be said.
func (r *Report) Enough() bool { return r.All.Enough }

// HamPercent is the share of ham in percent.
func (w *Would) HamPercent() string { return percent(w.HamHit) }

// Verdicts says where the verdicts came from: "rspamd 1200, of them 900 sure".
func (r *Report) Verdicts() string {
	var words []string
	for _, source := range slices.Sorted(maps.Keys(r.Sources)) {
		words = append(words, fmt.Sprintf("%s %d, %d sure", source, r.Sources[source], r.Sure[source]))
	}
	return strings.Join(words, "; ")
}

// Print writes the report for people.
func (r *Report) Print(out io.Writer) error {
	w := &printer{out: out}
	w.line("What signals were worth at this site, %s", r.Made.Format("2006-01-02 15:04 MST"))
	for _, sentence := range r.Basis() {
		w.line("%s", sentence)
	}
	if !r.Enough() {
		w.line("\nToo little is known to say anything: %d sure verdicts from %d senders, of %d and %d that are needed.", r.All.Mails, r.All.Senders, MinVerdicts, MinSenders)
		return w.err
	}
	w.line("All these days: %s %% spam (%s), of %d senders by days; %d mails with a sure verdict.", r.All.Percent(), r.All.Interval.Percent(), r.All.Senders, r.All.Mails)
	w.line("A share is that of spam among the senders' days with the signal; recent days count more. The interval contains the true share in 95 of 100 cases.")
	w.line("\nIN SHORT")
	for _, sentence := range r.Brief() {
		w.line("  - %s", sentence)
	}
	r.printSignals(w)
	r.printCombos(w)
	r.printWould(w)
	r.printMissed(w)
	r.printNext(w)
	return w.err
}

// Basis says what the report rests on: how old, how many, from where.
func (r *Report) Basis() []string {
	since := r.Since.Format("2006-01-02")
	var list []string
	if r.First != "" {
		list = append(list, fmt.Sprintf("A signal is one property of a connection, such as system=Windows. The verdicts on them are of %s to %s; a day counts half after 30 days.", r.First, r.Last))
	}
	if r.Last != "" && r.Last < r.Made.AddDate(0, 0, -2).Format("2006-01-02") {
		list = append(list, fmt.Sprintf("No verdict has come since %s: see whether the filter still sends them (mxprint status).", r.Last))
	}
	people := ""
	if r.Sources["learn"] > 0 {
		people = " learn is what people said, by mxprint learn."
	}
	list = append(list, fmt.Sprintf("Since %s: %d connections, %d with a verdict. By source: %s.%s", since, r.Connections, r.Judged, orNone(r.Verdicts()), people),
		fmt.Sprintf("Sure verdicts alone count. %d connections have no verdict, %d have none that is sure, or sure ones that differ: these are undecided.", r.Connections-r.Judged, r.Unsure))
	return append(list, "mxprint's own scores are no verdicts. But if a filter named here scores by mxprint's signals, it confirms them: give weight to what people said.")
}

// Undecided says which signals more verdicts would decide.
func (r *Report) Undecided() string {
	var words []string
	for _, e := range r.Next {
		words = append(words, fmt.Sprintf("%s (%d mails of %d senders)", column(e.Token), e.Mails, e.Senders))
	}
	if r.Few > len(r.Next) && len(words) > 0 {
		words = append(words, fmt.Sprintf("%d more", r.Few-len(r.Next)))
	}
	return orNone(strings.Join(words, ", "))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// maxColumn is the width of a signal in a table: a dialect may be longer.
const maxColumn = 60

func column(token string) string {
	if len(token) <= maxColumn {
		return token
	}
	return token[:maxColumn-1] + "…"
}

type printer struct {
	out io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format+"\n", args...)
	}
}

// table writes rows in columns.
func (p *printer) table(rows [][]string) {
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if p.err == nil {
		p.err = t.Flush()
	}
}

func (r *Report) printSignals(w *printer) {
	w.line("\nSIGNALS, the strongest first, for spam or against (%d others have about the share of all senders, and say nothing; of %d too little is known)", r.Silent, r.Few)
	rows := [][]string{{"SIGNAL", "SENDERS", "MAILS", "SPAM %", "INTERVAL", "TO ALL", "LAST WEEK", ""}}
	for _, s := range r.Signals {
		note := ""
		if s.LostOn != "" {
			note = "lost its worth on " + s.LostOn
		}
		rows = append(rows, []string{column(s.Token), fmt.Sprint(s.Senders), fmt.Sprint(s.Mails), s.Percent(), s.Interval.Percent(), s.Times(), s.Turn(), note})
	}
	w.table(rows)
	w.line("TO ALL compares the share with that of all senders. LAST WEEK is by how many points the last seven days differ, if that is more than chance.")
	for _, kind := range r.Kinds() {
		w.line("%s", kind)
	}
	w.line("Too little is known of: %s. It takes %d sure verdicts of %d senders.", r.Undecided(), MinVerdicts, MinSenders)
}

func (r *Report) printCombos(w *printer) {
	if len(r.Combos) == 0 {
		return
	}
	w.line("\nTOGETHER MORE THAN EACH")
	rows := [][]string{{"SIGNALS", "SENDERS", "MAILS", "SPAM %", "INTERVAL"}}
	for _, c := range r.Combos {
		rows = append(rows, []string{column(c.Token), fmt.Sprint(c.Senders), fmt.Sprint(c.Mails), c.Percent(), c.Interval.Percent()})
	}
	w.table(rows)
}

func (r *Report) printWould(w *printer) {
	w.line("\nWHAT A RULE WOULD HAVE DONE since %s", r.Since.Format("2006-01-02"))
	w.line("%s", r.Training())
	w.would(r.Would)
}

// Training says which days the scores come from.
func (r *Report) Training() string {
	if r.Trained {
		return fmt.Sprintf("A score adds up what the signals of a mail say, by the days before %s alone: it is not tried with the mails it comes from. The rules of one signal are the strongest of all days.", r.Since.Format("2006-01-02"))
	}
	return "A score adds up what the signals of a mail say, by the same days, for there are no others: scores look better than they are."
}

// printNext says what a reader can do.
func (r *Report) printNext(w *printer) {
	w.line("\nWHAT TO DO")
	rule := r.Rule()
	if rule == "" {
		w.line("No rule can ask for one of these signals alone. docs/policy.md says what rules can ask for.")
		return
	}
	w.line("Nothing acts on this report. To watch a signal, add a rule to /etc/mxprint.toml, which logs and does nothing else:\n")
	for text := range strings.Lines(rule) {
		w.line("    %s", strings.TrimSpace(text))
	}
	w.line("\nThen type\n\n    mxprint rules test -since 14d\n    systemctl reload mxprint\n")
	w.line("The first prints what the rule would have done. If you agree, remove observe, and set act = true in [policy]. docs/policy.md has the actions, and how Postfix asks.")
}

// PrintWould writes what rules would have done.
func PrintWould(out io.Writer, list []*Would) error {
	w := &printer{out: out}
	w.would(list)
	return w.err
}

func (w *printer) would(list []*Would) {
	rows := [][]string{{"RULE", "HITS", "SPAM", "LET THROUGH", "HAM", "HAM SENDERS HIT %", "INTERVAL"}}
	for _, o := range list {
		rows = append(rows, []string{column(o.What), fmt.Sprint(o.Hit), fmt.Sprint(o.Spam), fmt.Sprint(o.More), fmt.Sprint(o.Ham), o.HamPercent(), o.HamInterval.Percent()})
	}
	w.table(rows)
	w.line("HITS, SPAM, LET THROUGH and HAM are mails; a hit that is neither spam nor ham has no sure verdict.")
	w.line("LET THROUGH is the spam among the hits that the filter did not take for spam.")
	w.line("HAM SENDERS HIT %% is of the senders of ham, by days: these would have been hit wrongly.")
	for _, o := range list {
		if len(o.HamSenders) == 0 {
			continue
		}
		w.line("\n  ham that %q would have hit:", o.What)
		for _, s := range o.HamSenders[:min(len(o.HamSenders), 5)] {
			w.line("    %-40s %6d %s, one of %s", s.Name, s.Mails, map[bool]string{true: "mail", false: "mails"}[s.Mails == 1], s.Example)
		}
		if more := o.HamNames - 5; more > 0 {
			w.line("    and %d more; -html and -json have %d", more, len(o.HamSenders))
		}
	}
}

func (r *Report) printMissed(w *printer) {
	w.line("\nWHAT THE FILTER MISSED: %d mails that it let through were spam, by later verdicts", r.Missed.Mails)
	if r.Missed.Mails > 0 {
		w.line("  Of the signals for spam above they had (one mail may have several, or no signal):")
	}
	for _, m := range r.Missed.Signals[:min(len(r.Missed.Signals), 10)] {
		w.line("  %6d had %s", m.Mails, m.Token)
	}
	for _, e := range r.Missed.Examples {
		w.line("  %s %s %s: %s", e.At.Format("2006-01-02 15:04"), e.Network, orNone(e.Name), strings.Join(e.Tokens, ", "))
	}
}
