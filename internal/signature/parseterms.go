package signature

import (
	"slices"
	"strings"

	"github.com/mxprint/mxprint/packet"
)

// Bounds on the terms beyond p0f's language (docs/signatures.md).
const (
	maxMultiple   = 1000 // of the MSS and MTU, as in p0f
	maxTTLs       = 4
	maxTerms      = 8  // of a window, and of one fit or seg
	maxItems      = 16 // of a set
	maxForms      = 64 // layouts of a signature
	maxSpace      = 1<<30 - 1
	maxSegments   = 1000
	maxCandidates = 8
)

// terms returns the terms of a signature, for one to be added.
func (t *TCP) terms() *terms {
	if t.ext == nil {
		t.ext = new(terms)
	}
	return t.ext
}

// otherTTLs reads |N|N behind the initial TTL and the colon.
func (p *parser) otherTTLs(t *TCP, v string) string {
	for p.err == nil && strings.HasPrefix(v, "|") {
		if len(t.terms().ttls)+1 == maxTTLs {
			p.fail(v, "more than %d initial TTLs", someLines, maxTTLs)
			return ""
		}
		n, rest := number(v[1:])
		if n < 1 || n > 255 {
			p.fail(v[1:], "want 1 to 255 as the initial TTL", "write what the sender's stack puts there, mostly 64, 128 or 255")
			return ""
		}
		t.ext.ttls = append(t.ext.ttls, n)
		v = rest
	}
	return p.colon(v, "initial TTL")
}

// hasTerms reports whether the field up to one of the bytes of end is written
// with a set, a range, a function or alternatives.
func hasTerms(v, end string) bool {
	if i := strings.IndexAny(v, end); i >= 0 {
		v = v[:i]
	}
	return strings.ContainsAny(v, "{(|") || strings.Contains(v, "..")
}

// interval reads N or N..M, with both at most high.
func (p *parser) interval(v, what string, low, high int) (from, to int, rest string) {
	start := v
	if v == "" || !isDigit(v[0]) {
		p.fail(v, "want a number or a range as the %s", "write 5, 5..9 or {5,7..9}", what)
		return 0, 0, ""
	}
	from, v = number(v)
	to = from
	if strings.HasPrefix(v, "..") {
		if len(v) < 3 || !isDigit(v[2]) {
			p.fail(v, "want the end of the range", "write A..B, both ends with a number")
			return 0, 0, ""
		}
		to, v = number(v[2:])
	}
	if from < low || to > high {
		p.fail(start, "want %d to %d as the %s", fieldHints[what], low, high, what)
	} else if to < from {
		p.fail(start, "the range ends before it begins", "write the smaller number first")
	}
	return from, to, v
}

// intervals reads a list of intervals up to the byte end, and calls add.
func (p *parser) intervals(v, what string, low, high int, sep, end byte, most int, add func(from, to int)) string {
	for n := 0; p.err == nil; n++ {
		if n == most {
			p.fail(v, "more than %d items", "use ranges, or "+someLines, most)
			break
		}
		var from, to int
		from, to, v = p.interval(v, what, low, high)
		if p.err != nil {
			break
		}
		add(from, to)
		if v != "" && v[0] == end {
			return v[1:]
		}
		if v == "" || v[0] != sep {
			p.fail(v, "want %q or %q in the list", "put commas between the items of {…}, and | between those of fit(…) and seg(…)", string(sep), string(end))
			break
		}
		v = v[1:]
	}
	return ""
}

// scale reads the window scale, which may be a range or a set.
func (p *parser) scale(t *TCP, v string) string {
	if p.err != nil || !hasTerms(v, ":") {
		t.Scale, v = p.wildcard(v, "window scale", 255, ':')
		return v
	}
	t.Scale = Any
	set := new(scaleSet)
	t.terms().scales = set
	add := func(from, to int) {
		for n := from; n <= to; n++ {
			set.add(n)
		}
	}
	if strings.HasPrefix(v, "{") {
		v = p.intervals(v[1:], "window scale", 0, 255, ',', '}', maxItems, add)
		return p.colon(v, "window scale")
	}
	from, to, v := p.interval(v, "window scale", 0, 255)
	if p.err == nil {
		add(from, to)
	}
	return p.colon(v, "window scale")
}

