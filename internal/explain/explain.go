// Package explain shows to people what a signature database says: which
// signature a packet matches and by which line, why it matches none, and which
// systems a database names. The words are for a terminal; programs read p0f's
// log and JSON (internal/report).
package explain

import (
	"fmt"
	"io"
	"slices"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/view"
	"github.com/mxprint/mxprint/packet"
)

// Printer explains packets, with a blank line between them. It is an observer
// of an engine that gathers the packets of captures. Not safe for concurrent use.
type Printer struct {
	Out io.Writer
	DB  *signature.DB
	N   int // how many of the nearest signatures

	printed bool
	kinds   map[string]*kind
	order   []*kind
	more    int // packets beyond MaxKinds kinds
}

// MaxKinds bounds the different packets of captures that are printed.
const MaxKinds = 1000

// kind is a packet of a capture with those that look the same.
type kind struct {
	raw     string
	segment packet.Segment
	peerMSS uint16
	times   int
	ends    string
	dialect *dialect.Fingerprint // of a session of SMTP
}

// Raw explains a raw signature, of a SYN+ACK where response is set.
func (p *Printer) Raw(text string, response bool) error {
	s, err := signature.ParseRaw(text)
	if err != nil {
		return err
	}
	if s.Type = packet.SYN; response {
		s.Type = packet.SYNACK
	}
	p.explain(text, &s, 0, "")
	return nil
}

// Gather takes a SYN, SYN+ACK or session of SMTP of a capture; Gathered explains
// them.
func (p *Printer) Gather(o *event.Observation) {
	if !o.Module.Fingerprint() {
		if f, ok := spoken(o); ok {
			p.gather(f.String(), func() *kind {
				return &kind{raw: f.String(), dialect: &f, ends: o.Client.String() + " > " + o.Server.String()}
			})
		}
		return
	}
	raw := string(o.RawSig)
	key := fmt.Sprint(raw, o.Segment.Type, o.Segment.AccECN(), o.Segment.Tunnels)
	p.gather(key, func() *kind {
		k := &kind{raw: raw, segment: o.Segment, peerMSS: o.PeerMSS, ends: ends(o)}
		if o.Segment.Tunnels != 0 {
			k.ends += ", inside " + o.Segment.Tunnels.String()
		}
		return k
	})
}

// gather counts what looks the same.
func (p *Printer) gather(key string, makes func() *kind) {
	k := p.kinds[key]
	switch {
	case k == nil && len(p.order) == MaxKinds:
		p.more++
		return
	case k == nil:
		k = makes()
		if p.kinds == nil {
			p.kinds = make(map[string]*kind)
		}
		p.kinds[key] = k
		p.order = append(p.order, k)
	}
	k.times++
}

// Gathered explains each kind of packet that was gathered once. The error says
// how many packets are left out.
func (p *Printer) Gathered() error {
	for _, k := range p.order {
		about := k.ends
		if k.times > 1 {
			about = fmt.Sprintf("%d times, first %s", k.times, k.ends)
		}
		if k.dialect != nil {
			p.Dialect(k.dialect, about)
			continue
		}
		p.explain(k.raw, &k.segment, k.peerMSS, about)
	}
	if p.more == 0 {
		return nil
	}
	return fmt.Errorf("only the first %d kinds are printed, %s of others are left out; use -filter", MaxKinds, view.Count(p.more, "packet"))
}

// explain prints what there is to say about one packet.
func (p *Printer) explain(raw string, s *packet.Segment, peerMSS uint16, about string) {
	if p.printed {
		fmt.Fprintln(p.Out)
	}
	p.printed = true
	dir, what := signature.Request, "SYN"
	if s.Type == packet.SYNACK {
		dir, what = signature.Response, "SYN+ACK"
	}
	fmt.Fprintf(p.Out, "%s %s\n", what, raw)
	if about != "" {
		fmt.Fprintf(p.Out, "  %s\n", about)
	}
	if s.AccECN() {
		fmt.Fprintln(p.Out, "  asks for Accurate ECN (RFC 9768)")
	}
	m := p.DB.Match(dir, s, peerMSS)
	if m.Sig != nil {
		fmt.Fprintf(p.Out, "  matches %s\n    by %s  %s\n", Title(&m), place(m.Sig), m.Sig.Text)
		near := m.Sig.Explain(s, peerMSS)
		p.differences(&near)
		if m.Quality() == signature.Generic {
			p.nearest("  no specific signature matches; the nearest:", p.DB.Explain(dir, s, peerMSS, p.DB.Count()), true)
		}
		return
	}
	near := p.DB.Explain(dir, s, peerMSS, p.N)
	if len(near) == 0 {
		fmt.Fprintf(p.Out, "  matches nothing: the database has no signature for a %s\n", what)
		return
	}
	p.nearest("  matches nothing; the nearest signatures:", near, false)
}

// nearest prints n signatures of a list under a heading.
func (p *Printer) nearest(heading string, list []signature.Near, specific bool) {
	printed := 0
	for _, near := range list {
		label := near.Sig.Label
		if printed == p.N || specific && label.Generic {
			continue
		}
		if printed++; printed == 1 {
			fmt.Fprintln(p.Out, heading)
		}
		fmt.Fprintf(p.Out, "  %d. %s, %s\n    by %s  %s\n", printed, label.Title(), differ(len(near.Differences)), place(near.Sig), near.Sig.Text)
		p.differences(&near)
		if label.Userland() && onlyFuzzy(&near) {
			fmt.Fprintln(p.Out, "    a program has to match exactly")
		}
	}
}

func differ(fields int) string {
	if fields == 1 {
		return "1 field differs"
	}
	return fmt.Sprintf("%d fields differ", fields)
}

func onlyFuzzy(near *signature.Near) bool {
	return !slices.ContainsFunc(near.Differences, func(d signature.Difference) bool { return !d.Fuzzy })
}

func (p *Printer) differences(near *signature.Near) {
	for _, d := range near.Differences {
		hint := ""
		if d.Hint != "" {
			hint = "; " + d.Hint
		}
		fmt.Fprintf(p.Out, "    %-10s wants %s, has %s%s\n", d.Field, d.Want, d.Has, hint)
	}
}
