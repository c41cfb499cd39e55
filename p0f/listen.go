package p0f

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

// ErrInUse means that another daemon listens on the path given to Listen.
var ErrInUse = errors.New("p0f: the socket is in use by a running daemon")

// defaultSocketMode is p0f's: everybody may ask (p0f v3 §9.3).
const defaultSocketMode = 0o666

// maxSocketPath is what the system's address structure holds besides a NUL: 107
// bytes on Linux, 103 on the BSDs and macOS.
const maxSocketPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// How long to wait for another daemon that is in Listen, and for an answer from
// the one that may own the socket.
const (
	lockTime  = time.Second
	probeTime = time.Second
)

// Listen listens on a unix stream socket at path, with the permission bits of
// mode; 0 means 0666, as p0f's. A socket file that nobody listens on any more is
// replaced. Nothing else is ever overwritten: a path that is too long, or a
// file, directory or symbolic link in its place is an error, and a socket that
// a running daemon owns is ErrInUse. Closing the listener removes the socket
// file, if it is still the listener's own.
//
// Deviation: p0f takes a running daemon's socket away without a word, and
// leaves its own behind when it exits.
func Listen(path string, mode fs.FileMode) (net.Listener, error) {
	ln, err := listen(path, mode)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	return ln, nil
}

func listen(path string, mode fs.FileMode) (net.Listener, error) {
	if mode == 0 {
		mode = defaultSocketMode
	}
	switch {
	case path == "":
		return nil, errors.New("p0f: no path for the socket")
	case len(path) > maxSocketPath:
		return nil, fmt.Errorf("p0f: the path has %d bytes, a socket's may have %d", len(path), maxSocketPath)
	case strings.HasPrefix(path, "@"), strings.IndexByte(path, 0) >= 0:
		// Go would make an abstract socket of the first, which has no mode.
		return nil, errors.New("p0f: the path of a socket may not start with @ or hold a NUL")
	}
	unlock := lockDir(filepath.Dir(path))
	defer unlock()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: restrict(mode)}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("p0f: %w", cause(err))
	}
	ul := ln.(*net.UnixListener)
	ul.SetUnlinkOnClose(false)
	own, err := os.Lstat(path)
	if err == nil {
		err = os.Chmod(path, mode.Perm())
	}
	if err != nil {
		ul.Close()
		os.Remove(path)
		return nil, fmt.Errorf("p0f: setting the mode: %w", cause(err))
	}
	return &socketListener{UnixListener: ul, path: path, own: own}, nil
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

// clearStale makes path free: it removes a socket nobody listens on.
func clearStale(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("p0f: %w", cause(err))
	case st.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("p0f: there is a %s, which is not a socket", kind(st.Mode()))
	}
	nc, err := net.DialTimeout("unix", path, probeTime)
	switch {
	case err == nil:
		nc.Close()
		return ErrInUse
	case errors.Is(err, syscall.ECONNREFUSED):
		// Nobody listens. The lock of the directory, and the daemon's removing
		// its file before it stops to listen, make it the same file still.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("p0f: removing the stale socket: %w", cause(err))
		}
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
		return ErrInUse // too busy to answer, but there
	}
	return fmt.Errorf("p0f: cannot tell if the socket there is in use: %w", cause(err))
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

// socketListener removes its socket file when it is closed.
type socketListener struct {
	*net.UnixListener
	path string
	own  fs.FileInfo // the file as it was made
	once sync.Once

	given bool // by the service manager
}

// Close removes the socket file unless somebody put another in its place, and
// stops to listen. In that order: a starting daemon that finds the file finds
// us behind it as well, and leaves it alone.
func (l *socketListener) Close() error {
	l.once.Do(func() {
		if st, err := os.Lstat(l.path); err == nil && os.SameFile(st, l.own) {
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

// cause strips the path from an error, which has it in front already.
func cause(err error) error {
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