// windowAlternatives reads the terms of a window, and the comma.
func (p *parser) windowAlternatives(t *TCP, v string) string {
	t.Kind = windowTerms
	x := t.terms()
	for n := 0; p.err == nil; n++ {
		if n == maxTerms {
			p.fail(v, "more than %d alternatives", someLines, maxTerms)
			break
		}
		v = p.windowTerm(x, v)
		if p.err != nil {
			break
		}
		if strings.HasPrefix(v, ",") {
			return v[1:]
		}
		if !strings.HasPrefix(v, "|") {
			p.fail(v, "want a comma after the window", "write window,scale: for example fit(65536),7 or *,*")
			break
		}
		v = v[1:]
	}
	return ""
}

func (p *parser) windowTerm(x *terms, v string) string {
	add := func(kind WindowKind) func(int, int) {
		return func(from, to int) {
			x.windows = append(x.windows, windowTerm{kind: kind, low: from, top: to})
		}
	}
	switch {
	case strings.HasPrefix(v, "%"):
		return p.oneTerm(v[1:], "window divisor", 2, maxWindow, add(WindowModulo))
	case strings.HasPrefix(v, "mss*"):
		return p.oneTerm(v[4:], "window multiplier", 1, maxMultiple, add(WindowMSS))
	case strings.HasPrefix(v, "mtu*"):
		return p.oneTerm(v[4:], "window multiplier", 1, maxMultiple, add(WindowMTU))
	case strings.HasPrefix(v, "{"):
		return p.intervals(v[1:], "window", 0, maxWindow, ',', '}', maxItems, add(WindowEqual))
	case strings.HasPrefix(v, "fit("):
		return p.rounding(x, v[4:], windowFit)
	case strings.HasPrefix(v, "seg("):
		return p.rounding(x, v[4:], windowSeg)
	case v == "" || !isDigit(v[0]):
		p.fail(v, "want a window: a number, a range, {…}, %%N, mss*N, mtu*N, fit(…) or seg(…)", "docs/signatures.md explains the terms; * stands alone")
		return ""
	}
	from, to, v := p.interval(v, "window", 0, maxWindow)
	if p.err == nil {
		add(WindowEqual)(from, to)
	}
	return v
}

func (p *parser) oneTerm(v, what string, low, high int, add func(int, int)) string {
	n, rest := number(v)
	if n < low || n > high {
		p.fail(v, "want %d to %d as the %s", fieldHints[what], low, high, what)
		return ""
	}
	add(n, n)
	return rest
}

// rounding reads what stands in fit(…) and seg(…): sizes, and a unit.
func (p *parser) rounding(x *terms, v string, kind WindowKind) string {
	end := strings.IndexByte(v, ')')
	if end < 0 {
		p.fail(v, "want a closing parenthesis", "close the parenthesis")
		return ""
	}
	units := unitMSS
	sizes, name, ok := strings.Cut(v[:end], "/")
	if ok {
		switch name {
		case "mss":
		case "mss-12":
			units = unitMSS12
		case "*":
			units = unitMSS | unitMSS12
		default:
			p.fail(v[len(sizes)+1:], "want mss, mss-12 or * as the unit", "write fit(65536), fit(65536/mss-12) or fit(65536/*)")
			return ""
		}
	}
	add := func(from, to int) {
		w := windowTerm{kind: kind, low: from, top: to, units: units}
		if from == to {
			w.prepare()
		}
		x.windows = append(x.windows, w)
	}
	if kind == windowFit && sizes == "*" {
		add(1, maxSpace)
		return v[end+1:]
	}
	what, high := "buffer space", maxSpace
	if kind == windowSeg {
		what, high = "number of segments", maxSegments
		if i := strings.Index(sizes, ".."); i >= 0 {
			p.fail(v[i:], "no range of segments", "list them: seg(10|20)")
			return ""
		}
	}
	stop := byte(')')
	if ok {
		stop = '/'
	}
	if p.intervals(v, what, 1, high, '|', stop, maxTerms, add); p.err != nil {
		return ""
	}
	return v[end+1:]
}

