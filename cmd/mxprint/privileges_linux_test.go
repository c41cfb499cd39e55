package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// mineEnv makes the test program the one that somebody put in the path of a
// sensor: it notes its capabilities in a file and ends.
const mineEnv = "MXPRINT_TEST_MINE"

// escapeEnv makes it try to leave the sandbox that it was executed in.
const escapeEnv = "MXPRINT_TEST_ESCAPE"

func init() {
	if path := os.Getenv(mineEnv); path != "" {
		status, _ := os.ReadFile("/proc/self/status")
		found := regexp.MustCompile(`CapEff:\s*(\S+)`).FindSubmatch(status)
		os.WriteFile(path, append(found[1], '\n'), 0o600)
		os.Exit(1)
	}
	if text := os.Getenv(escapeEnv); text != "" && len(os.Args) > 1 && os.Args[1] == "check" {
		escape(strings.Split(text, ":"))
	}
}

// TestFinding02SetcapEscalation: with the documented file capabilities a user
// gets no program of his own executed with them.
func TestFinding02SetcapEscalation(t *testing.T) {
	lab.NeedRoot(t)
	setcap := lab.NeedProgram(t, "setcap")
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const raw, sockops = "cap_net_raw+ep", "cap_bpf,cap_net_admin,cap_perfmon+ep"
	const capture = "interfaces = [\"lo\"]\n"
	serve := []string{"serve", "-config", "c.toml"}
	for _, tt := range []struct {
		name, caps, sensor, start string
		args                      []string
	}{
		{"capture by link", raw, capture, "./x", serve},
		{"capture by path", raw, capture, "PATH/x", serve},
		{"permitted alone", "cap_net_raw+p", "ask = \"/nowhere\"\n", "./x", serve},
		{"no sandbox", raw, capture + "sandbox = false\n", "./x", serve},
		{"sockops", sockops, "source = \"sockops\"\nports = [7825]\n", "./x", serve},
		{"p0f", raw, "", "./p0f", []string{"-i", "lo", "-s", "s", "tcp port 25"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSensorUnderTest(t)
			if err := os.Chmod(s.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(setcap, tt.caps, s.program).CombinedOutput(); err != nil {
				t.Fatalf("setcap: %v: %s", err, out)
			}
			theirs := filepath.Join(s.dir, "theirs")
			mine, got := filepath.Join(theirs, "mine"), filepath.Join(theirs, "got")
			x := filepath.Join(theirs, filepath.Base(tt.start))
			s.socket = filepath.Join(theirs, "s")
			text := fmt.Sprintf("[sensor]\n%s[p0f]\nsocket = %q\n", tt.sensor, s.socket)
			program, err := os.ReadFile(own)
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{
				os.Mkdir(theirs, 0o755), os.WriteFile(filepath.Join(theirs, "c.toml"), []byte(text), 0o644),
				os.WriteFile(mine, program, 0o755), os.Symlink(s.program, x),
				os.Chown(theirs, 65534, 65534), os.Lchown(x, 65534, 65534),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(strings.Replace(tt.start, "PATH", theirs, 1), tt.args...)
			cmd.Dir = theirs
			cmd.Env = append(os.Environ(), mineEnv+"="+got)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			s.start(cmd)
			for _, set := range []string{"CapInh", "CapAmb"} {
				s.wantStatus(map[string]string{set: noCapability})
			}
			if err := os.Rename(mine, x); err != nil {
				t.Fatal(err)
			}
			s.restart("no restart, this process goes on")
			if caps, err := os.ReadFile(got); err == nil {
				t.Errorf("a program of the user's ran, with %s", caps)
			}
			if want := "the privileges came from the program's file (setcap)"; s.out.count(want) == 0 {
				t.Errorf("it does not say %q", want)
			}
			c := s.client()
			c.send(asked)
			c.wantAnswer()
		})
	}
}

// withUser has a command run where /etc/passwd has the user of the packages.
func withUser(t *testing.T, cmd *exec.Cmd, uid int) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	var script strings.Builder
	for file, line := range map[string]string{
		"/etc/passwd": fmt.Sprintf("mxprint:x:%d:%d::/nonexistent:/usr/sbin/nologin\n", uid, uid),
		"/etc/group":  fmt.Sprintf("mxprint:x:%d:\n", uid),
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = regexp.MustCompile(`(?m)^mxprint:.*\n`).ReplaceAll(text, nil)
		path := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(path, append(text, line...), 0o644); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&script, "mount --bind %s %s && ", path, file)
	}
	args := append([]string{"-m", "--propagation", "private", "sh", "-c", script.String() + `exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	in := exec.Command(lab.NeedProgram(t, "unshare"), args...)
	in.Dir, in.Env = cmd.Dir, cmd.Env
	return in
}

const packageUID = 64825

// TestFinding11RootBecomesUser: a daemon that root starts is the package's user
// once all is open, in every thread, and does later what it did as root.
func TestFinding11RootBecomesUser(t *testing.T) {
	uids := fmt.Sprintf("%d\t%[1]d\t%[1]d\t%[1]d", packageUID)
	for _, tt := range []struct {
		name, ready, caps string
		command           func(s *sensorUnderTest) *exec.Cmd
	}{
		{"serve", serveReady, netRaw, (*sensorUnderTest).serve},
		{"p0f", p0fReady, netRaw, func(s *sensorUnderTest) *exec.Cmd {
			return exec.Command(filepath.Join(s.dir, "p0f"), "-i", "lo", "-s", s.socket, "-o", filepath.Join(s.dir, "log", "p0f.log"), "tcp port 25")
		}},
		{"proxy", serveReady, noCapability, func(s *sensorUnderTest) *exec.Cmd {
			return exec.Command(s.program, "proxy", "-listen", "127.78.0.1:0", "-backend", "127.78.0.1:25", "-s", s.socket)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSensorUnderTest(t)
			log := filepath.Join(s.dir, "log")
			if err := os.Mkdir(log, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := errorsOf(os.Chmod(s.dir, 0o755), os.Chown(log, packageUID, packageUID)); err != nil {
				t.Fatal(err)
			}
			s.socket = filepath.Join(s.dir, "made", "s")
			s.configure("[log]\np0f = \"" + log + "/p0f.log\"\n[signatures]\nunknown = \"" + log + "/unknown.fp\"\n")
			s.start(withUser(t, tt.command(s), packageUID))
			s.wait("start", func() bool { return s.out.count(tt.ready) == 1 && s.out.count("no longer root") == 1 })
			want := map[string]string{"Uid": uids, "Gid": uids, "Groups": strconv.Itoa(packageUID) + " ", "CapPrm": tt.caps, "CapEff": tt.caps, "CapBnd": tt.caps}
			s.wantStatus(want)
			if tt.name != "proxy" { // which refuses SIGUSR2 and has no log
				for range 2 {
					s.restart(tt.ready)
					s.wantStatus(want)
				}
				if err := os.Rename(log+"/p0f.log", log+"/p0f.log.1"); err != nil {
					t.Fatal(err)
				}
				s.signal(syscall.SIGUSR1)
				s.wait("log", func() bool { return s.out.count("log reopened") == 1 })
			}
			c := s.client()
			c.send(asked)
			c.wantAnswer()
			s.signal(syscall.SIGTERM)
			<-s.ended
			if _, err := os.Lstat(s.socket); !os.IsNotExist(err) {
				t.Errorf("the socket is left behind: %v", err)
			}
			if s.out.count("level=WARN")+s.out.count("level=ERROR") > s.out.count("too few file descriptors") {
				t.Error("it complains")
			}
		})
	}
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestFinding11StaysRootSaid: without a user to become it says so and runs.
func TestFinding11StaysRootSaid(t *testing.T) {
	s := newSensorUnderTest(t)
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	if s.out.count("no longer root") == 0 && s.out.count(`msg="this process stays root" reason="there is no user mxprint`) != 1 {
		t.Error("it does not say that it stays root")
	}
}

// escape tries what a fault in the sensor would, and prints what it could do.
func escape(with []string) {
	rootPID, userPID, socket, abstract, file, beside := with[0], with[1], with[2], with[3], with[4], with[5]
	var could []string
	try := func(what string, err error) {
		if err == nil {
			could = append(could, what)
		}
	}
	for _, pid := range []string{rootPID, userPID} {
		n, _ := strconv.Atoi(pid)
		try("signal "+pid, syscall.Kill(n, syscall.SIGCONT))
	}
	dial := func(name string) error {
		nc, err := net.Dial("unix", name)
		if err == nil {
			nc.Close()
		}
		return err
	}
	try("connect to a socket that trusts uid 0", dial(socket))
	try("connect to an abstract socket", dial(abstract))
	try("chmod outside", os.Chmod(file, 0o666))
	try("chown outside", os.Chown(file, 1, 1))
	try("read outside", func() error { _, err := os.ReadFile(file); return err }())
	try("write beside the socket", func() error {
		f, err := os.OpenFile(beside, os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		return err
	}())
	try("remove beside the socket", os.Remove(beside))
	for _, call := range systemCalls() {
		runtime.LockOSThread()
		_, _, errno := unix.Syscall6(call.nr, call.a, call.b, call.c, 0, 0, 0)
		if errno != unix.EPERM {
			could = append(could, fmt.Sprintf("%s (%v)", call.name, errno))
		}
	}
	fmt.Printf("can: %s.\n", strings.Join(could, ", "))
	os.Exit(1)
}

type systemCall struct {
	name        string
	nr, a, b, c uintptr
}

// systemCalls are some that a user may make, and others that fail for another
// reason than EPERM: with the filter it is EPERM for each.
func systemCalls() []systemCall {
	var params [32]uint32
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Bits: unix.PerfBitDisabled | unix.PerfBitExcludeKernel}
	const keySpecProcess = ^uintptr(1) // KEY_SPEC_PROCESS_KEYRING, -2
	return []systemCall{
		{"ptrace", unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0},
		{"keyctl", unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, keySpecProcess, 1},
		{"mount", unix.SYS_MOUNT, 0, 0, 0},
		{"unshare", unix.SYS_UNSHARE, unix.CLONE_NEWUSER, 0, 0},
		{"clone", unix.SYS_CLONE, unix.CLONE_NEWUSER | unix.CLONE_THREAD, 0, 0},
		{"setns", unix.SYS_SETNS, ^uintptr(0), 0, 0},
		{"init_module", unix.SYS_INIT_MODULE, 0, 0, 0},
		{"kexec_load", unix.SYS_KEXEC_LOAD, 0, 0, 0},
		{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, uintptr(unsafe.Pointer(&attr)), 0, ^uintptr(0)},
		{"io_uring_setup", unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params[0])), 0},
		{"userfaultfd", unix.SYS_USERFAULTFD, 1, 0, 0},
		{"bpf", unix.SYS_BPF, ^uintptr(0), 0, 0},
		{"process_vm_readv", unix.SYS_PROCESS_VM_READV, uintptr(os.Getpid()), 0, 0},
	}
}

