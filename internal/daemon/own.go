package daemon

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/proc"
)

// How long a process that ends may take to write its files, before another one is
// refused all that it has.
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
		return nil // the running sensor has it
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

// ownFile opens the file of a lock, or goes on with that of an earlier process. A file
// that is made is the user's.
func (o *opener) ownFile(path string) (*os.File, error) {
	if f := o.process.Kept(path); f != nil {
		had, err := f.Stat()
		now, err2 := os.Stat(path)
		if err == nil && err2 == nil && os.SameFile(had, now) {
			return f, nil
		}
		f.Close()
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() && st.Size() == 0 {
		_ = o.user.give(f) // without it, it is locked all the same
	}
	return f, nil
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
	host, _ := os.Hostname()
	text := fmt.Sprintf("%s%d on %s\n", signed, os.Getpid(), host)
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(text), 0)
	}
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
	if st, err := f.Stat(); err == nil && st.Size() > 0 && isSignature(f, st.Size()) {
		text := make([]byte, st.Size())
		if _, err := f.ReadAt(text, 0); err == nil {
			return strings.TrimSpace(string(text))
		}
	}
	return "another process"
}