// piece is an option of a layout, as one form has it.
type piece struct {
	kind   uint8
	pad    uint8 // of the end of list
	erased bool  // written over an option
	ts     bool  // a timestamp option, or in place of one
}

// choice is one of the ways in which a part of a layout may be sent.
type choice []piece

// layoutForms reads a layout that has more forms than one.
func (p *parser) layoutForms(t *TCP, v string) string {
	forms := []choice{nil}
	for p.err == nil && v != "" && v[0] != ':' {
		var part []choice
		at := v
		part, v = p.layoutPart(v)
		if p.err != nil {
			return ""
		}
		if forms = p.join(at, forms, part); p.err != nil {
			return ""
		}
		if rest := strings.TrimPrefix(v, ","); rest != v {
			v = rest
		} else if !strings.HasPrefix(v, ":") {
			p.fail(v, "want a comma or a colon after an option", "put commas between the options, and a colon behind the last")
			return ""
		}
	}
	if p.err == nil {
		p.keepForms(t, v, forms)
	}
	return p.colon(v, "option layout")
}

// join puts every choice behind every form.
func (p *parser) join(at string, forms, part []choice) []choice {
	if len(forms)*len(part) > maxForms {
		p.fail(at, "more than %d forms of the option layout", someLines, maxForms)
		return nil
	}
	var all []choice
	for _, f := range forms {
		for _, c := range part {
			if len(c) > 0 && len(f) > 0 && f[len(f)-1].kind == packet.OptEOL {
				p.fail(at, "eol must be the last option", "remove what stands behind it; eol+N counts the bytes")
				return nil
			}
			if len(f)+len(c) > packet.MaxOptions {
				p.fail(at, "more than %d options", "a TCP header has no room for that many", packet.MaxOptions)
				return nil
			}
			all = append(all, append(f[:len(f):len(f)], c...))
		}
	}
	return all
}

// layoutPart reads an option, [a|b] or (a|b).
func (p *parser) layoutPart(v string) ([]choice, string) {
	switch {
	case strings.HasPrefix(v, "["):
		group, rest := p.layoutGroup(v[1:], ']')
		return append([]choice{nil}, group...), rest
	case strings.HasPrefix(v, "("):
		return p.layoutGroup(v[1:], ')')
	}
	return p.layoutOption(v)
}

func (p *parser) layoutGroup(v string, end byte) ([]choice, string) {
	var group []choice
	current := []choice{nil}
	for p.err == nil {
		switch {
		case v == "" || v[0] == ':':
			p.fail(v, "want %q", "close the group; groups do not nest", string(end))
			return nil, ""
		case v[0] == end || v[0] == '|':
			if group = append(group, current...); len(group) > maxForms {
				p.fail(v, "more than %d forms of the option layout", someLines, maxForms)
				return nil, ""
			}
			if v[0] == end {
				return group, v[1:]
			}
			current, v = []choice{nil}, v[1:]
			continue
		}
		at := v
		var option []choice
		if option, v = p.layoutOption(v); p.err != nil {
			return nil, ""
		}
		if current = p.join(at, current, option); p.err != nil {
			return nil, ""
		}
		if strings.HasPrefix(v, ",") {
			v = v[1:]
		} else if v == "" || v[0] != end && v[0] != '|' {
			p.fail(v, "want a comma, | or %q after an option", "put commas between the options, | between the alternatives; groups do not nest", string(end))
		}
	}
	return nil, ""
}

