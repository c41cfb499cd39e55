package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// probeEnv makes the test program a probe when a sensor has it check the
// configuration at SIGUSR2: as a child of the sensor it runs in the same
// sandbox, and prints what it can still open.
const probeEnv = "MXPRINT_TEST_PROBE"

func init() {
	if list := os.Getenv(probeEnv); list != "" && len(os.Args) > 1 && os.Args[1] == "check" {
		tryAll(list)
	}
}

// tryAll tries the folders and files of a list, and ends the process.
func tryAll(list string) {
	var open []string
	for _, path := range strings.Split(list, ":") {
		if f, err := os.Open(path); err == nil {
			f.Close()
			open = append(open, "read "+path)
		}
		name := filepath.Join(path, "probe")
		if f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
			f.Close()
			os.Remove(name)
			open = append(open, "write "+path)
		}
		if fd, err := unix.Open(path, unix.O_RDWR, 0); err == nil {
			unix.Close(fd)
			open = append(open, "change "+path)
		}
		if exec.Command(path, "--version").Run() == nil {
			open = append(open, "execute "+path)
		}
	}
	if fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); err == nil {
		unix.Close(fd)
		open = append(open, "packet socket")
	}
	fmt.Printf("can: %s.\n", strings.Join(open, ", "))
	os.Exit(1)
}

// confined is a sensor under test whose files lie in folders of their own.
func confined(t *testing.T, sensor string) *sensorUnderTest {
	t.Helper()
	s := newSensorUnderTest(t)
	for _, dir := range []string{"run", "log", "lib", "fp"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.socket = filepath.Join(s.dir, "run", "s")
	own := filepath.Join(s.dir, "fp", "own.fp")
	text := fmt.Sprintf("[sensor]\n%s\n[signatures]\nextend = [%q]\nunknown = %q\n[p0f]\nsocket = %q\n[log]\np0f = %q\n",
		sensor, own, filepath.Join(s.dir, "lib", "unknown.fp"), s.socket, filepath.Join(s.dir, "log", "p0f.log"))
	for path, text := range map[string]string{own: "classes = unix\n", s.config(): text} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// probeFrom has the running sensor execute the probe, and returns what it says.
func (s *sensorUnderTest) probeFrom() string {
	s.t.Helper()
	own, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := os.ReadFile(own)
	if err != nil {
		s.t.Fatal(err)
	}
	s.install(text)
	s.restart("no restart, this process goes on")
	built, err := builtProgram()
	if err != nil {
		s.t.Fatal(err)
	}
	s.install(built)
	all := regexp.MustCompile(`can: (.*?)\.["\n]`).FindAllStringSubmatch(s.out.String(), -1)
	if all == nil {
		s.t.Fatalf("the probe said nothing:\n%s", s.out)
	}
	return strings.ReplaceAll(all[len(all)-1][1], s.dir, "DIR")
}

// wantStatus looks at what the kernel says of every thread.
func (s *sensorUnderTest) wantStatus(want map[string]string) {
	s.t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.cmd.Process.Pid))
	if err != nil || len(threads) < 2 {
		s.t.Fatalf("threads: %q, %v", threads, err)
	}
	for _, path := range threads {
		status, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // it has ended
		} else if err != nil {
			s.t.Fatal(err)
		}
		for key, value := range want {
			if !strings.Contains(string(status), "\n"+key+":\t"+value+"\n") {
				s.t.Errorf("%s has not %s %s:\n%s", path, key, value, status)
			}
		}
	}
}

const (
	noCapability = "0000000000000000"
	netRaw       = "0000000000002000"
	netRawLow    = "0000000000002400" // and to listen below port 1024
	sockOps      = "000000c000001000" // CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN
)

// caps is what a status shall have.
func caps(set string) map[string]string {
	return map[string]string{"CapInh": set, "CapPrm": set, "CapEff": set, "CapAmb": set, "CapBnd": set, "NoNewPrivs": "1"}
}

