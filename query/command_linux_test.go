package query

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// commander answers commands.
func commander(_ context.Context, name string) ([]byte, string, error) {
	switch name {
	case "reload":
		return []byte("a.fp:1:1: wrong\n"), "", errors.New("the old signatures\nstay")
	case "unknown":
		return []byte("; one\nsig = x"), "2 lines", nil
	}
	return nil, "", errors.New("what?")
}

// commandServer serves commands on a network until the test ends.
func commandServer(t *testing.T, network, addr string, s *Server) string {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return ln.Addr().String()
}

func TestCommands(t *testing.T) {
	s := &Server{Command: commander}
	addr := commandServer(t, "unix", filepath.Join(t.TempDir(), "q"), s)
	body, err := NewClient(addr).Command(t.Context(), "unknown")
	if string(body) != "; one\nsig = x\n" || err != nil {
		t.Errorf("unknown = %q, %v", body, err)
	}
	body, err = NewClient(addr).Command(t.Context(), "reload")
	if string(body) != "a.fp:1:1: wrong\n" || !errors.Is(err, ErrRefused) || !strings.HasSuffix(err.Error(), ": the old signatures stay") {
		t.Errorf("reload = %q, %v", body, err)
	}
	if _, err = NewClient(addr).Command(t.Context(), "other"); !errors.Is(err, ErrRefused) || !strings.HasSuffix(err.Error(), `: not an address: "other"`) {
		t.Errorf("other = %v", err)
	}
}

// TestCommandsAreNotForAll: without commands, over TCP and for other users the
// server refuses.
func TestCommandsAreNotForAll(t *testing.T) {
	none := commandServer(t, "unix", filepath.Join(t.TempDir(), "q"), &Server{})
	if _, err := NewClient(none).Command(t.Context(), "reload"); !errors.Is(err, ErrRefused) || !strings.HasSuffix(err.Error(), `: not an address: "reload"`) {
		t.Errorf("of a server without commands: %v", err)
	}
	addr := commandServer(t, "tcp", "127.0.0.1:0", &Server{Command: commander})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte("reload\n")); err != nil {
		t.Fatal(err)
	}
	if body, err := readCommand(nc); len(body) > 0 || !errors.Is(err, ErrRefused) || !strings.HasSuffix(err.Error(), errPeer.Error()) {
		t.Errorf("over TCP: %q, %v", body, err)
	}
}

func TestCommandsOfAnotherUser(t *testing.T) {
	lab.NeedRoot(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "q")
	commandServer(t, "unix", path, &Server{Command: commander})
	for _, way := range []string{filepath.Dir(dir), dir, path} {
		if err := os.Chmod(way, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	// The kernel notes the user of the thread that connects.
	type outcome struct {
		body []byte
		err  error
	}
	got := make(chan outcome)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		nobody := uintptr(65534)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			got <- outcome{err: errno}
			return
		}
		body, err := NewClient(path).Command(context.Background(), "unknown")
		got <- outcome{body, err}
	}()
	if o := <-got; len(o.body) > 0 || !errors.Is(o.err, ErrRefused) || !strings.HasSuffix(o.err.Error(), errPeer.Error()) {
		t.Errorf("another user: %q, %v", o.body, o.err)
	}
}

// TestCommandEnds: an answer that is cut off, or never ends, is an error.
func TestCommandEnds(t *testing.T) {
	for _, answer := range []string{"", "; one\n", "ok", strings.Repeat("x\n", maxCommand)} {
		if _, err := readCommand(strings.NewReader(answer)); err == nil {
			t.Errorf("readCommand(%.10q) = no error", answer)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	path := filepath.Join(t.TempDir(), "q")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if nc, err := ln.Accept(); err == nil {
			defer nc.Close()
			cancel()
			nc.Read(make([]byte, 100)) // the request
			nc.Read(make([]byte, 100)) // returns when the client has gone
		}
	}()
	if _, err := NewClient(path).Command(ctx, "reload"); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("Command whose context ends = %v", err)
	}
}