// layoutOption reads an option, with the ~ that allows for its erased forms.
func (p *parser) layoutOption(v string) ([]choice, string) {
	kind, pad, n := option(v)
	if n == 0 || pad > 255 {
		p.fail(v, "want an option: eol+N, nop, mss, ws, sok, sack, ts or ?N", "write an option without a name by its kind, such as ?30")
		return nil, ""
	}
	ts := kind == packet.OptTS
	forms := []choice{{{kind: kind, pad: uint8(pad), ts: ts}}}
	rest, erasable := strings.CutPrefix(v[n:], "~")
	if !erasable {
		return forms, rest
	}
	var runs []int // how many NOPs stand in its place
	switch kind {
	case packet.OptTS:
		runs = []int{10, 2}
	case packet.OptSOK:
		runs = []int{2}
	case packet.OptWS:
		runs = []int{3}
	default:
		p.fail(v, "only ts, sok and ws have erased forms", "remove the ~")
		return nil, ""
	}
	for _, n := range runs {
		run := make(choice, n)
		for i := range run {
			run[i] = piece{kind: packet.OptNOP, erased: true, ts: ts}
		}
		forms = append(forms, run)
	}
	return forms, rest
}

// keepForms gives the signature its layouts: of equal ones the least erased.
func (p *parser) keepForms(t *TCP, v string, forms []choice) {
	x := t.terms()
	at := make(map[packet.Layout]int)
	for _, c := range forms {
		var f form
		for i, o := range c {
			f.layout.Kinds[i] = o.kind
			f.layout.EOLPad = max(f.layout.EOLPad, o.pad)
			f.erased = f.erased || o.erased
			f.ts = f.ts || o.ts
		}
		f.layout.Len = uint8(len(c))
		i, double := at[f.layout]
		switch {
		case !double:
			at[f.layout] = len(x.forms)
			x.forms = append(x.forms, f)
		case x.forms[i].erased && !f.erased:
			x.forms[i] = f
		}
	}
	t.Layout = x.forms[0].layout
}

// candidate reads or = NAME:FLAVOR.
func (p *parser) candidate(s, v string) {
	switch {
	case (p.section < tcpRequest || p.section > tcpResponse) && p.section != smtpClient || !p.expect.takes(expectSig) || p.hasSig:
		p.fail(s, "or belongs after a label of [tcp:…] or [smtp:client], before its first sig", "move the line up to its label")
		return
	}
	label := &p.db.labels[len(p.db.labels)-1]
	if len(label.Or) == maxCandidates {
		p.fail(s, "more than %d candidates", "name the likeliest", maxCandidates)
		return
	}
	name, flavor, ok := p.nameAndFlavor(v)
	if !ok {
		return
	}
	c := Candidate{Name: name, Flavor: flavor}
	if c.Name != label.Name && !slices.ContainsFunc(label.Or, func(o Candidate) bool { return o.Name == c.Name }) {
		label.Others = append(label.Others, c.Name)
	}
	label.Or = append(label.Or, c)
}

// uptime reads uptime = boot and uptime = random.
func (p *parser) uptime(s, v string) {
	switch {
	case p.section < tcpRequest || p.section > tcpResponse || !p.expect.takes(expectSig):
		p.fail(s, "uptime belongs after a label of [tcp:…]", "move the line below its label")
	case v == "boot":
		p.clock = ClockBoot
	case v == "random":
		p.clock = ClockRandom
	default:
		p.fail(v, "want boot or random", "write boot where the timestamps count from the start of the system, else random")
	}
}

// origin reads source = … and date = ….
func (p *parser) origin(s, name, v string) {
	switch {
	case p.section == noSection || !p.expect.takes(expectSig):
		p.fail(s, "%s belongs after a label", "move the line below its label", name)
	case name == "source" && v == "":
		p.fail(v, "empty source", "say how the signature is known, or remove the line")
	case name == "source":
		p.source = v
	case !isDate(v):
		p.fail(v, "want YYYY-MM or YYYY-MM-DD", "write the date of the observation, such as 2026-11")
	default:
		p.date = v
	}
}

func isDate(v string) bool {
	if len(v) != 7 && len(v) != 10 {
		return false
	}
	for i := range len(v) {
		if dash := i == 4 || i == 7; dash && v[i] != '-' || !dash && !isDigit(v[i]) {
			return false
		}
	}
	return within(v[5:7], 12) && (len(v) == 7 || within(v[8:], 31))
}

// within reports whether a number of two digits is 1 to high.
func within(v string, high int) bool {
	n, _ := number(v)
	return n >= 1 && n <= high
}
