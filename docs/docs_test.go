// Package docs is the documents for operators. Its tests hold them against the
// code: names that a document must list, and links that must lead somewhere.
package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readAll returns the texts of all files of a pattern.
func readAll(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	all := ""
	for _, path := range paths {
		all += read(t, path)
	}
	return all
}

// TestNames wants every key of the configuration and every member of the JSON
// objects in its document, in backquotes.
func TestNames(t *testing.T) {
	for _, tt := range []struct{ source, tag, document string }{
		{"../internal/config/*.go", "toml", "configuration.md"},
		{"../event/json.go", "json", "json.md"},
		{"../note/json.go", "json", "json.md"},
		{"../internal/status/status.go", "json", "observe.md"},
	} {
		t.Run(filepath.Base(filepath.Dir(tt.source))+" "+tt.tag, func(t *testing.T) {
			tags := regexp.MustCompile(tt.tag+`:"([a-z_0-9]+)`).FindAllStringSubmatch(readAll(t, tt.source), -1)
			if len(tags) < 10 {
				t.Fatalf("%d %s tags in %s, want more", len(tags), tt.tag, tt.source)
			}
			document := read(t, tt.document)
			for _, m := range tags {
				name := regexp.QuoteMeta(m[1])
				if !regexp.MustCompile("`(" + name + `|\[` + name + "\\])`").MatchString(document) {
					t.Errorf("%s does not describe `%s` of %s", tt.document, m[1], tt.source)
				}
			}
		})
	}
}

// TestCommands wants every subcommand in some document.
func TestCommands(t *testing.T) {
	all := ""
	for _, path := range documents(t) {
		all += read(t, path)
	}
	commands := regexp.MustCompile(`(?m)^\tname: +"([a-z]+)",$`)
	files, err := filepath.Glob("../cmd/mxprint/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of the command: %v", err)
	}
	found := 0
	for _, path := range files {
		for _, m := range commands.FindAllStringSubmatch(read(t, path), -1) {
			found++
			if !strings.Contains(all, "mxprint "+m[1]) {
				t.Errorf("no document mentions mxprint %s", m[1])
			}
		}
	}
	if found < 5 {
		t.Errorf("%d subcommands found, want more", found)
	}
}

// documents are all texts for readers.
func documents(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"*.md", "../*.md"} {
		m, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, m...)
	}
	if len(paths) < 8 {
		t.Fatalf("%d documents, want more", len(paths))
	}
	return paths
}

// TestLinks follows the links between the documents, and into the tree.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, path := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, path), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
				continue
			}
			if anchor != "" && !anchors(read(t, target))[anchor] {
				t.Errorf("%s links to %s, which has no such heading", path, m[1])
			}
		}
	}
}

// anchors are the names that a Markdown viewer gives to headings.
func anchors(text string) map[string]bool {
	set := map[string]bool{}
	drop := regexp.MustCompile(`[^a-z0-9 _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		name := drop.ReplaceAllString(strings.ToLower(m[1]), "")
		set[strings.ReplaceAll(name, " ", "-")] = true
	}
	return set
}

// TestMakeTargets has make look for every target that a document names.
func TestMakeTargets(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		lab.Skip(t, "needs the program make")
	}
	target := regexp.MustCompile("(?m)(?:^ {4}(?: {3})?|`)make ([a-z][a-z0-9-]+)")
	seen := map[string]bool{}
	for _, path := range documents(t) {
		for _, m := range target.FindAllStringSubmatch(read(t, path), -1) {
			if seen[m[1]] {
				continue
			}
			seen[m[1]] = true
			if out, err := exec.Command("make", "-n", "-C", "..", m[1]).CombinedOutput(); err != nil {
				t.Errorf("%s says make %s: %v\n%s", path, m[1], err, out)
			}
		}
	}
	if len(seen) < 5 {
		t.Errorf("%d targets in the documents, want more", len(seen))
	}
}
