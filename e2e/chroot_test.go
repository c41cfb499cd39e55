//go:build linux

package e2e

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
)

// A chroot is a Debian system in a directory. Tests share it and so leave it as
// it is: what a daemon writes goes to directories of the test, which stand in
// for directories of the system; see command.
type chroot struct {
	t    testing.TB
	root string
}

// newChroot returns the system of that name, and makes it where there is none.
func newChroot(t testing.TB, name string) *chroot {
	t.Helper()
	lab.NeedRoot(t)
	lab.NeedProgram(t, "debootstrap")
	root, err := parts.Debian(context.Background(), t.Logf, name)
	if err != nil {
		lab.Skip(t, "needs a Debian system from the network: "+err.Error())
	}
	return &chroot{t: t, root: root}
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
	c := newChroot(t, "exim")
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
