package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Go program cannot fork, so the parent of a daemon starts the program
// again, and waits until it says through a pipe that everything is open.
const (
	daemonEnv = "MXPRINT_DAEMON"
	daemonFD  = 3
)

// InBackground reports whether Background started this process.
func InBackground() bool { return os.Getenv(daemonEnv) != "" }

// ErrReported means that what went wrong is on the standard error already.
var ErrReported = errors.New("it failed, and has said why")

// Background starts the program again in a session of its own and writes its
// process number to out. It returns when that process is ready, or ErrReported.
func Background(out io.Writer) error {
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
		return ErrReported
	}
	kept := "kept as-is"
	if IsTerminal(2) {
		kept = "not kept"
	}
	fmt.Fprintf(out, "[+] Daemon process created, PID %d (stderr %s).\n\nGood luck, you're on your own now!\n", cmd.Process.Pid, kept)
	return nil
}

// becomeBackground lets go of the terminal and reports to the parent that all is open,
// unless the process has been a daemon before it executed this program.
func becomeBackground(resumed bool) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err == nil && IsTerminal(2) {
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
