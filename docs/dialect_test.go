package docs_test

import (
	"os"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/signature"
)

// TestDialects reads the fingerprints and the signature of dialect.md, and finds
// each field in its table.
func TestDialects(t *testing.T) {
	text, err := os.ReadFile("dialect.md")
	if err != nil {
		t.Fatal(err)
	}
	fingerprints, section := 0, "classes = mta\n"
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "offer="):
			fingerprints++
			if f, err := dialect.Parse(line); err != nil || f.String() != line {
				t.Errorf("%s: %v; it prints as %s", line, err, f.String())
			}
		case strings.HasPrefix(line, "    ") && (strings.Contains(line, " = ") || strings.HasPrefix(line, "    [smtp")):
			section += line[4:] + "\n"
		}
	}
	if fingerprints < 2 {
		t.Errorf("%d fingerprints, want 2", fingerprints)
	}
	if db, err := signature.Parse(strings.NewReader(section), "dialect.md"); err != nil || db.Count() != 1 {
		t.Errorf("the signature: %v\n%s", err, section)
	}
	for f := range dialect.NumFields {
		if !strings.Contains(string(text), "`"+f.String()+"`") {
			t.Errorf("field %s is not in the table", f)
		}
	}
}
