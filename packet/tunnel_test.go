package packet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// The wrapping of each kind, for tests.

func etherFrame(kind uint16, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, kind), b...)
}

func etherTypeOf(ip []byte) uint16 {
	if ip[0]>>4 == 6 {
		return etherIPv6
	}
	return etherIPv4
}

// outer4 and outer6 are IP packets around b.
func outer4(proto byte, b []byte) []byte {
	h := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(b)))
	return append(h, b...)
}

func outer6(proto byte, b []byte) []byte {
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, proto, 64
	binary.BigEndian.PutUint16(h[4:], uint16(len(b)))
	copy(h[8:], netip.MustParseAddr("2001:db8:ff::1").AsSlice())
	copy(h[24:], netip.MustParseAddr("2001:db8:ff::2").AsSlice())
	return append(h, b...)
}

// outer6Options is outer6 with the destination options that Linux's tunnels add.
func outer6Options(proto byte, b []byte) []byte {
	return outer6(60, append([]byte{proto, 0, 4, 1, 4, 1, 0, 0}, b...))
}

func udpTo(port uint16, b []byte) []byte {
	h := []byte{0xc0, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(h[2:], port)
	binary.BigEndian.PutUint16(h[4:], uint16(8+len(b)))
	return append(h, b...)
}

func greFrame(flags, kind uint16, options int, b []byte) []byte {
	h := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, flags), kind)
	return append(append(h, make([]byte, options)...), b...)
}

func pppProto(ip []byte) []byte {
	if ip[0]>>4 == 6 {
		return []byte{0, 0x57}
	}
	return []byte{0, 0x21}
}

// wrapping puts an IP packet into an Ethernet frame by way of tunnels. Those of IP
// have the outer packet made by outer.
type wrapping struct {
	name  string
	kinds string
	wrap  func(ip []byte, outer func(byte, []byte) []byte) []byte
}

func inEther(ip []byte) []byte { return etherFrame(etherTypeOf(ip), ip) }

