package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
	"github.com/mxprint/mxprint/p0f"
)

// sensorUnderTest is a running sensor on the loopback interface, started as an
// operator does.
type sensorUnderTest struct {
	t       *testing.T
	dir     string
	program string // a copy, which a test may replace
	socket  string
	sensor  string // more of [sensor]
	cmd     *exec.Cmd
	out     *lockedBuffer
	ended   chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// builtProgram is the program under test.
var builtProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "mxprint-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path, err := parts.Program(context.Background(), dir)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func newSensorUnderTest(t *testing.T) *sensorUnderTest {
	t.Helper()
	lab.NeedRoot(t)
	built, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "mxp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &sensorUnderTest{t: t, dir: dir, program: filepath.Join(dir, "mxprint"), socket: filepath.Join(dir, "s")}
	s.install(built)
	if err := os.Symlink("mxprint", filepath.Join(dir, "p0f")); err != nil {
		t.Fatal(err)
	}
	s.configure("")
	return s
}

// install replaces the sensor's program, as a package manager
// does.
func (s *sensorUnderTest) install(program []byte) {
	s.t.Helper()
	err := os.WriteFile(s.program+".new", program, 0o755)
	if err == nil {
		err = os.Rename(s.program+".new", s.program)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sensorUnderTest) config() string { return filepath.Join(s.dir, "c.toml") }

func (s *sensorUnderTest) configure(more string) {
	s.t.Helper()
	text := fmt.Sprintf("%s\n[sensor]\ninterfaces = [\"lo\"]\n%s\n[p0f]\nsocket = %q\n", more, s.sensor, s.socket)
	if err := os.WriteFile(s.config(), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// start starts a process and waits until it answers.
func (s *sensorUnderTest) start(cmd *exec.Cmd) {
	s.t.Helper()
	s.cmd, s.out, s.ended = cmd, new(lockedBuffer), make(chan struct{})
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = s.out, s.out, patience
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended, out := s.ended, s.out
	go func() {
		cmd.Wait()
		close(ended)
	}()
	s.t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if s.t.Failed() {
			s.t.Logf("the sensor printed:\n%s", out)
		}
	})
	s.wait("a socket", func() bool {
		nc, err := net.Dial("unix", s.socket)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
}

func (s *sensorUnderTest) serve() *exec.Cmd {
	return exec.Command(s.program, "serve", "-config", s.config())
}

func (s *sensorUnderTest) wait(what string, ready func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("no %s after %v; the sensor printed:\n%s", what, patience, s.out)
		}
	}
}

func (s *sensorUnderTest) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// restart sends SIGUSR2 and waits for the new program.
func (s *sensorUnderTest) restart(ready string) {
	s.t.Helper()
	n := s.out.count(ready)
	s.signal(syscall.SIGUSR2)
	s.wait("restart", func() bool { return s.out.count(ready) > n })
}

// descriptors is what the process has open.
func (s *sensorUnderTest) descriptors() []string {
	s.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		to, _ := os.Readlink(filepath.Join(dir, e.Name()))
		kind, _, _ := strings.Cut(to, ":")
		all = append(all, kind)
	}
	slices.Sort(all)
	return all
}

// apiClient is a mail server with one connection to the sensor.
type apiClient struct {
	t  *testing.T
	nc *net.UnixConn
}

func (s *sensorUnderTest) client() apiClient {
	s.t.Helper()
	nc, err := net.Dial("unix", s.socket)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	return apiClient{s.t, nc.(*net.UnixConn)}
}

var asked = p0f.AppendQuery(nil, netip.MustParseAddr("198.18.77.77"))

func (c apiClient) send(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatalf("asking: %v", err)
	}
}

// wantAnswer reads one whole answer; no sensor here has seen the address.
func (c apiClient) wantAnswer() {
	c.t.Helper()
	c.nc.SetReadDeadline(time.Now().Add(patience))
	var r [p0f.ResponseSize]byte
	if _, err := io.ReadFull(c.nc, r[:]); err != nil {
		c.t.Fatalf("reading the answer: %v", err)
	}
	if _, err := p0f.DecodeResponse(r[:]); err != nil {
		c.t.Fatalf("the answer: %v", err)
	}
}

const (
	serveReady = "msg=ready"
	p0fReady   = "Entered main event loop"
)

