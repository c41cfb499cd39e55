package lab

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDeps: what a test needs is installed by make deps, comes with a package that
// it installs, or is on every Debian: else it is missed on the next fresh machine.
func TestDeps(t *testing.T) {
	NeedProgram(t, "dpkg-query")
	root := "../../.."
	script, err := os.ReadFile(filepath.Join(root, "scripts", "deps"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(script), "<<-'EOF'\n")
	list, _, ok := strings.Cut(list, "EOF\n")
	if !ok {
		t.Fatal("scripts/deps has no list of packages")
	}
	listed := []string{"nodejs", "npm", "git"} // node in its own way; git cloned the checkout
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) > 0 {
			listed = append(listed, f[0])
		}
	}
	query := func(format, name string) string {
		out, _ := exec.Command("dpkg-query", "-W", "-f", format, name).Output() // nothing where it is not installed
		return string(out)
	}
	var with []string // packages that those on the list want
	for _, name := range listed {
		with = append(with, regexp.MustCompile(`[a-z0-9][a-z0-9+.-]+`).FindAllString(query("${Depends}", name), -1)...)
	}
	call := regexp.MustCompile(`NeedProgram\(\w+(?:\.t)?, "([^"]+)"\)`)
	needs := make(map[string]string) // program to a file that needs it
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			needs[m[1]] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(needs) < 20 {
		t.Errorf("%d programs are needed: the calls are no longer found", len(needs))
	}
	for name, pkg := range packagesOf(slices.Collect(maps.Keys(needs))) {
		priority := query("${Priority}", pkg)
		if !slices.Contains(listed, pkg) && !slices.Contains(with, pkg) && priority != "required" && priority != "important" {
			t.Errorf("%s needs %s, of Debian's package %s: add it to scripts/deps", needs[name], name, pkg)
		}
	}
}

// packagesOf returns Debian's package of each program, but for those that are missing,
// of which their tests say so, or not the distribution's, such as Go.
func packagesOf(programs []string) map[string]string {
	of := make(map[string]string) // a path that a package may have to the program
	args := []string{"-S"}
	for _, name := range programs {
		path := lookProgram(name)
		real, err := filepath.EvalSymlinks(path)
		if path == "" || err != nil {
			continue
		}
		for _, path := range []string{path, real, "/usr" + real, strings.TrimPrefix(real, "/usr")} {
			of[path] = name
			args = append(args, path)
		}
	}
	out, _ := exec.Command("dpkg-query", args...).Output() // it fails where one is not found
	pkgs := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		pkg, path, _ := strings.Cut(strings.TrimSpace(line), ": ")
		pkg, _, _ = strings.Cut(pkg, ":") // of an architecture
		pkgs[of[path]] = pkg
	}
	return pkgs
}
