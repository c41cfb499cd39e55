//go:build linux

package lab

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Cgroup is a cgroup of version 2 that lives as long as its test.
type Cgroup struct {
	Path string

	t testing.TB
}

// cgroupCount makes the names of one process unique.
var cgroupCount atomic.Uint32

// NewCgroup makes a cgroup below the one the test is in. It is removed when the
// test ends; processes left inside keep it, so tests stop their own.
func NewCgroup(t testing.TB) *Cgroup {
	t.Helper()
	NeedRoot(t)
	name := fmt.Sprintf("mxp%d-%d", os.Getpid(), cgroupCount.Add(1))
	g := &Cgroup{Path: filepath.Join(ownCgroup(t), name), t: t}
	if err := os.Mkdir(g.Path, 0o755); err != nil {
		Skip(t, "needs to make a cgroup: "+err.Error()) // in a container they are read-only
	}
	t.Cleanup(func() {
		// A process that has ended is out of its cgroup a moment later.
		err := os.Remove(g.Path)
		for deadline := time.Now().Add(Patience); err != nil && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
			err = os.Remove(g.Path)
		}
		if err != nil {
			t.Errorf("removing the cgroup: %v", err)
		}
	})
	return g
}

// Enter moves the whole test process into the cgroup until the returned
// function is called: sockets belong to the cgroup they were made in.
func (g *Cgroup) Enter() (leave func()) {
	g.t.Helper()
	move := func(to string) {
		g.t.Helper()
		if err := os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
			g.t.Fatal(err)
		}
	}
	home := ownCgroup(g.t)
	move(g.Path)
	return func() { move(home) }
}

// ownCgroup is the folder of the test's own cgroup.
func ownCgroup(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return filepath.Join(cgroupMount(t), path)
		}
	}
	Skip(t, "needs cgroups of version 2 in the kernel")
	return ""
}

// cgroupMount is where cgroups of version 2 are mounted. Where they are not,
// they are for as long as the test runs.
func cgroupMount(t testing.TB) string {
	t.Helper()
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		mount, fs, _ := strings.Cut(lines.Text(), " - ")
		if fields := strings.Fields(mount); strings.HasPrefix(fs, "cgroup2 ") && len(fields) > 4 {
			return fields[4]
		}
	}
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "cgroup2", 0, ""); err != nil {
		Skip(t, "needs cgroups of version 2: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
