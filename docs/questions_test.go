package docs

import (
	"regexp"
	"strings"
	"testing"
)

// TestQuestions wants thirty questions of an operator, each with a page that
// answers it. TestLinks follows the links.
func TestQuestions(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| ([0-9]+) \| (.+\?) \| (.+) \|$`).FindAllStringSubmatch(
		strings.ReplaceAll(read(t, "test-questions.md"), "What not to do.", ""), -1)
	if len(rows) != 30 {
		t.Fatalf("%d questions, want 30", len(rows))
	}
	for _, row := range rows {
		if row[1] != "22" && row[1] != "30" && !strings.Contains(row[3], ".md#") {
			t.Errorf("question %s leads to a page, not to its answer: %s", row[1], row[3]) // those two pages are the answer
		}
		if !regexp.MustCompile(`\]\([a-z0-9-]+\.md(#[a-z0-9-]+)?\)`).MatchString(row[3]) {
			t.Errorf("question %s has no page that answers it: %s", row[1], row[3])
		}
	}
}
