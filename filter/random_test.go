package filter

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// phrases makes expressions at random.
type phrases struct{ *rand.Rand }

func (p phrases) expr(depth int) string {
	if depth == 0 || p.IntN(5) == 0 {
		return p.primitive()
	}
	switch p.IntN(8) {
	case 0:
		return "not " + p.expr(depth-1)
	case 1:
		return "(" + p.expr(depth-1) + ")"
	}
	return p.expr(depth-1) + pick(p.Rand, " and ", " or ", " && ", "||") + p.expr(depth-1)
}

func (p phrases) primitive() string {
	port := func() string { return pick(p.Rand, "25", "80", "443", "smtp", "https", "domain", "587") }
	dir := pick(p.Rand, "", "", "src ", "dst ", "src or dst ", "src and dst ")
	switch p.IntN(14) {
	case 12, 13:
		return pick(p.Rand, "ether proto 0x0800", "ether proto 7", "ip multicast", "ip6 multicast", "ether proto 0x8863",
			"multicast", "broadcast", "ether src 02:00:00:00:00:01", "ether host 01:00:5e:00:00:01", "inbound", "outbound", "ifindex 3")
	case 0, 1:
		s := pick(p.Rand, "", "tcp ") + dir + "port " + pick(p.Rand, "25", "80", "443", "587")
		for range p.IntN(3) {
			s += pick(p.Rand, " or ", " and ", " and not ") + pick(p.Rand, "", "not ") + pick(p.Rand, "53", "465", "(22 or 24)")
		}
		return s
	case 2:
		return dir + "port " + port()
	case 3:
		return pick(p.Rand, "", "udp ", "tcp ") + dir + "portrange " + pick(p.Rand, "20-30", "6000-6008", "100-24")
	case 4:
		return dir + "host " + pick(p.Rand, "1.2.3.4", "10.1.2.3", "2001:db8::1", "fe80::1", "1.2.3.4 or 192.0.2.255")
	case 5:
		return pick(p.Rand, "", "", "ip ", "arp ") + dir + "net " + pick(p.Rand, "10", "192.0.2.0/24", "1.2.3", "0.0.0.0/1", "10.0.0.0 mask 255.0.0.0")
	case 6:
		return dir + "net " + pick(p.Rand, "2001:db8::/32", "2001:db8:8000::/33", "2001:db8:1:2::/64", "fe80::/10")
	case 7:
		return pick(p.Rand, "tcp", "udp", "icmp", "icmp6", "ip", "ip6", "arp", "ip proto 6", "ip6 proto 58", "proto 17", "sctp")
	case 8:
		return pick(p.Rand, "less ", "greater ") + fmt.Sprint(20+p.IntN(400))
	}
	return p.number(2) + pick(p.Rand, " = ", " != ", " < ", ">", " <= ", ">=", "==") + p.number(2)
}

// number needs all it loads.
func (p phrases) number(depth int) string {
	if depth == 0 || p.IntN(3) == 0 {
		at := fmt.Sprint(p.IntN(24))
		if p.IntN(4) == 0 {
			at = "ip[" + at + "] & 0xf"
		}
		size := pick(p.Rand, "", "", ":1", ":2", ":4")
		return pick(p.Rand, "tcp", "udp", "icmp", "ip", "ip", "ip6", "ether", "icmp6", "arp") + "[" + at + size + "]"
	}
	x := p.number(depth - 1)
	switch p.IntN(5) {
	case 0:
		return "(" + x + pick(p.Rand, " + ", " - ", "*", " & ", " | ", " ^ ", " / ", " % ") + p.number(depth-1) + ")"
	case 1:
		return "(" + x + pick(p.Rand, "<<", ">>") + fmt.Sprint(p.IntN(8)) + ")"
	case 2:
		return "(" + x + " " + pick(p.Rand, "+", "-", "/", "%", "&", "|", "^", "*") + " " + fmt.Sprint(1+p.IntN(300)) + ")"
	case 3:
		return "-" + x
	}
	return x
}

// TestLibpcapRandom compares expressions made at random, over frames that no
// load reads beyond: in others it shows which of many needless tests are left
// out.
func TestLibpcapRandom(t *testing.T) {
	p := phrases{rand.New(rand.NewPCG(7, 7))}
	accepted := 0
	for _, l := range testLinks {
		if l.number == 105 || l.number == 117 {
			continue // numbers spoil libpcap's length of the variable header
		}
		f := frames{rand.New(rand.NewPCG(8, uint64(l.number))), []uint32{inet6()}}
		for range 15 {
			text := p.expr(3)
			if l.number == 240 && regexp.MustCompile(`inbound|outbound|ifindex`).MatchString(text) {
				continue // libpcap looks 4 bytes beside the kernel's note
			}
			theirs, fault := tcpdump(t, "-y", l.name, "--", text)
			if strings.Contains(fault, " by zero") {
				continue // libpcap computes what is never reached
			}
			ours, err := Compile(text, Config{Link: l.number})
			if err != nil && fault != "" {
				continue // the link type has no such addresses
			}
			if err != nil || fault != "" {
				t.Errorf("%s: Compile(%q) = %v, of libpcap %q", l.name, text, err, fault)
				continue
			}
			for range 1000 {
				frame := f.whole(l.number)
				for range 200 {
					frame = append(frame, byte(f.IntN(256)))
				}
				got := ours.Match(frame, len(frame))
				want := matches(theirs, frame, len(frame))
				if got != want {
					t.Errorf("%s, %q: Match(%x) = %v, want %v as of libpcap", l.name, text, frame, got, want)
					break
				}
				if got {
					accepted++
				}
			}
		}
	}
	if accepted < 10000 {
		t.Errorf("only %d frames were accepted", accepted)
	}
}
