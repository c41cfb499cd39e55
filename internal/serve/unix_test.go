package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/fronttest"
)

// socketDir is a directory with a path short enough for sockets.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p0f")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// stale leaves a socket file without a listener, as a killed daemon does.
func stale(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
}

func TestListenMode(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mode  fs.FileMode
		umask int
		want  fs.FileMode
	}{
		{"wider than umask, for all", 0o666, 0o077, 0o666},
		{"wider than umask", 0o660, 0o077, 0o660},
		{"narrower than umask", 0o600, 0, 0o600},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			old := syscall.Umask(tt.umask)
			defer syscall.Umask(old)
			path := filepath.Join(socketDir(t), "s")
			ln, err := ListenUnix(path, tt.mode)
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			st, err := os.Lstat(path)
			if err != nil || st.Mode() != fs.ModeSocket|tt.want {
				t.Errorf("mode %v, %v, want %v", st.Mode(), err, fs.ModeSocket|tt.want)
			}
		})
	}
}

// TestListenNeverWiderThanAsked: the file has its narrow mode from the first
// moment, even where umask would leave it open.
func TestListenNeverWiderThanAsked(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := socketDir(t)
	path := filepath.Join(dir, "s")
	lc := net.ListenConfig{Control: restrict(0o600)}
	ln, err := lc.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	st, err := os.Lstat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v before it is set, want -rw-------", st.Mode(), err)
	}
}

