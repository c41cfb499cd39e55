package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLongFaults: what is wrong with a file of a megabyte is said within a second, in
// lines that a person can read.
func TestLongFaults(t *testing.T) {
	long := strings.Repeat("x", 900_000)
	var keys strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&keys, "k%d = 1\n", i)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"value", fmt.Sprintf("[policy]\nheader = %q\n", long), "policy.header: "},
		{"path", fmt.Sprintf("[store]\npath = %q\n", "/"+long), "store.path: "},
		{"key", long + " = 5\n", "unknown key"},
		{"keys", "[sensor]\n" + keys.String(), "more keys are wrong, which are not listed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			_, err := Parse("c.toml", tt.text)
			if took := time.Since(begin); err == nil || took > 5*time.Second {
				t.Fatalf("Parse = %v after %v", err != nil, took)
			}
			for line := range strings.Lines(err.Error()) {
				if len(line) > 3*maxText {
					t.Errorf("a line of %d bytes: %.100s", len(line), line)
				}
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error has no %q: %.300s", tt.want, err)
			}
		})
	}
}

// TestNUL: no value has a NUL, at which the kernel would stop to read it.
func TestNUL(t *testing.T) {
	for _, text := range []string{`limits.state = "/tmp/a\u0000b"`, `sensor.interfaces = ["lo\u0000"]`} {
		if _, err := Parse("c.toml", text+"\n"); err == nil || !strings.Contains(err.Error(), "has a NUL") {
			t.Errorf("%s: %v, want that it has a NUL", text, err)
		}
	}
}

// TestLongNames: files that are written are replaced, by one of a longer name.
func TestLongNames(t *testing.T) {
	for _, key := range []string{"[store]\npath", "[limits]\nstate", "[signatures]\nunknown"} {
		for n, ok := range map[int]bool{240: true, 241: false, 255: false} {
			text := fmt.Sprintf("%s = %q\n", key, "/tmp/"+strings.Repeat("n", n))
			if _, err := Parse("c.toml", text); (err == nil) != ok {
				t.Errorf("a name of %d bytes for %s: %v, want ok %v", n, strings.Fields(key)[1], err, ok)
			}
		}
	}
}

// TestLinkedSockets: a socket has one listener, also if two paths lead to it.
func TestLinkedSockets(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("[query]\nlisten = [%q, %q]\n", dir+"/s", link+"/s")
	if _, err := Parse("c.toml", text); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("Parse = %v, want that the socket is in use", err)
	}
}
