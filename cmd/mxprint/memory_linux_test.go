package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// TestRestartRemembers: a sender is known after SIGUSR2, and after a stop
// and a start, with its count of connections.
func TestRestartRemembers(t *testing.T) {
	for _, tt := range []struct {
		name, ready string
		stop        bool // what it keeps over a stop
		command     func(*sensorUnderTest) *exec.Cmd
	}{
		{"serve", serveReady, true, (*sensorUnderTest).serve},
		{"p0f", p0fReady, false, func(s *sensorUnderTest) *exec.Cmd {
			return exec.Command(filepath.Join(s.dir, "p0f"), "-i", "lo", "-s", s.socket, "tcp port 25")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSensorUnderTest(t)
			state := t.TempDir() // with nothing else in it, as the unit's
			start := func() {
				cmd := tt.command(s)
				cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+state)
				s.start(cmd)
				s.wait("start", func() bool { return s.out.count(tt.ready) == 1 })
			}
			start()
			sender := openTo(t, "127.21.0.9", "127.21.0.1:25")
			s.wait("the sender", func() bool { n := s.ask(sender); return n.Known() })
			want := s.ask(sender)
			for range 2 {
				s.restart(tt.ready)
				if got := s.ask(sender); !got.Known() || got.TotalConn != want.TotalConn || !got.FirstSeen.Equal(want.FirstSeen) || got.OSName != want.OSName {
					t.Fatalf("after SIGUSR2 the sender is %+v, want %+v", got, want)
				}
			}
			s.signal(syscall.SIGTERM)
			<-s.ended
			start()
			got := s.ask(sender)
			if known := got.Known(); known != tt.stop {
				t.Errorf("after a stop and a start the sender is %+v, want known %v", got, tt.stop)
			}
		})
	}
}

// TestSocketsBeforeMemory: the sockets are open before the memory is read, so that
// clients wait for it and are not refused. A start that fails for a socket has not
// looked at it.
func TestSocketsBeforeMemory(t *testing.T) {
	s := newSensorUnderTest(t)
	if err := os.WriteFile(filepath.Join(s.dir, "memory"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.21.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s.configure(fmt.Sprintf("[query]\nlisten = [%q]\n", ln.Addr()))
	serve := func() *exec.Cmd {
		cmd := s.serve()
		cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+s.dir)
		return cmd
	}
	const read = "what the sensor before knew is not used"
	if out, err := serve().CombinedOutput(); err == nil || !strings.Contains(string(out), "address already in use") || strings.Contains(string(out), read) {
		t.Errorf("with a port in use: %v, want an error for it and no %q:\n%s", err, read, out)
	}
	ln.Close()
	s.start(serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	if s.out.count(read) != 1 {
		t.Errorf("with a damaged memory it does not print %q", read)
	}
}

// openTo opens a connection over loopback, which stays open, and returns the
// client's address.
func openTo(t *testing.T, from, to string) netip.Addr {
	t.Helper()
	ln, err := net.Listen("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	nc, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return netip.MustParseAddr(from)
}

// ask asks p0f's socket about an address.
func (s *sensorUnderTest) ask(a netip.Addr) note.Note {
	s.t.Helper()
	c := s.client()
	defer c.nc.Close()
	c.send(p0f.AppendQuery(nil, a))
	c.nc.SetReadDeadline(time.Now().Add(patience))
	var b [p0f.ResponseSize]byte
	if _, err := io.ReadFull(c.nc, b[:]); err != nil {
		s.t.Fatal(err)
	}
	r, err := p0f.DecodeResponse(b[:])
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}
