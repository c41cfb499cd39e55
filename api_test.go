package mxprint_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

var update = flag.Bool("update", false, "write the lists of the exported API, api/*.txt")

// public are the packages that anyone may import. What they export is listed in
// api/*.txt: a change of the list is a change of a promise, and seen in review.
var public = []string{"note", "event", "packet", "signature", "filter", "capture", "engine", "savedsyn", "p0f", "query", "clienthello", "dialect"}

// TestAPI compares what each public package exports with its list. Until 1.0
// the lists only grow (go test -run TestAPI -update . writes them).
func TestAPI(t *testing.T) {
	for _, name := range public {
		t.Run(name, func(t *testing.T) {
			pkg, fset := parsePublic(t, name)
			got := strings.Join(exported(pkg, fset), "\n") + "\n"
			list := filepath.Join("api", name+".txt")
			if *update {
				if err := os.WriteFile(list, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			text, err := os.ReadFile(list)
			if err != nil {
				t.Fatal(err)
			}
			want, have := strings.Split(string(text), "\n"), strings.Split(got, "\n")
			for _, line := range want {
				if !slices.Contains(have, line) {
					t.Errorf("%s: no longer there: %s", list, line)
				}
			}
			for _, line := range have {
				if !slices.Contains(want, line) {
					t.Errorf("%s: not listed: %s", list, line)
				}
			}
		})
	}
}

// TestAPISize: each public package fits two screens of go doc, exports few
// names, promises compatibility and shows its first use.
func TestAPISize(t *testing.T) {
	const maxLines, maxNames = 100, 22
	for _, name := range public {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(lab.NeedProgram(t, "go"), "doc", "./"+name).CombinedOutput()
			if err != nil {
				t.Fatalf("go doc: %v: %s", err, out)
			}
			if n := bytes.Count(out, []byte("\n")); n > maxLines {
				t.Errorf("go doc has %d lines, want at most %d", n, maxLines)
			}
			pkg, _ := parsePublic(t, name)
			names := len(pkg.Consts) + len(pkg.Vars) + len(pkg.Funcs)
			for _, typ := range pkg.Types {
				names += 1 + len(typ.Funcs) // the constants of a type count with it
			}
			if names > maxNames {
				t.Errorf("%d exported names, want at most %d", names, maxNames)
			}
			if !strings.Contains(pkg.Doc, "# Compatibility\n") {
				t.Errorf("the package comment has no heading \"# Compatibility\"")
			}
			if len(pkg.Examples) == 0 && !hasExample(pkg) {
				t.Errorf("there is no Example")
			}
		})
	}
}

func hasExample(pkg *doc.Package) bool {
	for _, f := range pkg.Funcs {
		if len(f.Examples) > 0 {
			return true
		}
	}
	for _, typ := range pkg.Types {
		if len(typ.Examples) > 0 {
			return true
		}
		for _, m := range append(typ.Methods, typ.Funcs...) {
			if len(m.Examples) > 0 {
				return true
			}
		}
	}
	return false
}

// parsePublic reads a package as Linux builds it, with its tests for examples.
func parsePublic(t *testing.T, name string) (*doc.Package, *token.FileSet) {
	t.Helper()
	system := build.Default
	system.GOOS, system.GOARCH, system.CgoEnabled = "linux", "amd64", false
	dir, err := system.ImportDir(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, file := range slices.Concat(dir.GoFiles, dir.TestGoFiles, dir.XTestGoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(name, file), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	pkg, err := doc.NewFromFiles(fset, files, module+name)
	if err != nil {
		t.Fatal(err)
	}
	return pkg, fset
}

// exported lists what a package exports, one name a line, sorted.
func exported(pkg *doc.Package, fset *token.FileSet) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	text := func(node any) string {
		var b bytes.Buffer
		printer.Fprint(&b, fset, node)
		return strings.Join(strings.Fields(b.String()), " ")
	}
	values := func(kind string, all []*doc.Value) {
		for _, v := range all {
			for _, n := range v.Names {
				if ast.IsExported(n) {
					add("%s %s", kind, n)
				}
			}
		}
	}
	values("const", pkg.Consts)
	values("var", pkg.Vars)
	for _, f := range pkg.Funcs {
		add("func %s%s", f.Name, strings.TrimPrefix(text(f.Decl.Type), "func"))
	}
	for _, typ := range pkg.Types {
		values("const", typ.Consts)
		values("var", typ.Vars)
		for _, f := range typ.Funcs {
			add("func %s%s", f.Name, strings.TrimPrefix(text(f.Decl.Type), "func"))
		}
		for _, m := range typ.Methods {
			add("method (%s) %s%s", m.Recv, m.Name, strings.TrimPrefix(text(m.Decl.Type), "func"))
		}
		spec := typ.Decl.Specs[0].(*ast.TypeSpec)
		alias := ""
		if spec.Assign.IsValid() {
			alias = "= "
		}
		fields := members(spec.Type)
		if fields == nil {
			add("type %s %s%s", typ.Name, alias, text(spec.Type))
			continue
		}
		add("type %s", typ.Name)
		for _, f := range fields.List {
			for _, n := range f.Names {
				if n.IsExported() {
					add("field %s.%s %s", typ.Name, n.Name, text(f.Type))
				}
			}
			if len(f.Names) == 0 {
				add("field %s embeds %s", typ.Name, text(f.Type))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// members are the fields of a struct or the methods of an interface; nil for
// another type.
func members(typ ast.Expr) *ast.FieldList {
	switch typ := typ.(type) {
	case *ast.StructType:
		return typ.Fields
	case *ast.InterfaceType:
		return typ.Methods
	}
	return nil
}
