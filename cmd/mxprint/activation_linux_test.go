package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// activated has the real systemd-socket-activate listen for the sensor, and
// start it at the first connection.
func (s *sensorUnderTest) activated(socket string) *exec.Cmd {
	s.t.Helper()
	program := lab.NeedProgram(s.t, "systemd-socket-activate")
	return exec.Command(program, "--listen="+socket, "--", s.program, "serve", "-config", s.config())
}

// TestSocketActivation: the first client starts the sensor and is answered, the
// clients survive a restart, and the socket's file stays the manager's.
func TestSocketActivation(t *testing.T) {
	s := newSensorUnderTest(t)
	s.start(s.activated(s.socket))
	before, err := os.Stat(s.socket)
	if err != nil {
		t.Fatal(err)
	}
	c := s.client()
	c.send(asked)
	c.wantAnswer()
	s.restart(serveReady)
	c.send(asked)
	c.wantAnswer()
	s.signal(syscall.SIGTERM)
	<-s.ended
	after, err := os.Stat(s.socket)
	if err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() {
		t.Errorf("the socket's file is %v, %v afterwards, want it left alone", after, err)
	}
}

// TestSocketActivationElsewhere: a socket unit for another path than the
// configuration's would leave its clients without an answer.
func TestSocketActivationElsewhere(t *testing.T) {
	s := newSensorUnderTest(t)
	other := filepath.Join(s.dir, "other")
	s.socket, other = other, s.socket // start waits for the one that is listened on
	s.start(s.activated(s.socket))
	<-s.ended
	want := fmt.Sprintf("the service manager gives the socket %s: name the same path in both places", s.socket)
	if !strings.Contains(s.out.String(), want) {
		t.Errorf("printed:\n%s\nwant %q, for %s is configured", s.out, want, other)
	}
}
