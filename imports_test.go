// Package mxprint_test holds what concerns the module as a whole.
package mxprint_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/lab"
)

const module = "github.com/mxprint/mxprint/"

// mayImport are our packages that a package of ours may import itself. Data
// goes one way, capture to front, and an arrow back would show here.
var mayImport = map[string][]string{
	"packet":    {},
	"note":      {},
	"filter":    {},
	"http1":     {},
	"signature": {"packet", "http1"},
	"host":      {"packet", "http1", "signature"},
	"capture":   {"packet", "filter"},
	"savedsyn":  {"packet", "signature", "note", "internal/answer"}, // a note in one call is what it is for
	"sockops":   {"packet", "capture"},
	"engine":    {"packet", "filter", "capture", "signature", "host", "note", "internal/answer"},
	"p0f":       {"note", "host", "signature", "packet", "http1", "internal/ask", "internal/front"},
	"proxy":     {"packet", "capture", "note", "proxied", "internal/front"},

	"internal/answer":  {"signature", "note"},
	"internal/manpage": {"internal/usage"},
	"internal/ask":     {"note"},
	"internal/front":   {"note"},
}

// frontImports hold for every package at the top that mayImport does not name:
// fronts of mail servers, which need a note.Lookuper and nothing else.
var frontImports = []string{"note", "policy", "internal/ask", "internal/front"}

// standardAlone are the packages a Go mail server can import for nothing: with
// all they import, they are the standard library and ours.
var standardAlone = []string{"packet", "http1", "signature", "note", "host", "p0f", "internal/ask", "internal/front"}

// forTests are imported by tests and by each other, and by nothing that ships.
var forTests = []string{"internal/lab", "internal/synlab", "internal/kernellab", "internal/stacklab", "internal/difftest", "internal/bench", "internal/front/fronttest"}

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Name       string
	Standard   bool
	Imports    []string // direct
	Deps       []string // all
}

// list runs go list -deps for a system.
func list(t *testing.T, system string) map[string]listed {
	t.Helper()
	cmd := exec.Command(lab.NeedProgram(t, "go"), "list", "-deps", "-json=ImportPath,Name,Standard,Imports,Deps", "./...")
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", cmd, err, stderr.Bytes())
	}
	all := make(map[string]listed)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}

// own returns those of a list of paths that are ours, without the module.
func own(paths []string) []string {
	var names []string
	for _, path := range paths {
		if name, ok := strings.CutPrefix(path, module); ok {
			names = append(names, name)
		}
	}
	return names
}

// others are the systems, beside Linux, that the program is built for.
var others = []string{"freebsd", "openbsd", "darwin"}

// TestOtherSystems has the compiler look at what ships, and its tests, on the
// other systems. It cannot be run here.
func TestOtherSystems(t *testing.T) {
	for _, system := range others {
		t.Run(system, func(t *testing.T) {
			args := []string{"vet"}
			for path := range list(t, system) {
				if name, ok := strings.CutPrefix(path, module); ok && !isForTests(name) {
					args = append(args, path)
				}
			}
			if len(args) < 20 {
				t.Fatalf("few packages: %q", args)
			}
			slices.Sort(args[1:])
			cmd := exec.Command(lab.NeedProgram(t, "go"), args...)
			cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("GOOS=%s go vet: %v\n%s", system, err, out)
			}
		})
	}
}

// isForTests reports whether a package is for tests alone.
func isForTests(name string) bool {
	return slices.Contains(forTests, name) || strings.HasPrefix(name, "internal/difftest/") || strings.HasPrefix(name, "internal/kernellab/")
}

func TestImports(t *testing.T) {
	for _, system := range append([]string{"linux"}, others...) {
		t.Run(system, func(t *testing.T) {
			all := list(t, system)
			checkImports(t, all)
			for _, name := range standardAlone {
				p, ok := all[module+name]
				if !ok {
					t.Errorf("there is no package %s", name)
				}
				for _, dep := range p.Deps {
					if !all[dep].Standard && !strings.HasPrefix(dep, module) {
						t.Errorf("%s depends on %s: it shall depend on the standard library alone", name, dep)
					}
				}
			}
		})
	}
}

func checkImports(t *testing.T, all map[string]listed) {
	t.Helper()
	for path, p := range all {
		name, ok := strings.CutPrefix(path, module)
		if !ok || isForTests(name) {
			continue
		}
		for _, imported := range own(p.Imports) {
			if strings.HasPrefix(imported, "cmd/") || slices.Contains(forTests, imported) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
		allowed, known := mayImport[name]
		switch {
		case strings.HasPrefix(name, "cmd/"):
			continue // imports everything
		case !known && strings.Contains(name, "/") && p.Name != "main":
			allowed = nil // a part of another package: nothing
		case !known:
			allowed = frontImports
		}
		for _, imported := range own(p.Imports) {
			if !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s, but may import %q", name, imported, allowed)
			}
		}
	}
}