var wrappings = []wrapping{
	{"three tags", "vlan", func(ip []byte, _ func(byte, []byte) []byte) []byte {
		return etherFrame(0x88a8, slices.Concat([]byte{0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, byte(etherTypeOf(ip) >> 8), byte(etherTypeOf(ip))}, ip))
	}},
	{"four tags", "vlan", func(ip []byte, _ func(byte, []byte) []byte) []byte {
		return etherFrame(0x9100, slices.Concat([]byte{0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 0x81, 0, 0, 4, byte(etherTypeOf(ip) >> 8), byte(etherTypeOf(ip))}, ip))
	}},
	{"SNAP", "snap", func(ip []byte, _ func(byte, []byte) []byte) []byte {
		snap := append([]byte{0xaa, 0xaa, 3, 0, 0, 0}, byte(etherTypeOf(ip)>>8), byte(etherTypeOf(ip)))
		return etherFrame(uint16(len(snap)+len(ip)), append(snap, ip...))
	}},
	{"MPLS, one label", "mpls", func(ip []byte, _ func(byte, []byte) []byte) []byte {
		return etherFrame(etherMPLS, append([]byte{0, 1, 1, 64}, ip...))
	}},
	{"MPLS, three labels behind a tag", "mpls", func(ip []byte, _ func(byte, []byte) []byte) []byte {
		return etherFrame(etherTag, append([]byte{0, 5, 0x88, 0x48, 0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 1, 64}, ip...))
	}},
	{"MPLS, Ethernet with a control word", "mpls", func(ip []byte, _ func(byte, []byte) []byte) []byte {
		return etherFrame(etherMPLS, append([]byte{0, 1, 1, 64, 0, 0, 0, 0}, inEther(ip)...))
	}},
	{"MPLS, Ethernet without a control word", "mpls", func(ip []byte, _ func(byte, []byte) []byte) []byte {
		return etherFrame(etherMPLS, append([]byte{0, 1, 1, 64}, inEther(ip)...))
	}},
	{"PPPoE", "pppoe", func(ip []byte, _ func(byte, []byte) []byte) []byte {
		return etherFrame(etherPPPoE, slices.Concat([]byte{0x11, 0, 0, 7, 0, byte(2 + len(ip))}, pppProto(ip), ip))
	}},
	{"PPPoE behind two tags, one byte of protocol", "pppoe", func(ip []byte, _ func(byte, []byte) []byte) []byte {
		return etherFrame(0x88a8, slices.Concat([]byte{0, 1, 0x81, 0, 0, 2, 0x88, 0x64, 0x11, 0, 0, 7, 0, byte(1 + len(ip))}, pppProto(ip)[1:], ip))
	}},
	{"IP in IP", "ipip|6in4", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		proto := byte(protoIPv4)
		if ip[0]>>4 == 6 {
			proto = protoIPv6
		}
		return inEther(outer(proto, ip))
	}},
	{"GRE", "gre", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoGRE, greFrame(0, etherTypeOf(ip), 0, ip)))
	}},
	{"GRE with checksum, key and sequence", "gre", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoGRE, greFrame(0xb000, etherTypeOf(ip), 12, ip)))
	}},
	{"GRE with Ethernet", "gre", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoGRE, greFrame(0x2000, etherBridged, 4, inEther(ip))))
	}},
	{"GRE of PPTP", "gre", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoGRE, greFrame(0x3081, etherPPP, 12, slices.Concat([]byte{0xff, 3}, pppProto(ip), ip))))
	}},
	{"ERSPAN I", "erspan", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoGRE, greFrame(0, etherERSPAN, 0, inEther(ip))))
	}},
	{"ERSPAN II", "erspan", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoGRE, greFrame(0x1000, etherERSPAN, 12, inEther(ip))))
	}},
	{"ERSPAN III", "erspan", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoGRE, greFrame(0x1000, etherERSPAN3, 16, inEther(ip))))
	}},
	{"ERSPAN III with the second header", "erspan", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		b := greFrame(0x1000, etherERSPAN3, 24, inEther(ip))
		b[8+11] = 1
		return inEther(outer(protoGRE, b))
	}},
	{"ERSPAN III with IP", "erspan", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		b := greFrame(0x1000, etherERSPAN3, 16, ip)
		b[8+10] = 2 << 2
		return inEther(outer(protoGRE, b))
	}},
	{"VXLAN", "vxlan", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoUDP, udpTo(portVXLAN, append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, inEther(ip)...))))
	}},
	{"VXLAN to Linux's old port, tagged inside", "vxlan", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		tagged := etherFrame(etherTag, slices.Concat([]byte{0, 9, byte(etherTypeOf(ip) >> 8), byte(etherTypeOf(ip))}, ip))
		return inEther(outer(protoUDP, udpTo(portVXLANLinux, append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, tagged...))))
	}},
	{"VXLAN with a group policy", "vxlan", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoUDP, udpTo(portVXLAN, append([]byte{0x88, 0, 0, 100, 0, 0, 7, 0}, inEther(ip)...))))
	}},
	{"VXLAN-GPE with IP", "vxlan", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		next := byte(1)
		if ip[0]>>4 == 6 {
			next = 2
		}
		return inEther(outer(protoUDP, udpTo(portVXLANGPE, append([]byte{0x0c, 0, 0, next, 0, 0, 7, 0}, ip...))))
	}},
	{"VXLAN-GPE with Ethernet", "vxlan", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoUDP, udpTo(portVXLANGPE, append([]byte{0x0c, 0, 0, 3, 0, 0, 7, 0}, inEther(ip)...))))
	}},
	{"Geneve with Ethernet and options", "geneve", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoUDP, udpTo(portGeneve, append([]byte{2, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 1, 0, 0, 0, 0}, inEther(ip)...))))
	}},
	{"Geneve with IP", "geneve", func(ip []byte, outer func(byte, []byte) []byte) []byte {
		return inEther(outer(protoUDP, udpTo(portGeneve, append([]byte{0, 0, byte(etherTypeOf(ip) >> 8), byte(etherTypeOf(ip)), 0, 0, 7, 0}, ip...))))
	}},
}

