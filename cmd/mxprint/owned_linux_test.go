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

// removedFiles are files of its folder that the sensor has open and that have lost
// their name.
func (s *sensorUnderTest) removedFiles() (removed []string) {
	s.t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, link := range links {
		if to, _ := os.Readlink(link); strings.HasPrefix(to, s.dir) && strings.HasSuffix(to, " (deleted)") {
			removed = append(removed, to)
		}
	}
	return removed
}

// TestReaderLeavesStore: what reads the store of a sensor that has become another
// user does not take it for one that no process uses, and remove its log.
func TestReaderLeavesStore(t *testing.T) {
	for _, user := range []string{"", "nobody"} {
		t.Run("user="+user, func(t *testing.T) {
			s := newSensorUnderTest(t)
			if err := os.Chmod(s.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			store := filepath.Join(s.dir, "kept", "store.db")
			s.sensor = fmt.Sprintf("user = %q", user)
			s.configure(fmt.Sprintf("[store]\npath = %q\n", store))
			s.start(s.serve())
			s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
			if out, err := exec.Command(s.program, "history", "-store", store, "192.0.2.1").CombinedOutput(); err != nil {
				t.Fatalf("mxprint history: %v: %s", err, out)
			}
			if removed := s.removedFiles(); len(removed) > 0 {
				t.Errorf("mxprint history has removed files of the running sensor: %q", removed)
			}
		})
	}
}

// TestTwoSensors: of two sensors that are to write one file the second does not start,
// and says which process has it. Neither a restart of the first loses it, nor does a
// lock outlive its process.
func TestTwoSensors(t *testing.T) {
	const files = `
[limits]
state = "%[1]s/state"
[signatures]
unknown = "%[1]s/unknown"
[store]
path = "%[1]s/store.db"
[log]
json = "%[1]s/log.json"
`
	for _, user := range []string{"", "nobody"} {
		t.Run("user="+user, func(t *testing.T) {
			s, other := newSensorUnderTest(t), newSensorUnderTest(t)
			if err := os.Chmod(s.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			kept := filepath.Join(s.dir, "kept")
			for _, s := range []*sensorUnderTest{s, other} {
				s.sensor = fmt.Sprintf("user = %q", user)
				s.configure(fmt.Sprintf(files, kept))
			}
			if err := os.Mkdir(kept, 0o755); err != nil {
				t.Fatal(err)
			}
			if user != "" {
				for _, folder := range []string{s.dir, kept} {
					if err := os.Chown(folder, 65534, 65534); err != nil {
						t.Fatal(err)
					}
				}
			}
			s.start(s.serve())
			s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
			refused := func(when string) {
				t.Helper()
				out, err := other.serve().CombinedOutput()
				if err == nil {
					t.Fatalf("%s a second sensor ran", when)
				}
				by := fmt.Sprintf("mxprint, process %d", s.cmd.Process.Pid)
				for _, want := range []string{
					"store.path: " + kept + "/store.db is in use by " + by, "limits.state: " + kept + "/state is in use by " + by,
					"signatures.unknown: " + kept + "/unknown is in use by " + by, "log.json: log " + kept + "/log.json: locked by " + by,
				} {
					if !strings.Contains(string(out), want) {
						t.Errorf("%s a second sensor printed no %q:\n%s", when, want, out)
					}
				}
			}
			refused("beside the first")
			s.restart(serveReady)
			refused("after SIGUSR2")
			if out, err := exec.Command(s.program, "history", "-store", kept+"/store.db", "192.0.2.1").CombinedOutput(); err != nil {
				t.Errorf("mxprint history beside the sensor: %v: %s", err, out)
			}
			if out, err := exec.Command(s.program, "check", "-write", s.config()).CombinedOutput(); err != nil {
				t.Errorf("mxprint check -write beside the sensor: %v: %s", err, out)
			}
			if n := s.out.count("cannot be locked"); n > 0 {
				t.Errorf("%d files cannot be locked:\n%s", n, s.out)
			}
			s.cmd.Process.Kill()
			<-s.ended
			other.start(other.serve())
			other.wait("start after the first was killed", func() bool { return other.out.count(serveReady) == 1 })
		})
	}
}

// TestNoLock: a file that cannot be locked is used all the same, and the log says so.
func TestNoLock(t *testing.T) {
	s := newSensorUnderTest(t)
	state := filepath.Join(s.dir, "state")
	if err := os.Mkdir(state+".lock", 0o700); err != nil {
		t.Fatal(err)
	}
	s.configure(fmt.Sprintf("[limits]\nstate = %q\n", state))
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	if s.out.count("it cannot be locked") != 1 {
		t.Errorf("no line that the state cannot be locked:\n%s", s.out)
	}
	s.signal(syscall.SIGTERM)
	<-s.ended
	if _, err := os.Stat(state); err != nil {
		t.Errorf("the state was not written: %v", err)
	}
}

// TestStateIsDevice: what is no file is not replaced by one, as /dev/null was.
func TestStateIsDevice(t *testing.T) {
	s := newSensorUnderTest(t)
	state := filepath.Join(s.dir, "null")
	const device = 1<<8 | 3 // null(4)
	if err := syscall.Mknod(state, syscall.S_IFCHR|0o666, device); err != nil {
		lab.Skip(t, "may not make a device: "+err.Error())
	}
	s.configure(fmt.Sprintf("[limits]\nstate = %q\n", state))
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	if s.out.count("a stop will forget all hosts") != 1 {
		t.Errorf("the start does not say that nothing will be kept:\n%s", s.out)
	}
	s.signal(syscall.SIGTERM)
	<-s.ended
	if st, err := os.Lstat(state); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("the device is %v now (%v)", st.Mode(), err)
	}
}

// TestRestartWithOtherFiles: at SIGUSR2 the sensor goes on with its files, though the
// configuration spells them in another way, and does not execute a program that could
// not have its files. Sensors that name /dev/null do not exclude each other.
func TestRestartWithOtherFiles(t *testing.T) {
	s, other := newSensorUnderTest(t), newSensorUnderTest(t)
	configure := func(s *sensorUnderTest, state string) {
		s.configure(fmt.Sprintf("[limits]\nstate = %q\n", state))
	}
	theirs := s.dir + "/theirs"
	configure(s, s.dir+"/state")
	configure(other, theirs)
	for _, s := range []*sensorUnderTest{s, other} {
		s.start(s.serve())
		s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	}
	link := filepath.Join(s.dir, "link")
	if err := os.Symlink(s.dir, link); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{s.dir + "//state", link + "/state"} {
		configure(s, state)
		s.restart(serveReady)
	}
	configure(s, theirs)
	s.restart("is in use by mxprint, process " + fmt.Sprint(other.cmd.Process.Pid))
	if s.out.count("no restart, this process goes on") != 1 {
		t.Errorf("the sensor executed a program that another one's file keeps from starting:\n%s", s.out)
	}
	for _, s := range []*sensorUnderTest{s, other} {
		configure(s, "/dev/null")
		s.signal(syscall.SIGTERM)
		<-s.ended
		s.start(s.serve())
		s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	}
	if _, err := os.Lstat("/dev/null.lock"); err == nil {
		t.Error("there is a /dev/null.lock")
	}
}
