package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

func TestCompileErrors(t *testing.T) {
	const notSupported = "not supported; supported are " + supported
	for _, tt := range []struct{ text, want string }{
		{"gateway foo", `filter: "gateway" at column 1: ` + notSupported},
		{"tcp and gateway 1.2.3.4", `filter: "gateway" at column 9: ` + notSupported},
		{"host 1.2.3.4 and mpls", `filter: "mpls" at column 18: ` + notSupported},
		{"ip protochain 6", `filter: "protochain" at column 4: ` + notSupported},
		{"tcp and mail", `filter: "mail" at column 9: ` + notSupported},
		{"tcp and", `filter: end of the expression at column 8: expected a condition`},
		{"tcp or or udp", `filter: "or" at column 8: expected a condition`},
		{"&& tcp", `filter: "&&" at column 1: expected a condition`},
		{"(tcp", `filter: end of the expression at column 5: expected )`},
		{"tcp)", `filter: ")" at column 4: expected and, or, or the end of the expression`},
		{"()", `filter: ")" at column 2: expected a condition`},
		{"tcp udp", `filter: "udp" at column 5: expected and, or, or the end of the expression`},
		{"not", `filter: end of the expression at column 4: expected a condition`},
		{"1.2.3.4", `filter: "1.2.3.4" at column 1: needs a qualifier before it, such as host, net or port`},
		{"tcp and 25", `filter: "25" at column 9: needs a qualifier before it, such as host, net or port`},
		{"vlan 5 or 6", `filter: "6" at column 11: needs a qualifier before it, such as host, net or port`},
		{"port", `filter: end of the expression at column 5: expected a port`},
		{"port foo", `filter: "foo" at column 6: not a service known by name; give the number of its port`},
		{"port 70000", `filter: "70000" at column 6: ports end at 65535`},
		{"port 1.2.3.4", `filter: "1.2.3.4" at column 6: an address where a port belongs`},
		{"port tcp", `filter: "tcp" at column 6: expected a port`},
		{"port 09", `filter: "09" at column 6: a number that begins with 0 is octal and has no digits 8 and 9`},
		{"port (25 or tcp)", `filter: "tcp" at column 13: expected a port`},
		{"port (25", `filter: end of the expression at column 9: expected )`},
		{"port 25 or (80 and udp)", `filter: "udp" at column 20: expected a port`},
		{"icmp port 25", `filter: "25" at column 11: icmp is not a protocol with ports; tcp, udp and sctp are`},
		{"udp port smtp", `filter: "smtp" at column 10: not a service of udp`},
		{"portrange a-b", `filter: "a-b" at column 11: not a range of ports; write it like 6000-6008`},
		{"portrange 6000-70000", `filter: "6000-70000" at column 11: ports end at 65535`},
		{"portrange 1.2.3.4", `filter: "1.2.3.4" at column 11: an address where a range of ports belongs`},
		{"host", `filter: end of the expression at column 5: expected an address`},
		{"host mail.example.org", `filter: "mail.example.org" at column 6: names are not looked up; give an address`},
		{"host 1.2.3.400", `filter: "1.2.3.400" at column 6: not an IPv4 address`},
		{"host 1.2.3.4/32", `filter: "1.2.3.4" at column 6: a prefix or mask needs net before it`},
		{"host 2001:db8::/32", `filter: "2001:db8::" at column 6: a prefix or mask needs net before it`},
		{"port 1.2.3.4/8", `filter: "1.2.3.4" at column 6: a prefix or mask needs net before it`},
		{"host fe80::1%eth0", `filter: "%" at column 13: expected and, or, or the end of the expression`},
		{"ip6 host 1.2.3.4", `filter: "1.2.3.4" at column 10: ip6 is not a protocol for IPv4 addresses; ip, arp and rarp are`},
		{"ip host ::1", `filter: "::1" at column 9: ip is not a protocol for IPv6 addresses; ip6 is`},
		{"tcp net 10.0.0.0/8", `filter: "10.0.0.0" at column 9: tcp is not a protocol for IPv4 addresses; ip, arp and rarp are`},
		{"net 1.2.3.4/24", `filter: "1.2.3.4" at column 5: has bits set outside the network's mask`},
		{"net 1.2.3.0/33", `filter: "33" at column 13: prefixes of IPv4 end at 32 bits`},
		{"net ::1/64", `filter: "::1" at column 5: has bits set outside the network's mask`},
		{"net ::/129", `filter: "129" at column 8: prefixes of IPv6 end at 128 bits`},
		{"net 10.0.0.0/foo", `filter: "foo" at column 14: expected the length of a prefix`},
		{"net 1.2.3.0 mask 255.255.0.255", `filter: "1.2.3.0" at column 5: has bits set outside the network's mask`},
		{"net 1.2.3.0 mask 24", `filter: "24" at column 18: expected a netmask such as 255.255.255.0`},
		{"net 1.2.3.0 mask 255.256", `filter: "255.256" at column 18: not an IPv4 address`},
		{"proto foo", `filter: "foo" at column 7: not a protocol known by name; give its number`},
		{"proto 1.2.3.4", `filter: "1.2.3.4" at column 7: an address where a protocol belongs`},
		{"arp proto 6", `filter: "6" at column 11: arp proto is not supported; ip proto, ip6 proto and ether proto are`},
		{"dst prt 25", `filter: "prt" at column 5: neither a word of the filter language nor an address; is port meant?`},
		{"tcp prt 25", `filter: "prt" at column 5: neither a word of the filter language nor an address; is port meant?`},
		{"hst 1.2.3.4", `filter: "hst" at column 1: neither a word of the filter language nor an address; is host meant?`},
		{"inboud and tcp", `filter: "inboud" at column 1: neither a word of the filter language nor an address; is inbound meant?`},
		{"src 02:00:00:00:00:01", `filter: "02:00:00:00:00:01" at column 5: an Ethernet address needs ether before it, as in ether host 02:00:00:00:00:01`},
		{"not 02:00:00:00:00:01", `filter: "02:00:00:00:00:01" at column 5: needs a qualifier before it, such as ether host`},
		{"ether port 02:00:00:00:00:01", `filter: "02:00:00:00:00:01" at column 12: ether is not a protocol with ports; tcp, udp and sctp are`},
		{"ether proto 02:00:00:00:00:01", `filter: "02:00:00:00:00:01" at column 13: an address where a protocol belongs`},
		{"ether proto foo", `filter: "foo" at column 13: not a protocol known by name; give its number`},
		{"ether proto 0x10000", `filter: "0x10000" at column 13: the types of a link layer end at 0xffff`},
		{"ether proto 0xe0", `filter: "0xe0" at column 13: ISO, NetBEUI, IPX and AppleTalk are not supported`},
		{"ip6 broadcast", `filter: "broadcast" at column 5: ip6 has no broadcast`},
		{"tcp multicast", `filter: "multicast" at column 5: tcp has no multicast`},
		{"ifindex eth0", `filter: "eth0" at column 9: expected the number of an interface`},
		{"vlan 4096", `filter: "4096" at column 6: VLAN numbers end at 4095`},
		{"vlan (5", `filter: end of the expression at column 8: expected )`},
		{"less tcp", `filter: "tcp" at column 6: expected a length in bytes`},
		{"tcp[13]", `filter: end of the expression at column 8: expected a comparison: = != < <= > >=`},
		{"tcp[13 & 2 != 0", `filter: "!=" at column 12: expected ]`},
		{"tcp[13:3] = 0", `filter: "3" at column 8: expected a size of 1, 2 or 4 bytes`},
		{"tcp[] = 1", `filter: "]" at column 5: expected a number, len, or data such as tcp[13]`},
		{"tcp[13] ! 5", `filter: "!" at column 9: expected a comparison: = != < <= > >=`},
		{"tcp[13] & foo = 1", `filter: "foo" at column 11: expected a number, len, or data such as tcp[13]`},
		{"tcp and ((tcp[13] & 2) | 3)", `filter: ")" at column 22: expected a comparison: = != < <= > >=`},
		{"esp[0] = 1", `filter: "esp" at column 1: the data of esp cannot be loaded`},
		{"ip[0] / 0 = 1", `filter: "/" at column 7: division by zero`},
		{"ip[0] % (1 - 1) = 1", `filter: "%" at column 7: division by zero`},
		{"ip[0] << 32 = 1", `filter: "<<" at column 7: shift by more than 31 bits`},
		{"ether[-1] = 1", `filter: "ether" at column 1: the offset -1 is in no frame`},
		{"5 = 0x1ffffffff", `filter: "0x1ffffffff" at column 5: the number needs more than 32 bits`},
		{"src or dst", `filter: end of the expression at column 11: expected an address`},
		{"src and tcp", `filter: "and" at column 5: expected an address`},
		{"ether", `filter: "ether" at column 1: not a condition; data of the link layer is written ether[0]`},
		{"tcp # x", `filter: "#" at column 5: not a character of the filter language`},
		{"été", `filter: "é" at column 1: not a character of the filter language`},
		{strings.Repeat("(", 200) + "tcp" + strings.Repeat(")", 200), `filter: "(" at column 101: nested more than 100 deep`},
		{strings.Repeat("not ", 200) + "tcp", `filter: "not" at column 401: nested more than 100 deep`},
	} {
		_, err := Compile(tt.text, Config{Link: 1})
		if err == nil || err.Error() != tt.want {
			t.Errorf("Compile(%q) = %v, want %s", tt.text, err, tt.want)
		}
		if e := (*Error)(nil); !errors.As(err, &e) {
			t.Errorf("Compile(%q): %T is not an *Error", tt.text, err)
		}
	}
}