var everything = &Opener{Kinds: AllTunnels}

// eachWrapped makes a frame of each wrapping, inner and outer version.
func eachWrapped(fn func(name string, frame, ip []byte, kinds string)) {
	for _, w := range wrappings {
		for _, ip := range [][]byte{syn4(), syn6()} {
			for name, outer := range map[string]func(byte, []byte) []byte{"IPv4": outer4, "IPv6": outer6, "IPv6 with options": outer6Options} {
				kinds := w.kinds
				if kinds == "ipip|6in4" {
					if kinds = "ipip"; ip[0]>>4 == 6 && name == "IPv4" {
						kinds = "6in4"
					}
				}
				fn(w.name+" of IPv"+string('0'+ip[0]>>4)+" in "+name, w.wrap(ip, outer), ip, kinds)
			}
		}
	}
}

// TestInner opens every kind, and none of them where it may not.
func TestInner(t *testing.T) {
	eachWrapped(func(name string, frame, ip []byte, kinds string) {
		got, found, err := everything.Inner(LinkEthernet, frame)
		if err != nil || found.String() != kinds || !bytes.Equal(got, ip) {
			t.Errorf("%s: Inner(%x) = %x, %v, %v; want %x, %s", name, frame, got, found, err, ip, kinds)
		}
		for _, o := range []*Opener{{}, {Kinds: AllTunnels &^ found}} {
			if got, left, err := o.Inner(LinkEthernet, frame); err != ErrTunnelKind || left != found || got != nil {
				t.Errorf("%s: Inner with %v = %x, %v, %v; want %v", name, o.Kinds, got, left, err, ErrTunnelKind)
			}
		}
		// The same behind other link headers.
		sll := append(append(make([]byte, 14), frame[12:14]...), frame[14:]...)
		if got, found, err := everything.Inner(LinkSLL, sll); err != nil || found.String() != kinds || !bytes.Equal(got, ip) {
			t.Errorf("%s: Inner of Linux cooked = %x, %v, %v", name, got, found, err)
		}
		for n := range frame { // cut anywhere, it is an error or a part of the packet
			cut := frame[:n:n]
			if got, _, err := everything.Inner(LinkEthernet, cut); err == nil && len(got) > n {
				t.Errorf("%s cut to %d bytes: %x", name, n, got)
			}
		}
	})
}

// TestInnerNested: tunnels in tunnels, up to a bound.
func TestInnerNested(t *testing.T) {
	ip := syn4()
	frame := inEther(outer4(protoGRE, greFrame(0, etherIPv4, 0, outer4(protoUDP, udpTo(portVXLAN,
		append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, etherFrame(etherMPLS, append([]byte{0, 1, 1, 64}, ip...))...))))))
	got, kinds, err := everything.Inner(LinkEthernet, frame)
	if err != nil || kinds.String() != "mpls,gre,vxlan" || !bytes.Equal(got, ip) {
		t.Errorf("Inner = %x, %v, %v", got, kinds, err)
	}
	for range maxTunnels {
		ip = outer4(protoIPv4, ip)
	}
	if got, _, err := everything.Inner(LinkEthernet, inEther(ip)); err != nil || !bytes.Equal(got, syn4()) {
		t.Errorf("%d tunnels: %x, %v", maxTunnels, got, err)
	}
	if _, _, err := everything.Inner(LinkEthernet, inEther(outer4(protoIPv4, ip))); err != ErrTunnelTooDeep {
		t.Errorf("%d tunnels: %v, want %v", maxTunnels+1, err, ErrTunnelTooDeep)
	}
}

