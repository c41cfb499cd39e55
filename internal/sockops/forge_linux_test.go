package sockops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/internal/test/lab"
)

// forgeEnv makes the test program one that connects to itself.
const forgeEnv = "MXPRINT_TEST_FORGE"

const (
	forged      = "203.0.113.9" // an address that is not ours
	forgeServer = "192.0.2.25:25"
)

// forge takes any address in its own network namespace, and connects from there
// to a mail port of its own.
func forge() int {
	for _, args := range []string{"link set lo up", "addr add " + forged + "/32 dev lo", "addr add 192.0.2.25/32 dev lo"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			fmt.Printf("ip %s: %v: %s\n", args, err, out)
			return 1
		}
	}
	ln, err := net.Listen("tcp", forgeServer)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	from := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(forged + ":44444"))
	nc, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", forgeServer)
	if err == nil {
		_, err = ln.Accept()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("connected from", nc.LocalAddr())
	return 0
}

// A local user without a privilege, as root of a network namespace of their own
// in the sensor's cgroup, cannot put a connection from any address in, unless
// the sensor is to take those of all namespaces.
func TestFinding06OtherNamespaces(t *testing.T) {
	for _, name := range []string{"setpriv", "unshare", "ip"} {
		lab.NeedProgram(t, name)
	}
	for _, any := range []bool{false, true} {
		t.Run(fmt.Sprintf("AnyNetNS %v", any), func(t *testing.T) {
			g := newGround(t)
			s := g.open(t, Config{AnyNetNS: any})
			s.looked = time.Time{}
			asNobody(t)
			var got []string
			if any {
				got = append(got, fmt.Sprintf("%x", read(t, s).Data))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			for {
				if err := s.Read(ctx, func(f *capture.Frame) { got = append(got, fmt.Sprintf("%x", f.Data)) }); err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Fatal(err)
					}
					break
				}
			}
			want := Stats{Foreign: 1}
			if any {
				want = Stats{Connections: 1}
			}
			if st := s.Stats(); st != want || uint64(len(got)) != want.Connections {
				t.Errorf("%+v, frames %q, want %+v", st, got, want)
			}
			if logged := strings.Contains(g.log.String(), "in other network namespaces are not taken"); logged == any {
				t.Errorf("the log has %q", &g.log)
			}
			// The mail server's own connections are still taken.
			l := g.listen(t, g.Server.IPv4.String(), 25)
			g.connect(t, l, g.Server.IPv4)
			read(t, s)
		})
	}
}

// asNobody runs forge as a user without a privilege.
func asNobody(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "forge") // which any user may read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "forge")
	copyProgram(t, program)
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
		"--no-new-privs", "unshare", "-Urn", program)
	cmd.Env = append(os.Environ(), forgeEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "unshare failed") {
		lab.Skip(t, "needs user namespaces for all users: "+strings.TrimSpace(string(out)))
	}
	if err != nil || !strings.Contains(string(out), "connected from "+forged+":44444") {
		t.Fatalf("%v: %s", err, out)
	}
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
