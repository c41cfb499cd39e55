//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// work is one thing both programs do.
type work struct {
	name    string
	capture string
	args    []string
}

// bench holds the two programs and what was measured.
type bench struct {
	dir, p0f, mxprint string
	table             table
	rows              []row
	p0fHost           string  // what a host takes of p0f's memory
	stolen            float64 // the most that the host took while a figure was taken
	noted             bool    // one was
}

const stockDB = "/etc/p0f/p0f.fp"

func newBench(ctx context.Context, dir string) (*bench, error) {
	b := &bench{dir: dir, table: p0fTable, mxprint: filepath.Join(dir, "mxprint")}
	var err error
	if b.p0f, err = exec.LookPath("p0f"); err != nil {
		if b.p0f, err = exec.LookPath("/usr/sbin/p0f"); err != nil {
			return nil, errors.New("p0f is not installed; make deps installs it")
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", b.mxprint, "./cmd/mxprint")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building mxprint: %w\n%s", err, out)
	}
	return b, nil
}

// cost is what one run took.
type cost struct {
	wall time.Duration
	rss  int64 // KiB, the highest value seen
}

// rounds is how often things run. p0f, which takes minutes for a file, reads it
// once, between as many runs of mxprint and as many more.
const rounds = 5

// compare adds a row and returns what p0f's run took. Both use the same
// database, and their logs must be the same.
func (b *bench) compare(ctx context.Context, w work, bar float64) (theirs cost, err error) {
	logP0f, logOurs := filepath.Join(b.dir, "p0f.log"), filepath.Join(b.dir, "mxprint.log")
	defer os.Remove(logP0f)
	defer os.Remove(logOurs)
	before, err := b.ours(ctx, w, logOurs)
	if err != nil {
		return theirs, err
	}
	theirs, err = undisturbed(b, mostStolen, func() (cost, error) {
		os.Remove(logP0f)
		return timed(ctx, b.p0f, append([]string{"-r", w.capture, "-f", stockDB, "-o", logP0f}, w.args...))
	})
	if err != nil {
		return theirs, err
	}
	after, err := b.ours(ctx, w, logOurs)
	if err != nil {
		return theirs, err
	}
	ours := usual(before, after)
	if err := sameFile(logP0f, logOurs); err != nil {
		return theirs, err
	}
	ratio := theirs.wall.Seconds() / ours.wall.Seconds()
	b.add(row{w.name, seconds(theirs), seconds(ours), times(ratio), fmt.Sprintf("%.0f×", bar), ratio >= bar})
	return theirs, nil
}

// ours is what some runs of mxprint took, to a log if there is a name.
func (b *bench) ours(ctx context.Context, w work, log string) (all []cost, err error) {
	for range rounds {
		args := append([]string{"p0f", "-r", w.capture, "-f", stockDB}, w.args...)
		if log != "" {
			args = append(args, "-o", log)
		}
		c, err := undisturbed(b, mostStolen, func() (cost, error) {
			if log != "" {
				os.Remove(log)
			}
			return timed(ctx, b.mxprint, args)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// usual is the median of runs before and after one of p0f, which takes in what
// the speed of a shared machine does meanwhile.
func usual(before, after []cost) cost {
	all := slices.Concat(before, after)
	slices.SortFunc(all, func(a, b cost) int { return cmp.Compare(a.wall, b.wall) })
	c := all[len(all)/2]
	c.wall = (c.wall + all[(len(all)-1)/2].wall) / 2
	return c
}

// timed runs a program whose output is not read.
func timed(ctx context.Context, program string, args []string) (cost, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s", program, err, stderr.String())
	}
	c := cost{wall: time.Since(start)}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.rss = usage.Maxrss
	}
	return c, nil
}

// sameFile compares in pieces: what this program holds in memory counts as the
// least a program it starts can have used.
func sameFile(a, b string) error {
	fa, err := os.Open(a)
	if err != nil {
		return err
	}
	defer fa.Close()
	fb, err := os.Open(b)
	if err != nil {
		return err
	}
	defer fb.Close()
	x, y := make([]byte, 1<<16), make([]byte, 1<<16)
	for offset := 0; ; offset += len(x) {
		n, errA := io.ReadFull(fa, x)
		m, errB := io.ReadFull(fb, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return fmt.Errorf("the logs differ after byte %d: the comparison means nothing", offset)
		}
		if errA != nil || errB != nil {
			return nil // both have ended, for what was read is the same
		}
	}
}