// TestInnerBounds: the text of ErrTunnelTooDeep says how many tags and labels are read.
func TestInnerBounds(t *testing.T) {
	tags := func(n int) []byte {
		return etherFrame(etherTag, slices.Concat(bytes.Repeat([]byte{0, 1, 0x81, 0}, n-1), []byte{0, 1, 8, 0}, syn4()))
	}
	labels := func(n int) []byte {
		return etherFrame(etherMPLS, slices.Concat(bytes.Repeat([]byte{0, 1, 0, 64}, n-1), []byte{0, 1, 1, 64}, syn4()))
	}
	var tunnels, ofMPLS int
	if _, err := fmt.Sscanf(ErrTunnelTooDeep.Error(), "packet: more than %d tunnels or VLAN tags, or more than %d MPLS labels",
		&tunnels, &ofMPLS); err != nil {
		t.Fatal(err)
	}
	for name, frames := range map[string][2][]byte{
		"tags":   {tags(tunnels), tags(tunnels + 1)},
		"labels": {labels(ofMPLS), labels(ofMPLS + 1)},
	} {
		if got, _, err := everything.Inner(LinkEthernet, frames[0]); err != nil || !bytes.Equal(got, syn4()) {
			t.Errorf("the most %s: %x, %v", name, got, err)
		}
		if _, _, err := everything.Inner(LinkEthernet, frames[1]); err != ErrTunnelTooDeep {
			t.Errorf("too many %s: %v, want %v", name, err, ErrTunnelTooDeep)
		}
	}
}

// TestInnerTrust: every outer packet must come from a trusted address.
func TestInnerTrust(t *testing.T) {
	near := netip.MustParsePrefix("10.0.0.0/8")
	o := &Opener{Kinds: AllTunnels, Trusted: near.Contains}
	if got, _, err := o.Inner(LinkEthernet, inEther(outer4(protoIPv4, syn4()))); err != nil || !bytes.Equal(got, syn4()) {
		t.Errorf("from a trusted address: %x, %v", got, err)
	}
	for _, ip := range [][]byte{outer6(protoIPv4, syn4()), outer4(protoIPv6, outer6(protoIPv4, syn4()))} {
		if got, kinds, err := o.Inner(LinkEthernet, inEther(ip)); err != ErrTunnelSender || got != nil || kinds == 0 {
			t.Errorf("from another: %x, %v, %v, want %v", got, kinds, err, ErrTunnelSender)
		}
	}
}

// TestInnerOrdinary: frames without a tunnel, and what only looks like one.
func TestInnerOrdinary(t *testing.T) {
	for name, frame := range map[string][]byte{
		"TCP":                    inEther(syn4()),
		"TCP, one tag":           etherFrame(etherTag, append([]byte{0, 1, 8, 0}, syn4()...)),
		"TCP, two tags":          etherFrame(etherOuter, append([]byte{0, 1, 0x81, 0, 0, 2, 8, 0}, syn4()...)),
		"ARP":                    etherFrame(0x0806, make([]byte, 28)),
		"DNS":                    inEther(outer4(protoUDP, udpTo(53, make([]byte, 40)))),
		"VXLAN without its flag": inEther(outer4(protoUDP, udpTo(portVXLAN, append(make([]byte, 8), inEther(syn4())...)))),
		"spanning tree":          etherFrame(38, append([]byte{0x42, 0x42, 3}, make([]byte, 35)...)),
		"empty":                  nil,
		"short":                  {1, 2, 3},
	} {
		if ip, kinds, err := everything.Inner(LinkEthernet, frame); ip != nil || kinds != 0 || err != nil {
			t.Errorf("%s: Inner = %x, %v, %v; want none", name, ip, kinds, err)
		}
	}
	part := inEther(outer4(protoIPv4, syn4()))
	part[14+6] = 0x20 // more fragments
	for name, tt := range map[string]struct {
		frame []byte
		kinds string
		want  error
	}{
		"a fragment":      {part, "ipip", ErrTunnelPart},
		"ARP in GRE":      {inEther(outer4(protoGRE, greFrame(0, 0x0806, 0, make([]byte, 28)))), "gre", ErrTunnelInside},
		"LCP in PPPoE":    {etherFrame(etherPPPoE, []byte{0x11, 0, 0, 7, 0, 6, 0xc0, 0x21, 1, 1, 0, 4}), "pppoe", ErrTunnelInside},
		"MPLS cut":        {etherFrame(etherMPLS, []byte{0, 1, 1, 64, 0x45, 0, 0, 40, 0, 0, 0, 0}), "mpls", ErrShort},
		"routing GRE":     {inEther(outer4(protoGRE, greFrame(0x4000, etherIPv4, 0, syn4()))), "gre", ErrTunnelInside},
		"no end of MPLS":  {etherFrame(etherMPLS, make([]byte, 200)), "mpls", ErrTunnelTooDeep},
		"PPPoE discovery": {etherFrame(etherPPPoE, []byte{0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0}), "pppoe", ErrTunnelInside},
	} {
		if ip, kinds, err := everything.Inner(LinkEthernet, tt.frame); ip != nil || kinds.String() != tt.kinds || err != tt.want {
			t.Errorf("%s: Inner = %x, %v, %v; want %s, %v", name, ip, kinds, err, tt.kinds, tt.want)
		}
	}
}

