package signature

import (
	"cmp"
	"io"
	"slices"
	"strings"
)

// maxFaults is how many faults of a file Check reports.
const maxFaults = 1000

// Report is what Check finds in a file.
type Report struct {
	DB       *DB            // nil where there are errors
	Errors   []*SyntaxError // in the order of the file
	Warnings []*SyntaxError // likewise; only of a file without errors
}

// Check parses a database and, unlike Parse, continues after an error: it
// reports up to 1,000. Lines that are wrong only because of an earlier error are
// not reported. In a database without errors it reports what can never be used.
// The error is that of reading, or ErrTooLarge; the report then has what was
// found before.
func Check(r io.Reader, name string) (Report, error) {
	text, err := readText(r, name)
	if err != nil {
		return Report{}, err
	}
	p := newParser()
	p.all = true
	p.read(name, text)
	rep := Report{Errors: p.faults}
	if p.err != nil && len(p.faults) < maxFaults {
		return rep, p.err
	}
	if len(rep.Errors) == 0 {
		p.db.finish()
		p.unused()
		slices.SortStableFunc(p.warnings, func(a, b *SyntaxError) int { return cmp.Compare(a.Line, b.Line) })
		rep.DB, rep.Warnings = p.db, p.warnings
	}
	return rep, nil
}

// recovered keeps the fault of the current line, and makes the parser ready to
// judge the lines below by themselves. It is false where the reading ends.
func (p *parser) recovered() bool {
	fault, ok := p.err.(*SyntaxError)
	if !p.all || !ok {
		return false
	}
	if p.faults = append(p.faults, fault); len(p.faults) == maxFaults {
		return false
	}
	p.err = nil
	again := false
	switch {
	case strings.HasSuffix(p.text, "\r") && !p.crlf:
		p.crlf, again = true, true // all lines will end so: once is enough
	case p.name == "" && strings.HasPrefix(strings.TrimLeft(p.text, " \t"), "["):
		p.section = lostSection
	case p.name == "classes":
		p.anyClass = true
	case p.section == noSection:
		if p.name == "label" || p.name == "sig" || p.name == "sys" {
			p.section = lostSection
		}
	case p.name == "sys" && p.expect == expectSys:
		p.expect = expectSig
	case p.expect == expectSys && (p.name == "label" || p.name == "sig"):
		p.expect, again = expectSig, true // the sys line is missing
	case p.name == "label":
		p.stub()
	case p.name == "sig" && p.expect == expectLabel:
		p.stub()
		again = true
	}
	if again {
		p.parseLine(p.text)
		return p.err == nil || p.recovered()
	}
	return true
}

// stub stands in for a label that is wrong or missing.
func (p *parser) stub() {
	p.hasSig, p.expect = false, expectAny
	if p.section == mtuSection {
		p.db.links = append(p.db.links, "?")
		p.link = int32(len(p.db.links))
		p.entry(0)
		return
	}
	p.db.labels = append(p.db.labels, Label{ID: len(p.db.labels) + 1, class: -1})
	p.entry(len(p.db.labels))
}

// warn notes something of the current line.
func (p *parser) warn(rest, format, hint string, args ...any) {
	p.warnings = append(p.warnings, p.fault(rest, format, hint, args...))
}

// warnAt notes something of a line that was read before.
func (p *parser) warnAt(line int, format, hint string, args ...any) {
	p.line, p.text = line, p.lines[line-1]
	p.warn(p.text, format, hint, args...)
}

// unused warns of labels without signatures, and of signatures that can never
// match: p0f has nothing against catch-alls of that kind, and overlooks some
// others.
func (p *parser) unused() {
	for i := range p.db.entries {
		e, what := &p.db.entries[i], "label"
		if e.Label == nil {
			what = "link"
		}
		if e.Signatures == 0 {
			p.warnAt(e.Line, "%s without a signature", "remove the label, or write its sig lines below it", what)
		}
	}
	for dir := range p.db.tcp {
		table := &p.db.tcp[dir]
		for i := range table.sigs {
			t := &table.sigs[i]
			p.shadowed(t.Line, t.Label, table.shadow(t))
		}
		for i, h := range p.db.http[dir] {
			p.shadowed(h.Line, h.Label, httpShadow(p.db.http[dir], i))
		}
	}
}

// shadow is an earlier signature that matches everything a later one could match.
type shadow struct {
	line  int    // 0 for none
	label *Label // its label
}

// shadows reports whether a signature of this label counts before another one,
// of the label l, where both match. first says which stands first.
func (l *Label) shadows(o *Label, first bool) bool {
	return !l.Generic && o.Generic || l.Generic == o.Generic && first
}

func (table *tcpTable) shadow(t *TCP) shadow {
	for _, e := range table.byLayout[t.forms()[0].layout].entries {
		old := &table.sigs[e.sig]
		if old != t && old.Label.shadows(t.Label, old.ID < t.ID) && old.coversTerms(t) {
			return shadow{old.Line, old.Label}
		}
	}
	return shadow{}
}

func httpShadow(all []*HTTP, at int) shadow {
	for i, old := range all {
		if i != at && old.Label.shadows(all[at].Label, i < at) && old.covers(all[at]) {
			return shadow{old.Line, old.Label}
		}
	}
	return shadow{}
}

func (p *parser) shadowed(line int, label *Label, by shadow) {
	switch {
	case by.line == 0:
	case by.label.Generic == label.Generic:
		p.warnAt(line, "signature can never match: that of line %d, before it, takes all that it takes", "remove it, or move it up if it is the narrower one", by.line)
	default:
		p.warnAt(line, "signature can never match: that of line %d is specific and takes all that it takes", "remove it, or make its label specific and move it up", by.line)
	}
}
