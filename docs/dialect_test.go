package docs_test

import (
	"os"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/dialect"
	core "github.com/mxprint/mxprint/internal/signature"
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

// TestAddAProgram matches the two dialects of add-a-program.md with the
// signature that the page makes of them.
func TestAddAProgram(t *testing.T) {
	text, err := os.ReadFile("add-a-program.md")
	if err != nil {
		t.Fatal(err)
	}
	var dialects []string
	section := "classes = library\n[smtp:client]\nlabel = s:library:Acme mailer:\nsource = x\ndate = 2026-11\n"
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "hello=EHLO fqdn;"):
			dialects = append(dialects, line)
		case strings.HasPrefix(line, "sig = "):
			section += line + "\n"
		}
	}
	db, err := core.Parse(strings.NewReader(section), "add-a-program.md")
	if err != nil || db.Count() != 1 || len(dialects) != 2 {
		t.Fatalf("%v; %d signatures and %d dialects, want 1 and 2\n%s", err, db.Count(), len(dialects), section)
	}
	for _, line := range dialects {
		f, err := dialect.Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if m := db.MatchSMTP(&f); m.N != 1 {
			t.Errorf("%s matches %s, want the signature", line, m.Title())
		}
	}
}
