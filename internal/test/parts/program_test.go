package parts

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestProgram: the program is built into the cache, and not linked again for who
// needs it next.
func TestProgram(t *testing.T) {
	t.Setenv("MXPRINT_CACHE", t.TempDir())
	build := func() (program []byte, linked os.FileInfo) {
		t.Helper()
		path, err := Program(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(path, "version").Output(); err != nil || !bytes.HasPrefix(out, []byte("mxprint ")) {
			t.Errorf("mxprint version: %q, %v", out, err)
		}
		program, err = os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cache, err := Dir()
		if err != nil {
			t.Fatal(err)
		}
		linked, err = os.Stat(filepath.Join(cache, "program", "mxprint"))
		if err != nil {
			t.Fatal(err)
		}
		return program, linked
	}
	one, first := build()
	two, second := build()
	if !bytes.Equal(one, two) || !os.SameFile(first, second) {
		t.Errorf("the same program is linked again: %d and %d bytes", len(one), len(two))
	}
}
