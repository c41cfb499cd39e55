package sockops

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/capture"
)

// childEnv names the cgroup for which the test program is a sensor that prints
// what it gets.
const childEnv = "MXPRINT_TEST_CGROUP"

func TestMain(m *testing.M) {
	if cgroup := os.Getenv(childEnv); cgroup != "" {
		os.Exit(child(cgroup))
	}
	if os.Getenv(forgeEnv) != "" {
		os.Exit(forge())
	}
	os.Exit(m.Run())
}

func child(cgroup string) int {
	s, err := Open(Config{
		Cgroup: cgroup, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Missed: func(netip.AddrPort, netip.AddrPort) { fmt.Println("missed") },
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer s.Close()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		s.Close()
	}()
	if err := syscall.Setuid(65534); err != nil { // as sensor.user does; nothing needs a privilege any more
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	for {
		if err := s.Read(context.Background(), func(*capture.Frame) { fmt.Println("SYN") }); err != nil {
			return 0
		}
	}
}

// A sensorProcess is this test program as a sensor.
type sensorProcess struct {
	cmd   *exec.Cmd
	in    io.Closer
	lines *bufio.Scanner
	log   bytes.Buffer
}

// start starts it in the server's namespace, as root, or as nobody with some
// capabilities.
func (g *ground) start(t testing.TB, as *syscall.SysProcAttr) *sensorProcess {
	t.Helper()
	p := &sensorProcess{cmd: exec.Command("/proc/self/exe")}
	p.cmd.Env = append(os.Environ(), childEnv+"="+g.cgroup.Path)
	p.cmd.Stderr = &p.log
	p.cmd.SysProcAttr = as
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(out)
	if err := g.Server.Do(p.cmd.Start); err != nil {
		t.Fatal(err)
	}
	// A test that waits for a line in vain ends all the same.
	watchdog := time.AfterFunc(time.Minute, func() { p.cmd.Process.Kill() })
	t.Cleanup(func() {
		watchdog.Stop()
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	return p
}

// line is what it prints next.
func (p *sensorProcess) line() string {
	p.lines.Scan()
	return p.lines.Text()
}

// nobody is the account of that name, with capabilities.
func nobody(caps ...uintptr) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: caps,
	}
}

// TestCapabilities: which the kernel wants, and for what.
func TestCapabilities(t *testing.T) {
	g := newGround(t)
	old := g.listen(t, g.Server.IPv4.String(), 25)
	tests := []struct {
		name  string
		caps  []uintptr
		port  uint16 // of a new listener
		older string // what comes of a listener that is there already
	}{
		{"CAP_BPF, CAP_NET_ADMIN", []uintptr{unix.CAP_BPF, unix.CAP_NET_ADMIN}, 465, "missed"},
		{"CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON", []uintptr{unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON}, 587, "SYN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := g.start(t, nobody(tt.caps...))
			if got := p.line(); got != "ready" {
				t.Fatalf("it says %q", got)
			}
			g.connect(t, old, g.Server.IPv4)
			if got := p.line(); got != tt.older {
				t.Errorf("a connection to an older listener: %q, want %q", got, tt.older)
			}
			g.connect(t, g.listen(t, g.Server.IPv4.String(), tt.port), g.Server.IPv4)
			if got := p.line(); got != "SYN" {
				t.Errorf("a connection to a newer listener: %q", got)
			}
			p.in.Close()
			p.line()
			if err := p.cmd.Wait(); err != nil {
				t.Error(err)
			}
			if said := strings.Contains(p.log.String(), "CAP_PERFMON"); said != (tt.older == "missed") {
				t.Errorf("it logs %q", p.log.String())
			}
		})
	}
	for _, tt := range []struct {
		name string
		caps []uintptr
		want string
	}{
		{"none", nil, "needs CAP_BPF and CAP_NET_ADMIN (run"},
		{"CAP_BPF", []uintptr{unix.CAP_BPF}, "needs CAP_NET_ADMIN (run"},
		{"CAP_NET_ADMIN", []uintptr{unix.CAP_NET_ADMIN}, "needs CAP_BPF (run"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := g.start(t, nobody(tt.caps...))
			if got := p.line(); !strings.Contains(got, tt.want) {
				t.Errorf("it says %q, want %q", got, tt.want)
			}
		})
	}
}

// TestPrivilegesDropped: without any, the sensor goes on, and at its end still
// disarms what it has armed.
func TestPrivilegesDropped(t *testing.T) {
	g := newGround(t)
	older := g.listen(t, g.Server.IPv4.String(), 25)
	p := g.start(t, nil)
	if got := p.line(); got != "ready" {
		t.Fatalf("it says %q", got)
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)); err != nil || !strings.Contains(string(status), "CapEff:\t0000000000000000") {
		t.Errorf("it has privileges still: %v\n%s", err, status)
	}
	younger := g.listen(t, g.Server.IPv4.String(), 465)
	for _, l := range []*net.TCPListener{older, younger} {
		g.connect(t, l, g.Server.IPv4)
		if got := p.line(); got != "SYN" {
			t.Errorf("a connection to %v: %q", l.Addr(), got)
		}
	}
	p.in.Close()
	p.line()
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
	for _, l := range []*net.TCPListener{older, younger} {
		if option(t, l, unix.TCP_SAVE_SYN) != 0 {
			t.Errorf("%v keeps SYNs still", l.Addr())
		}
	}
}

// TestKilled: the kernel detaches the program of a process that is killed.
func TestKilled(t *testing.T) {
	g := newGround(t)
	p := g.start(t, nil)
	if got := p.line(); got != "ready" {
		t.Fatalf("it says %q", got)
	}
	if n := attached(t, g.cgroup.Path); n != 1 {
		t.Errorf("%d programs are attached, want 1", n)
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Wait()
	for deadline := time.Now().Add(20 * time.Second); attached(t, g.cgroup.Path) != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the program stays attached")
		}
	}
	if l := g.listen(t, g.Server.IPv4.String(), 25); option(t, l, unix.TCP_SAVE_SYN) != 0 {
		t.Error("a new listener keeps SYNs")
	}
}

// attached counts the programs of a cgroup.
func attached(t testing.TB, cgroup string) int {
	t.Helper()
	f, err := os.Open(cgroup)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := link.QueryPrograms(link.QueryOptions{Target: int(f.Fd()), Attach: ebpf.AttachCGroupSockOps})
	if err != nil {
		t.Fatal(err)
	}
	return len(r.Programs)
}

func setOption(t testing.TB, s syscall.Conn, opt, value int) {
	t.Helper()
	raw, err := s.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_TCP, opt, value) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
}

// getsockopt returns the length of an option of TCP.
func getsockopt(fd uintptr, opt int, buf []byte) (int, error) {
	n := uint32(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_TCP, uintptr(opt),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
