package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// startMode is a row of the table of docs/privileges.md: how a sensor is started,
// and what SIGUSR2 does then.
type startMode struct {
	started string
	refused string // what the log says; empty: it is executed again
	caps    string // effective ones of the process then
	ready   string
	command func(t *testing.T, s *sensorUnderTest) *exec.Cmd
	proof   string // a test elsewhere
}

var startModes = []startMode{
	{started: "by systemd, with the units", proof: "../../e2e/packages/systemd_test.go"},
	{started: "as root, with a user to become", caps: netRaw, ready: serveReady, command: func(t *testing.T, s *sensorUnderTest) *exec.Cmd {
		return withUser(t, s.serve(), packageUID)
	}},
	{started: "as root, and it stays root", caps: netRaw, ready: serveReady, command: func(t *testing.T, s *sensorUnderTest) *exec.Cmd {
		return s.serve()
	}},
	{started: "as any user, with ambient capabilities", caps: netRaw, ready: serveReady, command: func(t *testing.T, s *sensorUnderTest) *exec.Cmd {
		return asNobody(s.serve(), ",+net_raw")
	}},
	{started: "as any user, with file capabilities (`setcap`)", refused: "the privileges came from the program's file (setcap)", caps: netRaw, ready: serveReady,
		command: func(t *testing.T, s *sensorUnderTest) *exec.Cmd {
			setCap(t, s.program)
			return asNobody(s.serve(), "")
		}},
	{started: "as any user without privileges (`sensor.ask`)", caps: noCapability, ready: serveReady, command: func(t *testing.T, s *sensorUnderTest) *exec.Cmd {
		s.write("[sensor]\nask = \"/nowhere\"\n")
		return asNobody(s.serve(), "")
	}},
	{started: "with [proxy]", refused: "the connections of [proxy] would be cut", caps: noCapability, ready: serveReady, command: func(t *testing.T, s *sensorUnderTest) *exec.Cmd {
		s.write("[sensor]\nsource = \"proxy\"\n[proxy]\nlisten = [\"127.78.0.1:0\"]\nbackend = \"127.78.0.1:2525\"\n")
		return s.serve()
	}},
	{started: "p0f-named, with `-u`", refused: "-u took the privileges", caps: noCapability, ready: p0fReady, command: func(t *testing.T, s *sensorUnderTest) *exec.Cmd {
		return exec.Command(filepath.Join(s.dir, "p0f"), "-u", "games", "-i", "lo", "-s", s.socket, "tcp port 25")
	}},
	{started: "in a container, as its root", caps: netRaw, ready: serveReady, command: func(t *testing.T, s *sensorUnderTest) *exec.Cmd {
		return inContainer(t, s, s.serve())
	}},
}

// write writes a configuration with p0f's socket.
func (s *sensorUnderTest) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.config(), []byte(fmt.Sprintf("%s[p0f]\nsocket = %q\n", text, s.socket)), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// asNobody has a command run as a user without privileges, but for those that are
// ambient.
func asNobody(cmd *exec.Cmd, ambient string) *exec.Cmd {
	args := []string{"--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all" + ambient}
	if ambient != "" {
		args = append(args, "--ambient-caps=-all"+ambient)
	}
	return exec.Command("setpriv", slices.Concat(args, []string{cmd.Path}, cmd.Args[1:])...)
}

func setCap(t *testing.T, program string) {
	t.Helper()
	if out, err := exec.Command(lab.NeedProgram(t, "setcap"), "cap_net_raw+ep", program).CombinedOutput(); err != nil {
		t.Fatalf("setcap: %v: %s", err, out)
	}
}

// inContainer has a command run in a bubblewrap container.
func inContainer(t *testing.T, s *sensorUnderTest, cmd *exec.Cmd) *exec.Cmd {
	path := cmd.Path
	if !filepath.IsAbs(path) {
		path = lab.NeedProgram(t, path)
	}
	args := []string{"--ro-bind", "/", "/", "--bind", s.dir, s.dir, "--dev", "/dev", "--proc", "/proc", "--cap-add", "ALL", "--die-with-parent"}
	return exec.Command(lab.NeedProgram(t, "bwrap"), slices.Concat(args, []string{path}, cmd.Args[1:])...)
}

// sensorPID is the process number of the sensor, which others may have started.
func (s *sensorUnderTest) sensorPID() int {
	s.t.Helper()
	for pid := s.cmd.Process.Pid; ; {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			s.t.Fatal(err)
		}
		if name := strings.TrimSpace(string(comm)); name == "mxprint" || name == "p0f" {
			return pid
		}
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
		if err != nil {
			s.t.Fatal(err)
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(children)), " ")
		if pid, err = strconv.Atoi(first); err != nil {
			s.t.Fatalf("no sensor below process %d", s.cmd.Process.Pid)
		}
	}
}

// TestStartModes has a case for each row of the table of docs/privileges.md.
func TestStartModes(t *testing.T) {
	text, err := os.ReadFile("../../docs/privileges.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| started | SIGUSR2 executes | with |\n|---|---|---|\n")
	var rows []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			break
		}
		started := strings.TrimSpace(cells[1])
		rows = append(rows, started)
		i := slices.IndexFunc(startModes, func(m startMode) bool { return m.started == started })
		if i < 0 {
			t.Errorf("docs/privileges.md has a row without a case: %s", started)
		} else if refused := strings.Contains(cells[2], "nothing"); refused != (startModes[i].refused != "") {
			t.Errorf("docs/privileges.md says of %q that it is refused: %v", started, refused)
		}
	}
	if len(rows) != len(startModes) {
		t.Errorf("docs/privileges.md has %d rows, want %d", len(rows), len(startModes))
	}
	for _, m := range startModes {
		if m.proof != "" {
			if _, err := os.Stat(m.proof); err != nil {
				t.Error(err)
			}
			continue
		}
		t.Run(m.started, func(t *testing.T) { m.check(t) })
	}
}

// check starts a sensor so, and has it executed again, of a new file.
func (m *startMode) check(t *testing.T) {
	s := newSensorUnderTest(t)
	if err := os.Chmod(s.dir, 0o777); err != nil { // any user makes the socket
		t.Fatal(err)
	}
	s.start(m.command(t, s))
	s.wait("start", func() bool { return s.out.count(m.ready) == 1 })
	c := s.client()
	c.send(asked)
	c.wantAnswer()
	pid := s.sensorPID()
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) }) // it may be a child of what is killed
	want := m.refused
	if want == "" {
		built, _ := builtProgram()
		s.install(built)
		want = m.ready
	}
	before := s.out.count(want)
	if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	s.wait("word of SIGUSR2", func() bool { return s.out.count(want) > before })
	if s.sensorPID() != pid {
		t.Error("the process is another one")
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || !strings.Contains(string(status), "\nCapEff:\t"+m.caps+"\n") {
		t.Errorf("%v: want the capabilities %s in\n%s", err, m.caps, status)
	}
	c.send(asked)
	c.wantAnswer()
}
