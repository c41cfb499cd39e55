package shared

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/valkeylab"
	"github.com/mxprint/mxprint/note"
)

// published waits until a sensor has the connections that another publishes.
func published(t *testing.T, a, b *sensor, clients []netip.AddrPort) {
	t.Helper()
	lab.Eventually(t, func() error {
		for _, c := range clients {
			a.own.set(c, linux)
			a.Opened(c, server)
		}
		a.written2(t)
		for _, c := range clients {
			if n := b.ask(t, note.Query{Client: c, Server: server, Hello: "h.example.org"}); !n.ByConnection {
				return fmt.Errorf("%v: %v, %+v", c, n.State, b.Stats())
			}
		}
		return nil
	})
}

func many(n int) (clients []netip.AddrPort) {
	for i := range n {
		clients = append(clients, netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), uint16(40000+i)))
	}
	return clients
}

// TestSentinel: the primary that the Sentinels name is used, and the next one after
// it has failed.
func TestSentinel(t *testing.T) {
	needFleet(t)
	w := valkeylab.StartSentinel(t, valkeylab.Options{})
	a, b := two(t, Config{Servers: w.Addrs(), Primary: w.Name})
	published(t, a, b, many(20))
	w.Servers[0].Kill()
	published(t, a, b, many(20))
	a.ready(t)
	b.ready(t)
}

// TestCluster: six nodes; slots move, and a primary fails. Forget reaches them all.
func TestCluster(t *testing.T) {
	needFleet(t)
	c := valkeylab.StartCluster(t, valkeylab.Options{})
	a, b := two(t, Config{Servers: c.Addrs()[:2], Cluster: true})
	published(t, a, b, many(50))
	c.Move(1000)
	published(t, a, b, many(50))
	n, err := a.Forget(t.Context(), store.Subject{Network: netip.MustParsePrefix("203.0.113.0/24")})
	if err != nil || n < 100 {
		t.Errorf("Forget = %d, %v", n, err)
	}
	for _, node := range c.Nodes {
		if keys := node.CLI("KEYS", "*203.0.113*"); keys != "" {
			t.Errorf("%s still has\n%s", node.Addr, keys)
		}
	}
	node, _ := c.Primary()
	node.Kill()
	c.WaitOK()
	published(t, a, b, many(50))
	a.ready(t)
	b.ready(t)
	if _, err := a.Sensors(t.Context()); err != nil {
		t.Error(err)
	}
}
