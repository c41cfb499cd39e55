package filter

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// expressions are compiled for every link type, by this package and by
// libpcap.
var expressions = []struct {
	text string
	// part says that libpcap's optimizer puts the tests of one field
	// together, so that it finds frames that end behind that field. Its
	// program is compared over frames that no load reads beyond, and for
	// others that which it makes without the optimizer.
	part bool
	// but has the link types that libpcap gets wrong. Where the link header is
	// variable, libpcap keeps its length in a word of scratch memory that
	// numbers to the left use too. Without one, tcp[-1] becomes an
	// offset of 0xffffffff, which Linux adds correctly and libpcap does not.
	but []int
}{
	{text: ""},
	{text: "tcp"}, {text: "udp"}, {text: "sctp"}, {text: "icmp"}, {text: "icmp6"}, {text: "igmp"},
	{text: "pim"}, {text: "ah"}, {text: "esp"}, {text: "vrrp"},
	{text: "ip"}, {text: "ip6"}, {text: "arp"}, {text: "rarp"},
	{text: "not tcp"}, {text: "!tcp && !udp"}, {text: "not (tcp or udp)"}, {text: "not not ip"},
	{text: "tcp and (udp)"}, {text: "tcp and (icmp)"}, {text: "tcp and (arp)"}, {text: "tcp port 25 and udp"},
	{text: "tcp or (vlan and tcp)"},
	{text: "(tcp and (dst port 25)) or (vlan and tcp and (dst port 25))"},
	{text: "(tcp and (src net 192.0.2.0/24 and not dst port 587)) or (vlan and tcp and (src net 192.0.2.0/24 and not dst port 587))"},
	{text: "tcp and (dst port 25)"}, {text: "tcp and (dst port 25 or dst port 587)"},
	{text: "port 25"}, {text: "src port 25"}, {text: "dst port 25"}, {text: "src or dst port 25"},
	{text: "dst or src port 25"}, {text: "src and dst port 25"}, {text: "dst and src port 25"},
	{text: "tcp port 25"}, {text: "tcp dst port 25"}, {text: "udp port 53"}, {text: "udp src port 53"}, {text: "sctp port 25"},
	{text: "port 25 or 587 or 465", part: true}, {text: "tcp port 25 or 587", part: true}, {text: "port (25 or 80)", part: true}, {text: "tcp port not 25"},
	{text: "dst port 25 or dst port 587"}, {text: "dst port 25 or 587 and not src port 80 or 53"},
	{text: "tcp port 25 or (udp port 53) or 80", part: true}, {text: "port 25 or (80 and (443 or not 53))"},
	{text: "port 25 and not 587"}, {text: "not port 25"}, {text: "not tcp dst port 25 and ip"},
	{text: "port smtp"}, {text: "tcp port smtp or submission or submissions", part: true}, {text: "port https"}, {text: "port smtps"},
	{text: "tcp port domain"}, {text: "port domain"}, {text: "udp port ntp"}, {text: "port ntp or http"},
	{text: "portrange 24-26"}, {text: "tcp portrange 6000-6008"}, {text: "dst portrange 26-24"}, {text: "portrange 25"},
	{text: "src portrange smtp-100"}, {text: "portrange smtp-http"}, {text: "src and dst portrange 0-1024"},
	{text: "portrange 0-65535"}, {text: "udp portrange ntp-200"},
	{text: "host 1.2.3.4"}, {text: "src host 1.2.3.4"}, {text: "dst 1.2.3.4"}, {text: "src and dst host 1.2.3.4"},
	{text: "ip host 1.2.3.4"}, {text: "ip src 1.2.3.4"}, {text: "arp host 1.2.3.4"}, {text: "rarp src 10.1.2.3"},
	{text: "host 1.2.3.4 or 10.1.2.3 or 192.0.2.255", part: true}, {text: "src 1.2.3.4 and dst 1.2.3.5"},
	{text: "host 1.2.3.4 and not (port 25 or 80)"}, {text: "host 10.1"}, {text: "host 10"}, {text: "host 0.0.0.0"},
	{text: "host 2001:db8::1"}, {text: "ip6 host 2001:db8::1"}, {text: "src 2001:db8::1"}, {text: "src and dst host fe80::1"},
	{text: "host ::ffff:1.2.3.4"}, {text: "host ::1"}, {text: "dst host ::"}, {text: "host 2001:db8::1/128"},
	{text: "net 10"}, {text: "net 10.1"}, {text: "net 192.0.2"}, {text: "net 192.0.2.0/24"}, {text: "src net 10.0.0.0/8"},
	{text: "dst net 192.0.2.0 mask 255.255.255.0"}, {text: "net 192.0 mask 255.255"}, {text: "net 0.0.0.0/0"}, {text: "net 0"},
	{text: "net 10.0/8 or 192.0.2.0/23"}, {text: "net 1.2.3.4/32"}, {text: "net 128.0.0.0/1"}, {text: "net 0.0.0.0/1"},
	{text: "net 2001:db8::/32"}, {text: "net 2001:db8::/33"}, {text: "net 2001:db8:1:2::/64"}, {text: "net ::/0"},
	{text: "src net 2001:db8::/31"}, {text: "ip6 dst net 2001:db8:0:0:8000::/65"}, {text: "net ::/1"},
	{text: "net 192.0.2.0/24 or 2001:db8::/32"}, {text: "src and dst net 2001:db8::/32"}, {text: "arp net 10.0.0.0/8"},
	{text: "proto 6"}, {text: `proto \udp`}, {text: "ip proto 6"}, {text: "ip6 proto 58"}, {text: "ip proto (6 or 17)"},
	{text: `ip proto \sctp`}, {text: "ip6 proto 44"}, {text: "ip proto 300"}, {text: `proto \tcp or \udp`},
	{text: "tcp[13] & 2 != 0"}, {text: "tcp[13] & 2 = 0"}, {text: "tcp[13] == 2"}, {text: "not tcp[13] = 2"},
	{text: "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"}, {text: "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0"},
	{text: "tcp[2:2] = 25"}, {text: "tcp[2:2] >= 25 and tcp[2:2] <= 100"}, {text: "tcp[0:4] = 0x00190019"},
	{text: "tcp[12] >> 4 > 5"}, {text: "(tcp[12] & 0xf0) >> 2 = 20"}, {text: "tcp[20:4] = 0x47455420"},
	{text: "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420"}, {text: "tcp[(tcp[12]&0xf0)>>2] > 127"},
	{text: "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)"},
	{text: "udp[4:2] < 100"}, {text: "icmp[icmptype] = icmp-echo"}, {text: "icmp6[icmp6type] = icmp6-echo"}, {text: "sctp[0:2] = 25"},
	{text: "icmp6[icmp6type] = icmp6-echo or icmp[icmptype] != icmp-echo"},
	{text: "ip[0] & 0xf != 5"}, {text: "ip[6:2] & 0x1fff = 0"}, {text: "ip[8] < 64"}, {text: "ip[12:4] = 0x01020304"},
	{text: "ip[9] = 6 and ip[8] != 64"}, {text: "ip6[6] = 6"}, {text: "ip6[8:4] = 0x20010db8"}, {text: "ip6[40:2] = 25"},
	{text: "arp[6:2] = 1"}, {text: "ether[0] & 1 = 0"}, {text: "ether[12:2] = 0x0800"}, {text: "ether[0] = 0x45"},
	{text: "ip[ip[8]] = 6"}, {text: "ether[ip[0] & 0xf] > 64"}, {text: "ip[0:2] = ip[2:2]"}, {text: "tcp[0:2] = tcp[2:2]"},
	{text: "tcp[0:2] > tcp[2:2]"}, {text: "tcp[0:2] <= tcp[2:2]"}, {text: "25 = tcp[2:2]"}, {text: "24 < tcp[2:2]"},
	{text: "len - tcp[12] > 5"}, {text: "ip[2:2] + 14 = len"}, {text: "len != ip[2:2]"}, {text: "ip[8] - 65 > 100"},
	{text: "ip[8] * 2 + 1 = 129"}, {text: "ip[8] % 10 = 4"}, {text: "ip[8] / 3 = 21"}, {text: "ip[9] / ip[8] = 0"},
	{text: "ip[9] % ip[8] = 6"}, {text: "ip[9] << ip[1] > 1000"}, {text: "ip[8] >> 3 = 8"}, {text: "ip[9] ^ ip[8] = 70"},
	{text: "ip[9] | 0x40 = 0x46"}, {text: "-ip[9] = 0xfffffffa"}, {text: "ip[9] + -6 = 0"}, {text: "tcp[13] & 0 = 0"},
	{text: "ip[0] * 0 = 1"}, {text: "ip[8] & 15 ^ 3 = 3"}, {text: "len & 7 ^ 2 | 1 = 3"}, {text: "len % 4 * 2 = 2"},
	{text: "1 + 2 * 3 = 7 and ip", but: []int{105, 117}}, {text: "5 = 6 or tcp", but: []int{105, 117}}, {text: "ip[9] & 0xff00 = 0"}, {text: "ip[4:2] >= 0"},
	{text: "(ip[8] + ip[9]) * (ip[1] + ip[0]) > (ip[16] | ip[12]) << 4"}, {text: "tcp[-1] = 0", but: []int{101, 228, 117}}, {text: "ip[0x0f] = 04"},
	{text: "less 60"}, {text: "greater 100"}, {text: "len > 60 and len <= 100"}, {text: "length = 54 or tcp", but: []int{105, 117}},
	{text: "tcp and len < 100 or udp and greater 100"}, {text: "ip or ip6 and tcp"}, {text: "ip and (tcp or udp) and not port 25"},
	{text: "vlan"}, {text: "vlan 5"}, {text: "vlan (5)"}, {text: "vlan 0"}, {text: "not vlan"}, {text: "vlan and tcp"},
	{text: "vlan 5 and tcp port 25"}, {text: "vlan and vlan"}, {text: "vlan 5 and vlan 6 and ip"}, {text: "vlan and vlan 6 and tcp port 25"},
	{text: "ip or vlan and ip"}, {text: "vlan or ip"}, {text: "not vlan and ip"}, {text: "vlan and host 1.2.3.4"},
	{text: "vlan and tcp[13] = 2"}, {text: "vlan and ip[8] = 64 and ether[0] & 1 = 0"}, {text: "vlan and net 2001:db8::/32"},
	{text: "tcp port 25 or vlan 5 and tcp port 25 or vlan and udp"}, {text: "vlan and arp or vlan and vlan and arp"},
	{text: "inbound", but: []int{240}}, {text: "outbound", but: []int{240}}, {text: "not inbound and tcp", but: []int{240}},
	{text: "inbound and dst port 25", but: []int{240}}, {text: "ifindex 3", but: []int{240}}, {text: "ifindex 0x11 or tcp port 25", but: []int{240}},
	{text: "ether src 02:00:00:00:00:01", but: []int{105}}, {text: "ether dst 2:0:0:0:0:1", but: []int{105}}, {text: "ether host ff:ff:ff:ff:ff:ff", but: []int{105}},
	{text: "ether src and dst 0200.0000.0001", but: []int{105}}, {text: "link host 02-00-00-00-00-01", but: []int{105}},
	{text: "dst port 25 and not ether src 02:00:00:00:00:01", but: []int{105}}, {text: "ether src 02:00:00:00:00:01 or 01:00:5e:00:00:01", but: []int{105}, part: true},
	{text: "ether host 020000000001", but: []int{105}}, {text: "vlan and ether src 02:00:00:00:00:01", but: []int{105}},
	{text: "broadcast", but: []int{105}}, {text: "ether broadcast or tcp", but: []int{105}}, {text: "multicast", but: []int{105}}, {text: "link multicast", but: []int{105}},
	{text: "dst port 25 and not broadcast and not multicast", but: []int{105}}, {text: "ip multicast"}, {text: "ip6 multicast"}, {text: "ip broadcast"},
	{text: "dst port 25 and not ip broadcast and not ip multicast"}, {text: "ip6 multicast or ip multicast"},
	{text: "ether proto 0x0800"}, {text: `ether proto \ip6`}, {text: `ether proto \arp or \rarp`, part: true}, {text: "ether proto 5", but: []int{105}},
	{text: "ether proto 0xaa", but: []int{105}}, {text: "ether proto 0x86dd and dst port 25"}, {text: "vlan and ether proto 0x0800"}, {text: "not ether proto 1501"},
}

