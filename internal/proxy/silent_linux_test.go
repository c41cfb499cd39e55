package proxy_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/internal/proxy"
	"github.com/mxprint/mxprint/internal/test/fronttest"
)

// newSilent is the address of a mail server that answers no SYN: its queue is
// full.
func newSilent(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(at.(*unix.SockaddrInet4).Port))
	dial(t, addr) // there is room for one
	return addr
}

// A mail server that does not answer is one that is away, after 5 seconds.
func TestMailServerSilent(t *testing.T) {
	fronttest.Leaks(t)
	s := &proxy.Server{Backend: newSilent(t)}
	addr, _, _ := start(t, s)
	client := dial(t, addr)
	wantRead(t, client, "421 localhost Service not available, try again later\r\n")
	wantEnd(t, client)
	if got := s.Stats().Failed; got != 1 {
		t.Errorf("Failed = %d, want 1", got)
	}
}

// The end of the server does not wait for it.
func TestDrainCutsConnecting(t *testing.T) {
	fronttest.Leaks(t)
	source := proxy.NewSource()
	defer source.Close()
	addr, stop, _ := start(t, &proxy.Server{Backend: newSilent(t), Drain: -1, Source: source})
	client := dial(t, addr)
	seen := 0
	for seen == 0 { // the client is being handed on
		if err := source.Read(t.Context(), func(*capture.Frame) { seen++ }); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	const busy = "421 localhost Service not available, try again later\r\n" // if there is time for it
	if got, err := io.ReadAll(client); len(got) > 0 && string(got) != busy || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %q, %v, want the end", got, err)
	}
}
