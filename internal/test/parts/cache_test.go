package parts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestDir(t *testing.T) {
	for _, tt := range []struct{ name, own, xdg, home, want string }{
		{"own variable", "/c", "/x", "/h", "/c"},
		{"XDG", "", "/x", "/h", "/x/mxprint"},
		{"home", "", "", "/h", "/h/.cache/mxprint"},
		{"root without a home", "", "", "", "/var/cache/mxprint"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("MXPRINT_CACHE", tt.own)
			t.Setenv("XDG_CACHE_HOME", tt.xdg)
			t.Setenv("HOME", tt.home)
			got, err := Dir()
			if tt.home == "" && os.Geteuid() != 0 {
				if err == nil || !strings.Contains(err.Error(), "set MXPRINT_CACHE") {
					t.Errorf("Dir() = %q, %v, want an error that names MXPRINT_CACHE", got, err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("Dir() = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// TestCachedOnce: of callers at the same time one makes the part.
func TestCachedOnce(t *testing.T) {
	t.Setenv("MXPRINT_CACHE", t.TempDir())
	var made atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			dir, err := cached(t.Context(), t.Logf, "thing", "recipe", func(dir string) error {
				made.Add(1)
				time.Sleep(10 * time.Millisecond) // the others come meanwhile
				return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o644)
			})
			if err != nil || !fileExists(filepath.Join(dir, "whole")) {
				t.Errorf("cached = %q, %v, want a folder with the file in it", dir, err)
			}
		})
	}
	wait.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times, want once", made.Load())
	}
}

// TestCachedFailure: what was left unfinished is not taken for the part.
func TestCachedFailure(t *testing.T) {
	t.Setenv("MXPRINT_CACHE", t.TempDir())
	broken := errors.New("no network")
	_, err := cached(t.Context(), t.Logf, "thing", "recipe", func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o644), broken)
	})
	if !errors.Is(err, broken) {
		t.Fatalf("error = %v, want %v", err, broken)
	}
	dir, err := cached(t.Context(), t.Logf, "thing", "recipe", func(dir string) error {
		if fileExists(filepath.Join(dir, "half")) {
			t.Error("the second try has the files of the first")
		}
		return nil
	})
	if err != nil || !fileExists(dir) {
		t.Errorf("second try: %q, %v", dir, err)
	}
}

// TestCachedRecipe: another recipe is another folder, and an old one goes when
// it has not been used for long.
func TestCachedRecipe(t *testing.T) {
	t.Setenv("MXPRINT_CACHE", t.TempDir())
	get := func(recipe string) string {
		t.Helper()
		dir, err := cached(t.Context(), t.Logf, "thing", recipe, func(string) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	old, other := get("1"), get("2")
	if old == other {
		t.Fatal("one folder for two recipes")
	}
	long := time.Now().Add(-unused - time.Hour)
	if err := os.Chtimes(old+".lock", long, long); err != nil {
		t.Fatal(err)
	}
	get("3")
	if fileExists(old) || !fileExists(other) {
		t.Errorf("there are: old %v, recent %v; want the recent alone", fileExists(old), fileExists(other))
	}
}

// TestCachedWaits: a caller whose time is over says for what it waited.
func TestCachedWaits(t *testing.T) {
	t.Setenv("MXPRINT_CACHE", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	_, err := cached(ctx, t.Logf, "thing", "recipe", func(string) error {
		cancel()
		_, err := cached(ctx, t.Logf, "thing", "recipe", func(string) error { return nil })
		return err
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "another process makes it") {
		t.Errorf("error = %v, want one that names the other process", err)
	}
}
