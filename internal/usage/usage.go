// Package usage reads the text that a command prints for -h. It is the one
// place where options are described: manual pages and the completion of shells
// are made of it.
package usage

import (
	"regexp"
	"slices"
	"strings"
)

// Kind is what a block of the text is.
type Kind int

// The kinds of blocks.
const (
	Text    Kind = iota // a paragraph, its lines joined
	Terms               // options, or other words, each with its explanation
	Code                // lines as they are
	Heading             // a line that ends with a colon, without it
)

// Block is a part of a text. Lines is for Text (one line), Code and Heading
// (one line), Terms for Terms.
type Block struct {
	Kind  Kind
	Lines []string
	Terms []Term
}

// Term is a word and its explanation, in one line. Of an option the tag is the
// option with the name of its argument, if it has one: "-s SOCKET".
type Term struct{ Tag, Text string }

// Page is a whole text.
type Page struct {
	Synopsis []string // without "Usage: "
	Blocks   []Block
}

var (
	option = regexp.MustCompile(`^  (-[A-Za-z0-9-]+(?: [A-Z][A-Z,]*)?)(?: {2,}|$)(.*)$`)
	word   = regexp.MustCompile(`^([a-z][a-z-]*) {2,}(\S.*)$`)
	head   = regexp.MustCompile(`^([A-Z][^.]*):$`)
)

// Parse reads a text.
func Parse(text string) Page {
	var p Page
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for len(lines) > 0 {
		line, more := strings.CutPrefix(lines[0], "Usage: ")
		if !more {
			if line, more = strings.CutPrefix(lines[0], "       "); !more || p.Synopsis == nil {
				break
			}
		}
		p.Synopsis = append(p.Synopsis, strings.TrimSpace(line))
		lines = lines[1:]
	}
	for _, line := range lines {
		p.add(line)
	}
	p.Blocks = slices.DeleteFunc(p.Blocks, func(b Block) bool { return b.Lines == nil && b.Terms == nil })
	return p
}

// add takes one more line.
func (p *Page) add(line string) {
	var last *Block
	if n := len(p.Blocks); n > 0 {
		last = &p.Blocks[n-1]
	}
	isLast := func(k Kind) bool { return last != nil && last.Kind == k }
	if line == "" {
		p.Blocks = append(p.Blocks, Block{})
		return
	}
	if m := head.FindStringSubmatch(line); m != nil {
		p.Blocks = append(p.Blocks, Block{Kind: Heading, Lines: []string{m[1]}})
		return
	}
	m := option.FindStringSubmatch(line)
	if m == nil {
		m = word.FindStringSubmatch(line)
	}
	switch {
	case m != nil && isLast(Terms):
		last.Terms = append(last.Terms, Term{m[1], m[2]})
	case m != nil:
		p.Blocks = append(p.Blocks, Block{Kind: Terms, Terms: []Term{{m[1], m[2]}}})
	case isLast(Terms) && strings.HasPrefix(line, "   "):
		t := &last.Terms[len(last.Terms)-1]
		t.Text = strings.TrimSpace(t.Text + " " + strings.TrimSpace(line))
	case strings.HasPrefix(line, "  ") && isLast(Code):
		last.Lines = append(last.Lines, line[2:])
	case strings.HasPrefix(line, "  "):
		p.Blocks = append(p.Blocks, Block{Kind: Code, Lines: []string{line[2:]}})
	case isLast(Text) && last.Lines != nil:
		last.Lines[0] += " " + line
	default:
		p.Blocks = append(p.Blocks, Block{Kind: Text, Lines: []string{line}})
	}
}

// Options are all options, each with its argument's name, which may be empty.
func (p *Page) Options() []Option {
	var all []Option
	for _, b := range p.Blocks {
		for _, t := range b.Terms {
			if name, ok := strings.CutPrefix(t.Tag, "-"); ok {
				name, arg, _ := strings.Cut(name, " ")
				all = append(all, Option{name, arg, t.Text})
			}
		}
	}
	return all
}

// Option is one option, without its dash.
type Option struct{ Name, Arg, Text string }

// Words are the subcommands: of "mxprint signatures check FILE…" it is check.
func (p *Page) Words() []string {
	var all []string
	for _, line := range p.Synopsis {
		f := strings.Fields(line)
		if len(f) > 2 && regexp.MustCompile(`^[a-z]+$`).MatchString(f[2]) && !slices.Contains(all, f[2]) {
			all = append(all, f[2])
		}
	}
	return all
}
