package docs

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

const module = "github.com/mxprint/mxprint/"

// TestPicture compares the picture of docs/architecture.md with the code: every
// package that ships is in it once, and imports only packages of lines above.
func TestPicture(t *testing.T) {
	m := regexp.MustCompile("(?s)<!-- picture -->\n```\n(.*?)\n```").FindStringSubmatch(read(t, "architecture.md"))
	if m == nil {
		t.Fatal("architecture.md has no picture")
	}
	line := map[string]int{}
	for n, text := range strings.Split(m[1], "\n") {
		for _, name := range strings.Fields(text) {
			if _, twice := line[name]; twice {
				t.Errorf("%s is in the picture twice", name)
			}
			line[name] = n
		}
	}
	ships := shipped(t)
	for name, imports := range ships {
		at, ok := line[name]
		if !ok {
			t.Errorf("%s is not in the picture", name)
			continue
		}
		for _, imported := range imports {
			if above, ok := line[imported]; ok && above >= at {
				t.Errorf("%s imports %s, which is not above it in the picture", name, imported)
			}
		}
	}
	for name := range line {
		if _, ok := ships[name]; !ok {
			t.Errorf("%s is in the picture, and not in the code", name)
		}
	}
}

// shipped are the packages that the program or a library user can have, with
// those of ours that each imports.
func shipped(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command(lab.NeedProgram(t, "go"), "list", "-json=ImportPath,GoFiles,Imports", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath       string
			GoFiles, Imports []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours || len(p.GoFiles) == 0 || strings.HasPrefix(name, "internal/test/") || strings.HasPrefix(name, "e2e/") {
			continue
		}
		all[name] = nil
		for _, path := range p.Imports {
			if imported, ours := strings.CutPrefix(path, module); ours {
				all[name] = append(all[name], imported)
			}
		}
	}
}
