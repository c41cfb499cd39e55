package signature

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mxprint/mxprint/packet"
)

// Near is a signature that a segment was compared with.
type Near struct {
	Sig         *TCP
	Differences []Difference // none: it matches exactly
	weight      int
}

// Difference is one field in which a segment is not what a signature wants.
type Difference struct {
	Field string // "TTL", "IP options", "MSS", "window", "scale", "options", "quirks" or "payload"
	Want  string // in the language of signatures
	Has   string // likewise; of the packet
	Hint  string // what that means; may be empty
	Fuzzy bool   // alone it leaves a fuzzy match
}

// Weights of differences. What a box on the way changes, or a setting, weighs
// little; what only another program writes weighs much.
const (
	weightTTL     = 1
	weightSoft    = 1 // a quirk that a fuzzy match forgives
	weightQuirk   = 2
	weightScale   = 2
	weightPayload = 2
	weightWindow  = 3
	weightMSS     = 3
	weightOlen    = 3
	weightLayout  = 2 // and as much again for each option that is another
)

// Explain returns the n signatures of a direction that a segment comes nearest
// to, the nearest first, and in which fields it differs from each. peerMSS is
// as for Match.
func (db *DB) Explain(dir Direction, s *packet.Segment, peerMSS uint16, n int) []Near {
	table := &db.tcp[dir]
	all := make([]Near, 0, len(table.sigs))
	for i := range table.sigs {
		all = append(all, table.sigs[i].Explain(s, peerMSS))
	}
	slices.SortStableFunc(all, func(a, b Near) int {
		return cmp.Or(cmp.Compare(a.weight, b.weight), cmp.Compare(len(a.Differences), len(b.Differences)))
	})
	return all[:min(max(n, 0), len(all))]
}

// Explain returns in which fields a segment differs from the signature: in none
// where it matches exactly, only in those called Fuzzy where it matches so.
func (t *TCP) Explain(s *packet.Segment, peerMSS uint16) Near {
	n := Near{Sig: t}
	sn := seen{Segment: s, mult: MultipleOf(s, peerMSS), peerMSS: int(peerMSS)}
	fields := t.written()
	number := func(n int) string { return strconv.Itoa(n) }
	t.explainTTL(&n, s)
	if t.IPOptLen != int(s.IPOptLen) {
		n.add(weightOlen, Difference{Field: "IP options", Want: number(t.IPOptLen), Has: number(int(s.IPOptLen)), Hint: "bytes"})
	}
	if !fits(t.MSS, int(s.MSS)) {
		n.add(weightMSS, Difference{Field: "MSS", Want: number(t.MSS), Has: number(int(s.MSS))})
	}
	f, distance := t.nearestForm(&s.Layout)
	t.explainWindow(&n, &sn, f.ts, fields.window)
	if !t.scaleFits(int(s.Scale)) {
		n.add(weightScale, Difference{Field: "scale", Want: fields.scale, Has: number(int(s.Scale))})
	}
	if distance > 0 {
		n.add(weightLayout*(1+distance), Difference{
			Field: "options", Want: orNone(string(appendLayout(nil, &f.layout))), Has: orNone(string(appendLayout(nil, &s.Layout))),
		})
	}
	t.explainQuirks(&n, s, fields.quirks)
	payload := 0
	if s.PayloadLen > 0 {
		payload = 1
	}
	if !fits(t.Payload, payload) {
		names := [...]string{"0", "+"}
		n.add(weightPayload, Difference{Field: "payload", Want: names[t.Payload], Has: names[payload]})
	}
	return n
}

func (n *Near) add(weight int, d Difference) {
	n.weight += weight
	n.Differences = append(n.Differences, d)
}

func (t *TCP) explainTTL(n *Near, s *packet.Segment) {
	d := Difference{Field: "TTL", Want: strconv.Itoa(t.TTL), Has: strconv.Itoa(int(s.TTL))}
	switch {
	case t.RandomTTL && t.TTL < int(s.TTL):
		d.Want += "-"
		d.Hint = fmt.Sprintf("wants %d at most", t.TTL)
	case t.RandomTTL || near(t.TTL, s.TTL) || t.resetTo(s.TTL):
		return
	default:
		d.Fuzzy = true
		low := max(t.TTL-MaxDistance, 0)
		if t.ext != nil {
			for _, ttl := range t.ext.ttls {
				d.Want += "|" + strconv.Itoa(ttl)
			}
		}
		d.Hint = fmt.Sprintf("wants %d to %d on arrival", low, t.TTL)
	}
	n.add(weightTTL, d)
}

