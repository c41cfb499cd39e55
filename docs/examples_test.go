package docs

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/signature"
)

// program builds the program whose output the pages show.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mxprint")
	cmd := exec.Command(lab.NeedProgram(t, "go"), "build", "-o", path, "../cmd/mxprint")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return path
}

// TestDemoInReadme wants each replayed sender of README's example in what the
// demo prints. The live ones depend on the machine's kernel.
func TestDemoInReadme(t *testing.T) {
	out, err := exec.Command(program(t), "demo").Output()
	if err != nil {
		t.Fatalf("mxprint demo: %v", err)
	}
	readme := read(t, "../README.md")
	_, example, ok := strings.Cut(readme, "```\n$ make demo\n")
	example, _, closed := strings.Cut(example, "...\n")
	if !ok || !closed {
		t.Fatal("README.md has no example of make demo")
	}
	senders := strings.Split(strings.TrimSpace(example), "\n\n")
	if len(senders) < 3 {
		t.Errorf("%d senders in the example, want more", len(senders))
	}
	for _, sender := range senders {
		if !strings.Contains(string(out), sender+"\n") {
			t.Errorf("README.md shows what mxprint demo does not print:\n%s", sender)
		}
	}
}

var update = flag.Bool("update", false, "write what the program prints into the examples of the pages")

// shownOf finds figures of the built-in database in a page.
var shownOf = regexp.MustCompile(`(?m)^(?:signatures +(\d+)(?: \(built in\).*)?|(?:ok: )?(\d+) signatures|\[\+\] Loaded (\d+) signatures from the built-in database\.)$`)

// otherFigures are numbers of signatures in a sentence that are not of the
// built-in database: bounds, and what a measurement had.
var otherFigures = []string{"20,000 signatures", "5,000 signatures"}

// TestF18Figures: where a page shows how many signatures are built in, and of which
// version a program is, it shows those of today.
func TestF18Figures(t *testing.T) {
	want := strconv.Itoa(signature.Builtin().Count())
	anywhere := regexp.MustCompile(`\b[0-9][0-9,]* (?:built-in )?signatures\b`)
	found := 0
	for _, path := range documents(t) {
		text := read(t, path)
		for _, m := range shownOf.FindAllStringSubmatch(text, -1) {
			found++
			if got := m[1] + m[2] + m[3]; got != want {
				t.Errorf("%s shows %q, and there are %s built-in signatures", path, m[0], want)
			}
		}
		for _, phrase := range anywhere.FindAllString(text, -1) {
			if n, _, _ := strings.Cut(phrase, " "); n != want && !slices.Contains(otherFigures, phrase) {
				t.Errorf("%s has %q, and there are %s built-in signatures (another figure belongs into otherFigures)", path, phrase, want)
			}
		}
	}
	if found < 5 {
		t.Errorf("%d places found, want more", found)
	}
	out, err := exec.Command(program(t), "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(string(out), ",")
	shown := regexp.MustCompile(`mxprint[ _](\d+\.\d+\.\d+)`)
	found = 0
	for _, path := range documents(t) {
		for _, m := range shown.FindAllStringSubmatch(read(t, path), -1) {
			found++
			if "mxprint "+m[1] != version {
				t.Errorf("%s has %q, and the program is %s", path, m[0], version)
			}
		}
	}
	if found < 3 {
		t.Errorf("%d versions found, want more", found)
	}
}

// TestF18Examples: an example of a page is what the program prints. With -update it
// is written into the page.
func TestF18Examples(t *testing.T) {
	mxprint := program(t)
	for _, example := range []struct {
		page, line string // the line begins so
		config     string // of check
		varies     string // lines that depend on the machine begin so
	}{
		{"signatures.md", "mxprint explain -n 1 4:57+7:", "", ""},
		{"balancer.md", "mxprint decode 45", "", ""},
		{"configuration.md", "mxprint check", "\n", "interfaces"},
		{"sockops.md", "mxprint check", "[sensor]\nsource = \"sockops\"\n", "cgroup"},
	} {
		t.Run(example.page, func(t *testing.T) {
			text := read(t, example.page)
			begin, line, shown := transcript(t, text, example.line)
			args := strings.Fields(line)[1:]
			config := filepath.Join(t.TempDir(), "mxprint.toml")
			if example.config != "" {
				if err := os.WriteFile(config, []byte(example.config), 0o600); err != nil {
					t.Fatal(err)
				}
				args = []string{"check", "-config", config}
			}
			out, err := exec.Command(mxprint, args...).Output()
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			got := asShown(strings.ReplaceAll(string(out), config, "/etc/mxprint.toml"), shown, example.varies)
			if *update {
				text = text[:begin] + got + text[begin+len(shown):]
				if err := os.WriteFile(example.page, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != shown {
				t.Errorf("%s prints\n%s\nand %s shows\n%s\n(go test ./docs -update writes it)", line, got, example.page, shown)
			}
		})
	}
}

// transcript finds "$ line" in a page and the output below it, which begins at
// byte begin and ends with the block.
func transcript(t *testing.T, page, line string) (begin int, command, output string) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^( *)\$ (` + regexp.QuoteMeta(line) + `.*)\n`).FindStringSubmatchIndex(page)
	if m == nil {
		t.Fatalf("the page has no $ %s", line)
	}
	indent := page[m[2]:m[3]]
	for l := range strings.Lines(page[m[1]:]) {
		if l == "```\n" || l == "\n" || !strings.HasPrefix(l, indent) {
			break
		}
		output += l
	}
	return m[1], page[m[4]:m[5]], output
}

// asShown is output in the indentation of the one that a page shows, whose lines
// with that beginning stand for those of this machine.
func asShown(output, shown, begin string) string {
	indent := shown[:len(shown)-len(strings.TrimLeft(shown, " "))]
	var b strings.Builder
	for line := range strings.Lines(output) {
		line = indent + line
		for l := range strings.Lines(shown) {
			if begin != "" && strings.HasPrefix(l, indent+begin) && strings.HasPrefix(line, indent+begin) {
				line = l
			}
		}
		b.WriteString(line)
	}
	return b.String()
}
