package engine

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
)

// TestRule: which frames count, by p0f v3 §1.1.
func TestRule(t *testing.T) {
	syn := labFrame(t).Data
	edit := func(at int, v ...byte) []byte {
		b := append([]byte(nil), syn...)
		copy(b[at:], v)
		return b
	}
	tag := func(b []byte, kind ...byte) []byte {
		return append(append(append([]byte(nil), b[:12]...), append(kind, 0, 42)...), b[12:]...)
	}
	port26 := edit(14+20+2, 0, 26)
	for _, tt := range []struct {
		name  string
		rule  string
		frame []byte
		want  bool
	}{
		{"SYN", "", syn, true},
		{"UDP", "", edit(14+9, 17), false},
		{"ARP", "", edit(12, 8, 6), false},
		{"fragment", "", edit(14+6, 0x20, 1), true}, // counted, though it decodes to nothing
		{"tagged", "", tag(syn, 0x81, 0), true},
		{"tagged 88a8", "", tag(syn, 0x88, 0xa8), true},
		{"tagged twice", "", tag(tag(syn, 0x81, 0), 0x81, 0), false},
		{"cut in the protocol", "", syn[:20], false},

		{"port 25", "dst port 25", syn, true},
		{"port 26", "dst port 25", port26, false},
		{"tagged, port 25", "dst port 25", tag(syn, 0x81, 0), true},
		{"tagged, port 26", "dst port 25", tag(port26, 0x81, 0), false},
		{"or binds within the rule", "dst port 25 or udp", edit(14+9, 17), false},
		{"or binds within the rule, tagged", "dst port 465 or dst port 25", tag(syn, 0x81, 0), true},
		{"a rule that closes brackets", "(dst port 26)", port26, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := (&Rule{Expr: tt.rule}).newLink(packet.LinkEthernet)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.filter.Match(tt.frame, len(tt.frame)); got != tt.want {
				t.Errorf("rule %q on %x = %v, want %v", tt.rule, tt.frame, got, tt.want)
			}
		})
	}
	t.Run("no tags but on Ethernet", func(t *testing.T) {
		l, err := (&Rule{}).newLink(packet.LinkRaw)
		if err != nil {
			t.Fatal(err)
		}
		if ip := syn[14:]; !l.filter.Match(ip, len(ip)) || l.decoder.Link != packet.LinkRaw {
			t.Error("a SYN without a link header does not count")
		}
	})
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
		r := Rule{Expr: tt.rule}
		if err := r.Check(tt.link); err == nil || err.Error() != tt.want {
			t.Errorf("Check(%q, link type %d) = %v, want %s", tt.rule, tt.link, err, tt.want)
		}
		if _, err := r.Kernel(tt.link); err == nil || err.Error() != tt.want {
			t.Errorf("Kernel(%q, link type %d) = %v, want %s", tt.rule, tt.link, err, tt.want)
		}
	}
	// Faults of the text are told of the rule as it was given, without what
	// was put around it.
	for _, rule := range []string{"port", "tcp or", "(port 25", "port 25)", "port 99999", "nonsense"} {
		r := Rule{Expr: rule}
		_, want := filter.Compile(rule, filter.Config{Link: 1, Savefile: true})
		if err := r.Check(packet.LinkEthernet); err == nil || want == nil || err.Error() != want.Error() || strings.Contains(err.Error(), "vlan and") {
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
	r := Rule{Program: p}
	l, err := r.newLink(packet.LinkEthernet)
	if err != nil || l.filter != p {
		t.Errorf("newLink = %v, %v, want the program itself", l, err)
	}
	raw, err := r.Kernel(packet.LinkEthernet)
	if want := p.Instructions(); err != nil || len(raw) != len(want) || raw[0] != want[0] {
		t.Errorf("Kernel = %v, %v, want %v", raw, err, want)
	}
}

// TestRuleKernel: the kernel takes the tag out of a frame before the program
// sees it, so there the program looks for it elsewhere than in a file.
func TestRuleKernel(t *testing.T) {
	r := Rule{Expr: "dst port 25"}
	raw, err := r.Kernel(packet.LinkEthernet)
	if err != nil {
		t.Fatal(err)
	}
	ancillary := false
	for _, in := range raw {
		ancillary = ancillary || in.K >= 0xfffff000 // SKF_AD_OFF and above
	}
	if !ancillary {
		t.Errorf("the kernel's program for Ethernet never asks for the kernel's note of the tag: %v", raw)
	}
	if raw, err = r.Kernel(packet.LinkRaw); err != nil {
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