func TestCompileOtherErrors(t *testing.T) {
	hosts := "host 10.0.0.0"
	for i := range 3000 {
		hosts += fmt.Sprintf(" or 10.1.%d.%d", i/256, i%256)
	}
	many := "port 10000"
	for i := range 6000 {
		many += fmt.Sprint(" or ", 10000+i)
	}
	deep := "1"
	for range 20 {
		deep = "ip[0] + (" + deep + " + ip[1])"
	}
	for _, tt := range []struct {
		name, text string
		link       int
		is         error
		want       string
	}{
		{"link", "tcp", 147, ErrLink, "filter: link type not supported: 147"},
		{"negative link", "tcp", -1, ErrLink, "filter: link type not supported: -1"},
		{"text", strings.Repeat(" ", 70000), 1, ErrLong, "filter: expression too long: 70000 bytes of text, at most 65535"},
		{"instructions", hosts, 1, ErrLong, "filter: expression too long: 53897 instructions, at most 4096"},
		{"tests", many, 1, ErrLong, "filter: expression too long: more than 65536 tests"},
		{"memory", deep + " = 1", 1, ErrLong, "filter: expression too long: the numbers need more than 16 words of memory"},
		{"no tags", "vlan", 113, nil, `filter: "vlan" at column 1: link type 113 has no VLAN tags`},
	} {
		_, err := Compile(tt.text, Config{Link: tt.link})
		if err == nil || err.Error() != tt.want || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: Compile = %v, want %s", tt.name, err, tt.want)
		}
	}
}

