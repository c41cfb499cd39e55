package shared

import (
	"net/netip"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	plain, hashed := names{}, names{[]byte("a secret of the fleet")}
	for _, tt := range []struct{ client, want string }{
		{"192.0.2.1:1025", "mxprint:1:c:{192.0.2.1}.1025"},
		{"[::ffff:192.0.2.1]:1025", "mxprint:1:c:{192.0.2.1}.1025"},
		{"[2001:db8:1:2:3:4:5:6]:1025", "mxprint:1:c:{2001:db8:1:2::}3000400050006.1025"},
	} {
		client := netip.MustParseAddrPort(tt.client)
		if got := plain.conn(client); got != tt.want {
			t.Errorf("conn(%v) = %s, want %s", client, got, tt.want)
		}
		got := hashed.conn(client)
		if strings.Contains(got, "192.0.2.1") || strings.Contains(got, "2001:db8") || strings.Contains(got, "3000400050006") || !strings.HasSuffix(got, ".1025") {
			t.Errorf("with a secret, conn(%v) = %s", client, got)
		}
	}
	if got := plain.named("mail.example.org"); got != "mxprint:1:na:mail.example.org" {
		t.Errorf("named = %s", got)
	}
	if got := hashed.named("mail.example.org"); strings.Contains(got, "example") {
		t.Errorf("with a secret, named = %s", got)
	}
	if got, ok := ofNetwork(plain.conn(netip.MustParseAddrPort("[2001:db8:1:2:3::]:1"))); !ok || got != "2001:db8:1:2::" {
		t.Errorf("ofNetwork = %s, %t", got, ok)
	}
}

func TestNetworks(t *testing.T) {
	for _, tt := range []struct {
		network string
		want    int
	}{{"192.0.2.1/32", 1}, {"192.0.2.0/24", 256}, {"2001:db8::/64", 1}, {"2001:db8::/60", 16}, {"255.255.255.254/31", 2}, {"ffff:ffff:ffff:fff0::/60", 16}} {
		p := netip.MustParsePrefix(tt.network)
		n := 0
		for a := range networks(p) {
			if !p.Contains(a) {
				t.Errorf("%v is not in %v", a, p)
			}
			if n++; n > 1000 {
				break
			}
		}
		if n != tt.want {
			t.Errorf("%v has %d networks, want %d", p, n, tt.want)
		}
	}
	if _, err := (&Store{names: names{[]byte("x")}}).within(netip.MustParsePrefix("10.0.0.0/8")); err == nil {
		t.Error("all of 10.0.0.0/8 is hashed")
	}
}
