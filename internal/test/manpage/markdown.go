package main

import (
	"regexp"
	"strings"
)

var (
	heading = regexp.MustCompile(`^(#+) (.*)$`)
	bullet  = regexp.MustCompile(`^(-|[0-9]+\.) +(.*)$`)
	rule    = regexp.MustCompile(`^[|: -]+$`)
)

// markdown adds a document: the part of Markdown that ours are written in. Its
// title is left out, for the page has one.
func (p *page) markdown(text string) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for len(lines) > 0 {
		line := lines[0]
		switch m := heading.FindStringSubmatch(line); {
		case line == "":
			lines = lines[1:]
		case m != nil:
			switch len(m[1]) {
			case 1:
			case 2:
				p.section(m[2])
			default:
				p.subsection(m[2])
			}
			lines = lines[1:]
		case strings.HasPrefix(line, "```"):
			lines = p.fenced(lines[1:])
		case strings.HasPrefix(line, "    "):
			lines = p.indented(lines)
		case strings.HasPrefix(line, "|"):
			lines = p.table(lines)
		default:
			lines = p.paragraph(lines)
		}
	}
}

func (p *page) fenced(lines []string) (rest []string) {
	n := 0
	for n < len(lines) && !strings.HasPrefix(lines[n], "```") {
		n++
	}
	p.code(lines[:n])
	return lines[min(n+1, len(lines)):]
}

func (p *page) indented(lines []string) (rest []string) {
	n := 0
	for n < len(lines) && (strings.HasPrefix(lines[n], "    ") || lines[n] == "") {
		n++
	}
	end := n
	for lines[end-1] == "" {
		end--
	}
	block := make([]string, end)
	for i := range block {
		block[i] = strings.TrimPrefix(lines[i], "    ")
	}
	p.code(block)
	return lines[n:]
}

// paragraph adds the lines up to an empty one as one, or as an item of a list.
func (p *page) paragraph(lines []string) (rest []string) {
	n := 1
	for n < len(lines) && lines[n] != "" && !bullet.MatchString(lines[n]) && !strings.HasPrefix(lines[n], "|") && !strings.HasPrefix(lines[n], "```") {
		n++
	}
	text := make([]string, n)
	for i := range text {
		text[i] = strings.TrimSpace(lines[i])
	}
	joined := strings.Join(text, " ")
	switch m := bullet.FindStringSubmatch(joined); {
	case m == nil:
		p.text(joined)
	case m[1] == "-":
		p.item(`\(bu`, m[2])
	default:
		p.item(m[1], m[2])
	}
	return lines[n:]
}

// table adds a row as a term: a manual page is too narrow for columns. Of more
// than two columns each has its name before it, except for the last.
func (p *page) table(lines []string) (rest []string) {
	n := 0
	for n < len(lines) && strings.HasPrefix(lines[n], "|") {
		n++
	}
	names := cells(lines[0])
	for _, line := range lines[1:n] {
		if rule.MatchString(line) {
			continue
		}
		var text []string
		row := cells(line)
		for i, cell := range row[1:] {
			switch {
			case cell == "":
			case i+2 == len(row) || i+1 >= len(names) || names[i+1] == "":
				text = append(text, cell)
			default:
				text = append(text, "("+names[i+1]+" "+cell+")")
			}
		}
		p.raw(".TP\n" + orDash(guard(inline(row[0]))) + "\n" + orDash(flow(inline(strings.Join(text, " ")))))
	}
	return lines[n:]
}

// cells splits a row; a | in a cell has a backslash before it.
func cells(line string) []string {
	const bar = "\x00"
	line = strings.ReplaceAll(line, `\|`, bar)
	line = strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|")
	var all []string
	for cell := range strings.SplitSeq(line, "|") {
		all = append(all, strings.TrimSpace(strings.ReplaceAll(cell, bar, "|")))
	}
	return all
}
