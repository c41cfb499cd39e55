package explain

import (
	"fmt"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
)

// Dialect explains how a client of SMTP spoke.
func (p *Printer) Dialect(f *dialect.Fingerprint, about string) {
	if p.printed {
		fmt.Fprintln(p.Out)
	}
	p.printed = true
	fmt.Fprintf(p.Out, "SMTP %s\n", f.String())
	if about != "" {
		fmt.Fprintf(p.Out, "  %s\n", about)
	}
	m := p.DB.MatchSMTP(f)
	if m.N > 0 {
		fmt.Fprintf(p.Out, "  matches %s\n", m.Title())
		for _, s := range m.Sigs[:m.N] {
			fmt.Fprintf(p.Out, "    by %s:%d  %s\n", s.File, s.Line, s.Text)
		}
		return
	}
	if m.Many {
		fmt.Fprintln(p.Out, "  names no program: it says what many say, or too little")
	} else {
		fmt.Fprintln(p.Out, "  matches nothing; the nearest signatures:")
	}
	for i, near := range p.DB.ExplainSMTP(f, p.N) {
		fmt.Fprintf(p.Out, "  %d. %s, %s\n    by %s:%d  %s\n", i+1, near.Sig.Label.Title(), differ(len(near.Differences)), near.Sig.File, near.Sig.Line, near.Sig.Text)
		p.differences(&signature.Near{Differences: near.Differences})
	}
}

// spoken returns the dialect of an observation of SMTP, and whether it has one.
func spoken(o *event.Observation) (f dialect.Fingerprint, ok bool) {
	if o.Module != event.SMTP || o.Sender == nil || o.Sender.Software == nil {
		return f, false
	}
	f, err := dialect.Parse(o.Sender.Software.Dialect)
	return f, err == nil
}

// session prints what a session matches, by which line, or its dialect.
func (t *Tally) session(o *event.Observation) {
	f, ok := spoken(o)
	if !ok {
		return
	}
	t.sessions++
	m := t.DB.MatchSMTP(&f)
	verdict := "nothing: " + f.String()
	switch {
	case m.N > 0:
		t.named++
		verdict = fmt.Sprintf("%s; %s:%d", m.Title(), m.Sigs[0].File, m.Sigs[0].Line)
	case m.Many:
		verdict = "no program of its own: " + f.String()
	default:
		t.strange++
	}
	fmt.Fprintf(t.Out, "%-7s %s > %s  %s\n", "SMTP", o.Client, o.Server, verdict)
}
