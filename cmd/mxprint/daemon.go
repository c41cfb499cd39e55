package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Go program cannot fork, so the parent of a daemon starts the program
// again, and waits until it says through a pipe that everything is open.
const (
	daemonEnv = "MXPRINT_DAEMON"
	daemonFD  = 3
)

func inDaemon() bool { return os.Getenv(daemonEnv) != "" }

// spawnDaemon starts the program again in a session of its own. It returns
// when the daemon is ready, or errSilent when it failed: it has said why.
func spawnDaemon(std *stdio) error {
	ready, ready2, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), daemonEnv+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{ready2}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready2.Close()
	if n, _ := ready.Read(make([]byte, 1)); n == 0 {
		cmd.Wait()
		return errSilent
	}
	kept := "kept as-is"
	if isTerminal(2) {
		kept = "not kept"
	}
	fmt.Fprintf(std.out, "[+] Daemon process created, PID %d (stderr %s).\n\nGood luck, you're on your own now!\n", cmd.Process.Pid, kept)
	return nil
}

// becomeDaemon lets go of the terminal and tells the parent that all is open,
// unless the process has been a daemon before it executed this program.
func becomeDaemon(resumed bool) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err == nil && isTerminal(2) {
		err = unix.Dup2(int(null.Fd()), 2)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a chroot has no null device
		return err
	}
	if err := unix.Dup2(2, 1); err != nil {
		return err
	}
	if null != nil {
		null.Close()
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if resumed {
		return nil
	}
	ready := os.NewFile(daemonFD, "ready")
	if ready == nil {
		return errors.New("environment variable " + daemonEnv + " is set, but no daemon was asked for")
	}
	defer ready.Close()
	_, err = ready.Write([]byte{1})
	return err
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	return err == nil
}

// account is whom a process becomes.
type account struct {
	uid, gid int
	home     string
}

// dropPrivileges makes the process a user, shut into that user's home, as p0f
// does (p0f v3 §10.2).
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

func findAccount(name string) (account, []int, error) {
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
