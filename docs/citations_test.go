package docs

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestCitations resolves every "§": it stands after the name of what it cites,
// and a section of a specification in this tree exists there.
func TestCitations(t *testing.T) {
	sections := map[string]map[string]bool{}
	for _, name := range []string{"p0f-v3.md"} {
		sections[name] = map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^#+ ([0-9]+(?:\.[0-9]+)*)\.? `).FindAllStringSubmatch(read(t, "spec/"+name), -1) {
			sections[name][m[1]] = true
		}
	}
	out, err := exec.Command(lab.NeedProgram(t, "git"), "-C", "..", "ls-files", "*.go", "*.c", "*.sh", "*.js", "*.md", "scripts/*", "Makefile").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range strings.Fields(string(out)) {
		text := read(t, "../"+path)
		if !strings.Contains(text, "§") || path == "docs/citations_test.go" {
			continue
		}
		for _, c := range citations(text) {
			found++
			switch {
			case c.source == "" && path == "docs/spec/p0f-v3.md":
				c.source = "p0f-v3.md" // of itself
				fallthrough
			case sections[c.source] != nil:
				if !sections[c.source][c.section] {
					t.Errorf("%s cites %s §%s, which does not exist", path, c.source, c.section)
				}
			case c.source == "":
				t.Errorf("%s cites §%s without naming of what: %q", path, c.section, c.context)
			}
		}
	}
	if found < 200 {
		t.Errorf("%d citations, want more", found)
	}
}

// citation is a section and the document it is of; "" if that is not named.
type citation struct{ source, section, context string }

var (
	// Comments are joined, so that a citation may break over lines.
	lineBreak = regexp.MustCompile(`\s*\n[ \t]*(?://|#|\*)?[ \t]*`)
	sectionOf = regexp.MustCompile(`§§? ?([0-9]+(?:\.[0-9]+)*)`)
	// What may stand between a source and its section, or between two sections.
	named  = regexp.MustCompile("(p0f-v3\\.md\\)?|RFC [0-9]{3,5}|IEEE 802[.0-9a-z-]*|PROXY protocol|JA4\\.md|[a-z-]+\\.md)[`)]? ?$")
	joined = regexp.MustCompile(`^[0-9. ]*(?:,|and|or|to|;|, and| class [0-9]+,)? *$`)
)

// citations are all citations of a text. A section in a list after another one
// ("§7.2, §7.4", "§2.1 to §2.6") is of the same document.
func citations(text string) []citation {
	text = lineBreak.ReplaceAllString(text, " ")
	var all []citation
	end, source := 0, ""
	for _, m := range sectionOf.FindAllStringSubmatchIndex(text, -1) {
		before := text[max(end, m[0]-60):m[0]]
		if s := named.FindStringSubmatch(before); s != nil {
			source = strings.TrimSuffix(s[1], ")")
		} else if end == 0 || !joined.MatchString(text[end:m[0]]) {
			source = ""
		}
		all = append(all, citation{source, text[m[2]:m[3]], text[max(0, m[0]-40):m[1]]})
		end = m[1]
	}
	return all
}

// TestCitationsOfText has the forms that a citation may take.
func TestCitationsOfText(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"the log (p0f-v3.md §10.5)", "p0f-v3.md 10.5"},
		{"of p0f-v3.md\n// §3.1, §3.2", "p0f-v3.md 3.1|p0f-v3.md 3.2"},
		{"RFC 5321 §4.5.3.1.5: 512", "RFC 5321 4.5.3.1.5"},
		{"p0f-v3.md §2 and the formats of §9", "p0f-v3.md 2| 9"},
		{"see §3", " 3"},
	} {
		var got []string
		for _, c := range citations(tt.text) {
			got = append(got, c.source+" "+c.section)
		}
		if s := strings.Join(got, "|"); s != tt.want {
			t.Errorf("citations(%q) = %q, want %q", tt.text, s, tt.want)
		}
	}
}