func needLandlock(t *testing.T) {
	t.Helper()
	const version = 1 // LANDLOCK_CREATE_RULESET_VERSION
	if v, _, _ := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, version); int(v) < 1 {
		lab.Skip(t, "needs a kernel with landlock")
	}
}

// TestConfined looks at running sensors: what the kernel says of them, and what
// a child of theirs can open.
func TestConfined(t *testing.T) {
	needLandlock(t)
	nobody := &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: []uintptr{unix.CAP_NET_RAW},
	}
	userCaps := caps(netRaw)
	delete(userCaps, "CapBnd") // root's to narrow
	const files = "read DIR/fp/own.fp, write DIR/log, read DIR/lib/unknown.fp, write DIR/lib, change DIR/lib/unknown.fp"
	for _, tt := range []struct {
		name, sensor string
		as           *syscall.SysProcAttr
		status       map[string]string
		want         string
	}{
		{"root", `interfaces = ["lo"]`, nil, caps(netRaw), files + ", packet socket"},
		{"user", `interfaces = ["lo"]`, nobody, userCaps, files + ", packet socket"},
		{"workers", "interfaces = [\"lo\"]\nworkers = 2", nil, caps(netRaw), files + ", packet socket"},
		{"asking", `ask = "/nowhere"`, nil, caps(noCapability), files},
		{"proxy", "source = \"proxy\"\n[proxy]\nlisten = [\"127.78.0.1:0\"]\nbackend = \"127.78.0.1:2525\"", nil, caps(noCapability), ""},
		{"low port", "interfaces = [\"lo\"]\n[milter]\nlisten = [\"127.78.0.1:77\"]", nil, caps(netRawLow), files + ", packet socket"},
		{"sockops", "source = \"sockops\"\nports = [7825]\ncgroup = \"CGROUP\"", nil, caps(sockOps), files},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := confined(t, strings.Replace(tt.sensor, "CGROUP", lab.NewCgroup(t).Path, 1))
			unknown := filepath.Join(s.dir, "lib", "unknown.fp")
			if err := os.WriteFile(unknown, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if tt.as != nil {
				out, err := exec.Command("chown", "-R", "65534:65534", s.dir).CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			cmd := s.serve()
			cmd.SysProcAttr = tt.as
			cmd.Env = append(os.Environ(), probeEnv+"="+strings.Join([]string{
				"/", "/etc/passwd", "/etc/shadow", "/etc/hostname", "/proc/1/environ", "/proc/self/mem", "/root", "/tmp", "/var/tmp", "/dev/shm",
				"/bin/sh", "/bin/true", "/dev/mem", s.dir + "/fp/own.fp", s.dir + "/log", unknown, s.dir + "/lib", s.dir + "/fp",
			}, ":"))
			s.start(cmd)
			s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
			s.wantStatus(tt.status)
			if tt.want == "" {
				return // it executes nothing
			}
			for i := range 2 {
				if got := s.probeFrom(); sorted(got) != sorted(tt.want) {
					t.Errorf("after %d restarts it can %s, want %s", i, got, tt.want)
				}
				s.restart(serveReady)
				s.wantStatus(tt.status)
			}
			if s.out.count("level=WARN") > s.out.count("this process stays root") {
				t.Errorf("a warning:\n%s", s.out)
			}
		})
	}
}

func sorted(list string) string {
	items := strings.Split(list, ", ")
	slices.Sort(items)
	return strings.Join(items, ", ")
}

