package engine

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
)

// labSYN6 is the IPv6 SYN of the lab to another port.
func labSYN6(t testing.TB, port uint16) []byte {
	t.Helper()
	_, records := labRecords(t)
	b := append([]byte(nil), records[2][16:]...)
	if b[14]>>4 != 6 {
		t.Fatalf("the third frame of %s is %x, want an IPv6 packet", labCapture, b)
	}
	binary.BigEndian.PutUint16(b[14+40+2:], port)
	return b
}

// extend puts extension headers of 8 bytes into an Ethernet frame of IPv6.
func extend(frame []byte, kinds ...byte) []byte {
	b := append([]byte(nil), frame...)
	for i := len(kinds) - 1; i >= 0; i-- {
		h := []byte{b[20], 0, 1, 4, 0, 0, 0, 0} // PadN
		if kinds[i] == 44 {
			h = []byte{b[20], 0, 0, 1, 0, 0, 0, 9} // offset 0, more fragments
		}
		b[20] = kinds[i]
		b = append(b[:54:54], append(h, b[54:]...)...)
		binary.BigEndian.PutUint16(b[18:], binary.BigEndian.Uint16(b[18:])+8)
	}
	return b
}

// tagFrame puts tags into an Ethernet frame, all of number 42.
func tagFrame(b []byte, kinds ...uint16) []byte {
	var tags []byte
	for _, k := range kinds {
		tags = append(binary.BigEndian.AppendUint16(tags, k), 0, 42)
	}
	return append(append(append([]byte(nil), b[:12]...), tags...), b[12:]...)
}

// TestRule: which frames count; for p0f by p0f-v3.md §1.1.
func TestRule(t *testing.T) {
	syn := labFrame(t).Data
	edit := func(at int, v ...byte) []byte {
		b := append([]byte(nil), syn...)
		copy(b[at:], v)
		return b
	}
	tag := tagFrame
	port26 := edit(14+20+2, 0, 26)
	syn6, other6 := labSYN6(t, 25), labSYN6(t, 26)
	udp := edit(14+9, 17)
	udp6 := append([]byte(nil), syn6...)
	udp6[20] = 17
	for _, tt := range []struct {
		name  string
		rule  string
		frame []byte
		want  bool
		p0f   bool
	}{
		{"SYN", "", syn, true, true},
		{"UDP", "", udp, false, false},
		{"ARP", "", edit(12, 8, 6), false, false},
		{"fragment", "", edit(14+6, 0x20, 1), true, true}, // counted, though it decodes to nothing
		{"tagged", "", tag(syn, 0x8100), true, true},
		{"tagged 88a8", "", tag(syn, 0x88a8), true, true},
		{"tagged twice", "", tag(syn, 0x88a8, 0x8100), true, false},
		{"tagged three times", "", tag(syn, 0x8100, 0x8100, 0x8100), false, false},
		{"cut in the protocol", "", syn[:20], false, false},

		{"port 25", "dst port 25", syn, true, true},
		{"port 26", "dst port 25", port26, false, false},
		{"tagged, port 25", "dst port 25", tag(syn, 0x8100), true, true},
		{"tagged, port 26", "dst port 25", tag(port26, 0x8100), false, false},
		{"tagged twice, port 25", "dst port 25", tag(syn, 0x8100, 0x8100), true, false},
		{"tagged twice, port 26", "dst port 25", tag(port26, 0x8100, 0x8100), false, false},
		{"or binds within the rule", "dst port 25 or udp", udp, false, false},
		{"or binds within the rule, tagged", "dst port 465 or dst port 25", tag(syn, 0x8100), true, true},
		{"a rule that closes brackets", "(dst port 26)", port26, true, true},

		{"hop-by-hop options", "", extend(syn6, 0), true, false},
		{"hop-by-hop options, port 25", "dst port 25", extend(syn6, 0), true, false},
		{"hop-by-hop options, port 26", "dst port 25", extend(other6, 0), false, false},
		{"hop-by-hop options, UDP", "", extend(udp6, 0), false, false},
		{"three, port 25", "dst port 25", extend(syn6, 0, 43, 60), true, false},
		{"three, port 26", "dst port 25", extend(other6, 0, 43, 60), false, false},
		{"three, UDP", "", extend(udp6, 0, 43, 60), false, false},
		{"first fragment", "", extend(syn6, 44), true, true},
		{"first fragment, port 25", "dst port 25", extend(syn6, 44), true, false},
		{"first fragment, port 26", "dst port 25", extend(other6, 44), false, false},
		{"not this port, and first fragment with it", "not port 25", extend(syn6, 44), false, true},
		{"address, three", "src host 2001:db8::1", extend(syn6, 0, 43, 60), true, false},
		{"other address, three", "src host 2001:db8::9", extend(syn6, 0, 43, 60), false, false},
		{"length as if they were not there", "less 94", extend(syn6, 0), true, false},
		{"QinQ and options, port 25", "dst port 25", tag(extend(syn6, 60), 0x88a8, 0x8100), true, false},
		{"QinQ and options, port 26", "dst port 25", tag(extend(other6, 60), 0x88a8, 0x8100), false, false},

		{"rule with a tag", "vlan 42 and dst port 25", tag(syn, 0x8100), true, false},
		{"rule with a tag, options", "vlan 42 and dst port 25", tag(extend(syn6, 0), 0x8100), true, false},
		{"rule with a tag, options, other port", "vlan 42 and dst port 25", tag(extend(other6, 0), 0x8100), false, false},
		{"rule with another tag", "vlan 43 and dst port 25", tag(syn, 0x8100), false, false},
		{"rule with another tag, options", "vlan 43 and dst port 25", tag(extend(syn6, 0), 0x8100), false, false},
		{"rule with a tag, no tag", "vlan 42 and dst port 25", syn, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, p0f := range []bool{false, true} {
				want := tt.want
				if p0f {
					want = tt.p0f
				}
				if got := countsFrame(t, filter.Rule{Expr: tt.rule, P0f: p0f}, tt.frame); got != want {
					t.Errorf("rule %q, P0f %v, on %x = %v, want %v", tt.rule, p0f, tt.frame, got, want)
				}
			}
		})
	}
	t.Run("no tags but on Ethernet", func(t *testing.T) {
		l, err := (&filter.Rule{}).ForLink(int(packet.LinkRaw), false)
		if err != nil {
			t.Fatal(err)
		}
		if ip := syn[14:]; !l.Match(ip, len(ip)) {
			t.Error("a SYN without a link header does not count")
		}
	})
}

