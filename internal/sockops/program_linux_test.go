package sockops

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// clangMajor is the version of the compiler that made program.o.
const clangMajor = "14"

// TestProgramIsCurrent: program.o is what program.c compiles to.
func TestProgramIsCurrent(t *testing.T) {
	clang := lab.NeedProgram(t, "clang")
	lab.NeedProgram(t, "llvm-strip")
	object := filepath.Join(t.TempDir(), "program.o")
	if out, err := exec.Command(filepath.Join("..", "..", "scripts", "bpf"), object).CombinedOutput(); err != nil {
		t.Fatalf("scripts/bpf: %v\n%s", err, out)
	}
	compiled, err := os.ReadFile(object)
	if err != nil {
		t.Fatal(err)
	}
	want, got := describe(t, compiled), describe(t, program)
	if diff := cmp.Diff(want, got); diff != "" {
		version, err := exec.Command(clang, "--version").Output()
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`version (\d+)`).FindSubmatch(version); m == nil || string(m[1]) != clangMajor {
			lab.Skip(t, "program.o differs, but clang "+clangMajor+" made it, and here is "+string(version))
		}
		t.Errorf("program.o is not what program.c compiles to: run make bpf (- compiled, + program.o):\n%s", diff)
	}
}

// described is what the kernel gets of an object.
type described struct {
	Programs, Maps, Variables map[string]string
}

func describe(t testing.TB, object []byte) described {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	d := described{map[string]string{}, map[string]string{}, map[string]string{}}
	for name, p := range spec.Programs {
		d.Programs[name] = p.Type.String() + " " + p.AttachTo + " " + p.License + "\n" + fmt.Sprint(p.Instructions)
	}
	for name, m := range spec.Maps {
		d.Maps[name] = m.String()
	}
	for name, v := range spec.Variables {
		d.Variables[name] = fmt.Sprint(v.SectionName, v.Offset, v.Value)
	}
	return d
}
