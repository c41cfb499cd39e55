package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestSendsyn sends the probes to a listener, with p0f and the command that
// stands in for it on the wire: both must call them and their answers so, in
// the same lines, and what sendsyn prints must be what they log.
func TestSendsyn(t *testing.T) {
	pair := lab.NewPair(t)
	real := lab.NeedProgram(t, "p0f")
	dir := t.TempDir()
	ours := commandNamed(t, dir, "p0f")
	command := commandNamed(t, dir, "mxprint")
	const database = "/etc/p0f/p0f.fp" // of the package that has p0f
	logs := []string{filepath.Join(dir, "p0f.log"), filepath.Join(dir, "own.log")}
	for i, program := range []string{real, ours} {
		watch(t, pair.Server.Command(context.Background(), program, "-i", pair.Server.If, "-f", database, "-o", logs[i]))
	}
	for _, to := range []netip.Addr{pair.Server.IPv4, pair.Server.IPv6} {
		port := listenIn(t, pair.Server, to)
		cmd := pair.Client.Command(context.Background(), command, "sendsyn", "-wait", "1m", "-force", "-f", database, to.String(), port)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v: %s", cmd, err, out)
		}
		lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if len(lines) != 8 {
			t.Fatalf("%v printed\n%swant %d lines", cmd, out, 8)
		}
		want := waitForProbes(t, logs[0], to)
		if got := waitForProbes(t, logs[1], to); !slices.Equal(got, want) {
			t.Errorf("the log is\n%s\np0f's is\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for i, line := range lines {
			raw := strings.Fields(line)[1]
			from := fmt.Sprintf("/%d|", 65535-i)
			if !slices.ContainsFunc(want, func(l string) bool {
				return strings.HasPrefix(l, "mod=sendsyn probe|") && strings.Contains(l, from) && strings.Contains(l, "|app=p0f sendsyn utility|")
			}) {
				t.Errorf("p0f does not know probe %d:\n%s", i, strings.Join(want, "\n"))
			}
			if !slices.ContainsFunc(want, func(l string) bool {
				return strings.HasPrefix(l, "mod=sendsyn response|") && strings.Contains(l, from) && strings.HasSuffix(l, "|raw_sig="+raw)
			}) {
				t.Errorf("probe %d: printed %q, which p0f has not logged:\n%s", i, line, strings.Join(want, "\n"))
			}
		}
	}
}

// TestSendsynUnanswered: a closed port, and no host.
func TestSendsynUnanswered(t *testing.T) {
	ns := lab.NewPair(t).Client
	command := commandNamed(t, t.TempDir(), "mxprint")
	for _, tt := range []struct{ to, wait, want string }{
		{ns.IPv4.String(), "1m", "refused"},
		{"::1", "1m", "refused"},
		{"198.18.0.99", "100ms", "no answer"},
	} {
		cmd := ns.Command(context.Background(), command, "sendsyn", "-force", "-wait", tt.wait, tt.to, "2525")
		var out, fault bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &fault
		err := cmd.Run()
		want := "mxprint: sendsyn: no SYN+ACK from " + net.JoinHostPort(tt.to, "2525") + "\n"
		if cmd.ProcessState.ExitCode() != 1 || fault.String() != want || strings.Count(out.String(), " "+tt.want+"\n") != 8 {
			t.Errorf("%v: %v\n%s%s\nwant %d times %q and %q", cmd, err, &out, &fault, 8, tt.want, want)
		}
	}
}

// TestSendsynPrivilege: without a capability nothing is sent, and the error
// says what is missing.
func TestSendsynPrivilege(t *testing.T) {
	ns := lab.NewNetNS(t)
	command := commandNamed(t, t.TempDir(), "mxprint")
	cmd := ns.Command(context.Background(), lab.NeedProgram(t, "setpriv"), "--bounding-set=-all", "--inh-caps=-all", command, "sendsyn", "127.0.0.1", "25")
	out, err := cmd.CombinedOutput()
	if want := "mxprint: sendsyn: operation not permitted: a raw socket wants root or CAP_NET_RAW\n"; err == nil || string(out) != want {
		t.Errorf("%v: %v, %q, want %q", cmd, err, out, want)
	}
}

// commandNamed is the command by a name: see TestMain.
func commandNamed(t *testing.T, dir, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// watch starts a p0f until the test ends, and waits until it captures.
func watch(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
	})
	if !eventually(func() bool { return strings.Contains(text(path), "Entered main event loop") }) {
		t.Fatalf("%v does not start:\n%s", cmd, text(path))
	}
}

// listenIn listens on an address of a namespace until the test ends, and
// returns the port.
func listenIn(t *testing.T, ns *lab.NetNS, addr netip.Addr) string {
	t.Helper()
	var l net.Listener
	if err := ns.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

var logTime = regexp.MustCompile(`^\[[^\]]*\] `)

// waitForProbes waits until a log has all answers of a server, and returns its
// lines about the probes, without their times.
func waitForProbes(t *testing.T, log string, server netip.Addr) (lines []string) {
	t.Helper()
	if !eventually(func() bool {
		lines = nil
		answers := 0
		for line := range strings.Lines(text(log)) {
			line = strings.TrimSuffix(logTime.ReplaceAllString(line, ""), "\n")
			if strings.HasPrefix(line, "mod=sendsyn ") && strings.Contains(line, "|srv="+p0fAddr(server)+"/") {
				lines = append(lines, line)
			}
			if strings.Contains(line, "mod=sendsyn response") && strings.Contains(line, "|srv="+p0fAddr(server)+"/") {
				answers++
			}
		}
		return answers == 8
	}) {
		t.Fatalf("%s has not the %d answers of %s:\n%s", log, 8, server, text(log))
	}
	return lines
}

// p0fAddr is an address as p0f writes it: IPv6 in eight groups.
func p0fAddr(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	b := a.As16()
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = fmt.Sprintf("%x", uint16(b[2*i])<<8|uint16(b[2*i+1]))
	}
	return strings.Join(groups, ":")
}
