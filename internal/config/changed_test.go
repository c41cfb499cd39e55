package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[limits]\nhosts = 500\n")
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	c.Sensor.Cgroup = "/sys/fs/cgroup" // as a daemon fills it in
	want := func(keys ...string) {
		t.Helper()
		if got, err := c.Changed(); err != nil || !slices.Equal(got, keys) {
			t.Errorf("Changed = %q, %v, want %q", got, err, keys)
		}
	}
	want()
	write("# a comment\n[limits]\nhosts = 500\nhost_age = \"2h\"\n")
	want()
	write("[milter]\nlisten = [\"127.0.0.1:7825\"]\n")
	want("limits.hosts", "milter.listen")
	write("[limits]\nhosts = 0\n")
	if _, err := c.Changed(); err == nil || !strings.Contains(err.Error(), "limits.hosts") {
		t.Errorf("Changed = %v, want the fault", err)
	}
	os.Remove(path)
	if _, err := c.Changed(); err == nil {
		t.Error("Changed = nil without the file")
	}
	if keys, err := Default().Changed(); len(keys) > 0 || err != nil {
		t.Errorf("without a file: %q, %v", keys, err)
	}
}