// TestProtoKeyword is about what libpcap takes only with a backslash.
func TestProtoKeyword(t *testing.T) {
	a, err := Compile("proto tcp or ip proto udp", Config{Link: 1})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Compile(`proto \tcp or ip proto \udp`, Config{Link: 1})
	if err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() {
		t.Errorf("with and without backslash:\n%s%s", b, a)
	}
}

func TestRejectsAll(t *testing.T) {
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"", false}, {"tcp", false}, {"dst port 25", false}, {"len > 5", false}, {"vlan and vlan", false},
		{"udp", true}, {"icmp", true}, {"arp", true}, {"tcp port 25 and udp", true}, {"udp port 53", true},
		{"not tcp", true}, {"not ip and not ip6", true}, {"not (tcp or arp)", true}, {"1 = 2", true}, {"ip[9] = 17", true},
		{"ip and ip[9] = 17", true}, {"ip6 host ::1 and ip", true}, {"less 0 and greater 1", true}, {"port 25", false},
		{"ip[8] > 255", true}, {"ip[8] >= 255", false}, {"ip[8] > 5 and ip[8] < 6", true}, {"ip[8] > 5 and ip[8] <= 6", false},
		{"ip[8] & 1 = 0 and ip[8] = 3", true}, {"ip[8] = 3 and ip[8] & 1 = 0", true}, {"ip[8] & 1 = 0 and ip[8] & 1 = 1", false},
		{"src port 25 and src port 26", true}, {"src and dst port 25", false}, {"port 25 and port 587", false},
		{"vlan 5 and vlan 6", false}, {"net 10.0.0.0/8 and net 11.0.0.0/8", false},
		{"src host 10.0.0.1 and src host 10.0.0.2", true},
	} {
		text := tt.text
		if text != "" && !strings.Contains(text, "vlan") {
			// as p0f puts a rule together for Ethernet
			text = fmt.Sprintf("(tcp and (%s)) or (vlan and tcp and (%s))", tt.text, tt.text)
		}
		for _, kernelVLAN := range []bool{false, true} {
			p, err := Compile(text, Config{Link: 1, KernelVLAN: kernelVLAN})
			if err != nil {
				t.Errorf("Compile(%q) = %v", text, err)
				continue
			}
			if got := p.RejectsAll(); got != tt.want {
				t.Errorf("%q: RejectsAll() = %v, want %v", text, got, tt.want)
			}
		}
	}
}

