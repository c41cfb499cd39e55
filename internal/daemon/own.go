package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/proc"
)

// ownTime is how long a process that ends may take to write its files before another
// one is refused what it has.
const ownTime = 5 * time.Second

// lockSuffix is how the name of a file's lock ends.
const lockSuffix = ".lock"

// own takes a file for this process alone: of two sensors that write one file, each
// would undo what the other wrote. The error is that another process has it.
//
// The lock is on a file beside it, because the file itself is replaced when it is
// written, and SQLite has locks of its own. It ends with the process, and goes on in
// the program that the process executes. Where there can be no lock, as on a network
// file system without them, the sensor goes on without.
func (o *opener) own(path string) error {
	if o.trial != nil {
		return o.trial.own(path)
	}
	f, err := o.ownFile(path + lockSuffix)
	if err == nil {
		for err = lock(f); errors.Is(err, syscall.EWOULDBLOCK); err = lock(f) {
			if o.ownEnd.IsZero() {
				o.ownEnd = time.Now().Add(ownTime)
			}
			if time.Now().After(o.ownEnd) {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			by := owner(f)
			f.Close()
			return fmt.Errorf("%s is in use by %s: name another file, or stop that one", path, by)
		}
	}
	if err != nil {
		o.log.Warn("another sensor could use the same file and would not be noticed: it cannot be locked", "file", path, "reason", err)
	}
	if f != nil {
		sign(f)
		o.close(f)
		o.process.Keep = append(o.process.Keep, f)
	}
	return nil
}

// own wants no other sensor to have a file than the one that asks before it executes the
// program: that would end it. A check by hand does not know whose file it is to be.
func (t *trial) own(path string) error {
	if t.source == "" {
		return nil
	}
	f, err := os.OpenFile(path+lockSuffix, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	if !errors.Is(lock(f), syscall.EWOULDBLOCK) || signedBy(f) == signedText(os.Getppid()) {
		return nil
	}
	return fmt.Errorf("%s is in use by %s: name another file, or stop that one", path, owner(f))
}

// ownFile opens the file of a lock, or goes on with that of an earlier process. A file
// that is made is the user's.
func (o *opener) ownFile(path string) (*os.File, error) {
	if f := o.process.Kept(path); f != nil {
		return f, nil
	}
	const flags = os.O_RDWR | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err := os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		_ = o.user.give(f) // without it, it is locked all the same
	case errors.Is(err, fs.ErrExist):
		f, err = os.OpenFile(path, flags, 0)
	}
	return f, err
}

func lock(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != syscall.EINTR {
			return err
		}
	}
}

// sign writes into the file of a lock which process has it: another container sees
// neither its number nor its name.
func sign(f *os.File) {
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || !isSignature(f, st.Size()) {
		return
	}
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(signedText(os.Getpid())+"\n"), 0)
	}
}

// signedText is what sign writes of a process. Its number alone says little: that of
// most containers' first process is 1.
func signedText(pid int) string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s%d on %s", signed, pid, host)
}

const (
	signed    = "mxprint, process "
	maxSigned = 300 // bytes
)

// isSignature reports whether a file has nothing but what sign wrote.
func isSignature(f *os.File, size int64) bool {
	head := make([]byte, min(size, int64(len(signed))))
	_, err := f.ReadAt(head, 0)
	return size == 0 || err == nil && size <= maxSigned && string(head) == signed
}

// owner is the process that has a lock.
func owner(f *os.File) string {
	if st, err := f.Stat(); err == nil {
		if pid, name := proc.Locker(st); pid != 0 {
			return fmt.Sprintf("%s, process %d", name, pid)
		}
	}
	if text := signedBy(f); text != "" {
		return text
	}
	return "another process"
}

// signedBy is what sign wrote, or "".
func signedBy(f *os.File) string {
	st, err := f.Stat()
	if err != nil || !isSignature(f, st.Size()) {
		return ""
	}
	text := make([]byte, st.Size())
	_, _ = f.ReadAt(text, 0)
	return strings.TrimSpace(string(text))
}
