package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// kept keeps what a program writes.
type kept struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *kept) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *kept) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// TestListenerOfPageFails has the kernel fail the listener of [http] of a real
// sensor: it is logged and opened again, and a client of another front notices
// nothing.
func TestListenerOfPageFails(t *testing.T) {
	lab.NeedRoot(t)
	dir := t.TempDir()
	program, err := parts.Program(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	at := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: lab.FreePort(t)}
	socket, config := filepath.Join(dir, "p0f.sock"), filepath.Join(dir, "mxprint.toml")
	text := fmt.Sprintf("[sensor]\ninterfaces = [\"lo\"]\n[p0f]\nsocket = %q\n[http]\nlisten = [%q]\n", socket, at)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", "-config", config)
	log := &kept{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() }()
	healthy := func() bool {
		r, err := http.Get("http://" + at.String() + "/healthz")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		io.Copy(io.Discard, r.Body)
		return r.StatusCode == http.StatusOK
	}
	wait := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not within %v: %s\n%s", patience, what, log)
			}
		}
	}
	wait("the page is there", healthy)
	client := p0f.NewClient(socket)
	defer client.Close()
	answers := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if n, err := client.Lookup(ctx, note.Query{Client: netip.MustParseAddrPort("192.0.2.1:0")}); err != nil || n.State != note.NotSeen {
			t.Errorf("p0f's socket answers %v, %v\n%s", n.State, err, log)
		}
	}
	answers()
	breakListener(t, cmd.Process.Pid, at.Port)
	wait("the fault is logged", func() bool { return strings.Contains(log.String(), "front failed, opening it again") })
	answers()
	wait("the page is there again", healthy)
	answers()
	if strings.Contains(log.String(), "msg=ended") {
		t.Errorf("the sensor ended:\n%s", log)
	}
}

// breakListener shuts down the listening socket of a port in another process:
// its accept fails from then on (pidfd_getfd(2), shutdown(2)).
func breakListener(t *testing.T, pid, port int) {
	t.Helper()
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(process)
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range list {
		n, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdGetfd(process, n, 0)
		if err != nil {
			continue // it was closed meanwhile
		}
		name, err := unix.Getsockname(fd)
		listens, err2 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if at, ok := name.(*unix.SockaddrInet4); err == nil && err2 == nil && ok && at.Port == port && listens == 1 {
			if err := unix.Shutdown(fd, unix.SHUT_RD); err != nil {
				t.Fatal(err)
			}
			unix.Close(fd)
			return
		}
		unix.Close(fd)
	}
	t.Fatalf("no socket of process %d listens on port %d", pid, port)
}