// TestSavefile compares programs for files of BSD loopback frames with those
// of libpcap, which looks at the file's byte order.
func TestSavefile(t *testing.T) {
	for _, link := range []uint32{0, 108} {
		file := filepath.Join(t.TempDir(), "a.pcap")
		h := binary.NativeEndian.AppendUint32(nil, 0xa1b2c3d4)
		h = append(h, 2, 0, 4, 0)
		for _, v := range []uint32{0, 0, 262144, link} {
			h = binary.NativeEndian.AppendUint32(h, v)
		}
		if err := os.WriteFile(file, h, 0o600); err != nil {
			t.Fatal(err)
		}
		f := frames{rand.New(rand.NewPCG(4, uint64(link))), []uint32{24, 28, 30, 10, 26}}
		for _, text := range []string{"ip6", "tcp", "tcp port 25", "host 2001:db8::1", "not ip6", "ip"} {
			theirs, fault := tcpdump(t, "-r", file, text)
			ours, err := Compile(text, Config{Link: int(link), Savefile: true})
			if err != nil || fault != "" {
				t.Fatalf("Compile(%q) = %v, of libpcap %q", text, err, fault)
			}
			for range count() {
				frame, wire := f.next(int(link))
				got, want := ours.Match(frame, wire), theirs.Match(frame, wire)
				if got != want && link == 0 && otherOrder(frame) {
					continue // noise that is a header in the other byte order
				}
				if got != want {
					t.Errorf("link type %d, %q: Match(%x) = %v, want %v as of libpcap", link, text, frame, got, want)
					break
				}
			}
		}
	}
}

func otherOrder(frame []byte) bool {
	if len(frame) < 4 {
		return false
	}
	swapped := slices.Clone(frame[:4])
	slices.Reverse(swapped)
	return binary.NativeEndian.Uint32(swapped) < 256
}

