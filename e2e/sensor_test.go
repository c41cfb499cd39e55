//go:build linux

// Package e2e runs the sensor beside real, unmodified mail servers: each
// server stands in a network namespace of its own with the sensor on its
// interface, and mails come from another namespace through this machine's own
// kernel. What counts is what the mail server made of the answers.
//
// It needs root and what scripts/deps installs. To see what p0f says in the
// place of mxprint, run the same tests against it:
//
//	MXPRINT_E2E_P0F=/usr/sbin/p0f go test ./e2e -v
package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// binDir holds the program under test, built once for all tests.
var binDir string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mxprint-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Daemons that drop their privileges reach what lies below.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binDir = dir
	return m.Run()
}

// sensorProgram is the path of a program that takes p0f's flags: mxprint
// called by the name p0f, or what MXPRINT_E2E_P0F names. MXPRINT_E2E_MXPRINT
// names one that is built already, where there is no compiler.
func sensorProgram(t testing.TB) string {
	t.Helper()
	if p := os.Getenv("MXPRINT_E2E_P0F"); p != "" {
		return p
	}
	link := filepath.Join(binDir, "p0f")
	if _, err := os.Stat(link); err == nil {
		return link
	}
	program := filepath.Join(binDir, "mxprint")
	if built := os.Getenv("MXPRINT_E2E_MXPRINT"); built != "" {
		if err := errors.Join(os.Symlink(built, program), os.Symlink(built, link)); err != nil {
			t.Fatal(err)
		}
		return link
	}
	build := exec.Command("go", "build", "-o", program, "github.com/mxprint/mxprint/cmd/mxprint")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building mxprint: %v\n%s", err, out)
	}
	if err := os.Symlink(program, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// startSensor starts the sensor on the interface of ns exactly as p0f is
// started for a mail server, waits until its socket answers and returns the
// path of the socket.
func startSensor(t testing.TB, ns *lab.NetNS) (socket string) {
	t.Helper()
	socket = filepath.Join(tempDir(t), "p0f.sock")
	cmd := ns.Command(context.Background(), sensorProgram(t), "-i", ns.If, "-s", socket, "tcp port 25")
	p := start(t, "sensor", cmd)
	p.waitFor("answer on "+socket, func() bool { return socketAnswers(socket) })
	return socket
}

// startPatientSensor is startSensor with a sensor that waits for the SYN as long
// as can be: p0f's options have no name for that.
func startPatientSensor(t testing.TB, ns *lab.NetNS) (socket string) {
	t.Helper()
	if os.Getenv("MXPRINT_E2E_P0F") != "" {
		return startSensor(t, ns)
	}
	dir := tempDir(t)
	startServe(t, ns, dir)
	return filepath.Join(dir, "p0f.sock")
}

// knowClients has the sensor behind p0f's socket see a connection of each
// family, so that what is asked about them later need not wait.
func knowClients(t testing.TB, pair *lab.Pair, socket string) {
	t.Helper()
	c := p0f.NewClient(socket)
	defer c.Close()
	for _, f := range families(pair) {
		dialSMTP(t, pair.Client, f.from, f.to).Quit()
		for end := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
			n, err := c.Lookup(context.Background(), note.Query{Client: netip.AddrPortFrom(f.from, 0)})
			if err == nil && n.State != note.NotSeen {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("the sensor says %v, %v about %v", n.State, err, f.from)
			}
		}
	}
}

// socketAnswers asks for an address nobody sends from. Any whole reply will do.
func socketAnswers(path string) bool {
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	addr := netip.MustParseAddr("198.18.255.255").As4()
	query := binary.NativeEndian.AppendUint32(nil, 0x50304601) // p0f v3 §9.1
	query = append(append(query, 4), addr[:]...)
	query = append(query, make([]byte, 21-len(query))...)
	if _, err := c.Write(query); err != nil {
		return false
	}
	var reply [232]byte
	if _, err := io.ReadFull(c, reply[:]); err != nil {
		return false
	}
	return binary.NativeEndian.Uint32(reply[:]) == 0x50304602
}

// tempDir is a temporary directory that daemons without privileges may enter
// and whose path is short enough for a socket.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(binDir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing what a daemon wrote: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// makeDir makes a directory that daemons may enter, and gives it to owner
// unless that is nil.
func makeDir(t testing.TB, dir string, owner *user.User) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if owner == nil {
		return
	}
	uid, _ := strconv.Atoi(owner.Uid) // decimal on every Unix
	gid, _ := strconv.Atoi(owner.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
}

// repoPath is a path inside the checkout.
func repoPath(t testing.TB, elem ...string) string {
	t.Helper()
	wd, err := os.Getwd() // go test runs in the package's directory
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(append([]string{filepath.Dir(wd)}, elem...)...)
}