// TestFinding11Escapes: what is executed in the sandbox of a sensor that root
// started reaches no process, no socket that trusts root, no file outside, no
// file beside the socket, and no denied system call.
func TestFinding11Escapes(t *testing.T) {
	needLandlock(t)
	s := newSensorUnderTest(t)
	outside := t.TempDir()
	run := filepath.Join(s.dir, "run")
	s.socket = filepath.Join(run, "s")
	s.configure("")
	secret, beside := filepath.Join(outside, "secret"), filepath.Join(run, "beside")
	if err := errorsOf(os.Chmod(s.dir, 0o755), os.Mkdir(run, 0o755), os.Chmod(outside, 0o755),
		os.WriteFile(secret, []byte("root's"), 0o600), os.WriteFile(beside, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	trusting, err := net.Listen("unix", filepath.Join(outside, "trusting"))
	if err != nil {
		t.Fatal(err)
	}
	defer trusting.Close()
	abstract := fmt.Sprintf("@mxprint-test-%d", os.Getpid())
	open, err := net.Listen("unix", abstract)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := os.Chmod(trusting.Addr().String(), 0o600); err != nil {
		t.Fatal(err)
	}
	sleeper := func(as *syscall.SysProcAttr) string {
		ctx, cancel := context.WithCancel(context.Background())
		cmd := exec.CommandContext(ctx, "sleep", "600")
		cmd.SysProcAttr = as
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cancel(); cmd.Wait() })
		return strconv.Itoa(cmd.Process.Pid)
	}
	cmd := s.serve()
	cmd.Env = append(os.Environ(), escapeEnv+"="+strings.Join([]string{
		sleeper(nil), sleeper(&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: packageUID, Gid: packageUID}}),
		trusting.Addr().String(), abstract, secret, beside,
	}, ":"))
	s.start(withUser(t, cmd, packageUID))
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	if could := s.probeFrom(); could != "" {
		t.Errorf("it can %s", could)
	}
	if st, err := os.Stat(secret); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file outside: %v, %v", st, err)
	}
	s.wantStatus(map[string]string{"Seccomp": "2", "NoNewPrivs": "1"})
}

