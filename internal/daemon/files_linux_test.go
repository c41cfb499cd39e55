package daemon

import (
	"testing"

	"github.com/mxprint/mxprint/internal/config"
)

// TestFinding08Descriptors: what all connections can need is counted, and what
// fits is never more than there is.
func TestFinding08Descriptors(t *testing.T) {
	c := config.Default()
	c.Proxy.Listen = []string{":25", ":587"}
	c.Milter.Listen = []string{"127.0.0.1:7825"}
	if got, want := filesNeeded(c).all(), uint64(100+2*2*10_000+2*10_000+2000); got != want {
		t.Errorf("%d descriptors, want %d", got, want)
	}
	c.Proxy.ProxyFrom = []string{"192.0.2.0/24"}
	c.Query.TLSListen = []string{":2526"}
	n := filesNeeded(c)
	if got, want := n.all(), uint64(100+2*2*10_000+3*10_000+4*2000); got != want {
		t.Errorf("with strangers %d descriptors, want %d", got, want)
	}
	for _, have := range []uint64{8192, 20_000, 65_536} {
		got := n
		got.proxied, got.clients = n.fit(have)
		if got.all() > have || got.proxied < 1 || got.clients < 1 {
			t.Errorf("of %d descriptors %d are used by %+v", have, got.all(), got)
		}
		if have > 10_000 && got.clients < got.proxied {
			t.Errorf("of %d descriptors the milter has places for %d of %d sessions", have, got.clients, got.proxied)
		}
	}
	c.HTTP.TLSListen, c.Store.Listen = []string{":9926"}, []string{"127.0.0.1:9927"}
	if got, want := filesNeeded(c).all()-n.all(), uint64(3*64+200+2000); got != want {
		t.Errorf("the page and the verdicts take %d descriptors, want %d", got, want)
	}
}