func TestRestartKeepsClients(t *testing.T) {
	for _, tt := range []struct {
		name, ready string
		command     func(*sensorUnderTest) *exec.Cmd
	}{
		{"serve", serveReady, (*sensorUnderTest).serve},
		{"p0f", p0fReady, func(s *sensorUnderTest) *exec.Cmd {
			return exec.Command(filepath.Join(s.dir, "p0f"), "-i", "lo", "-s", s.socket, "tcp port 25")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSensorUnderTest(t)
			s.start(tt.command(s))
			s.wait("first start", func() bool { return s.out.count(tt.ready) == 1 })
			pid := s.cmd.Process.Pid
			idle, asking, half := s.client(), s.client(), s.client()
			idle.send(asked)
			idle.wantAnswer()
			var before []string
			for i := range 5 {
				half.send(asked[:10+i])
				s.restart(tt.ready)
				half.send(asked[10+i:])
				half.wantAnswer()
				asking.send(asked)
				asking.wantAnswer()
				if i == 0 {
					before = s.descriptors()
					continue
				}
				var now []string
				if !eventually(func() bool { now = s.descriptors(); return len(now) <= len(before) }) {
					t.Fatalf("restart %d: open are %v, and were %v after the one before", i+1, now, before)
				}
				before = now
			}
			idle.send(asked)
			idle.wantAnswer()
			s.client().send(asked)
			if s.cmd.Process.Pid != pid || s.descriptors() == nil {
				t.Error("the process is another")
			}
			s.signal(syscall.SIGTERM)
			<-s.ended
			if !s.cmd.ProcessState.Success() {
				t.Errorf("after SIGTERM: %v", s.cmd.ProcessState)
			}
			if _, err := os.Lstat(s.socket); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the last process left its socket behind: %v", err)
			}
		})
	}
}

// A sensor in the background has another directory than the one in which its
// options made sense.
func TestRestartOfDaemon(t *testing.T) {
	s := newSensorUnderTest(t)
	if err := os.WriteFile(filepath.Join(s.dir, "own.fp"), []byte("classes = unix\n[tcp:request]\nlabel = s:unix:Own:1\nsig = 4:64+0:0:*:*,0::df:0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(s.dir, "p0f"), "-d", "-i", "lo", "-f", "own.fp", "-s", "s", "tcp port 25")
	cmd.Dir = s.dir
	printed := filepath.Join(s.dir, "printed") // not a pipe, which the daemon would keep
	f, err := os.Create(printed)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	err = cmd.Run()
	out, _ := os.ReadFile(printed)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, text, _ := strings.Cut(string(out), "PID ")
	pid, err := strconv.Atoi(text[:max(strings.IndexByte(text, ' '), 0)])
	if err != nil {
		t.Fatalf("no process number in %q", out)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	s.out = new(lockedBuffer)
	c := s.client()
	old, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		t.Fatal(err)
	}
	built, _ := builtProgram()
	for i := range 2 {
		s.install(built)
		c.send(asked[:5])
		if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		s.wait("restart of the daemon with the new file", func() bool {
			now, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
			return err == nil && now == old
		})
		c.send(asked[5:])
		c.wantAnswer()
		if t.Failed() {
			t.Fatalf("restart %d", i)
		}
	}
}

// Whatever is wrong with the new program, the old one goes on.
func TestRestartRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spoil  func(s *sensorUnderTest)
		reason string
	}{
		{"configuration", func(s *sensorUnderTest) { s.configure("colour = 1") }, "unknown key"},
		{"no program", func(s *sensorUnderTest) { os.Remove(s.program) }, "no such file"},
		{"program fails", func(s *sensorUnderTest) {
			s.install([]byte("#!/bin/sh\necho this is no sensor; exit 3\n"))
		}, "this is no sensor"},
		{"no execution", func(s *sensorUnderTest) {
			// The check passes; what is executed then does not work.
			x := s.program + ".x"
			s.install([]byte("#!/bin/sh\nprintf 'no program' > " + x + "; chmod 755 " + x + "; mv " + x + " " + s.program + "\n"))
		}, "exec format error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSensorUnderTest(t)
			s.sensor = "sandbox = false" // which would execute no script
			s.configure("")
			s.start(s.serve())
			s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
			c := s.client()
			c.send(asked)
			c.wantAnswer()
			c.send(asked[:20])
			before := s.descriptors()
			tt.spoil(s)
			s.restart("no restart, this process goes on")
			c.send(asked[20:])
			c.wantAnswer()
			s.client().send(asked)
			if !strings.Contains(s.out.String(), tt.reason) {
				t.Errorf("it does not say %q:\n%s", tt.reason, s.out)
			}
			s.wait("old number of descriptors", func() bool { return len(s.descriptors()) <= len(before)+1 }) // the last client
			// It still hears both signals, and restarts when all is well.
			s.signal(syscall.SIGHUP)
			s.wait("reload", func() bool { return s.out.count("signatures reloaded") == 1 })
			built, _ := builtProgram()
			s.install(built)
			s.configure("")
			c.send(asked[:1])
			s.restart(serveReady)
			c.send(asked[1:])
			c.wantAnswer()
			s.signal(syscall.SIGHUP)
			s.wait("reload by the new process", func() bool { return s.out.count("signatures reloaded") == 2 })
		})
	}
}