// TestInnerOtherLinks: what is around a packet counts on links that are not Ethernet.
func TestInnerOtherLinks(t *testing.T) {
	mpls := append([]byte{0x88, 0x47, 0, 1, 1, 64}, syn4()...)
	label := append([]byte{0xff, 3, 0x02, 0x81, 0, 1, 1, 64}, syn4()...)
	wlan := slices.Concat([]byte{8, 1}, make([]byte, 22), []byte{0xaa, 0xaa, 3, 0, 0, 0}, mpls)
	for _, tt := range []struct {
		name  string
		link  LinkType
		frame []byte
	}{
		{"ATM", linkATM, append([]byte{0xaa, 0xaa, 3, 0, 0, 0}, mpls...)},
		{"Cisco HDLC", linkCiscoHDLC, append([]byte{0x0f, 0}, mpls...)},
		{"802.11", LinkIEEE80211, wlan},
		{"802.11 behind radiotap", linkRadiotap, append([]byte{0, 0, 8, 0, 0, 0, 0, 0}, wlan...)},
		{"netANALYZER", linkNetAna, append(make([]byte, 16), mpls...)},
		{"PPP", LinkPPP, label}, {"PPP serial", LinkPPPSerial, label},
	} {
		if ip, kinds, err := everything.Inner(tt.link, tt.frame); err != nil || kinds.String() != "mpls" || !bytes.Equal(ip, syn4()) {
			t.Errorf("%s: Inner = %x, %v, %v", tt.name, ip, kinds, err)
		}
	}
	if _, kinds, err := everything.Inner(LinkPPP, []byte{0xff, 3, 0, 0x3d, 0xc0, 0, 0, 1}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("multilink PPP: Inner = %v, %v", kinds, err)
	}
}

// TestInnerFragments6: a tunnel in fragments of IPv6 is one, and one whose only
// fragment is whole is opened.
func TestInnerFragments6(t *testing.T) {
	for more, want := range map[byte]error{0: nil, 1: ErrTunnelPart} {
		frame := inEther(outer6(44, append([]byte{protoIPv4, 0, 0, more, 0, 0, 0, 7}, syn4()...)))
		if _, kinds, err := everything.Inner(LinkEthernet, frame); err != want || kinds.String() != "ipip" {
			t.Errorf("more fragments %d: Inner = %v, %v; want %v", more, kinds, err, want)
		}
	}
}

// TestInnerMPLSInVXLAN: the generic extension names what is inside.
func TestInnerMPLSInVXLAN(t *testing.T) {
	frame := inEther(outer4(protoUDP, udpTo(portVXLANGPE, append([]byte{0x0c, 0, 0, 5, 0, 0, 7, 0, 0, 1, 1, 64}, syn4()...))))
	if ip, kinds, err := everything.Inner(LinkEthernet, frame); err != nil || kinds.String() != "mpls,vxlan" || !bytes.Equal(ip, syn4()) {
		t.Errorf("Inner = %x, %v, %v", ip, kinds, err)
	}
}