// TestStartsInContainer starts the daemon with each source in a bubblewrap
// container, which has a root of its own and few rights over the machine.
func TestStartsInContainer(t *testing.T) {
	lab.NeedRoot(t)
	bwrap := lab.NeedProgram(t, "bwrap")
	for source, more := range map[string]string{
		"capture": "interfaces = [\"lo\"]\n",
		"sockops": "source = \"sockops\"\nports = [7825]\ncgroup = \"" + lab.NewCgroup(t).Path + "\"\n",
		"proxy":   "source = \"proxy\"\n[proxy]\nlisten = [\"127.78.0.1:0\"]\nbackend = \"127.78.0.1:2525\"\n",
		"ask":     "ask = \"/nowhere\"\n",
	} {
		t.Run(source, func(t *testing.T) {
			s := newSensorUnderTest(t)
			text := fmt.Sprintf("[sensor]\n%s[p0f]\nsocket = %q\n", more, s.socket)
			if err := os.WriteFile(s.config(), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			args := []string{"--ro-bind", "/", "/", "--bind", s.dir, s.dir, "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--cap-add", "ALL", "--die-with-parent"}
			cmd := exec.Command(bwrap, slices.Concat(args, []string{s.program, "serve", "-config", s.config()})...)
			s.start(cmd)
			s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
			if s.out.count("level=WARN") > s.out.count("this process stays root")+s.out.count("too few file descriptors") {
				t.Error("a warning")
			}
		})
	}
}

// TestFinding17Pipes: a pipe instead of a file holds up neither the start,
// nor a reload, nor the end.
func TestFinding17Pipes(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe.fp")
	if err := unix.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"file = %q", "extend = [%q]", "unknown = %q"} {
		path := write(t, "c.toml", unprivileged(dir, "[signatures]\n"+fmt.Sprintf(key, pipe)+"\n"))
		for _, args := range [][]string{{"check", "-write", path}, {"serve", "-config", path}} {
			out, err := programCommand(t, args...).CombinedOutput()
			if want := pipe + ": not a regular file"; err == nil || !strings.Contains(string(out), want) {
				t.Errorf("%s: %v: %s, want %q", args[0], err, out, want)
			}
		}
	}
	s := newSensorUnderTest(t)
	file, unknown := filepath.Join(s.dir, "own.fp"), filepath.Join(s.dir, "unknown.fp")
	if err := os.WriteFile(file, []byte("classes = unix\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.configure(fmt.Sprintf("[signatures]\nextend = [%q]\nunknown = %q\n", file, unknown))
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	if err := os.Rename(pipe, file); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.wait("refusal", func() bool { return s.out.count("not a regular file") > 0 })
	s.signal(syscall.SIGTERM)
	<-s.ended
}