func TestListenRemovesItsSocket(t *testing.T) {
	fronttest.Leaks(t)
	path := filepath.Join(socketDir(t), "s")
	ln, err := ListenUnix(path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	ln.Close() // again: no harm
}

// TestListenLeavesTheSocketOfAnother: removed by its owner only.
func TestListenLeavesTheSocketOfAnother(t *testing.T) {
	fronttest.Leaks(t)
	path := filepath.Join(socketDir(t), "s")
	ln, err := ListenUnix(path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := ListenUnix(path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	ln.Close()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the other daemon's socket is gone: %v", err)
	}
	nc.Close()
}

// reach connects to path, where ln must accept it.
func reach(t *testing.T, ln net.Listener, path string) {
	t.Helper()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
}

// TestDeviationRunningDaemonKeepsItsSocket: p0f takes it away.
func TestDeviationRunningDaemonKeepsItsSocket(t *testing.T) {
	fronttest.Leaks(t)
	path := filepath.Join(socketDir(t), "s")
	ln, err := ListenUnix(path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = ListenUnix(path, 0o666)
	if want := "listening on " + path + ": the socket is in use by a running daemon"; !errors.Is(err, ErrInUse) || err.Error() != want {
		t.Errorf("Listen = %v, want %s", err, want)
	}
	if nc, err := ln.Accept(); err == nil { // the probe's
		nc.Close()
	}
	reach(t, ln, path)
}

// TestListenFullBacklog: a daemon too busy to accept is running all the same.
func TestListenFullBacklog(t *testing.T) {
	fronttest.Leaks(t)
	path := filepath.Join(socketDir(t), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for {
		nc, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer nc.Close()
	}
	if _, err := ListenUnix(path, 0o666); !errors.Is(err, ErrInUse) {
		t.Errorf("Listen = %v, want %v", err, ErrInUse)
	}
}

func TestListenReplacesStaleSocket(t *testing.T) {
	fronttest.Leaks(t)
	path := filepath.Join(socketDir(t), "s")
	for range 3 {
		stale(t, path)
		ln, err := ListenUnix(path, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		reach(t, ln, path)
		ln.Close()
	}
}

func TestListenRefuses(t *testing.T) {
	dir := socketDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	datagram := filepath.Join(dir, "datagram")
	dg, err := net.ListenPacket("unixgram", datagram)
	if err != nil {
		t.Fatal(err)
	}
	defer dg.Close()
	long := filepath.Join(dir, strings.Repeat("x", 108-len(dir)-1))
	for _, tt := range []struct{ name, path, want string }{
		{"empty", "", "no path for the socket"},
		{"regular file", file, "there is a regular file, which is not a socket"},
		{"directory", dir, "there is a directory, which is not a socket"},
		{"symbolic link", link, "there is a symbolic link, which is not a socket"},
		{"dangling link", dangling, "there is a symbolic link, which is not a socket"},
		{"named pipe", pipe, "there is a named pipe, which is not a socket"},
		{"device", os.DevNull, "there is a device or other special file, which is not a socket"},
		{"datagram socket", datagram, "cannot check whether the socket there is in use (remove it, if it is not): protocol wrong type for socket"},
		{"no directory", filepath.Join(dir, "no", "s"), "no such file or directory"},
		{"below a file", filepath.Join(file, "s"), "not a directory"},
		{"too long", long, fmt.Sprintf("the path has 108 bytes, a socket's may have %d", maxSocketPath)},
		{"abstract", "@p0f", "the path of a socket may not start with @ or hold a NUL"},
		{"NUL", dir + "/a\x00b", "the path of a socket may not start with @ or hold a NUL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			ln, err := ListenUnix(tt.path, 0o666)
			if err == nil {
				ln.Close()
			}
			if want := "listening on " + tt.path + ": " + tt.want; err == nil || err.Error() != want {
				t.Errorf("Listen = %v, want %s", err, want)
			}
		})
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file now has %q, %v", b, err)
	}
	for _, p := range []string{link, dangling, pipe, datagram} {
		if _, err := os.Lstat(p); err != nil {
			t.Error(err)
		}
	}
}

func TestListenLongestPath(t *testing.T) {
	fronttest.Leaks(t)
	dir := socketDir(t)
	path := filepath.Join(dir, strings.Repeat("x", maxSocketPath-len(dir)-1))
	ln, err := ListenUnix(path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	reach(t, ln, path)
}

// TestListenRace: of many that start at once over a stale socket one listens,
// and it is the one behind the file.
func TestListenRace(t *testing.T) {
	fronttest.Leaks(t)
	path := filepath.Join(socketDir(t), "s")
	for range 20 {
		stale(t, path)
		var mu sync.Mutex
		var won []*UnixListener
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				ln, err := ListenUnix(path, 0o666)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, ln)
				} else if !errors.Is(err, ErrInUse) {
					t.Errorf("Listen = %v, want %v", err, ErrInUse)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d listen on one path, want 1", len(won))
		}
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatalf("the winner cannot be reached: %v", err)
		}
		nc.Close()
		won[0].Close()
	}
}

// TestListenLockedDirectory: somebody who holds the lock on the directory does
// not keep the daemon from starting.
func TestListenLockedDirectory(t *testing.T) {
	fronttest.Leaks(t)
	dir := socketDir(t)
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	ln, err := ListenUnix(filepath.Join(dir, "s"), 0o666)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if took := time.Since(begin); took < lockTime || took > lockTime+30*time.Second {
		t.Errorf("listening after %v, want about %v", took, lockTime)
	}
}

// TestFinding12ModeFollowsNoLink: who owns the folder cannot have the mode of
// another file set, at whatever moment a link takes the socket's place.
func TestFinding12ModeFollowsNoLink(t *testing.T) {
	dir := socketDir(t)
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	ln, err := ListenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, tt := range []struct {
		name string
		put  func() error
	}{
		{"symbolic link", func() error { return os.Symlink("precious", path) }},
		{"hard link", func() error { return os.Link(precious, path) }},
		{"file", func() error { return os.WriteFile(path, nil, 0o600) }},
		{"nothing", func() error { return nil }},
	} {
		os.Remove(path)
		if err := tt.put(); err != nil {
			t.Fatal(err)
		}
		if err := ln.SetMode(0o666); err == nil {
			t.Errorf("%s: the mode was set", tt.name)
		}
		if st, err := os.Stat(precious); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: the other file has mode %v, %v", tt.name, st.Mode(), err)
		}
	}
}
