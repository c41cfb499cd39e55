package docs

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestUsedIn compares the column "used in" of dependencies.md with the imports
// of what ships, and wants a line for every module that go.mod asks for.
func TestUsedIn(t *testing.T) {
	users := importers(t)
	page := read(t, "dependencies.md")
	rows := regexp.MustCompile(`(?m)^\| ([a-z0-9.]+/[^ |]+)(?: v[^ |]+)? \|.*?\| ([^|]*) \| [^|]+ \| [^|]+ \| [^|]* \|$`).FindAllStringSubmatch(page, -1)
	if len(rows) < 12 {
		t.Fatalf("%d rows, want more", len(rows))
	}
	for _, row := range rows {
		if row[2] == "tests" || strings.TrimSpace(row[2]) == "" {
			continue
		}
		var got []string
		for path, names := range users {
			if path == row[1] || strings.HasPrefix(path, row[1]+"/") {
				got = append(got, names...)
			}
		}
		slices.Sort(got)
		if want := strings.Join(slices.Compact(got), ", "); want != row[2] {
			t.Errorf("%s is used in %q, and dependencies.md says %q", row[1], want, row[2])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\t([a-z0-9.]+/[^ ]+) v`).FindAllStringSubmatch(read(t, "../go.mod"), -1) {
		if strings.Contains(m[1], "/windows") {
			continue // not for the systems we build for
		}
		if name := regexp.MustCompile(`/v[0-9]+$`).ReplaceAllString(m[1], ""); !strings.Contains(page, name[strings.LastIndex(name, "/")+1:]) {
			t.Errorf("dependencies.md has no line about %s", m[1])
		}
	}
}

// importers are our packages that ship, by the path that they import.
func importers(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command(lab.NeedProgram(t, "go"), "list", "-json=ImportPath,Imports", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	users := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return users
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "internal/test/") || strings.HasPrefix(name, "e2e/") {
			continue
		}
		for _, path := range p.Imports {
			users[path] = append(users[path], name)
		}
	}
}

// TestWidth keeps paragraphs to 120 columns; tables and blocks are as wide as
// they are.
func TestWidth(t *testing.T) {
	for _, path := range documents(t) {
		fenced := false
		for n, line := range strings.Split(read(t, path), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced = !fenced
			}
			if fenced || len([]rune(line)) <= 120 || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "    ") ||
				!strings.Contains(strings.TrimSpace(line), " ") {
				continue
			}
			t.Errorf("%s:%d: a paragraph wider than 120 columns", path, n+1)
		}
	}
}
