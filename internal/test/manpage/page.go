package main

import (
	"regexp"
	"strings"

	"github.com/mxprint/mxprint/internal/usage"
)

// page gathers a manual page in the macros of man(7).
type page struct {
	b     strings.Builder
	fresh bool // a section has just begun
}

func (p *page) String() string { return p.b.String() }

// raw adds lines of roff. A section begins with a paragraph by itself.
func (p *page) raw(lines string) {
	if p.fresh {
		lines = strings.TrimPrefix(lines, ".PP\n")
	}
	p.fresh = strings.HasPrefix(lines, ".SH ") || strings.HasPrefix(lines, ".SS ")
	p.b.WriteString(strings.TrimSuffix(lines, "\n") + "\n")
}

func (p *page) section(title string)    { p.raw(".SH " + quoted(upper(title))) }
func (p *page) subsection(title string) { p.raw(".SS " + quoted(inline(title))) }

// upper leaves what is typed as it is.
func upper(title string) string {
	if strings.HasPrefix(title, "mxprint ") {
		return escape(title)
	}
	return strings.ToUpper(inline(title))
}

func (p *page) text(s string) { p.raw(".PP\n" + flow(inline(s))) }

// flow breaks text into lines of roff.
func flow(s string) string {
	const width = 76
	var b strings.Builder
	n := 0
	for word := range strings.FieldsSeq(s) {
		switch {
		case n == 0:
			word = guard(word)
		case n+1+len(word) > width:
			b.WriteByte('\n')
			word, n = guard(word), 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String()
}

// guard keeps a line from being taken for a macro.
func guard(line string) string {
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	return line
}

func (p *page) term(tag, text string) {
	p.raw(".TP\n.B " + escape(tag) + "\n" + orDash(flow(inline(text))))
}

func orDash(s string) string {
	if s == "" {
		return "\\-"
	}
	return s
}

// item is one of a list.
func (p *page) item(mark, text string) { p.raw(".IP " + mark + " 4\n" + flow(inline(text))) }

func (p *page) code(lines []string) {
	p.raw(".PP\n.RS 4\n.nf")
	for _, line := range lines {
		p.raw(guard(escape(line)))
	}
	p.raw(".fi\n.RE")
}

// usage adds the text of a command.
func (p *page) usage(u usage.Page) {
	p.code(u.Synopsis)
	for _, b := range u.Blocks {
		p.block(b)
	}
}

func (p *page) block(b usage.Block) {
	switch b.Kind {
	case usage.Text:
		p.raw(".PP\n" + flow(escape(b.Lines[0])))
	case usage.Heading:
		p.raw(".PP\n" + flow(escape(b.Lines[0])) + ":")
	case usage.Code:
		p.code(b.Lines)
	case usage.Terms:
		for _, t := range b.Terms {
			p.raw(".TP\n.B " + escape(t.Tag) + "\n" + orDash(flow(escape(t.Text))))
		}
	}
}

// quoted is an argument of a macro.
func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\(dq`) + `"` }

var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`,
	"µ", `\(mc`, "→", `\(->`, "≤", `\(<=`, "×", `\(mu`, "–", `\(en`, "“", `\(lq`, "”", `\(rq`)

// escape makes text that roff prints as it is.
func escape(s string) string { return escapes.Replace(s) }

var (
	aside = regexp.MustCompile(`\(\[[^\]]+\]\(([^)#]+\.md)[^)]*\)\)`)
	link  = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
	code  = regexp.MustCompile("`([^`]+)`|\\*\\*([^*]+)\\*\\*")
)

// inline makes roff of a line of Markdown. A link loses where it leads, unless it
// is out of the tree, or stands in parentheses, where it is nothing else.
func inline(s string) string {
	s = aside.ReplaceAllString(s, "(see **$1**)")
	s = link.ReplaceAllStringFunc(s, func(l string) string {
		m := link.FindStringSubmatch(l)
		if strings.Contains(m[2], "://") {
			return m[1] + " <" + m[2] + ">"
		}
		return m[1]
	})
	var b strings.Builder
	for s != "" {
		m := code.FindStringSubmatchIndex(s)
		if m == nil {
			b.WriteString(escape(s))
			break
		}
		b.WriteString(escape(s[:m[0]]))
		strong := m[2:4]
		if strong[0] < 0 {
			strong = m[4:6]
		}
		b.WriteString(`\fB` + escape(s[strong[0]:strong[1]]) + `\fR`)
		s = s[m[1]:]
	}
	return b.String()
}
