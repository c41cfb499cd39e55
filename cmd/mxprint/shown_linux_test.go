package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// askable gives a sensor a query socket and more, and returns what mxprint status
// prints of it.
func (s *sensorUnderTest) askable(more string) (status func() string) {
	s.t.Helper()
	q := filepath.Join(s.dir, "q")
	s.configure(fmt.Sprintf("[query]\nlisten = [%q]\n%s", q, more))
	return func() string {
		_, out, errs := typed(s.t, "status", "-s", q)
		return out + errs
	}
}

// TestSocketRemoved: a socket whose file was removed, as by the script that stopped p0f,
// is reported in status and log. A restart makes it again.
func TestSocketRemoved(t *testing.T) {
	s := newSensorUnderTest(t)
	status := s.askable("")
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	if out := status(); !strings.HasPrefix(out, "well: ") {
		t.Fatalf("at first: %s", out)
	}
	if err := os.Remove(s.socket); err != nil {
		t.Fatal(err)
	}
	want := "front p0f at " + s.socket + " has failed: its socket was removed"
	if out := status(); !strings.HasPrefix(out, "degraded: ") || !strings.Contains(out, want) {
		t.Errorf("without its socket: want %q in\n%s", want, out)
	}
	s.wait("a line of the log", func() bool { return s.out.count("sockets were removed, or replaced") == 1 })
	s.restart(serveReady)
	s.client().send(asked)
	if out := status(); !strings.HasPrefix(out, "well: ") {
		t.Errorf("after a restart: %s", out)
	}
}

// TestSocketUnseen: a socket in a folder that the user of the sensor may not enter is
// not taken for one that was removed.
func TestSocketUnseen(t *testing.T) {
	s := newSensorUnderTest(t)
	if _, err := user.Lookup("games"); err != nil {
		lab.Skip(t, "needs Debian's user games")
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(s.dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	s.socket, s.sensor = filepath.Join(closed, "s"), "user = \"games\""
	status := s.askable("")
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	s.client().send(asked)
	if out := status(); !strings.HasPrefix(out, "well: ") {
		t.Errorf("of a socket that works: %s", out)
	}
}

// TestReloadFails: signatures that could not be reloaded are reported until they can be.
func TestReloadFails(t *testing.T) {
	t.Run("captures", func(t *testing.T) { reloadFails(t, "", "degraded: ", "well: ") })
	t.Run("asks", func(t *testing.T) { reloadFails(t, `ask = "/nowhere"`, "", "") })
}

func reloadFails(t *testing.T, sensor, degraded, well string) {
	s := newSensorUnderTest(t)
	s.sensor = sensor
	own := filepath.Join(s.dir, "own.fp")
	const right = "classes = unix\n[tcp:request]\nlabel = s:unix:Linux:\nsig = *:64:0:*:mss*44,7:mss,sok,ts,nop,ws:df,id+:0\n"
	if err := os.WriteFile(own, []byte(right), 0o644); err != nil {
		t.Fatal(err)
	}
	status := s.askable(fmt.Sprintf("[signatures]\nextend = [%q]\n", own))
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	for _, tt := range []struct{ text, want string }{
		{right + "sig = x\n", degraded}, {right, well},
	} {
		if err := os.WriteFile(own, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		s.signal(syscall.SIGHUP)
		s.wait("word of the reload", func() bool {
			out := status()
			return strings.HasPrefix(out, tt.want) && strings.Contains(out, own+":5:7: ") == (tt.text != right)
		})
	}
}

// TestHangupAtStart: SIGHUP before all is open does not end the sensor.
func TestHangupAtStart(t *testing.T) {
	s := newSensorUnderTest(t)
	cmd := s.serve()
	started, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd = cmd
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var out []byte
	for b := make([]byte, 4<<10); !strings.Contains(string(out), serveReady); {
		n, err := started.Read(b)
		if out = append(out, b[:n]...); err != nil {
			t.Fatalf("it ended: %v\n%s", err, out)
		}
		if strings.Contains(string(out), "msg=starting") {
			s.signal(syscall.SIGHUP)
		}
	}
}

// TestCheckBesideP0f: the socket of a real p0f is in use, and check says so before the
// start fails.
func TestCheckBesideP0f(t *testing.T) {
	real := lab.NeedProgram(t, "/usr/sbin/p0f")
	s := newSensorUnderTest(t)
	s.start(exec.Command(real, "-i", "lo", "-s", s.socket, "tcp port 25"))
	want := fmt.Sprintf("p0f.socket: %s: the socket is in use by a running daemon by p0f, process %d", s.socket, s.cmd.Process.Pid)
	if status, out, errs := typed(t, "check", "-write", s.config()); status != 1 || !strings.Contains(errs, want) {
		t.Errorf("beside p0f: %d, %s%s, want %q", status, out, errs, want)
	}
	s.cmd.Process.Kill()
	<-s.ended
	s.start(exec.Command(filepath.Join(s.dir, "p0f"), "-i", "lo", "-s", s.socket, "tcp port 25"))
	if status, out, errs := typed(t, "check", "-write", s.config()); status != 0 {
		t.Errorf("beside mxprint, called p0f: %d, %s%s, want 0", status, out, errs)
	}
}