// tcpdump compiles an expression. It returns nil for one that rejects all
// packets, and the error for one that does not compile.
func tcpdump(t *testing.T, args ...string) (*Program, string) {
	t.Helper()
	cmd := exec.Command(lab.NeedProgram(t, "tcpdump"), append([]string{"-ddd"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if strings.Contains(stderr.String(), "expression rejects all packets") {
			return nil, ""
		}
		return nil, stderr.String()
	}
	p, err := Parse(strings.NewReader(string(out)))
	if err != nil {
		t.Fatalf("Parse of tcpdump %q: %v", args, err)
	}
	return p, ""
}

// count is the number of frames for each expression and link type.
func count() int {
	if os.Getenv("CI") == "true" {
		return 5000
	}
	return 1500
}

// TestLibpcap compares, for each link type, what Compile makes of expressions
// with what libpcap makes of them.
func TestLibpcap(t *testing.T) {
	for _, l := range testLinks {
		t.Run(l.name, func(t *testing.T) {
			seen := frames{rand.New(rand.NewPCG(1, uint64(l.number))), []uint32{inet6()}}
			accepted := 0
			for _, e := range expressions {
				if slices.Contains(e.but, l.number) {
					continue
				}
				theirs, fault := tcpdump(t, "-y", l.name, "--", e.text)
				ours, err := Compile(e.text, Config{Link: l.number})
				if (err != nil) != (fault != "") {
					t.Errorf("Compile(%q) = %v, of libpcap %q", e.text, err, fault)
				}
				if err != nil || fault != "" {
					continue
				}
				plain := theirs
				if e.part {
					plain, _ = tcpdump(t, "-O", "-y", l.name, "--", e.text)
				}
				if theirs == nil && !ours.RejectsAll() {
					t.Errorf("%q: RejectsAll() = false, libpcap finds out that it does", e.text)
				}
				accepted += compare(t, &seen, l.number, e.text, ours, theirs, plain)
			}
			if accepted < 1000 {
				t.Errorf("only %d frames were accepted", accepted)
			}
		})
	}
}

// compare runs the programs over frames, and each on golang.org/x/net's virtual
// machine too. Where theirs and plain are two programs, theirs gets longer
// frames. It returns how many frames were accepted.
func compare(t *testing.T, f *frames, link int, text string, ours, theirs, plain *Program) int {
	t.Helper()
	rejects := ours.RejectsAll()
	accepted := 0
	for range count() {
		frame, wire := f.next(link)
		known := noted{-1, pick[uint8](f.Rand, 0, 1, 2, 4), f.Uint32N(20)}
		got := ours.run(frame, uint32(wire), known) != 0
		want := plain != nil && plain.run(frame, uint32(wire), known) != 0
		if plain != theirs {
			long := append(slices.Clip(frame), make([]byte, 200)...)
			if got, want := ours.Match(long, wire), matches(theirs, long, wire); got != want {
				t.Errorf("%q: Match(%x of %d bytes) = %v, want %v as of libpcap", text, long, wire, got, want)
				return accepted
			}
		}
		if got != want {
			t.Errorf("%q: Match(%x of %d bytes) = %v, want %v as of libpcap", text, frame, wire, got, want)
			return accepted
		}
		if got && rejects {
			t.Errorf("%q: RejectsAll() = true, and %x is accepted", text, frame)
		}
		if got {
			accepted++
		}
	}
	sameOnVM(t, f, link, text, ours)
	if theirs != nil {
		sameOnVM(t, f, link, text, theirs)
	}
	return accepted
}

// matches is Match of a program of tcpdump, which is nil when it rejects all.
func matches(p *Program, frame []byte, wire int) bool {
	return p != nil && p.Match(frame, wire)
}

// sameOnVM compares Match with golang.org/x/net's virtual machine.
func sameOnVM(t *testing.T, f *frames, link int, text string, p *Program) {
	t.Helper()
	ins, ok := bpf.Disassemble(p.Instructions())
	if !ok {
		t.Errorf("%q: instructions that x/net does not know", text)
		return
	}
	if slices.Contains(ins, bpf.Instruction(bpf.NegateA{})) || p.NeedsKernel() {
		return // which that machine lacks
	}
	vm, err := bpf.NewVM(ins)
	if err != nil {
		t.Errorf("%q: %v", text, err)
		return
	}
	for range count() / 10 {
		frame, _ := f.next(link)
		n, err := vm.Run(frame)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if got := p.run(frame, uint32(len(frame)), noted{tci: -1}); got != uint32(n) {
			t.Errorf("%q: run(%x) = %d, want %d as of x/net", text, frame, got, n)
			return
		}
	}
}