// TestInnerClosed: an encapsulation that is not opened is named, not passed over, and
// what only comes to its port is not.
func TestInnerClosed(t *testing.T) {
	data := func(b ...byte) []byte { return append(b, make([]byte, 40)...) }
	fromPort := func(port uint16, b []byte) []byte {
		b = udpTo(40000, b)
		binary.BigEndian.PutUint16(b, port)
		return b
	}
	second := inEther(outer4(protoUDP, udpTo(4341, data())))
	second[14+7] = 9 // a fragment that is not the first
	for _, tt := range []struct {
		name  string
		frame []byte
		kinds string
		want  string // none: an ordinary frame
	}{
		{"MACsec", etherFrame(0x88e5, data()), "", "MACsec"},
		{"VN-Tag behind a tag", etherFrame(etherTag, data(0, 1, 0x89, 0x26)), "", "VN-Tag"},
		{"QinQ of old", etherFrame(0x9200, data()), "", "tag 0x9200"},
		{"ESP", inEther(outer4(50, data())), "", "ESP"},
		{"AH of IPv6", inEther(outer6Options(51, data())), "", "AH"},
		{"WireGuard", inEther(outer4(protoUDP, udpTo(51820, data(4, 0, 0, 0)))), "", "WireGuard"},
		{"WireGuard's answer", inEther(outer6(protoUDP, fromPort(51820, data(2, 0, 0, 0)))), "", "WireGuard"},
		{"GTP-U", inEther(outer4(protoUDP, udpTo(2152, data(0x30, 0xff)))), "", "GTP-U"},
		{"L2TP", inEther(outer4(protoUDP, udpTo(1701, data(0, 2)))), "", "L2TP"},
		{"ESP in VXLAN", inEther(outer4(protoUDP, udpTo(portVXLAN, append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, inEther(outer4(50, data()))...)))), "vxlan", "ESP"},
		{"NSH in VXLAN-GPE", inEther(outer4(protoUDP, udpTo(portVXLANGPE, data(0x0c, 0, 0, 4, 0, 0, 7, 0)))), "vxlan", "NSH"},
		{"L2TP's control", inEther(outer4(protoUDP, udpTo(1701, data(0xc8, 2)))), "", ""},
		{"GTP's echo", inEther(outer4(protoUDP, udpTo(2152, data(0x32, 1)))), "", ""},
		{"IKE on the port of ESP", inEther(outer4(protoUDP, udpTo(4500, data(0, 0, 0, 0)))), "", ""},
		{"no WireGuard", inEther(outer4(protoUDP, udpTo(51820, data(9)))), "", ""},
		{"a question of DNS", inEther(outer4(protoUDP, append([]byte{0x10, 0xf5, 0, 53, 0, 48, 0, 0}, data()...))), "", ""},
		{"an answer of DNS", inEther(outer4(protoUDP, append([]byte{0, 53, 0x19, 0xeb, 0, 48, 0, 0}, data()...))), "", ""},
		{"no first fragment", second, "", ""},
		{"little", inEther(outer4(protoUDP, udpTo(4341, []byte{1}))), "", ""},
	} {
		ip, kinds, err := everything.Inner(LinkEthernet, tt.frame)
		if tt.want == "" {
			if err != nil || ip != nil {
				t.Errorf("%s: Inner = %x, %v, %v; want none", tt.name, ip, kinds, err)
			}
			continue
		}
		if !errors.Is(err, errors.ErrUnsupported) || err.Error() != "packet: "+tt.want+": an encapsulation that cannot be opened" ||
			ip != nil || kinds.String() != tt.kinds {
			t.Errorf("%s: Inner = %x, %v, %v", tt.name, ip, kinds, err)
		}
	}
}