// countsFrame reports whether an engine with a rule counts an Ethernet frame.
func countsFrame(t testing.TB, r filter.Rule, frame []byte) bool {
	t.Helper()
	e := made(New(silent(t, Config{Rule: r})))
	in := feed(e)
	in.frame(&capture.Frame{Data: frame, WireLen: len(frame), Link: packet.LinkEthernet})
	if in.err != nil {
		return false // nothing can match
	}
	return e.Stats().Frames == 1
}

// TestRuleLinks: tags and the systems' numbers of IPv6 are known behind other
// link headers, too.
func TestRuleLinks(t *testing.T) {
	syn, syn6 := labFrame(t).Data[14:], labSYN6(t, 25)[14:]
	pflog := append([]byte{100, 24}, make([]byte, 98)...)
	snap := []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}
	sll2 := append([]byte{0x81, 0}, make([]byte, 18)...)
	wlan := func(control, flags byte, n int) []byte {
		return append(append([]byte{control, flags}, make([]byte, n-2)...), snap...)
	}
	for _, tt := range []struct {
		name   string
		link   packet.LinkType
		header []byte
		ip     []byte
		want   bool
		p0f    bool
	}{
		{"SLL, tagged", packet.LinkSLL, append(make([]byte, 14), 0x81, 0, 0, 42, 8, 0), syn, true, false},
		{"SLL2, tagged", packet.LinkSLL2, append(sll2, 0, 42, 0x08, 0), syn, true, false},
		{"SLL2, QinQ", packet.LinkSLL2, append(sll2, 0, 42, 0x81, 0, 0, 42, 0x08, 0), syn, true, false},
		{"pflog, IPv6 of OpenBSD", packet.LinkPFLOG, pflog, syn6, true, false},
		{"802.11, four addresses", packet.LinkIEEE80211, wlan(0x08, 3, 30), syn, true, false},
		{"802.11, QoS", packet.LinkIEEE80211, wlan(0x88, 0, 26), syn, true, true},
		{"802.11, QoS and HT control", packet.LinkIEEE80211, wlan(0x88, 0x80, 30), syn, true, false},
		{"802.11, all of it", packet.LinkIEEE80211, wlan(0x88, 0x83, 36), syn, true, false},
	} {
		for _, p0f := range []bool{false, true} {
			want := tt.want
			if p0f {
				want = tt.p0f
			}
			e := made(New(silent(t, Config{Rule: filter.Rule{Expr: "dst port 25", P0f: p0f}})))
			frame := append(append([]byte(nil), tt.header...), tt.ip...)
			feed(e).frame(&capture.Frame{Data: frame, WireLen: len(frame), Link: tt.link})
			if got := e.Stats().Frames == 1; got != want {
				t.Errorf("%s, P0f %v: counted %v, want %v", tt.name, p0f, got, want)
			}
			if hosts := e.Stats().Hosts; !p0f && hosts == 0 {
				t.Errorf("%s: no host is known", tt.name)
			}
		}
	}
}

