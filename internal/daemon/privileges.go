package daemon

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// IsTerminal reports whether a descriptor is a terminal.
func IsTerminal(fd int) bool {
	_, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	return err == nil
}

// account is the user that a process becomes.
type account struct {
	uid, gid int
	home     string
}

// dropPrivileges makes the process a user, shut into that user's home, as p0f
// does (p0f-v3.md §10.2).
func dropPrivileges(name string) (account, error) {
	a, groups, err := findAccount(name)
	if err != nil {
		return a, err
	}
	_, _ = time.Now().Zone() // the time zone's file is outside the new root
	if err := syscall.Setgroups(groups); err != nil {
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
func findAccount(name string) (account, []int, error) {
	a, groups, err := lookUser(name)
	if err != nil {
		return a, nil, err
	}
	if a.uid == 0 || a.gid == 0 {
		return a, nil, fmt.Errorf("user %s: that would keep the privileges of root", name)
	}
	if st, err := os.Stat(a.home); err != nil || !st.IsDir() || a.home == "/" {
		return a, nil, fmt.Errorf("user %s: the home %q cannot be the new root", name, a.home)
	}
	for _, sub := range []string{"/proc", "/sys"} {
		if _, err := os.Stat(a.home + sub); err == nil {
			return a, nil, fmt.Errorf("user %s: the home %q holds %s and cannot be the new root", name, a.home, sub)
		}
	}
	return a, groups, nil
}

// lookUser finds a user and its groups.
func lookUser(name string) (account, []int, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, nil, fmt.Errorf("user %s: there is no such user", name)
	}
	a := account{home: u.HomeDir}
	if a.uid, err = strconv.Atoi(u.Uid); err != nil {
		return a, nil, err
	}
	if a.gid, err = strconv.Atoi(u.Gid); err != nil {
		return a, nil, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return a, nil, fmt.Errorf("user %s: %w", name, err)
	}
	var groups []int
	for _, id := range ids {
		if g, err := strconv.Atoi(id); err == nil {
			groups = append(groups, g)
		}
	}
	return a, groups, nil
}