// TestInnerCaptureHeaders: headers that the capture itself puts before packets.
func TestInnerCaptureHeaders(t *testing.T) {
	for _, ip := range [][]byte{syn4(), syn6()} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			field := func(kind uint16, value []byte) []byte {
				b := order.AppendUint16(order.AppendUint16(nil, uint16(4+len(value))), kind)
				b = append(b, value...)
				for len(b)%4 != 0 {
					b = append(b, 0)
				}
				return b
			}
			frame := slices.Concat([]byte{2, 0, 0, 5}, field(1, []byte{8, 0, 1, 0}), field(10, []byte("smtp\x00")), field(9, ip))
			if got, kinds, err := (&Opener{}).Inner(linkNFLOG, frame); err != nil || kinds != 0 || !bytes.Equal(got, ip) {
				t.Errorf("NFLOG, %v: Inner = %x, %v, %v; want %x", order, got, kinds, err, ip)
			}
		}
		wlan := slices.Concat([]byte{8, 1}, make([]byte, 22), []byte{0xaa, 0xaa, 3, 0, 0, 0, byte(etherTypeOf(ip) >> 8), byte(etherTypeOf(ip))}, ip)
		frame := append([]byte{0, 0, 12, 0, 0, 0, 0, 0, 1, 2, 3, 4}, wlan...)
		if got, kinds, err := (&Opener{}).Inner(linkRadiotap, frame); err != nil || kinds != 0 || !bytes.Equal(got, ip) {
			t.Errorf("radiotap: Inner = %x, %v, %v; want %x", got, kinds, err, ip)
		}
		for _, proto := range [][]byte{pppProto(ip), pppProto(ip)[1:], append([]byte{0xff, 3}, pppProto(ip)[1:]...)} {
			if got, kinds, err := (&Opener{}).Inner(LinkPPP, append(proto, ip...)); err != nil || kinds != 0 || !bytes.Equal(got, ip) {
				t.Errorf("PPP %x: Inner = %x, %v, %v; want %x", proto, got, kinds, err, ip)
			}
		}
	}
}

func TestParseTunnels(t *testing.T) {
	if got, err := ParseTunnels([]string{"vxlan", "gre"}); err != nil || got.String() != "gre,vxlan" {
		t.Errorf("ParseTunnels = %v, %v", got, err)
	}
	if got, err := ParseTunnels([]string{"all"}); err != nil || got != AllTunnels || len(strings.Split(got.String(), ",")) != len(tunnelNames) {
		t.Errorf("ParseTunnels(all) = %v, %v", got, err)
	}
	if got := AllTunnels.OverIP().String(); got != "ipip,6in4,gre,erspan,vxlan,geneve" {
		t.Errorf("OverIP = %v", got)
	}
	if _, err := ParseTunnels([]string{"l2tp"}); err == nil || !strings.Contains(err.Error(), `"l2tp" is not a kind of encapsulation (vlan,snap,`) {
		t.Errorf("ParseTunnels(l2tp) = %v", err)
	}
}