// TestRuleAllocatesNothing, extension headers included.
func TestRuleAllocatesNothing(t *testing.T) {
	in := newInput(made(New(silent(t, Config{Rule: filter.Rule{Expr: "dst port 25"}}))), false)
	if in.use(packet.LinkEthernet) != nil {
		t.Fatal(in.err)
	}
	l := in.link
	frame := extend(labSYN6(t, 25), 0)
	frame = append(frame, make([]byte, 1000)...)
	f := &capture.Frame{Data: frame, WireLen: len(frame), Link: packet.LinkEthernet, Tagged: true}
	var s packet.Segment
	if n := testing.AllocsPerRun(100, func() {
		if err := l.decoder.Decode(f.Data, f.WireLen, &s); !l.rule.Match(f.Data, f.WireLen) || err != nil || !l.counts(f, &s) {
			t.Fatal("the frame does not count")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestRuleErrors(t *testing.T) {
	for _, tt := range []struct {
		rule string
		link packet.LinkType
		want string
	}{
		{"udp", packet.LinkEthernet, `filter "udp": no TCP packet can match it`},
		{"udp", packet.LinkRaw, `filter "udp": no TCP packet can match it`},
		{"arp", packet.LinkEthernet, `filter "arp": no TCP packet can match it`},
		{"icmp or udp port 53", packet.LinkEthernet, `filter "icmp or udp port 53": no TCP packet can match it`},
		{"", 147, "filter: link type not supported: 147"},
	} {
		r := filter.Rule{Expr: tt.rule}
		if err := r.Check(int(tt.link)); err == nil || err.Error() != tt.want {
			t.Errorf("Check(%q, link type %d) = %v, want %s", tt.rule, tt.link, err, tt.want)
		}
		if _, err := r.Kernel(int(tt.link)); err == nil || err.Error() != tt.want {
			t.Errorf("Kernel(%q, link type %d) = %v, want %s", tt.rule, tt.link, err, tt.want)
		}
	}
	// Faults of the text are reported of the rule as it was given, without what
	// was put around it.
	for _, rule := range []string{"port", "tcp or", "(port 25", "port 25)", "port 99999", "nonsense"} {
		r := filter.Rule{Expr: rule}
		_, want := filter.Compile(rule, filter.Config{Link: 1, Savefile: true})
		if err := r.Check(int(packet.LinkEthernet)); err == nil || want == nil || err.Error() != want.Error() || strings.Contains(err.Error(), "vlan and") {
			t.Errorf("Check(%q) = %v, want %v", rule, err, want)
		}
	}
}

// TestRuleProgram: a compiled program is used as it is, and nothing is added.
func TestRuleProgram(t *testing.T) {
	p, err := filter.Compile("udp", filter.Config{Link: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := filter.Rule{Program: p}
	if l, err := r.ForLink(int(packet.LinkEthernet), false); err != nil || l.Extended() {
		t.Errorf("ForLink = %v, %v, want the program itself", l, err)
	}
	raw, err := r.Kernel(int(packet.LinkEthernet))
	if want := p.Instructions(); err != nil || len(raw) != len(want) || raw[0] != want[0] {
		t.Errorf("Kernel = %v, %v, want %v", raw, err, want)
	}
}

// TestRuleKernel: the kernel takes the tag out of a frame before the program
// sees it, so there the program looks for it elsewhere than in a file.
func TestRuleKernel(t *testing.T) {
	for _, tt := range []struct {
		rule filter.Rule
		want bool
	}{
		{filter.Rule{Expr: "dst port 25"}, false}, // takes the packet as it is, tagged or not
		{filter.Rule{Expr: "vlan 42 and dst port 25"}, true},
		{filter.Rule{Expr: "dst port 25", P0f: true}, true},
	} {
		raw, err := tt.rule.Kernel(int(packet.LinkEthernet))
		if err != nil {
			t.Fatal(err)
		}
		asks := false
		for _, in := range raw {
			asks = asks || in.K >= 0xfffff000 // SKF_AD_OFF and above
		}
		if asks != tt.want {
			t.Errorf("the kernel's program of %+v asks for the kernel's note of the tag: %v, want %v", tt.rule, asks, tt.want)
		}
	}
	r := filter.Rule{Expr: "dst port 25"}
	raw, err := r.Kernel(int(packet.LinkRaw))
	if err != nil {
		t.Fatal(err)
	}
	p, err := filter.New(raw)
	if err != nil {
		t.Fatal(err)
	}
	ip := append([]byte(nil), labFrame(t).Data[14:]...)
	if !p.Match(ip, len(ip)) {
		t.Error("a SYN to port 25 does not pass the kernel's program for raw IP")
	}
	binary.BigEndian.PutUint16(ip[20+2:], 26)
	if p.Match(ip, len(ip)) {
		t.Error("a SYN to port 26 passes the kernel's program for raw IP")
	}
}

// TestBareFrames: the longest link headers and extension headers there are,
// and frames with all their data.
func TestBareFrames(t *testing.T) {
	ip := labSYN6(t, 25)[14:]
	long := append([]byte{6, 30}, make([]byte, 246)...) // destination options
	for header := 4; header <= 256; header += 4 {
		for _, data := range []int{0, 100, 400, 1400} {
			pflog := append([]byte{byte(min(header, 255)), 24}, make([]byte, 254)...)[:header]
			frame := append(append(append(pflog, ip[:40]...), long...), ip[40:]...)
			frame = append(frame, make([]byte, data)...)
			frame[header+6] = 60
			binary.BigEndian.PutUint16(frame[header+4:], uint16(len(frame)-header-40))
			for _, rule := range []string{"dst port 25", "dst port 26"} {
				e := made(New(silent(t, Config{Rule: filter.Rule{Expr: rule}})))
				feed(e).frame(&capture.Frame{Data: frame, WireLen: len(frame), Link: packet.LinkPFLOG})
				if got, want := e.Stats().Frames == 1, rule == "dst port 25"; got != want {
					t.Errorf("pflog header of %d bytes, %d of data: %q counts %v, want %v", header, data, rule, got, want)
				}
			}
		}
	}
}

// TestKernelWords: what a file does not record is an error in it, and the
// kernel's alone on an interface.
func TestKernelWords(t *testing.T) {
	for _, expr := range []string{"inbound and dst port 25", "not outbound", "ifindex 1 and dst port 25"} {
		r := &filter.Rule{Expr: expr}
		if err := r.Check(int(packet.LinkEthernet)); err != nil {
			t.Errorf("%q: Check = %v", expr, err)
		}
		if _, err := r.ForLink(int(packet.LinkEthernet), false); err == nil || !strings.Contains(err.Error(), "not recorded in frames of link type 1") {
			t.Errorf("%q: a file's link = %v, want an error", expr, err)
		}
		if _, err := r.ForLink(int(packet.LinkSLL2), false); err != nil {
			t.Errorf("%q: a link that records it = %v", expr, err)
		}
		if l, err := r.ForLink(int(packet.LinkEthernet), true); err != nil || l.Extended() {
			t.Errorf("%q: an interface's link = %+v, %v", expr, l, err)
		}
		raw, err := r.Kernel(int(packet.LinkEthernet))
		if err != nil {
			t.Fatalf("%q: Kernel = %v", expr, err)
		}
		p, err := filter.New(raw)
		if err != nil || !p.NeedsKernel() {
			t.Errorf("%q: the kernel's program is %v, %v", expr, p, err)
		}
		if _, err := (&filter.Rule{Program: p}).ForLink(int(packet.LinkEthernet), false); err == nil || !strings.Contains(err.Error(), "asks for a packet's direction") {
			t.Errorf("%q: its program for a file = %v, want an error", expr, err)
		}
	}
}
