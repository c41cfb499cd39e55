// Package parts makes the real parts of tests that take long to make: Haraka
// from npm, and Debian systems for mail servers that cannot be installed beside
// each other. They lie in one cache outside the checkout, so that a second clone
// does not make them again. It is for tests and developers alone.
package parts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// unused is how long a part of an older recipe is kept after its last use:
// other clones may need it.
const unused = 30 * 24 * time.Hour

// Dir is the folder of the cache: $MXPRINT_CACHE, $XDG_CACHE_HOME/mxprint or
// ~/.cache/mxprint, and /var/cache/mxprint for root without a home.
func Dir() (string, error) {
	if dir := os.Getenv("MXPRINT_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir() // an error where the variables are not set
	switch {
	case err == nil:
		return filepath.Join(dir, "mxprint"), nil
	case os.Geteuid() == 0:
		return "/var/cache/mxprint", nil
	default:
		return "", fmt.Errorf("parts: no folder for the cache: %w (set MXPRINT_CACHE)", err)
	}
}

// A logger takes a line for each thing that takes time.
type logger = func(format string, args ...any)

// cached returns the folder of the part with that name and recipe. If absent,
// fill makes it: in a folder that gets its name only when it is whole,
// and in one process at a time.
func cached(ctx context.Context, log logger, name, recipe string, fill func(dir string) error) (string, error) {
	cache, err := Dir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("parts: %w", err)
	}
	hash := sha256.Sum256([]byte(recipe))
	dir := filepath.Join(cache, name+"-"+hex.EncodeToString(hash[:6]))
	unlock, err := lock(ctx, log, dir)
	if err != nil {
		return "", fmt.Errorf("parts: %s: %w", name, err)
	}
	defer unlock()
	if fileExists(dir) {
		return dir, nil
	}
	prune(cache, name)
	begun := time.Now()
	log("making %s in %s", name, dir)
	part := dir + ".part"
	if err := errors.Join(os.RemoveAll(part), os.Mkdir(part, 0o755)); err != nil {
		return "", fmt.Errorf("parts: %w", err)
	}
	if err := fill(part); err != nil {
		return "", fmt.Errorf("parts: making %s: %w", name, err)
	}
	if err := os.Rename(part, dir); err != nil {
		return "", fmt.Errorf("parts: %w", err)
	}
	log("made %s in %v", name, time.Since(begun).Round(time.Second))
	return dir, nil
}

// lock locks the file beside dir until the returned function is called. The
// time of that file is when dir was last used.
func lock(ctx context.Context, log logger, dir string) (unlock func(), err error) {
	f, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	_ = os.Chtimes(f.Name(), now, now) // another user's file: its time stays
	for waits := false; ; waits = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, err
		}
		if !waits {
			log("another process makes %s: waiting", dir)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("another process makes it: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// prune removes parts of that name, by other recipes, that have not been used
// for long. What cannot be removed only takes room.
func prune(cache, name string) {
	locks, _ := filepath.Glob(filepath.Join(cache, name+"-????????????.lock"))
	for _, path := range locks {
		if st, err := os.Stat(path); err == nil && time.Since(st.ModTime()) > unused {
			dir := strings.TrimSuffix(path, ".lock")
			_ = errors.Join(os.RemoveAll(dir), os.RemoveAll(dir+".part"), os.Remove(path))
		}
	}
}

// retry calls make until it succeeds, three times at most: the network fails
// now and then.
func retry(ctx context.Context, log logger, make func() error) error {
	for try := 1; ; try++ {
		err := make()
		if err == nil || try == 3 || ctx.Err() != nil {
			return err
		}
		log("trying again: %v", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(try) * 5 * time.Second):
		}
	}
}
