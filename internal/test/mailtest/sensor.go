//go:build linux

// Package mailtest runs the sensor beside real, unmodified mail servers: each
// server stands in a network namespace of its own with the sensor on its
// interface, and mails come from another namespace through this machine's own
// kernel. What counts is what the mail server made of the answers. It is what
// the packages below e2e share, one for each mail server, and for tests alone.
//
// It needs root and what scripts/deps installs. To see what p0f says instead of
// mxprint, run the same tests with p0f:
//
//	MXPRINT_E2E_P0F=/usr/sbin/p0f go test ./e2e/haraka -v
package mailtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// StartServe starts `mxprint serve` on the interface of ns, with a query socket
// in dir. More lines of configuration follow; SMTP is one.
func StartServe(t testing.TB, ns *lab.NetNS, dir string, config ...string) *Process {
	t.Helper()
	// A busy machine may take longer than the 10 ms that a question waits for
	// its SYN by itself.
	return StartServeWait(t, ns, dir, "1s", config...)
}

// StartServeWait is StartServe with another wait for the SYN. A client that asks
// over one connection wants it below its own deadline: its questions are
// answered in order, also those about connections whose SYN fell into a restart.
func StartServeWait(t testing.TB, ns *lab.NetNS, dir, wait string, config ...string) *Process {
	t.Helper()
	socket := filepath.Join(dir, "query.sock")
	path := filepath.Join(TempDir(t), "mxprint.toml")
	var sensor string
	if i := slices.Index(config, SMTP); i >= 0 {
		sensor, config = SMTP, slices.Delete(slices.Clone(config), i, i+1)
	}
	text := fmt.Sprintf("[sensor]\ninterfaces = [%q]\n%s\n[p0f]\nsocket = %q\nwait = %q\n[query]\nlisten = [%q]\n%s",
		ns.If, sensor, filepath.Join(dir, "p0f.sock"), wait, socket, strings.Join(config, "\n"))
	WriteFiles(t, filepath.Dir(path), map[string]string{filepath.Base(path): text})
	SensorProgram(t) // builds it
	cmd := ns.Command(context.Background(), filepath.Join(BinDir, "mxprint"), "serve", "-config", path)
	p := Start(t, "serve", cmd)
	p.Printed("msg=ready")
	return p
}

// StartMilter starts the sensor with the milter of the page in docs, which
// waits for the sensor for as long as can be.
func StartMilter(t testing.TB, ns *lab.NetNS, page string, config ...string) *Process {
	t.Helper()
	return StartServe(t, ns, TempDir(t), append([]string{Recipe(t, page, "[milter]"), LongDeadline}, config...)...)
}

// SMTP has the sensor read what clients say.
const SMTP = "smtp = true"

const LongDeadline = `deadline = "10s"`

// BinDir holds the program under test, built once for all tests.
var BinDir string

// Run runs the tests of a package, which calls it in TestMain.
func Run(m *testing.M) int {
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
	BinDir = dir
	return m.Run()
}

// SensorProgram is the path of a program that takes p0f's flags: mxprint
// called by the name p0f, or what MXPRINT_E2E_P0F names. MXPRINT_E2E_MXPRINT
// names one that is built already, where there is no compiler.
func SensorProgram(t testing.TB) string {
	t.Helper()
	if p := os.Getenv("MXPRINT_E2E_P0F"); p != "" {
		return p
	}
	link := filepath.Join(BinDir, "p0f")
	if _, err := os.Stat(link); err == nil {
		return link
	}
	program := filepath.Join(BinDir, "mxprint")
	if built := os.Getenv("MXPRINT_E2E_MXPRINT"); built != "" {
		if err := errors.Join(os.Symlink(built, program), os.Symlink(built, link)); err != nil {
			t.Fatal(err)
		}
		return link
	}
	if _, err := parts.Program(t.Context(), BinDir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// StartSensor starts the sensor on the interface of ns exactly as p0f is
// started for a mail server, waits until its socket answers and returns the
// path of the socket.
func StartSensor(t testing.TB, ns *lab.NetNS) (socket string) {
	t.Helper()
	socket = filepath.Join(TempDir(t), "p0f.sock")
	cmd := ns.Command(context.Background(), SensorProgram(t), "-i", ns.If, "-s", socket, "tcp port 25")
	p := Start(t, "sensor", cmd)
	p.WaitFor("answer on "+socket, func() bool { return SocketAnswers(socket) })
	return socket
}

// StartPatientSensor is StartSensor with a sensor that waits for the SYN as long
// as can be: p0f's options have no name for that.
func StartPatientSensor(t testing.TB, ns *lab.NetNS) (socket string) {
	t.Helper()
	if os.Getenv("MXPRINT_E2E_P0F") != "" {
		return StartSensor(t, ns)
	}
	dir := TempDir(t)
	StartServe(t, ns, dir)
	return filepath.Join(dir, "p0f.sock")
}

// KnowClients has the sensor behind p0f's socket see a connection of each
// family, so that what is asked about them later need not wait.
func KnowClients(t testing.TB, pair *lab.Pair, socket string) {
	t.Helper()
	c := p0f.NewClient(socket)
	defer c.Close()
	for _, f := range Families(pair) {
		DialSMTP(t, pair.Client, f.From, f.To).Quit()
		lab.Eventually(t, func() error {
			n, err := c.Lookup(context.Background(), note.Query{Client: netip.AddrPortFrom(f.From, 0)})
			if err != nil || n.State == note.NotSeen {
				return fmt.Errorf("the sensor says %v, %v about %v", n.State, err, f.From)
			}
			return nil
		})
	}
}

// SocketAnswers asks for an address that never sends. Any whole reply will do.
func SocketAnswers(path string) bool {
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	addr := netip.MustParseAddr("198.18.255.255").As4()
	query := binary.NativeEndian.AppendUint32(nil, 0x50304601) // p0f-v3.md §9.1
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
