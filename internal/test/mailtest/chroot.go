//go:build linux

package mailtest

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
)

// A chroot is a Debian system in a directory. Tests share it and so leave it as
// it is: what a daemon writes goes to directories of the test, which stand in
// for directories of the system; see command.
type Chroot struct {
	t    testing.TB
	Root string
}

// NewChroot returns the system of that name, and makes it if absent.
func NewChroot(t testing.TB, name string) *Chroot {
	t.Helper()
	lab.NeedRoot(t)
	lab.NeedProgram(t, "debootstrap")
	root, err := parts.Debian(context.Background(), t.Logf, name)
	if err != nil {
		lab.Skip(t, "needs a Debian system from the network: "+err.Error())
	}
	return &Chroot{t: t, Root: root}
}

// chrootScript binds directories and files, given as pairs of arguments, and
// becomes the program after "--". The mounts are those of `ip netns exec`, which gives each
// command a mount namespace of its own.
const chrootScript = `set -e
while [ "$1" != -- ]; do [ -e "$2" ] || mkdir -p "$2"; mount --bind "$1" "$2"; shift 2; done
shift
exec chroot "$@"
`

// Command prepares a command that runs inside the system and in ns. Each
// directory or file of binds, by its path in the system, is one of the test's:
// it hides the system's own from this command alone. As with NetNS.Command the process
// is the program itself.
func (c *Chroot) Command(ns *lab.NetNS, binds map[string]string, program string, args ...string) *exec.Cmd {
	line := []string{"-c", chrootScript, "sh"}
	for inside, dir := range binds {
		line = append(line, dir, filepath.Join(c.Root, inside))
	}
	line = append(line, "--", c.Root, program)
	cmd := ns.Command(context.Background(), "sh", append(line, args...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	return cmd
}

// Owner is a user of the system, for MakeDir.
func (c *Chroot) Owner(name string) *user.User {
	c.t.Helper()
	passwd, err := os.ReadFile(filepath.Join(c.Root, "etc/passwd"))
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(passwd)) {
		if f := strings.Split(line, ":"); f[0] == name && len(f) == 7 {
			return &user.User{Username: name, Uid: f[2], Gid: f[3], HomeDir: f[5]}
		}
	}
	c.t.Fatalf("no user %s in %s", name, c.Root)
	return nil
}

// CopyOf is a system of which what is changed is the test's alone: its files
// lie in a folder of the test over those of c.
func CopyOf(t *testing.T, c *Chroot) *Chroot {
	t.Helper()
	dir := TempDir(t)
	paths := map[string]string{}
	for _, name := range []string{"upper", "work", "root"} {
		paths[name] = filepath.Join(dir, name)
		MakeDir(t, paths[name], nil)
	}
	options := "lowerdir=" + c.Root + ",upperdir=" + paths["upper"] + ",workdir=" + paths["work"]
	if err := unix.Mount("overlay", paths["root"], "overlay", 0, options); err != nil {
		lab.Skip(t, "needs overlayfs: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(paths["root"], unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return &Chroot{t: t, Root: paths["root"]}
}
