//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// Mail servers that cannot be installed beside each other run in Debian
// systems of their own, of the release whose versions the documentation names.
// They are made when a test first needs one, which takes about a minute, and
// kept in .cache/chroot.
const chrootSuite = "bookworm"

// chrootTime bounds the making of one system, and chrootTries how often it is
// begun: the network fails now and then.
const (
	chrootTime  = 5 * time.Minute
	chrootTries = 3
)

// A chroot is a Debian system in a directory. Tests share it and so leave it as
// it is: what a daemon writes goes to directories of the test, which stand in
// the place of directories of the system; see command.
type chroot struct {
	t    testing.TB
	root string
}

// newChroot returns the system of that name with the packages in it.
func newChroot(t testing.TB, name string, packages ...string) *chroot {
	t.Helper()
	lab.NeedRoot(t)
	c := &chroot{t: t, root: repoPath(t, ".cache", "chroot", name)}
	if err := os.MkdirAll(filepath.Dir(c.root), 0o755); err != nil {
		t.Fatal(err)
	}
	// One process makes it, others wait.
	lock, err := os.OpenFile(c.root+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	made := c.root + ".made" // what it was made of; written last
	recipe := []byte(chrootSuite + " " + strings.Join(packages, ",") + "\n")
	if have, err := os.ReadFile(made); err == nil && bytes.Equal(have, recipe) {
		return c
	}
	c.make(packages)
	if err := os.WriteFile(made, recipe, 0o644); err != nil {
		t.Fatal(err)
	}
	return c
}

// make makes the system anew.
func (c *chroot) make(packages []string) {
	c.t.Helper()
	debootstrap := lab.NeedProgram(c.t, "debootstrap")
	ctx, cancel := context.WithTimeout(context.Background(), chrootTime)
	defer cancel()
	start := time.Now()
	for try := 1; ; try++ {
		for _, path := range []string{c.root + ".made", c.root} {
			if err := os.RemoveAll(path); err != nil {
				c.t.Fatal(err)
			}
		}
		// It mounts file systems below the directory. In a mount namespace they
		// are gone with it, however it ends.
		cmd := exec.CommandContext(ctx, lab.NeedProgram(c.t, "unshare"), "--mount", "--fork", "--kill-child",
			debootstrap, "--variant=minbase", "--include="+strings.Join(packages, ","), chrootSuite, c.root)
		cmd.WaitDelay = time.Second
		out, err := cmd.CombinedOutput()
		if err == nil {
			break
		}
		reason := fmt.Sprintf("debootstrap: %v\n%s", err, out[max(0, len(out)-2000):])
		if try == chrootTries || ctx.Err() != nil {
			lab.Skip(c.t, "needs a Debian system from the network: "+reason)
		}
		c.t.Logf("trying again: %s", reason)
		time.Sleep(5 * time.Second)
	}
	c.t.Logf("debootstrap: %s in %v", strings.Join(packages, " "), time.Since(start).Round(time.Second))
	// The packages are installed; their archives only take room.
	if err := os.RemoveAll(filepath.Join(c.root, "var/cache/apt/archives")); err != nil {
		c.t.Fatal(err)
	}
	// Refused at once, as in every namespace of a lab.
	writeFiles(c.t, filepath.Join(c.root, "etc"), map[string]string{
		"resolv.conf": "nameserver 127.0.0.1\n",
		"hosts":       "127.0.0.1 localhost\n::1 localhost\n",
	})
}

// chrootScript binds directories and files, given as pairs of arguments, and
// becomes the program after "--". The mounts are those of `ip netns exec`, which gives each
// command a mount namespace of its own.
const chrootScript = `set -e
while [ "$1" != -- ]; do [ -e "$2" ] || mkdir -p "$2"; mount --bind "$1" "$2"; shift 2; done
shift
exec chroot "$@"
`

// command prepares a command that runs inside the system and in ns. Each
// directory or file of binds, by its path in the system, is one of the test's:
// it hides the system's own from this command alone. As with NetNS.Command the process
// is the program itself.
func (c *chroot) command(ns *lab.NetNS, binds map[string]string, program string, args ...string) *exec.Cmd {
	line := []string{"-c", chrootScript, "sh"}
	for inside, dir := range binds {
		line = append(line, dir, filepath.Join(c.root, inside))
	}
	line = append(line, "--", c.root, program)
	cmd := ns.Command(context.Background(), "sh", append(line, args...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	return cmd
}

// owner is a user of the system, for makeDir.
func (c *chroot) owner(name string) *user.User {
	c.t.Helper()
	passwd, err := os.ReadFile(filepath.Join(c.root, "etc/passwd"))
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(passwd)) {
		if f := strings.Split(line, ":"); f[0] == name && len(f) == 7 {
			return &user.User{Username: name, Uid: f[2], Gid: f[3], HomeDir: f[5]}
		}
	}
	c.t.Fatalf("no user %s in %s", name, c.root)
	return nil
}

func TestChrootCommand(t *testing.T) {
	c := newChroot(t, "exim", "exim4-daemon-heavy")
	ns := lab.NewNetNS(t)
	dir := tempDir(t)
	writeFiles(t, dir, map[string]string{"hello": "from the test\n"})
	out, err := c.command(ns, map[string]string{"/mnt": dir}, "sh", "-c",
		"cat /mnt/hello /etc/debian_version && ls /sys/class/net 2>/dev/null; echo written >/mnt/back").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := string(out); !strings.HasPrefix(got, "from the test\n12") {
		t.Errorf("the command printed %q", got)
	}
	if back, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || string(back) != "written\n" {
		t.Errorf("read back %q, %v", back, err)
	}
	// The mount was the command's own.
	if files, err := os.ReadDir(filepath.Join(c.root, "mnt")); err != nil || len(files) != 0 {
		t.Errorf("/mnt of the system has %v, %v, want it empty", files, err)
	}
	if u := c.owner("Debian-exim"); slices.Contains([]string{"", "0"}, u.Uid) {
		t.Errorf("owner = %+v", u)
	}
}
