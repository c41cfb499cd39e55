package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/signature"
)

// TestMakeAllKeepsLinks: a symbolic link that leads nowhere is not one of the folders
// that a check has made, and removes.
func TestMakeAllKeepsLinks(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/nowhere/at/all", link); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{link, filepath.Join(link, "a", "b")} {
		made, err := makeAll(folder)
		removeAll(made)
		if err == nil {
			t.Errorf("%s was made", folder)
		}
		if _, err := os.Lstat(link); err != nil {
			t.Fatalf("a check of %s has removed the link: %v", folder, err)
		}
	}
}

// TestReadPEM: neither a pipe without a writer nor a device without an end holds up a
// start.
func TestReadPEM(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero"} {
		for name, read := range map[string]func() error{
			"readPEM":      func() error { _, err := readPEM(path); return err },
			"certificates": func() error { _, err := certificates(path); return err },
			"Rule":         func() error { _, err := Rule("", path, signature.OpenFile); return err },
		} {
			done := make(chan error, 1)
			go func() { done <- read() }()
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), "not a regular file") {
					t.Errorf("%s(%s) = %v, want that it is not a regular file", name, path, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s(%s) waits", name, path)
			}
		}
	}
}

// TestTrialOwn: before it executes itself, a sensor takes a lock for its own only if
// its host is that of the lock, too: many containers have a process 1.
func TestTrialOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	f, err := os.Create(path + lockSuffix)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := lock(f); err != nil {
		t.Fatal(err)
	}
	ours := signedText(os.Getppid())
	for text, free := range map[string]bool{ours: true, ours + ".elsewhere": false, signedText(os.Getppid() + 1): false} {
		if err := os.WriteFile(f.Name(), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := (&trial{source: "lo"}).own(path); (err == nil) != free {
			t.Errorf("own of a file locked by %q = %v", text, err)
		}
	}
}