// TestConfinedMemory: another process of the sensor's user, which has no capability
// that it lacks, reads neither its memory nor its environment, also after SIGUSR2.
func TestConfinedMemory(t *testing.T) {
	lab.NeedRoot(t)
	s := confined(t, `ask = "/nowhere"`)
	if out, err := exec.Command("chown", "-R", "65534:65534", s.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	asUser := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	readable := func(pid int) (files []string) {
		t.Helper()
		for _, name := range []string{"environ", "maps", "fd"} {
			cmd := exec.Command("ls", fmt.Sprintf("/proc/%d/%s", pid, name))
			if name != "fd" {
				cmd = exec.Command("cat", fmt.Sprintf("/proc/%d/%s", pid, name))
			}
			cmd.SysProcAttr = asUser
			if out, err := cmd.Output(); err == nil && len(out) > 0 {
				files = append(files, name)
			}
		}
		return files
	}
	open := exec.Command("sleep", "600")
	open.SysProcAttr = asUser
	if err := open.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { open.Process.Kill(); open.Wait() })
	if got := readable(open.Process.Pid); len(got) != 3 {
		t.Fatalf("of a process that is not confined it reads %v alone", got)
	}
	cmd := s.serve()
	cmd.SysProcAttr = asUser
	s.start(cmd)
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	for i := range 3 {
		if got := readable(s.cmd.Process.Pid); len(got) > 0 {
			t.Errorf("after %d restarts it reads %v of the sensor", i, got)
		}
		s.restart(serveReady)
	}
	if s.out.count("level=WARN")+s.out.count("level=ERROR") > 0 {
		t.Errorf("it complains:\n%s", s.out)
	}
}

// What serve does later it can still do, with files that came by rename.
func TestConfinedWorks(t *testing.T) {
	needLandlock(t)
	s := confined(t, `interfaces = ["lo"]`)
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	for i := range 3 {
		fp := filepath.Join(s.dir, "fp", "own.fp")
		if err := os.WriteFile(fp+".new", []byte("classes = unix\n[tcp:request]\nlabel = s:unix:Own:1\nsig = 4:64+0:0:*:*,0::df:0\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(fp+".new", fp); err != nil {
			t.Fatal(err)
		}
		s.signal(syscall.SIGHUP)
		s.wait("reload", func() bool { return s.out.count("signatures reloaded") == i+1 })
		log := filepath.Join(s.dir, "log", "p0f.log")
		if err := os.Rename(log, log+".1"); err != nil {
			t.Fatal(err)
		}
		s.signal(syscall.SIGUSR1)
		s.wait("log reopened", func() bool { return s.out.count("log reopened") == i+1 })
		if _, err := os.Stat(log); err != nil {
			t.Error(err)
		}
		s.restart(serveReady)
	}
	if s.out.count("level=WARN") > s.out.count("this process stays root") || s.out.count("level=ERROR") > 0 {
		t.Errorf("it complains:\n%s", s.out)
	}
	s.signal(syscall.SIGTERM)
	<-s.ended
	if _, err := os.Lstat(s.socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// A configuration that leads out of the sandbox is refused before it is too
// late, and so is a program that needs more than itself.
func TestConfinedRestartRefused(t *testing.T) {
	needLandlock(t)
	s := confined(t, `interfaces = ["lo"]`)
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	good, err := os.ReadFile(s.config())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	for _, tt := range []struct{ from, to, reason string }{
		{s.dir + "/log", elsewhere, "log.p0f: log: open " + elsewhere + "/p0f.log: permission denied"},
		{s.dir + "/lib", elsewhere, "signatures.unknown: open " + elsewhere},
		{s.dir + "/run", elsewhere, "p0f.socket: cannot make a socket in " + elsewhere + ": permission denied"},
		{s.dir + "/fp/own.fp", "/etc/passwd", "open /etc/passwd: permission denied"},
	} {
		if err := os.WriteFile(s.config(), []byte(strings.ReplaceAll(string(good), tt.from, tt.to)), 0o644); err != nil {
			t.Fatal(err)
		}
		before := s.out.count(tt.reason)
		s.restart("no restart, this process goes on")
		if s.out.count(tt.reason) == before {
			t.Errorf("no %q in\n%s", tt.reason, s.out)
		}
	}
	if err := os.WriteFile(s.config(), good, 0o644); err != nil {
		t.Fatal(err)
	}
	s.install([]byte("#!/bin/sh\n"))
	s.restart("no restart, this process goes on")
	built, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	s.install(built)
	s.restart(serveReady)
}