func TestInnerAllocatesNothing(t *testing.T) {
	near := netip.MustParsePrefix("10.0.0.0/8")
	o := &Opener{Kinds: AllTunnels, Trusted: near.Contains}
	eachWrapped(func(name string, frame, _ []byte, _ string) {
		if n := testing.AllocsPerRun(10, func() { o.Inner(LinkEthernet, frame) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	})
}

// TestCutSYN: a header captured in part is known for what it was.
func TestCutSYN(t *testing.T) {
	for _, ip := range [][]byte{withOptions(syn4(), linuxOptions...), withOptions(syn6(), linuxOptions...)} {
		d := &Decoder{Link: LinkRaw}
		at := 20
		if ip[0]>>4 == 6 {
			at = 40
		}
		for n := range ip {
			want := Type(0)
			if n >= at+14 && n < at+int(ip[at+12]>>4)*4 {
				want = SYN
			}
			if got := d.CutSYN(ip[:n]); got != want {
				t.Errorf("CutSYN of %d bytes of %x = %v, want %v", n, ip, got, want)
			}
		}
		answer := bytes.Clone(ip)
		answer[at+13] |= FlagACK
		if got := d.CutSYN(answer[:at+20]); got != SYNACK {
			t.Errorf("CutSYN of a SYN+ACK = %v", got)
		}
	}
	d := &Decoder{Link: LinkRaw}
	syn := withOptions(syn6(), linuxOptions...)
	behind := slices.Concat(syn[:6], []byte{60}, syn[7:40], []byte{protoTCP, 0, 1, 4, 0, 0, 0, 0}, syn[40:])
	if got := d.CutSYN(behind[:70]); got != SYN {
		t.Errorf("CutSYN behind an extension header = %v", got)
	}
	second := syn4()
	second[7] = 1
	if got := d.CutSYN(second[:36]); got != 0 {
		t.Errorf("CutSYN of a fragment that is not the first = %v", got)
	}
}

// fuzzInner has the seeds of one kind.
func fuzzInner(f *testing.F, kind string) {
	n := 0
	eachWrapped(func(_ string, frame, _ []byte, kinds string) {
		if kinds == kind {
			n++
			f.Add(uint16(LinkEthernet), uint16(AllTunnels), frame)
		}
	})
	if n == 0 {
		f.Fatalf("no frames of kind %q", kind)
	}
	checkInner(f)
}

func checkInner(f *testing.F) {
	f.Fuzz(func(t *testing.T, link, may uint16, frame []byte) {
		o := &Opener{Kinds: Tunnels(may) & AllTunnels}
		ip, kinds, err := o.Inner(LinkType(link), frame)
		bare := link == linkNFLOG || link == linkRadiotap || LinkType(link).shortPPP(frame)
		switch {
		case kinds&^AllTunnels != 0:
			t.Errorf("kinds %#x", uint16(kinds))
		case err != nil && (ip != nil || kinds == 0 && !bare && !errors.Is(err, errors.ErrUnsupported)):
			t.Errorf("Inner = %x, %v, %v", ip, kinds, err)
		case err == nil && (ip != nil) != (kinds != 0) && !bare:
			t.Errorf("Inner = %x, %v", ip, kinds)
		case err == nil && kinds&^o.Kinds != 0:
			t.Errorf("opened %v, which is not of %v", kinds, o.Kinds)
		case ip != nil && (len(ip) < 20 || !bytes.HasSuffix(frame, ip) && link != linkNFLOG):
			t.Errorf("Inner = %x, which is not the end of %x", ip, frame)
		case ip != nil:
			var s Segment
			(&Decoder{Link: LinkRaw}).Decode(ip, len(ip), &s)
		}
	})
}

func FuzzInnerVLAN(f *testing.F)   { fuzzInner(f, "vlan") }
func FuzzInnerSNAP(f *testing.F)   { fuzzInner(f, "snap") }
func FuzzInnerMPLS(f *testing.F)   { fuzzInner(f, "mpls") }
func FuzzInnerPPPoE(f *testing.F)  { fuzzInner(f, "pppoe") }
func FuzzInnerIPIP(f *testing.F)   { fuzzInner(f, "ipip") }
func FuzzInner6in4(f *testing.F)   { fuzzInner(f, "6in4") }
func FuzzInnerGRE(f *testing.F)    { fuzzInner(f, "gre") }
func FuzzInnerERSPAN(f *testing.F) { fuzzInner(f, "erspan") }
func FuzzInnerVXLAN(f *testing.F)  { fuzzInner(f, "vxlan") }
func FuzzInnerGeneve(f *testing.F) { fuzzInner(f, "geneve") }

// FuzzInnerCapture is for the headers of NFLOG and radiotap.
func FuzzInnerCapture(f *testing.F) {
	f.Add(uint16(linkNFLOG), uint16(0), append([]byte{2, 0, 0, 5, 44, 0, 9, 0}, syn4()...))
	f.Add(uint16(linkRadiotap), uint16(0), append([]byte{0, 0, 8, 0, 0, 0, 0, 0}, make([]byte, 80)...))
	checkInner(f)
}
