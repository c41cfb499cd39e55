package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

var _ ring = (*capture.Ring)(nil) // or it would be Read

// ports is an observer that keeps the ports of clients.
type ports struct {
	mu   sync.Mutex
	seen []uint16
}

func (p *ports) Observe(o *event.Observation) {
	if !o.Module.Fingerprint() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, o.Client.Port())
}

func (*ports) Flush() (int, error) { return 0, nil }

func (p *ports) all() []uint16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// TestLiveTags sends frames with tags and extension headers over a veth, whose
// kernel takes the outer tag out and runs the rule.
func TestLiveTags(t *testing.T) {
	pair := lab.NewPair(t)
	syn := labFrame(t).Data
	port26 := append([]byte(nil), syn...)
	binary.BigEndian.PutUint16(port26[14+20+2:], 26)
	syn6, other6 := labSYN6(t, 25), labSYN6(t, 26)
	frames := []struct {
		name  string
		frame []byte
		want  bool
		p0f   bool
		vlan  bool // by a rule with that word
	}{
		{"plain", syn, true, true, false},
		{"tagged", tagFrame(syn, 0x8100), true, true, true},
		{"tagged 88a8", tagFrame(syn, 0x88a8), true, true, true},
		{"QinQ", tagFrame(syn, 0x88a8, 0x8100), true, false, false},
		{"QinQ of 802.1Q", tagFrame(syn6, 0x8100, 0x8100), true, false, false},
		{"another port", port26, false, false, false},
		{"another port, tagged", tagFrame(port26, 0x8100), false, false, false},
		{"another port, QinQ", tagFrame(port26, 0x8100, 0x8100), false, false, false},
		{"hop-by-hop options", extend(syn6, 0), true, false, false},
		{"hop-by-hop and destination options, routing", extend(syn6, 0, 60, 43), true, false, false},
		{"first fragment", extend(syn6, 44), true, false, false},
		{"hop-by-hop options, another port", extend(other6, 0), false, false, false},
		{"options, tagged", tagFrame(extend(syn6, 60), 0x8100), true, false, true},
		{"options, QinQ", tagFrame(extend(syn6, 60), 0x8100, 0x8100), true, false, false},
		{"options, QinQ, another port", tagFrame(extend(other6, 60), 0x8100, 0x8100), false, false, false},
		{"the last one", tagFrame(syn, 0x8100), true, true, true},
	}
	const first = 20000 // the client's port of the first frame
	for i := range frames {
		f := &frames[i]
		f.frame = slices.Clone(f.frame)
		at := len(f.frame) - 40 // TCP with 20 bytes of options, which the lab's SYNs have
		binary.BigEndian.PutUint16(f.frame[at:], uint16(first+i))
	}
	for _, rule := range []filter.Rule{{Expr: "dst port 25"}, {Expr: "dst port 25", P0f: true}, {Expr: "vlan 42 and dst port 25"}} {
		t.Run(fmt.Sprintf("%+v", rule), func(t *testing.T) {
			seen := new(ports)
			e := made(New(silent(t, Config{Rule: rule, Observers: []event.Observer{seen}})))
			stop := runRing(t, pair.Server, rule, e)
			defer stop()
			send(t, pair.Client, func(send func([]byte)) {
				for _, f := range frames {
					send(f.frame)
				}
			})
			last := uint16(first + len(frames) - 1)
			for end := time.Now().Add(time.Minute); !slices.Contains(seen.all(), last); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the last frame does not come")
				}
			}
			var got, want []string
			for i, f := range frames {
				if slices.Contains(seen.all(), uint16(first+i)) {
					got = append(got, f.name)
				}
				if f.want && !rule.P0f && rule.Expr == "dst port 25" || f.p0f && rule.P0f || f.vlan && rule.Expr != "dst port 25" {
					want = append(want, f.name)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("seen:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// runRing captures in a namespace, until the function returned is called.
func runRing(t testing.TB, ns *lab.NetNS, rule filter.Rule, e *Engine) (stop func()) {
	t.Helper()
	var ring *capture.Ring
	if err := ns.Do(func() error {
		link, err := capture.RingLink(ns.If)
		if err != nil {
			return err
		}
		program, err := rule.Kernel(int(link))
		if err != nil {
			return err
		}
		ring, err = capture.OpenRing(capture.Config{Interface: ns.If, Filter: program, RingBytes: 1 << 20})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- e.Run(ctx, ring) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		ring.Close()
	}
}

// send lends fn a function that sends Ethernet frames from a namespace.
func send(t testing.TB, ns *lab.NetNS, fn func(send func([]byte))) {
	t.Helper()
	fd, index := -1, 0
	if err := ns.Do(func() error {
		dev, err := net.InterfaceByName(ns.If)
		if err != nil {
			return err
		}
		index = dev.Index
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	fn(func(frame []byte) {
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: index}); err != nil {
			t.Fatal(err)
		}
	})
}

// inGRE, inVXLAN and the like put an Ethernet frame of IPv4 or IPv6 into an outer
// packet from src; the others have no sender.
func inGRE(src [4]byte, frame []byte) []byte {
	return outer4(src, 47, slices.Concat([]byte{0, 0, 0x65, 0x58}, frame))
}

func inVXLAN(src [4]byte, frame []byte) []byte {
	udp := binary.BigEndian.AppendUint16([]byte{0xc0, 0, 0x12, 0xb5}, uint16(16+len(frame)))
	return outer4(src, 17, slices.Concat(udp, []byte{0, 0, 8, 0, 0, 0, 0, 0, 7, 0}, frame))
}

func outer4(src [4]byte, proto byte, b []byte) []byte {
	h := slices.Concat(make([]byte, 12), []byte{8, 0, 0x45, 0, 0, 0, 0, 1, 0, 0, 64, proto, 0, 0}, src[:], []byte{198, 18, 0, 2})
	binary.BigEndian.PutUint16(h[16:], uint16(20+len(b)))
	return append(h, b...)
}

func inPPPoE(frame []byte) []byte {
	ip, proto := frame[14:], byte(0x21)
	if ip[0]>>4 == 6 {
		proto = 0x57
	}
	return slices.Concat(frame[:12], []byte{0x88, 0x64, 0x11, 0, 0, 7, 0, byte(2 + len(ip)), 0, proto}, ip)
}

func inMPLS(frame []byte) []byte {
	return slices.Concat(frame[:12], []byte{0x88, 0x47, 0, 1, 1, 64}, frame[14:])
}

// TestLiveTunnels sends tunnels over a veth: those of the kinds and networks that are
// named are opened, and what is inside is matched with the rule.
func TestLiveTunnels(t *testing.T) {
	pair := lab.NewPair(t)
	mirror, stranger := [4]byte{192, 0, 2, 1}, [4]byte{198, 51, 100, 1}
	syn := labFrame(t).Data
	port26 := slices.Clone(syn)
	binary.BigEndian.PutUint16(port26[14+20+2:], 26)
	syn6, other6 := labSYN6(t, 25), labSYN6(t, 26)
	frames := []struct {
		name  string
		frame []byte
		want  string // the tunnels; "-": not seen
	}{
		{"plain", syn, ""},
		{"plain, two tags", tagFrame(syn, 0x8100, 0x8100), ""},
		{"plain, another port", port26, "-"},
		{"VXLAN", inVXLAN(mirror, syn), "vxlan"},
		{"VXLAN, IPv6 inside", inVXLAN(mirror, syn6), "vxlan"},
		{"VXLAN, extension headers inside", inVXLAN(mirror, extend(syn6, 0, 60)), "vxlan"},
		{"VXLAN, another port", inVXLAN(mirror, port26), "-"},
		{"VXLAN, extension headers and another port", inVXLAN(mirror, extend(other6, 0)), "-"},
		{"VXLAN of a stranger", inVXLAN(stranger, syn), "-"},
		{"VXLAN of a stranger inside the mirror's", inVXLAN(mirror, inVXLAN(stranger, syn)), "-"},
		{"VXLAN inside GRE", inGRE(mirror, inVXLAN(mirror, syn)), "gre,vxlan"},
		{"GRE, tagged", tagFrame(inGRE(mirror, syn), 0x8100), "gre"},
		{"GRE of a stranger", inGRE(stranger, syn6), "-"},
		{"IP in IP, not of the kinds", outer4(mirror, 4, syn[14:]), "-"},
		{"PPPoE", inPPPoE(syn), "pppoe"},
		{"PPPoE, two tags, IPv6", tagFrame(inPPPoE(syn6), 0x8100, 0x8100), "pppoe"},
		{"PPPoE, another port", inPPPoE(other6), "-"},
		{"MPLS", inMPLS(syn), "mpls"},
		{"MPLS, another port", inMPLS(port26), "-"},
		{"three tags", tagFrame(syn, 0x8100, 0x8100, 0x8100), "vlan"},
		{"three tags, another port", tagFrame(port26, 0x8100, 0x8100, 0x8100), "-"},
		{"four tags", tagFrame(syn6, 0x88a8, 0x8100, 0x8100, 0x8100), "vlan"},
		{"the last one", syn, ""},
	}
	const first = 21000
	for i := range frames {
		f := &frames[i]
		f.frame = slices.Clone(f.frame)
		binary.BigEndian.PutUint16(f.frame[len(f.frame)-40:], uint16(first+i))
	}
	for _, anySender := range []bool{false, true} {
		seen := new(tunnels)
		kinds, err := packet.ParseTunnels([]string{"vxlan", "gre", "pppoe", "mpls", "vlan"})
		if err != nil {
			t.Fatal(err)
		}
		from := netip.MustParsePrefix("192.0.2.0/24")
		rule := filter.Rule{Expr: "dst port 25", Tunnels: slices.Collect(kinds.All), TunnelsFrom: []netip.Prefix{from}}
		if anySender { // the kernel lets all senders pass: Trusted has to see to it
			rule.TunnelsFrom = nil
		}
		e := made(New(silent(t, Config{Rule: rule, Tunnels: packet.Opener{Kinds: kinds, Trusted: from.Contains}, Workers: 2, Observers: []event.Observer{seen}})))
		stop := runRing(t, pair.Server, rule, e)
		send(t, pair.Client, func(send func([]byte)) {
			for _, f := range frames {
				send(f.frame)
			}
		})
		for end := time.Now().Add(time.Minute); seen.of(uint16(first+len(frames)-1)) == "-"; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the last frame does not come")
			}
		}
		stop()
		for i, f := range frames {
			if got := seen.of(uint16(first + i)); got != f.want {
				t.Errorf("%s: seen inside %q, want %q", f.name, got, f.want)
			}
		}
	}
}

// tunnels is an observer that keeps what SYNs were inside of, by the client's port.
type tunnels struct{ m sync.Map }

func (o *tunnels) Observe(b *event.Observation) {
	if b.Module.Fingerprint() {
		o.m.Store(b.Client.Port(), b.Segment.Tunnels.String())
	}
}

func (*tunnels) Flush() (int, error) { return 0, nil }

func (o *tunnels) of(port uint16) string {
	if kinds, ok := o.m.Load(port); ok {
		return kinds.(string)
	}
	return "-"
}