// TestSavefileByteOrders is about a file of a machine of the other byte order.
func TestSavefileByteOrders(t *testing.T) {
	p, err := Compile("ip6", Config{Link: 0, Savefile: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		frame []byte
		want  bool
	}{
		{[]byte{24, 0, 0, 0}, true}, {[]byte{0, 0, 0, 24}, true}, {[]byte{28, 0, 0, 0}, true}, {[]byte{0, 0, 0, 28}, true},
		{[]byte{30, 0, 0, 0}, true}, {[]byte{0, 0, 0, 30}, true}, {[]byte{2, 0, 0, 0}, false}, {[]byte{0, 30, 0, 0}, false},
	} {
		if got := p.Match(tt.frame, 4); got != tt.want {
			t.Errorf("Match(%x) = %v, want %v", tt.frame, got, tt.want)
		}
	}
}

// TestLongJumps compiles expressions whose tests are further apart than a
// conditional jump reaches.
func TestLongJumps(t *testing.T) {
	f := frames{rand.New(rand.NewPCG(5, 0)), []uint32{inet6()}}
	for _, n := range []int{60, 120, 130, 250, 260} {
		var ports []string
		for i := range n {
			ports = append(ports, fmt.Sprint(10000+i))
		}
		text := "not (tcp src port " + strings.Join(ports, " or ") + ") and dst host 1.2.3.4 or tcp dst port " +
			strings.Join(ports, " or ") + " or udp"
		theirs, fault := tcpdump(t, "-y", "EN10MB", text)
		ours, err := Compile(text, Config{Link: 1})
		if err != nil || fault != "" {
			t.Fatalf("%d ports: Compile = %v, of libpcap %q", n, err, fault)
		}
		longest := uint32(0)
		for _, r := range ours.Instructions() {
			if r.Op == jmp|ja {
				longest = max(longest, r.K)
			}
		}
		if n > 250 && longest < 256 {
			t.Errorf("%d ports: no jump is longer than %d", n, longest)
		}
		for range 2000 {
			frame, _ := f.next(1)
			if len(frame) > 40 && f.IntN(2) == 0 {
				binary.BigEndian.PutUint16(frame[len(frame)/2:], uint16(10000+f.IntN(n+1)))
			}
			if got, want := ours.Match(frame, len(frame)), theirs.Match(frame, len(frame)); got != want {
				t.Fatalf("%d ports: Match(%x) = %v, want %v as of libpcap", n, frame, got, want)
			}
		}
	}
}

func TestSnapLen(t *testing.T) {
	for _, tt := range []struct {
		snap int
		want uint32
	}{{0, 262144}, {-1, 262144}, {96, 96}} {
		p, err := Compile("", Config{SnapLen: tt.snap})
		if err != nil {
			t.Fatal(err)
		}
		want := []bpf.RawInstruction{{Op: retK, K: tt.want}}
		if got := p.Instructions(); !slices.Equal(got, want) {
			t.Errorf("SnapLen %d: Instructions() = %v, want %v", tt.snap, got, want)
		}
	}
}

func TestInstructionsAreACopy(t *testing.T) {
	p, err := Compile("tcp", Config{Link: 1})
	if err != nil {
		t.Fatal(err)
	}
	before := p.String()
	clear(p.Instructions())
	if after := p.String(); after != before {
		t.Errorf("String() = %q, want %q", after, before)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	p, err := Compile("tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn and net 10.0.0.0/8", Config{Link: 1})
	if err != nil {
		t.Fatal(err)
	}
	f := frames{rand.New(rand.NewPCG(6, 0)), []uint32{inet6()}}
	frame := f.frame(1)
	if n := testing.AllocsPerRun(100, func() { p.Match(frame, len(frame)) }); n != 0 {
		t.Errorf("Match allocates %v times", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	syn := make([]byte, 74)
	syn[12], syn[14], syn[23], syn[36], syn[37] = 8, 0x45, 6, 0, 25
	for _, text := range []string{"tcp", "tcp dst port 25", "(tcp and (dst port 25 or 587)) or (vlan and tcp and (dst port 25 or 587))"} {
		p, err := Compile(text, Config{Link: 1})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				if !p.Match(syn, len(syn)) {
					b.Fatal("rejected")
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile("(tcp and (dst port 25 or 587)) or (vlan and tcp and (dst port 25 or 587))", Config{Link: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
