package signature

import (
	"regexp"
	"strings"
)

// p0f2Line is a signature of p0f 2, in any of its four files (p0f.fp, p0fa.fp,
// p0fr.fp, p0fo.fp): window, TTL, DF, size, options, quirks, system, details. No
// line of p0f 3's language is like it.
var p0f2Line = regexp.MustCompile(`^(\*|[ST%]?[0-9]+):[0-9]+:[01]:(\*|[0-9]+):(\.|[NEWMST?][^:]*):[^:]+:[^:]*:`)

// isP0f2 returns the first line of a text that is neither empty nor a comment, if it
// is a signature of p0f 2, and its number; p0f 2's comments begin with #.
func isP0f2(text string) (line string, number int, ok bool) {
	for rest := text; rest != ""; {
		line, rest, _ = strings.Cut(rest, "\n")
		number++
		line = strings.TrimSuffix(line, "\r")
		if s := strings.TrimLeft(line, " \t"); s != "" && s[0] != '#' && s[0] != ';' {
			return line, number, p0f2Line.MatchString(line)
		}
	}
	return "", 0, false
}

// refuseP0f2 is the one fault of a file of p0f 2, each line of which is wrong.
func (p *parser) refuseP0f2(line string, number int) {
	p.text, p.line = line, number
	fault := p.fault(line, "this is a signature file of p0f 2, whose language is another than p0f 3's",
		"use the built-in signatures, or a p0f.fp of p0f 3; mxprint signatures unknown makes signatures of a capture")
	if p.all {
		p.faults = append(p.faults, fault)
		return
	}
	p.err = fault
}
