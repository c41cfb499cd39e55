package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/sandbox"
	"github.com/mxprint/mxprint/internal/serve"
)

// IsTerminal reports whether a descriptor is a terminal.
func IsTerminal(fd int) bool {
	_, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	return err == nil
}

// packageUser is the user that the packages make, and that a process of root's
// becomes unless the configuration names another.
const packageUser = "mxprint"

// account is the user that a process becomes. A nil one is that of the process.
type account struct {
	name     string
	uid, gid int
	groups   []int
	home     string
}

// give makes a new file the user's.
func (a *account) give(f *os.File) error {
	if a == nil {
		return nil
	}
	return f.Chown(a.uid, a.gid)
}

// giveSocket makes a new socket's file the user's.
func (a *account) giveSocket(ln *serve.UnixListener) error {
	if a == nil {
		return nil
	}
	if err := ln.Give(a.uid, a.gid); err != nil {
		return fmt.Errorf("giving the socket to user %s: %w", a.name, err)
	}
	return nil
}

// giveFolder makes a new folder the user's.
func (a *account) giveFolder(path string) error {
	if a == nil {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return a.give(f)
}

// unprivileged finds the user that a process of root's becomes: the one that the
// configuration names, or else that of the package. It is nil where there is
// neither, or nothing to give up.
func unprivileged(name string) (*account, error) {
	root := os.Geteuid() == 0
	if name == "" && !root {
		return nil, nil
	}
	a, err := lookUser(cmp.Or(name, packageUser))
	switch {
	case err != nil && !root:
		return nil, nil // the sandbox hides /etc/passwd from the user that root became
	case err != nil && name == "":
		return nil, nil
	case err != nil:
		return nil, err
	case a.uid == 0 || a.gid == 0:
		return nil, fmt.Errorf("user %s: that would keep the privileges of root", a.name)
	case !root && os.Geteuid() != a.uid:
		return nil, fmt.Errorf("user %s: it takes root to become another user", a.name)
	case !root:
		return nil, nil
	}
	return &a, nil
}

// errNoUser says how there is a user to become.
var errNoUser = errors.New("there is no user " + packageUser + " to become (useradd --system " + packageUser + ", or name one in sensor.user)")

// becomeUnprivileged makes a process of root's a user with the capabilities of
// the rules.
func becomeUnprivileged(a *account, rules *sandbox.Rules, log *slog.Logger) error {
	switch {
	case os.Geteuid() != 0:
		return nil
	case a == nil:
		return errNoUser
	}
	if err := rules.Become(sandbox.User{UID: a.uid, GID: a.gid, Groups: a.groups}); err != nil {
		return fmt.Errorf("user %s: %w", a.name, err)
	}
	log.Info("no longer root", "user", a.name)
	return nil
}

// refused is why the program cannot be executed again; empty if it can. Those
// with file capabilities did not choose the program: they could put their own in
// its path.
func refused() string {
	if sandbox.FromFile() {
		return "the privileges came from the program's file (setcap), and are not passed on to another: stop and start instead"
	}
	return ""
}

// dropPrivileges makes the process a user in a chroot of that user's home, as p0f
// does (p0f-v3.md §10.2).
func dropPrivileges(name string) (account, error) {
	a, err := findAccount(name)
	if err != nil {
		return a, err
	}
	_, _ = time.Now().Zone() // the time zone's file is outside the new root
	if err := syscall.Setgroups(a.groups); err != nil {
		return a, fmt.Errorf("user %s: setting the groups: %w", name, err)
	}
	if err := syscall.Chroot(a.home); err != nil {
		return a, fmt.Errorf("user %s: changing the root to %s: %w", name, a.home, err)
	}
	if err := os.Chdir("/"); err != nil {
		return a, err
	}
	if err := syscall.Setgid(a.gid); err != nil {
		return a, fmt.Errorf("user %s: setting the group: %w", name, err)
	}
	if err := syscall.Setuid(a.uid); err != nil {
		return a, fmt.Errorf("user %s: setting the user: %w", name, err)
	}
	return a, nil
}

// findAccount finds a user that a process can become in a chroot of its home.
func findAccount(name string) (account, error) {
	a, err := lookUser(name)
	if err != nil {
		return a, err
	}
	if a.uid == 0 || a.gid == 0 {
		return a, fmt.Errorf("user %s: that would keep the privileges of root", name)
	}
	if st, err := os.Stat(a.home); err != nil || !st.IsDir() || a.home == "/" {
		return a, fmt.Errorf("user %s: the home %q cannot be the new root", name, a.home)
	}
	for _, sub := range []string{"/proc", "/sys"} {
		if _, err := os.Stat(a.home + sub); err == nil {
			return a, fmt.Errorf("user %s: the home %q holds %s and cannot be the new root", name, a.home, sub)
		}
	}
	return a, nil
}

// lookUser finds a user and its groups.
func lookUser(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("user %s: there is no such user", name)
	}
	a := account{name: name, home: u.HomeDir}
	if a.uid, err = strconv.Atoi(u.Uid); err != nil {
		return a, err
	}
	if a.gid, err = strconv.Atoi(u.Gid); err != nil {
		return a, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return a, fmt.Errorf("user %s: %w", name, err)
	}
	for _, id := range ids {
		if g, err := strconv.Atoi(id); err == nil {
			a.groups = append(a.groups, g)
		}
	}
	return a, nil
}
