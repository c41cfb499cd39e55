package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// vxlan makes a VXLAN device of the kernel in the client's namespace, with an address
// of its own, whose packets come from an address of the veth. Connecting over it
// sends real SYNs in VXLAN.
func vxlan(t *testing.T, pair *lab.Pair, n int, from netip.Addr) (inner netip.Addr, dial func()) {
	t.Helper()
	c, dev := pair.Client, fmt.Sprintf("vx%d", n)
	c.IP("link", "add", dev, "type", "vxlan", "id", fmt.Sprint(n), "dstport", "4789", "local", from.String(), "remote", pair.Server.IPv4.String(), "dev", c.If)
	inner = netip.MustParseAddr(fmt.Sprintf("100.64.%d.1", n))
	peer := fmt.Sprintf("100.64.%d.2", n)
	c.IP("addr", "add", inner.String()+"/24", "dev", dev)
	c.IP("link", "set", dev, "up")
	c.IP("neigh", "add", peer, "lladdr", "02:00:00:00:00:02", "dev", dev, "nud", "permanent")
	return inner, func() {
		c.Do(func() error {
			conn, err := net.DialTimeout("tcp", peer+":25", 10*time.Millisecond) // no server answers
			if err == nil {
				conn.Close()
			}
			return nil
		})
	}
}

// TestServeTunnels: serve names the client of a SYN inside VXLAN of the kernel, of a
// mirror that is named, and not that of a stranger.
func TestServeTunnels(t *testing.T) {
	s := newSensorUnderTest(t)
	pair := lab.NewPair(t)
	strange := pair.Client.AddIPv4(1)[0]
	mirrored, dialMirrored := vxlan(t, pair, 1, pair.Client.IPv4)
	claimed, dialClaimed := vxlan(t, pair, 2, strange)
	text := fmt.Sprintf("[sensor]\ninterfaces = [%q]\ndecapsulate = [\"vxlan\"]\ndecapsulate_from = [\"%s/32\"]\n[p0f]\nsocket = %q\n",
		pair.Server.If, pair.Client.IPv4, s.socket)
	if err := os.WriteFile(s.config(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.start(pair.Server.Command(context.Background(), s.program, "serve", "-config", s.config()))
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	query := func(addr netip.Addr) string {
		out, _ := exec.Command(s.program, "query", "-s", s.socket, addr.String()).CombinedOutput()
		return string(out)
	}
	dialClaimed()
	s.wait("answer about a client in VXLAN", func() bool {
		dialMirrored()
		return strings.Contains(query(mirrored), "Linux")
	})
	if got := query(claimed); strings.Contains(got, "Linux") {
		t.Errorf("a stranger's VXLAN has a client %s: %s", claimed, got)
	}
	// Named, it is opened: what was not seen was not for another reason.
	s.signal(os.Interrupt)
	<-s.ended
	text = strings.Replace(text, pair.Client.IPv4.String()+"/32", strange.String()+"/32", 1)
	if err := os.WriteFile(s.config(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.start(pair.Server.Command(context.Background(), s.program, "serve", "-config", s.config()))
	s.wait("answer about the other client", func() bool {
		dialClaimed()
		return strings.Contains(query(claimed), "Linux")
	})
}
