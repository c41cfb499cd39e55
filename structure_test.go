package mxprint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// product parses the Go files of what ships.
func product(t *testing.T) (files map[string]*ast.File) {
	t.Helper()
	files = make(map[string]*ast.File)
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == "tools" || path == "third_party" || path == "internal/test" || d.Name() == "testdata" || len(d.Name()) > 1 && d.Name()[0] == '.'):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files[path], err = parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Fatalf("only %d files", len(files))
	}
	return files
}

// TestOneServer: there is one accept loop and one type that counts connections,
// both in internal/serve. What wraps a listener has no loop.
func TestOneServer(t *testing.T) {
	var loops, counters []string
	for path, file := range product(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ForStmt:
				if accepts(n.Body) {
					loops = append(loops, path)
				}
			case *ast.StructType:
				names := fieldNames(n)
				if slices.Contains(names, "open") && slices.Contains(names, "total") && slices.Contains(names, "refused") {
					counters = append(counters, path)
				}
			}
			return true
		})
	}
	if want := []string{"internal/serve/serve.go"}; !slices.Equal(loops, want) || !slices.Equal(counters, want) {
		t.Errorf("accept loops in %q, counters of connections in %q, want one of each in %q", loops, counters, want)
	}
}

// accepts reports whether something is accepted in a block.
func accepts(body *ast.BlockStmt) (found bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		found = found || ok && strings.HasPrefix(method.Sel.Name, "Accept") && len(call.Args) == 0
		return true
	})
	return found
}

// TestFindings: each finding of the adversary's report has a test of its name, which
// was seen to fail without its correction.
func TestFindings(t *testing.T) {
	const findings = 22
	found := make(map[int]bool)
	name := regexp.MustCompile(`(?m)^func TestFinding(\d\d)[A-Z]`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || len(d.Name()) > 1 && d.Name()[0] == '.'):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range name.FindAllSubmatch(text, -1) {
			n, _ := strconv.Atoi(string(m[1]))
			found[n] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range findings {
		if !found[n+1] {
			t.Errorf("no test is named TestFinding%02d…", n+1)
		}
	}
}

// fieldNames are the names of the fields in small letters.
func fieldNames(s *ast.StructType) (names []string) {
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			names = append(names, strings.ToLower(name.Name))
		}
	}
	return names
}