func (t *TCP) explainWindow(n *Near, s *seen, ts bool, want string) {
	ok := false
	if t.Kind == windowTerms {
		ok, _ = t.ext.windowTakes(s, ts)
	} else {
		ok = t.windowFits(int(s.Window), s.mult)
	}
	if ok {
		return
	}
	d := Difference{Field: "window", Want: want, Has: strconv.Itoa(int(s.Window))}
	switch s.mult.Kind {
	case WindowMSS:
		d.Has += " (mss*" + strconv.Itoa(s.mult.N) + ")"
	case WindowMTU:
		d.Has += " (mtu*" + strconv.Itoa(s.mult.N) + ")"
	}
	if list := t.windowList(); len(list) > 0 && s.MSS >= minMSS {
		if window := list[0].example(int(s.MSS), ts); window > 0 {
			d.Hint = fmt.Sprintf("for example %d at MSS %d", window, s.MSS)
		}
	}
	n.add(weightWindow, d)
}

// example is a window of the term, or 0 for none that helps.
func (t *windowTerm) example(mss int, ts bool) int {
	if t.units == unitMSS12 && ts {
		mss -= stamp
	}
	window := 0
	switch {
	case t.kind == windowFit && t.low == t.top:
		window = fitted(t.low, mss)
	case t.kind == windowSeg:
		window = segments(t.low, mss)
	case t.kind == WindowMSS:
		window = t.low * mss
	}
	if window > maxWindow {
		return 0
	}
	return window
}

func (t *TCP) explainQuirks(n *Near, s *packet.Segment, want string) {
	q := t.quirksFor(s.Version)
	missing, added := q&^s.Quirks, s.Quirks&^(q|t.optionalFor(s.Version))
	if missing|added == 0 {
		return
	}
	hard := missing&^fuzzyMissing | added&^fuzzyAdded
	weight := 0
	for bit := packet.QuirkDF; bit <= packet.QuirkBad; bit <<= 1 {
		switch {
		case hard&bit != 0:
			weight += weightQuirk
		case (missing|added)&bit != 0:
			weight += weightSoft
		}
	}
	var hints []string
	if missing != 0 {
		hints = append(hints, "lacks "+missing.String())
	}
	if added != 0 {
		hints = append(hints, "should not have "+added.String())
	}
	n.add(weight, Difference{
		Field: "quirks", Want: orNone(want), Has: orNone(s.Quirks.String()),
		Hint: strings.Join(hints, ", "), Fuzzy: hard == 0,
	})
}

func orNone(s string) string { return cmp.Or(s, "none") }

// nearestForm returns the layout of the signature that is fewest changes away
// from another, and how many.
func (t *TCP) nearestForm(l *packet.Layout) (nearest form, least int) {
	least = -1
	for _, f := range t.forms() {
		d := layoutDistance(&f.layout, l)
		if least < 0 || d < least {
			nearest, least = f, d
		}
	}
	return nearest, least
}

// layoutDistance is how many options must be added, removed or changed to make
// one layout the other.
func layoutDistance(a, b *packet.Layout) int {
	if *a == *b {
		return 0
	}
	var row [packet.MaxOptions + 1]int
	for j := range row {
		row[j] = j
	}
	for i, x := range a.Kinds[:a.Len] {
		corner := row[0]
		row[0] = i + 1
		for j, y := range b.Kinds[:b.Len] {
			change := corner
			if x != y {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, corner+1)
		}
	}
	return max(row[b.Len], 1) // where only the padding differs
}

// written is fields of a signature as its file has them.
type written struct{ window, scale, quirks string }

// written takes the text apart from its end: p0f's oddities are at its
// beginning.
func (t *TCP) written() (w written) {
	cut := func(s string, sep byte) (before, after string) {
		i := strings.LastIndexByte(s, sep)
		return s[:max(i, 0)], s[i+1:]
	}
	rest, _ := cut(t.Text, ':') // payload
	rest, w.quirks = cut(rest, ':')
	rest, _ = cut(rest, ':') // layout
	_, both := cut(rest, ':')
	from := len(both)
	if i := strings.LastIndexByte(both, '{'); i >= 0 && strings.HasSuffix(both, "}") {
		from = i // a set of scales has commas of its own
	}
	i := max(strings.LastIndexByte(both[:from], ','), 0)
	w.window, w.scale = both[:i], strings.TrimPrefix(both[i:], ",")
	return w
}
