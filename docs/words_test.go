package docs

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// unplain are expressions that a reader stumbles over; glossary.md has what to
// write instead.
var unplain = regexp.MustCompile(`held against|hold against|\banew\b|\bwhom\b|[Ww]hoever|is none\b|are none\b|so many|pushe[sd] out|costs nothing|in the place of|at the most|[Nn]obody`)

// unixUser is nobody, the account.
var unixUser = regexp.MustCompile(`["@]nobody"?|-u nobody|[aA]sNobody|TestNobody|\bnobody(_linux_test| :?=|\(|,)|(user|as) nobody|// nobody is the account`)

// maxExceptions bounds how many lines may keep such an expression.
const maxExceptions = 60

// TestWords keeps expressions out of code and pages. A line that needs one is
// in testdata/words-exceptions.txt as "PATH: TEXT OF THE LINE  # reason".
func TestWords(t *testing.T) {
	allowed := map[string]bool{}
	for _, line := range strings.Split(read(t, "testdata/words-exceptions.txt"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text, reason, ok := strings.Cut(line, "  # ")
		if !ok || reason == "" {
			t.Errorf("the exception %q has no reason", line)
		}
		allowed[text] = false
	}
	if len(allowed) > maxExceptions {
		t.Errorf("%d exceptions, at most %d are allowed", len(allowed), maxExceptions)
	}
	out, err := exec.Command(lab.NeedProgram(t, "git"), "-C", "..", "ls-files", "*.go", "*.md", "*.sh", "*.js", "*.c").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		if path == "docs/glossary.md" || path == "docs/words_test.go" {
			continue
		}
		text := read(t, "../"+path)
		if !unplain.MatchString(text) {
			continue
		}
		for n, line := range strings.Split(text, "\n") {
			key := path + ": " + strings.TrimSpace(line)
			if _, known := allowed[key]; known {
				allowed[key] = true
			} else if m := unplain.FindString(unixUser.ReplaceAllString(line, "")); m != "" {
				t.Errorf("%s:%d: %q is not plain English (docs/glossary.md): %s", path, n+1, m, strings.TrimSpace(line))
			}
		}
	}
	for key, used := range allowed {
		if !used {
			t.Errorf("the exception is not needed any more: %s", key)
		}
	}
}
