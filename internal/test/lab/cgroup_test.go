//go:build linux

package lab

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCgroup(t *testing.T) {
	NeedRoot(t)
	before := ownCgroup(t)
	var path string
	t.Run("inner", func(t *testing.T) {
		g := NewCgroup(t)
		path = g.Path
		leave := g.Enter()
		if got := ownCgroup(t); filepath.Base(got) != filepath.Base(path) {
			t.Errorf("the test is in %s, want %s", got, path)
		}
		leave()
		if got := ownCgroup(t); got != before {
			t.Errorf("the test is left in %s, want %s", got, before)
		}
	})
	if _, err := os.Stat(path); err == nil {
		t.Errorf("%s is left behind", path)
	}
}
