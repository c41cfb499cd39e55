package filter_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
)

const ethernet, raw = 1, 101

// tunnelFrames are one frame a kind, of which the sender is 192.0.2.1 where it is
// an IPv4 packet and 2001:db8::1 where it is IPv6.
func tunnelFrames() map[string][][]byte {
	frame := func(kind uint16, parts ...[]byte) []byte {
		return slices.Concat(append([][]byte{make([]byte, 12), binary.BigEndian.AppendUint16(nil, kind)}, parts...)...)
	}
	four := func(proto byte, b ...byte) []byte {
		h := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, proto, 0, 0, 192, 0, 2, 1, 10, 0, 0, 2}
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(b)+64))
		return slices.Concat(h, b, make([]byte, 64))
	}
	six := func(proto byte, b ...byte) []byte {
		h := make([]byte, 40)
		h[0], h[6], h[7] = 0x60, proto, 64
		binary.BigEndian.PutUint16(h[4:], uint16(len(b)+64))
		copy(h[8:], netip.MustParseAddr("2001:db8::1").AsSlice())
		return slices.Concat(h, b, make([]byte, 64))
	}
	udp := func(port uint16) []byte { return binary.BigEndian.AppendUint16([]byte{0xc0, 0}, port) }
	options := func(proto byte) []byte { return []byte{proto, 0, 4, 1, 4, 1, 0, 0} }
	return map[string][][]byte{
		"ipip":   {frame(0x800, four(4)), frame(0x86dd, six(4)), frame(0x86dd, six(41)), frame(0x86dd, six(60, options(41)...)), frame(0x86dd, six(60, options(4)...))},
		"6in4":   {frame(0x800, four(41))},
		"gre":    {frame(0x800, four(47)), frame(0x86dd, six(47)), frame(0x86dd, six(60, options(47)...))},
		"erspan": {frame(0x800, four(47, 0, 0, 0x88, 0xbe))},
		"vxlan":  {frame(0x800, four(17, udp(4789)...)), frame(0x86dd, six(17, udp(8472)...)), frame(0x800, four(17, udp(4790)...))},
		"geneve": {frame(0x800, four(17, udp(6081)...))},
		"mpls":   {frame(0x8847, four(6)), frame(0x8848, four(6))},
		"pppoe":  {frame(0x8864, make([]byte, 40))},
		"snap":   {frame(100, []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, four(6))},
		"vlan":   {frame(0x88a8, []byte{0, 1, 0x81, 0, 0, 2, 8, 0}, four(6))}, // and the tag that the kernel took out
	}
}

// takes runs the rule as the kernel would.
func takes(t *testing.T, r filter.Rule, link int, frame []byte) bool {
	t.Helper()
	raw, err := r.Kernel(link)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	p, err := filter.New(raw)
	if err != nil {
		t.Fatal(err)
	}
	return p.Match(frame, len(frame))
}

// TestTunnels: the kernel passes frames of the kinds of a rule, behind a tag, too,
// from the networks it names, and no others.
func TestTunnels(t *testing.T) {
	const expr = "dst port 25"
	here := []netip.Prefix{netip.MustParsePrefix("192.0.2.77/24"), netip.MustParsePrefix("2001:db8::/32")}
	elsewhere := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}
	all := tunnelFrames()
	for kind := range packet.AllTunnels.All {
		if len(all[kind]) == 0 {
			t.Errorf("no frame of kind %s", kind)
		}
		one, err := packet.ParseTunnels([]string{kind})
		if err != nil {
			t.Fatal(err)
		}
		for i, frame := range all[kind] {
			if takes(t, filter.Rule{Expr: expr}, ethernet, frame) {
				t.Errorf("%s %d passes without tunnels", kind, i)
			}
			r := filter.Rule{Expr: expr, Tunnels: []string{kind}, TunnelsFrom: here}
			if !takes(t, r, ethernet, frame) {
				t.Errorf("%s %d does not pass", kind, i)
			}
			tagged := slices.Concat(frame[:12], []byte{0x81, 0, 0, 7}, frame[12:])
			if kind != "snap" && !takes(t, r, ethernet, tagged) {
				t.Errorf("%s %d behind a tag does not pass", kind, i)
			}
			overIP := one.OverIP() != 0
			if overIP && !takes(t, r, raw, frame[14:]) {
				t.Errorf("%s %d does not pass without its link header", kind, i)
			}
			r.TunnelsFrom = elsewhere
			if got := takes(t, r, ethernet, frame); got == overIP {
				t.Errorf("%s %d from elsewhere: passes is %v", kind, i, got)
			}
			for other := range packet.AllTunnels.All {
				same := other == kind || strings.Contains("gre erspan", kind) && strings.Contains("gre erspan", other)
				if !same && takes(t, filter.Rule{Expr: expr, Tunnels: []string{other}}, ethernet, frame) {
					t.Errorf("%s %d passes as %s", kind, i, other)
				}
			}
		}
	}
}

// TestTunnelsSize: with all tunnels and the most networks the kernel takes the program.
func TestTunnelsSize(t *testing.T) {
	r := filter.Rule{Expr: "dst port 25 or dst port 465 or dst port 587", Tunnels: slices.Collect(packet.AllTunnels.All)}
	for i := range 16 {
		a := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i)})
		r.TunnelsFrom = append(r.TunnelsFrom, netip.PrefixFrom(a, 64))
	}
	const most = 700 // of kernels before 6.8
	program, err := r.Kernel(ethernet)
	if err != nil || len(program) > most {
		t.Errorf("%d instructions, %v, want %d at most", len(program), err, most)
	}
	t.Logf("%d instructions", len(program))
}

// TestTunnelsRefused: rules that cannot be matched inside tunnels are errors, and so
// are tunnels that cannot be seen.
func TestTunnelsRefused(t *testing.T) {
	for _, tt := range []struct {
		expr, kind string
		link       int
		want       string
	}{
		{"vlan 5 and dst port 25", "gre", ethernet, "vlan, inbound, outbound and ifindex say nothing of packets inside tunnels"},
		{"inbound and dst port 25", "gre", ethernet, "vlan, inbound, outbound and ifindex say nothing of packets inside tunnels"},
		{"ether src 02:00:00:00:00:01", "gre", ethernet, "the rule cannot be matched with packets inside tunnels: "},
		{"dst port 25", "l2tp", ethernet, `filter: "l2tp" is not a kind of tunnel`},
		{"dst port 25", "pppoe", raw, "packets come without their Ethernet header: pppoe cannot be seen here, only on an Ethernet interface by its name"},
		{"dst port 25", "vlan", raw, "packets come without their Ethernet header: vlan cannot be seen here, only on an Ethernet interface by its name"},
		{"dst prt 25", "gre", ethernet, `filter: "prt" at column 5: neither a word of the filter language nor an address`},
		{"udp", "gre", ethernet, `filter "udp": no TCP packet can match it`},
	} {
		r := filter.Rule{Expr: tt.expr, Tunnels: []string{tt.kind}}
		if err := r.Check(tt.link); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q with %s: %v, want %s", tt.expr, tt.kind, err, tt.want)
		}
	}
	p, err := filter.Compile("tcp", filter.Config{Link: ethernet})
	if err != nil {
		t.Fatal(err)
	}
	r := filter.Rule{Program: p, Tunnels: []string{"gre"}}
	if err := r.Check(ethernet); err == nil {
		t.Error("a program with tunnels is taken")
	}
}
