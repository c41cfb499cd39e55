//go:build linux

package mailtest

import (
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
)

// WriteFiles makes dir and the files in it, by name.
func WriteFiles(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// CopyProgram copies a program to where a chroot has it.
func CopyProgram(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// TempDir is a temporary directory that daemons without privileges may enter
// and whose path is short enough for a socket.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(BinDir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing what a daemon wrote: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// MakeDir makes a directory that daemons may enter, and gives it to owner
// unless that is nil.
func MakeDir(t testing.TB, dir string, owner *user.User) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if owner == nil {
		return
	}
	uid, _ := strconv.Atoi(owner.Uid) // decimal on every Unix
	gid, _ := strconv.Atoi(owner.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
}

// RepoPath is a path inside the checkout.
func RepoPath(t testing.TB, elem ...string) string {
	t.Helper()
	root, err := os.Getwd() // go test runs in the package's directory
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return filepath.Join(append([]string{root}, elem...)...)
		}
		if root == filepath.Dir(root) {
			t.Fatal("needs to run inside the checkout")
		}
		root = filepath.Dir(root)
	}
}
