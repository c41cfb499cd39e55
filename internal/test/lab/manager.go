//go:build linux

package lab

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A ServiceManager plays systemd's part: it listens for messages, keeps
// descriptors and gives them to the next process. Safe for concurrent use.
type ServiceManager struct {
	Path string // of its socket

	t     testing.TB
	conn  *net.UnixConn
	limit int // of descriptors kept

	mu    sync.Mutex
	texts []string
	kept  []int
}

// NewServiceManager listens at a path until the test ends, and keeps a number of
// descriptors at most.
func NewServiceManager(t testing.TB, path string, limit int) *ServiceManager {
	t.Helper()
	m := &ServiceManager{Path: path, t: t, limit: limit}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m.receive() {
		}
	}()
	t.Cleanup(func() {
		m.conn.Close()
		<-done
		m.mu.Lock()
		defer m.mu.Unlock()
		m.drop()
	})
	return m
}

// drop closes what is kept. The lock is held.
func (m *ServiceManager) drop() {
	for _, fd := range m.kept {
		syscall.Close(fd)
	}
	m.kept = nil
}

func (m *ServiceManager) receive() bool {
	text, oob := make([]byte, 4096), make([]byte, 4096)
	n, on, _, _, err := m.conn.ReadMsgUnix(text, oob)
	if err != nil {
		return false
	}
	var fds []int
	messages, err := syscall.ParseSocketControlMessage(oob[:on])
	for _, c := range messages {
		if got, e := syscall.ParseUnixRights(&c); e == nil {
			fds = append(fds, got...)
		}
	}
	if err != nil {
		m.t.Errorf("control message: %v", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.texts = append(m.texts, string(text[:n]))
	switch string(text[:n]) {
	case "FDSTORE=1\nFDNAME=mxprint":
		for _, fd := range fds {
			if len(m.kept) >= m.limit {
				syscall.Close(fd)
				continue
			}
			syscall.CloseOnExec(fd)
			m.kept = append(m.kept, fd)
		}
		return true
	case "FDSTOREREMOVE=1\nFDNAME=mxprint":
		m.drop()
	}
	for _, fd := range fds {
		syscall.Close(fd) // BARRIER=1
	}
	return true
}

// Stored is how many descriptors are kept.
func (m *ServiceManager) Stored() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.kept)
}

// Said is how often the service has said a text.
func (m *ServiceManager) Said(text string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.texts {
		if s == text {
			n++
		}
	}
	return n
}

// Service makes a command a service, with what is kept: the shell has the
// process number that the program will have, as LISTEN_PID must say. The store's
// order is not that of the messages. release closes what the command has
// inherited, after its start.
func (m *ServiceManager) Service(cmd *exec.Cmd) (release func()) {
	m.t.Helper()
	m.mu.Lock()
	kept := slices.Clone(m.kept)
	m.mu.Unlock()
	slices.Reverse(kept)
	script := `[ -n "$LISTEN_FDS" ] && export LISTEN_PID=$$; exec "$0" "$@"`
	cmd.Args = append([]string{"/bin/sh", "-c", script, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.Path)
	var files []*os.File
	for _, fd := range kept {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			m.t.Fatal(err)
		}
		files = append(files, os.NewFile(uintptr(dup), "stored"))
	}
	cmd.ExtraFiles = files
	if len(files) > 0 {
		names := strings.TrimSuffix(strings.Repeat("mxprint:", len(files)), ":")
		cmd.Env = append(cmd.Env, "LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+names)
	}
	return func() {
		for _, f := range files {
			f.Close()
		}
	}
}