// A flood of signals does not end the program that is just starting.
func TestRestartStorm(t *testing.T) {
	s := newSensorUnderTest(t)
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	c := s.client()
	s.wait("several restarts", func() bool {
		for range 50 {
			s.signal(syscall.SIGUSR2)
			time.Sleep(2 * time.Millisecond)
		}
		return s.out.count("msg=restarting") >= 5
	})
	c.send(asked)
	c.wantAnswer()
}

// TestFinding16LogSignalDuringRestart: logrotate's signal may come in the very
// moment when the program is executed.
func TestFinding16LogSignalDuringRestart(t *testing.T) {
	s := newSensorUnderTest(t)
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	c := s.client()
	for range 3 {
		n := s.out.count(serveReady)
		s.signal(syscall.SIGUSR2)
		s.wait("restart", func() bool {
			for range 10 {
				s.signal(syscall.SIGUSR1)
				time.Sleep(500 * time.Microsecond)
			}
			return s.out.count(serveReady) > n
		})
	}
	c.send(asked)
	c.wantAnswer()
}

// What the environment says is not believed.
func TestInheritRefuses(t *testing.T) {
	s := newSensorUnderTest(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	other := func(text string) *os.File {
		fd, err := unix.MemfdCreate("x", unix.MFD_ALLOW_SEALING|unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "x")
		f.WriteString(text)
		t.Cleanup(func() { f.Close() })
		return f
	}
	sealed := func(text string) *os.File {
		f := other(text)
		if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS,
			unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, tt := range []struct {
		name, env string
		file      *os.File // becomes descriptor 3
		want      string
	}{
		{"no number", "MXPRINT_HANDOVER=x", nil, "want a descriptor"},
		{"standard error", "MXPRINT_HANDOVER=2", nil, "want a descriptor"},
		{"not open", "MXPRINT_HANDOVER=77", nil, "no sealed file in memory"},
		{"device", "MXPRINT_HANDOVER=3", null, "no sealed file in memory"},
		{"not sealed", "MXPRINT_HANDOVER=3", other("{}"), "no sealed file in memory"},
		{"empty", "MXPRINT_HANDOVER=3", sealed(""), "EOF|unexpected end"},
		{"no JSON", "MXPRINT_HANDOVER=3", sealed("hello"), "invalid character"},
		{"other version", "MXPRINT_HANDOVER=3", sealed(`{"version":2}`), "version 2"},
		{"standard output as a client", "MXPRINT_HANDOVER=3", sealed(`{"version":1,"sockets":[{"fd":1}]}`), "standard ones"},
		{"itself as a listener", "MXPRINT_HANDOVER=3", sealed(`{"version":1,"sockets":[{"fd":3,"path":"/x"}]}`), "descriptor 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := s.serve()
			cmd.Env = append(os.Environ(), tt.env)
			if tt.file != nil {
				cmd.ExtraFiles = []*os.File{tt.file}
			}
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Fatalf("%v, want exit status 1\n%s", err, out)
			}
			if !slices.ContainsFunc(strings.Split(tt.want, "|"), func(w string) bool { return strings.Contains(string(out), w) }) {
				t.Errorf("it says %q, want %q", out, tt.want)
			}
		})
	}
}

// startUnder starts serve as a service of a manager.
func (s *sensorUnderTest) startUnder(m *lab.ServiceManager) {
	s.t.Helper()
	cmd := s.serve()
	release := m.Service(cmd)
	defer release()
	s.start(cmd)
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
}

