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

	"github.com/mxprint/mxprint/internal/test/lab"
)

const module = "github.com/mxprint/mxprint/"

// mayImport are our packages that a package of ours may import itself. Data
// goes one way, capture to front, and an arrow back would show here.
var mayImport = map[string][]string{
	"packet":    {},
	"note":      {},
	"event":     {"packet", "note"},
	"filter":    {},
	"signature": {"packet", "internal/signature"}, // what one can promise of the inner package
	"capture":   {"packet", "filter"},
	"savedsyn":  {"packet", "signature", "note", "internal/answer", "internal/signature", "internal/sender"}, // a note in one call is what it is for
	"engine":    {"internal/await", "internal/observe", "internal/unread", "packet", "filter", "capture", "signature", "event", "internal/signature", "internal/host", "note", "internal/answer"},
	"p0f":       {"note", "internal/ask", "internal/serve"},
	"query":     {"dialect", "note", "internal/ask", "internal/serve", "internal/front"},

	"internal/answer":  {"dialect", "internal/signature", "note", "event"},
	"internal/await":   {},
	"internal/observe": {"event", "internal/host"},
	"internal/unread":  {"filter", "packet"},
	"internal/ask":     {"note"},
	"internal/demo":    {"note", "packet", "savedsyn", "internal/feed", "internal/signature", "internal/status", "internal/web"},
	"internal/claim":   {"note"},
	"internal/policy":  {"note", "event", "internal/evidence"},
	"internal/config":  {"packet", "note", "internal/policy", "internal/front", "internal/proxy", "internal/serve", "internal/sockops"},
	"internal/daemon": {"internal/claim", "capture", "engine", "event", "filter", "note", "p0f", "packet", "query", "savedsyn", "signature", "internal/signature", "internal/config", "internal/host",
		"internal/front/amavis", "internal/front/milter", "internal/front/policyd", "internal/inherit", "internal/proxy", "internal/proxyproto",
		"internal/report", "internal/sandbox", "internal/sender", "internal/serve", "internal/sockops", "internal/evidence", "internal/export", "internal/status", "internal/store", "internal/verdict", "internal/view", "internal/web",
		"internal/feed", "internal/doctor", "internal/follow", "internal/shared", "internal/proc"},
	"internal/doctor":            {"capture", "filter", "packet", "internal/config", "internal/proc", "internal/view"},
	"internal/front":             {"note"},
	"internal/host":              {"packet", "internal/http1", "internal/signature", "note", "event", "internal/answer"},
	"internal/inherit":           {"internal/serve"},
	"internal/http1":             {},
	"internal/proxy":             {"packet", "capture", "note", "internal/proxyproto", "internal/serve"},
	"internal/proc":              {},
	"internal/probe":             {"capture", "filter", "packet"},
	"internal/proxyproto":        {"internal/serve"},
	"internal/report":            {"dialect", "note", "packet", "internal/signature", "event"},
	"internal/sandbox":           {},
	"internal/serve":             {},
	"internal/signature":         {"packet", "dialect", "internal/http1"},
	"internal/sockops":           {"packet", "capture"},
	"internal/status":            {"note", "internal/view"},
	"internal/usage":             {},
	"internal/feed":              {"event", "note"},
	"internal/follow":            {"internal/feed", "internal/status", "internal/view", "internal/web", "note"},
	"internal/web":               {"note", "packet", "dialect", "internal/feed", "internal/serve", "internal/signature", "internal/status", "third_party/uplot"},
	"third_party/uplot":          {},
	"internal/view":              {"event", "note", "internal/report"},
	"internal/explain":           {"dialect", "event", "packet", "internal/probe", "internal/report", "internal/signature", "internal/view"},
	"internal/decode":            {"note", "packet", "savedsyn", "signature", "internal/report"},
	"internal/offline":           {"internal/sender", "internal/signature", "internal/stream", "capture", "engine", "event", "packet", "internal/host", "internal/view"},
	"internal/signature/builtin": {},
	"internal/evidence":          {"note"},
	"internal/store":             {"note", "internal/evidence", "internal/status"},
	"internal/shared":            {"note", "internal/evidence", "internal/status", "internal/store"},
	"internal/export":            {"event", "note", "internal/evidence", "internal/status", "internal/store"},
	"internal/verdict":           {"internal/serve", "internal/store"},

	"clienthello":      {},
	"dialect":          {},
	"internal/stream":  {"clienthello", "dialect"},
	"internal/conduct": {"dialect", "internal/stream", "note"},
	"internal/sender":  {"dialect", "note", "event", "packet", "clienthello", "internal/stream", "internal/conduct", "internal/host", "internal/answer", "internal/signature"},

	// Tests alone.
	"contrib": {},
	"docs":    {},
}

// frontImports hold for every package under internal/front, the fronts of mail
// servers: they need a note.Lookuper and no more.
var frontImports = []string{"dialect", "note", "internal/policy", "internal/claim", "internal/ask", "internal/front", "internal/serve"}

// standardAlone are the packages a Go mail server can import for nothing: with
// all they import, they are the standard library and ours.
var standardAlone = []string{"packet", "savedsyn", "signature", "note", "event", "p0f", "query", "internal/signature", "internal/host", "internal/http1", "internal/ask", "internal/serve", "internal/front", "clienthello", "dialect", "internal/stream", "internal/conduct", "internal/sender"}

// rigs is the folder of what tests and developers need: its packages are
// imported by tests and by each other, and by nothing that ships.
const rigs = "internal/test/"

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
	return strings.HasPrefix(name, rigs) || strings.HasPrefix(name, "e2e/")
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
			if strings.HasPrefix(imported, "cmd/") || isForTests(imported) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
		allowed, known := mayImport[name]
		switch {
		case strings.HasPrefix(name, "cmd/"):
			continue // imports everything
		case strings.HasPrefix(name, "internal/front/"):
			allowed = frontImports
		case !known && p.Name != "main":
			t.Errorf("%s is not in mayImport", name)
			continue
		}
		for _, imported := range own(p.Imports) {
			if !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s, but may import %q", name, imported, allowed)
			}
		}
	}
}
