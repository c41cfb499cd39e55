package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrInUse means that another daemon listens on the path given to ListenUnix.
var ErrInUse = errors.New("the socket is in use by a running daemon")

// maxSocketPath is what the system's address structure holds besides a NUL: 107
// bytes on Linux, 103 on the BSDs and macOS.
const maxSocketPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// How long to wait for another daemon that is in Listen, and for an answer from
// the one that may own the socket.
const (
	lockTime  = time.Second
	probeTime = time.Second
)

// ListenUnix listens on a unix stream socket at path, with the permission bits
// of mode. A socket file on which no process listens any more is replaced.
// Nothing else is ever overwritten: a path that is too long, or a file, directory
// or symbolic link in its place is an error, and a socket that a running daemon
// owns is ErrInUse. Closing the listener removes the socket file, if it is still
// the listener's own.
func ListenUnix(path string, mode fs.FileMode) (*UnixListener, error) {
	ln, err := listenUnix(path, mode)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, Denied(err, path))
	}
	return ln, nil
}

// Denied says what to do if the folder of a socket is another user's.
func Denied(err error, path string) error {
	if errors.Is(err, fs.ErrPermission) && !errors.Is(err, errNotAsked) {
		return fmt.Errorf("%w (%s must be writable for the user of the sensor: chown it, or name it in RuntimeDirectory= of the unit)", err, filepath.Dir(path))
	}
	return err
}

// errNotAsked means that a socket that is there cannot be connected to.
var errNotAsked = errors.New("cannot check whether the socket there is in use (remove it, if it is not)")

// CheckPath wants a path that a socket can have.
func CheckPath(path string) error {
	switch {
	case path == "":
		return errors.New("no path for the socket")
	case len(path) > maxSocketPath:
		return fmt.Errorf("the path has %d bytes, a socket's may have %d", len(path), maxSocketPath)
	case strings.HasPrefix(path, "@"), strings.IndexByte(path, 0) >= 0:
		// Go would make an abstract socket of the first, which has no mode.
		return errors.New("the path of a socket may not start with @ or hold a NUL")
	}
	return nil
}

func listenUnix(path string, mode fs.FileMode) (*UnixListener, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	unlock := lockDir(filepath.Dir(path))
	defer unlock()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: restrict(mode)}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, Cause(err)
	}
	ul := ln.(*net.UnixListener)
	ul.SetUnlinkOnClose(false)
	own, err := setMode(path, mode)
	if err != nil {
		// What has the name now may be another's: it stays.
		ul.Close()
		return nil, fmt.Errorf("setting the mode: %w", Cause(err))
	}
	return &UnixListener{UnixListener: ul, path: path, own: own}, nil
}

// AdoptUnix makes a UnixListener of one that listens already. own is its file,
// nil where it is gone; keep says that the file stays at Close.
func AdoptUnix(ln *net.UnixListener, path string, own fs.FileInfo, keep bool) *UnixListener {
	l := &UnixListener{UnixListener: ln, path: path, own: own}
	if keep {
		l.KeepFile()
	}
	return l
}

// lockDir keeps two daemons that start at the same moment from both finding,
// and both replacing, the same stale socket. The directory is locked rather
// than a file of ours, which would stay behind. It is a courtesy among our own:
// where the directory cannot be locked within a second, it goes on without,
// because anybody who may read a directory can keep it locked.
func lockDir(dir string) (unlock func()) {
	d, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for end := time.Now().Add(lockTime); ; time.Sleep(10 * time.Millisecond) {
		err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR || time.Now().After(end) {
			return func() { d.Close() }
		}
	}
}

// clearStale makes path free: it removes a socket without a listener.
func clearStale(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return Cause(err)
	case st.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("there is a %s, which is not a socket", kind(st.Mode()))
	}
	nc, err := net.DialTimeout("unix", path, probeTime)
	switch {
	case err == nil:
		nc.Close()
		return ErrInUse
	case errors.Is(err, syscall.ECONNREFUSED):
		// There is no listener. The lock of the directory, and the daemon's removing
		// its file before it stops to listen, make it the same file still.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the stale socket: %w", Cause(err))
		}
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
		return ErrInUse // too busy to answer, but there
	}
	return fmt.Errorf("%w: %w", errNotAsked, Cause(err))
}

// restrict sets the mode of the socket before it gets its name, so that it is
// at no moment open to more users than it shall be; umask, which belongs to the
// whole process, could do so only for all goroutines. Linux takes the mode of
// the file from the socket; where that fails, the Chmod after it remains.
func restrict(mode fs.FileMode) func(string, string, syscall.RawConn) error {
	return func(_, _ string, rc syscall.RawConn) error {
		return rc.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) })
	}
}

// setMode gives the socket at path its permission bits, and returns what the
// file is. It follows no link: who owns the folder can put another file in its
// place at any moment.
func setMode(path string, mode fs.FileMode) (fs.FileInfo, error) {
	own, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if own.Mode().Type() != fs.ModeSocket {
		return nil, errReplaced
	}
	if own.Mode().Perm() == mode.Perm() {
		return own, nil // as restrict has it
	}
	return own, chmod(path, own, mode.Perm())
}

// errReplaced means that what has the name is not the socket that was made.
var errReplaced = errors.New("another file is in its place")

// UnixListener is a listener on a path, which removes its file when it is
// closed.
type UnixListener struct {
	*net.UnixListener
	path string
	own  fs.FileInfo // the file as it was made
	once sync.Once
}

// Path is where it listens, and File the file there as it was made; nil if it
// was gone already.
func (l *UnixListener) Path() string      { return l.path }
func (l *UnixListener) File() fs.FileInfo { return l.own }

// SetMode gives the file other permission bits.
func (l *UnixListener) SetMode(mode fs.FileMode) error {
	if l.own == nil {
		return errReplaced
	}
	return chmod(l.path, l.own, mode.Perm())
}

// Give makes the file another user's, who may then set its mode.
func (l *UnixListener) Give(uid, gid int) error {
	if l.own == nil {
		return nil // it has no file
	}
	return chown(l.path, l.own, uid, gid)
}

// KeepFile makes Close leave the socket file: it is another process's now.
func (l *UnixListener) KeepFile() { l.once.Do(func() {}) }

// Close removes the socket file unless somebody put another in its place, and
// stops to listen. In that order: a starting daemon that finds the file finds a
// listener as well, and leaves it alone.
func (l *UnixListener) Close() error {
	l.once.Do(func() {
		if st, err := os.Lstat(l.path); err == nil && l.own != nil && os.SameFile(st, l.own) {
			os.Remove(l.path)
		}
	})
	return l.UnixListener.Close()
}

// kind names a file type in words.
func kind(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "regular file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symbolic link"
	case fs.ModeNamedPipe:
		return "named pipe"
	}
	return "device or other special file"
}

// Cause strips the path from an error, which has it in front already.
func Cause(err error) error {
	var pe *fs.PathError
	var oe *net.OpError
	var se *os.SyscallError
	if errors.As(err, &pe) {
		return pe.Err
	}
	if errors.As(err, &se) {
		return se.Err
	}
	if errors.As(err, &oe) {
		return oe.Err
	}
	return err
}