// Under systemd the next process gets the clients of the last.
func TestServiceManagerKeepsClients(t *testing.T) {
	s := newSensorUnderTest(t)
	m := lab.NewServiceManager(t, filepath.Join(s.dir, "notify"), 1000)
	s.startUnder(m)
	const many = 250 // more than one message can carry
	var clients []apiClient
	for range many {
		clients = append(clients, s.client())
	}
	half := s.client()
	half.send(asked)
	half.wantAnswer()
	for round := range 3 {
		half.send(asked[:7])
		s.wait("reading", func() bool { return unread(t, half) == 0 })
		s.signal(syscall.SIGTERM)
		<-s.ended
		if !s.cmd.ProcessState.Success() {
			t.Fatalf("after SIGTERM: %v", s.cmd.ProcessState)
		}
		if got, want := m.Stored(), many+3; got != want { // state, listener, half
			t.Fatalf("round %d: %d descriptors are in the store, want %d", round, got, want)
		}
		half.send(asked[7:])
		late := s.client()
		late.send(asked)
		s.startUnder(m)
		half.wantAnswer()
		late.wantAnswer()
		late.nc.Close()
		for _, c := range clients {
			c.send(asked)
		}
		for _, c := range clients {
			c.wantAnswer()
		}
		if !eventually(func() bool { return m.Stored() == 0 }) {
			t.Errorf("round %d: %d descriptors are still in the store: their clients would never see the end", round, m.Stored())
		}
		if !eventually(func() bool { return m.Said("READY=1") >= round+2 }) || m.Said("READY=1") != round+2 {
			t.Errorf("round %d: READY=1 was said %d times", round, m.Said("READY=1"))
		}
		s.wait("end of late", func() bool { return len(s.descriptors()) <= many+20 })
	}
}

// unread is how much of what the client sent the sensor has not read.
func unread(t *testing.T, c apiClient) (n int) {
	t.Helper()
	rc, err := c.nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	rc.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A store that is too small, or none, costs clients and nothing else.
func TestServiceManagerTooSmall(t *testing.T) {
	for _, limit := range []int{0, 1, 2, 4} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			s := newSensorUnderTest(t)
			m := lab.NewServiceManager(t, filepath.Join(s.dir, "notify"), limit)
			s.startUnder(m)
			var clients []apiClient
			for range 6 {
				c := s.client()
				c.send(asked)
				c.wantAnswer()
				clients = append(clients, c)
			}
			s.signal(syscall.SIGTERM)
			<-s.ended
			s.startUnder(m)
			kept := 0
			for _, c := range clients {
				if _, err := c.nc.Write(asked); err != nil {
					continue
				}
				c.nc.SetReadDeadline(time.Now().Add(patience))
				var r [p0f.ResponseSize]byte
				if _, err := io.ReadFull(c.nc, r[:]); err == nil {
					kept++
				} else if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("a client is left hanging")
				}
			}
			if want := max(limit-2, 0); kept != want {
				t.Errorf("%d clients are kept, want %d", kept, want)
			}
			late := s.client()
			late.send(asked)
			late.wantAnswer()
		})
	}
}

// A sensor that became the user of the configuration starts again as that user.
func TestRestartAsUser(t *testing.T) {
	s := newSensorUnderTest(t)
	if _, err := user.Lookup("games"); err != nil {
		lab.Skip(t, "needs Debian's user games")
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.socket = filepath.Join(s.dir, "made", "s")
	text := fmt.Sprintf("[sensor]\ninterfaces = [\"lo\"]\nuser = \"games\"\n[p0f]\nsocket = %q\n", s.socket)
	if err := os.WriteFile(s.config(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m := lab.NewServiceManager(t, filepath.Join(s.dir, "notify"), 100)
	if err := os.Chmod(m.Path, 0o777); err != nil { // as systemd's
		t.Fatal(err)
	}
	s.startUnder(m)
	c := s.client()
	c.send(asked)
	c.wantAnswer()
	c.send(asked[:9])
	s.restart(serveReady)
	c.send(asked[9:])
	c.wantAnswer()
	s.signal(syscall.SIGTERM)
	<-s.ended
	c.send(asked)
	s.startUnder(m)
	c.wantAnswer()
}
