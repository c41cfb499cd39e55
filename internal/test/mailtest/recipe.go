//go:build linux

package mailtest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Recipe is the indented lines of a page of docs which contain all of words,
// and those around them that belong to it.
func Recipe(t testing.TB, page string, words ...string) string {
	t.Helper()
	text, err := os.ReadFile(RepoPath(t, "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?m)(^(    .*)?\n)+`)
	for _, b := range block.FindAllString(string(text), -1) {
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(b, w) }) {
			continue
		}
		lines := strings.Split(strings.Trim(b, "\n"), "\n")
		indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " "))]
		for i, l := range lines {
			lines[i] = strings.TrimPrefix(l, indent)
		}
		return strings.Join(lines, "\n") + "\n"
	}
	t.Fatalf("docs/%s has no block with %q", page, words)
	return ""
}

// A patience makes the lines of a recipe what they are in a test. A mail goes
// on without a header when its time is over, so that a machine which stands
// still for a moment would fail each test that wants a header in every mail:
// those ask with patience. Tests of the time limits take them AsWritten, and
// may not want every header.
type Patience func(lines string) string

func AsWritten(lines string) string { return lines }

// Patient replaces the time limits of mail servers; it fits all recipes.
func Patient(lines string) string {
	return recipeTimes.ReplaceAllString(lines, "${1}60s")
}

var recipeTimes = regexp.MustCompile(`(timeout=|[CSRE]:|}\{)[12]s\b`)
