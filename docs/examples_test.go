package docs

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
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
