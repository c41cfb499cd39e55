package store

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/mxprint/mxprint/note"
)

// Past is what is remembered of a subject.
type Past struct {
	Hosts       []Host  `json:"addresses,omitempty"`
	Connections []Entry `json:"connections"`
}

// Past returns what is remembered of a subject: up to a number of addresses and
// connections, the newest first.
func (r *Reader) Past(ctx context.Context, sub Subject, most int) (p *Past, err error) {
	p = &Past{Connections: []Entry{}}
	if p.Hosts, err = r.Hosts(ctx, sub, most); err != nil {
		return nil, err
	}
	list, err := r.History(ctx, sub, most)
	p.Connections = append(p.Connections, list...)
	return p, err
}

// Print writes it for people, an address or connection a line.
func (p *Past) Print(w io.Writer) error {
	var b strings.Builder
	if len(p.Hosts) == 0 && len(p.Connections) == 0 {
		b.WriteString("nothing is remembered\n")
	}
	for i := range p.Hosts {
		h := &p.Hosts[i]
		fmt.Fprintf(&b, "%s: %d visits from %s to %s, %d names%s", h.Network, h.Visits, h.FirstSeen.Format("2006-01-02 15:04"), h.LastSeen.Format("2006-01-02 15:04"), h.Names,
			known(h.System, h.Software, h.TLS))
		if h.ChangedAt != nil {
			fmt.Fprintf(&b, "; %s changed %s", h.Changed, h.ChangedAt.Format("2006-01-02 15:04"))
		}
		b.WriteByte('\n')
	}
	for i := range p.Connections {
		e := &p.Connections[i]
		parts := PartsOf(e.Note)
		fmt.Fprintf(&b, "%s  %s", e.At.Format("2006-01-02 15:04:05"), e.Client)
		if e.Name != "" {
			fmt.Fprintf(&b, "  %s", e.Name)
		}
		b.WriteString(known(parts[:]...))
		for _, f := range []*note.Findings{e.Note.Conduct, e.Note.Contradictions} {
			if f != nil {
				for _, one := range f.List {
					fmt.Fprintf(&b, ", %s", one.ID)
				}
			}
		}
		for _, v := range e.Verdicts {
			what := map[bool]string{true: "spam", false: "ham"}[v.Spam]
			fmt.Fprintf(&b, "; %s says %s", v.Source, what)
			if v.HasScore {
				fmt.Fprintf(&b, " (%.1f of %.1f)", v.Score, v.Threshold)
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// known are those that are known, each after a comma.
func known(words ...string) string {
	var b strings.Builder
	for _, word := range words {
		if word != "" {
			b.WriteString(", " + word)
		}
	}
	return b.String()
}
