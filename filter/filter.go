// Package filter compiles the filter language of tcpdump and libpcap, such as
// "tcp dst port 25 and not net 192.0.2.0/24", into a classic BPF program, and
// runs such programs.
//
// Use it where libpcap cannot be linked: to attach a filter to a packet socket
// or to /dev/bpf, or to choose frames of a capture file in user space. A
// Program compiled here accepts the frames that the program libpcap 1.10.3
// compiles from the same text accepts; the tests compare the two. A
// Program's Match does not allocate, reads nothing beyond the frame it is
// given, and always ends, because no Program exists that was not checked as
// the Linux kernel checks one.
//
// Do not use it to look up names: "host mail.example.org" is an error, give
// addresses. Services and protocols are known by name from a small table of
// the package's own, so that a filter means the same on every machine. Do not
// use it for eBPF.
//
// # Language
//
// The language is that of the manual page pcap-filter(7), without what a mail
// server has no use for:
//
//	host net port portrange              with src, dst, "src or dst", "src and dst"
//	ip ip6 arp rarp                      alone, or before host and net
//	tcp udp sctp                         alone, or before port and portrange
//	icmp icmp6 igmp pim ah esp vrrp      alone
//	proto N, ip proto N, ip6 proto N     also by name: proto tcp, proto \tcp
//	ether host MAC, ether proto N        with src, dst and so on; proto by name, too
//	inbound outbound ifindex N           which way and where, of what is captured live
//	broadcast multicast                  alone, or after ip; ip6 multicast
//	vlan, vlan N                         shifts what stands after it by one tag
//	less N, greater N                    length on the wire
//	a = b, != < <= > >=                  between numbers, len and data
//	tcp[13], ip[2:2], ip6[6], ether[0:4] data, combined by + - * / % & | ^ << >>
//	and or not && || ! ( )               "and" and "or" bind alike, to the left
//
// As in libpcap, qualifiers are inherited ("port 25 or 587"); "port" means
// TCP, UDP or SCTP; ports are found behind IPv4 options but not behind IPv6
// extension headers and not in later fragments; tcp[…] and its like look at
// IPv4 alone; "tcp" looks behind an IPv6 fragment header; and a test that
// would read beyond the captured bytes rejects the frame, even under "not".
//
// Link types are those of the capture files: 0 (BSD loopback), 1 (Ethernet), 6
// (Token Ring), 9, 50, 51 and 166 (PPP), 12, 14 and 101 (raw IP), 100 (ATM), 104
// (Cisco HDLC), 105 (IEEE 802.11), 108 (OpenBSD loopback), 109 (OpenBSD enc), 113
// and 276 (Linux cooked), 117 (pflog), 129 (ARCNET), 138 (IEEE 1394), 226 (Solaris
// ipnet), 228 (IPv4), 229 (IPv6), 240 (netANALYZER).
//
// # Differences from libpcap
//
// "proto tcp" needs no backslash. "ip broadcast" takes 0.0.0.0 and
// 255.255.255.255, as in p0f: the mask of a network is not looked up. A number that
// is a constant offset of 2³¹ or more into a frame is an error.
//
// In a frame captured in part, which test comes first decides if a read beyond
// the end is met before the frame is accepted. This package tests from left to
// right and leaves out tests that cannot change the outcome. libpcap does the
// same for most expressions, but may bring together the tests of one field, as
// in "port 25 or 587 or 465", and leave in some that need not be made.
//
// Not copied are three faults of libpcap 1.10.3: x & 0xffffffff = 0 holds there
// for no x; behind a link header of variable length (802.11, pflog), numbers
// to the left of a condition can spoil the header's length; and with tags taken
// out by the kernel, "(ip or vlan) and ip" tests them in the wrong order.
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning. A filter that compiles today will compile, and means the same.
package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/bpf"
)

// ErrLink is the error for a link type the compiler does not know.
var ErrLink = errors.New("filter: link type not supported")

// ErrLong is the error for an expression that needs more instructions or more
// scratch memory than a BPF program may have.
var ErrLong = errors.New("filter: expression too long")

// Config says for what frames an expression is compiled. The zero Config is
// for link type 0, BSD loopback.
type Config struct {
	// Link is the link type as numbered in pcap and pcapng files
	// (LINKTYPE_ values; 1 is Ethernet).
	Link int

	// SnapLen is the number of bytes an accepted frame is to be cut to,
	// which is what a kernel takes from the program's result. 0 means
	// 262144. It has no effect on which frames are accepted.
	SnapLen int

	// KernelVLAN is for a program to be attached to a Linux packet socket,
	// where the kernel takes the outermost VLAN tag out of the frame before
	// the program sees it. "vlan" then looks at the kernel's note of the tag
	// and, without one, into the frame. It concerns Ethernet alone.
	KernelVLAN bool

	// Savefile is for frames from a file. The header of link types 0 and 108
	// holds an address family, and that of IPv6 has a different number on
	// each BSD: with Savefile all three are accepted, and for link type 0 in
	// both byte orders; without, the number of this system. "inbound",
	// "outbound" and "ifindex" are errors for link types that do not record it.
	Savefile bool

	// Extended takes more than libpcap knows of link layers: VLAN tags behind
	// the headers of Linux's "any" device (types 113 and 276), the IPv6 of
	// every system in pflog (117), and in 802.11 (105) the frames with a
	// fourth address or an HT control field.
	Extended bool
}

// Program is a BPF program that has been checked. It is immutable and safe for
// concurrent use.
type Program struct{ code []bpf.RawInstruction }

// Compile compiles an expression; the empty one accepts all frames. Errors in
// the text are of type *Error; others are ErrLink and ErrLong.
//
// An expression that no frame can pass compiles; see RejectsAll.
func Compile(expr string, cfg Config) (*Program, error) {
	ll, err := linkLayer(cfg)
	if err != nil {
		return nil, err
	}
	tree, err := parse(expr)
	if err != nil {
		return nil, err
	}
	snap := uint32(cfg.SnapLen)
	if cfg.SnapLen <= 0 || int64(cfg.SnapLen) > 0x7fffffff {
		snap = 262144
	}
	g := &generator{ll: ll, kernelVLAN: cfg.KernelVLAN, savefile: cfg.Savefile}
	c := g.condition(tree)
	if g.err == nil && ll.kind == kindWLAN && g.payloadUsed {
		// Offsets in 802.11 frames are computed by jumps that libpcap's
		// optimizer cannot follow, so it leaves such programs alone, and
		// they reject short frames by loads that are not needed.
		g = &generator{ll: ll, kernelVLAN: cfg.KernelVLAN, savefile: cfg.Savefile, keepLoads: true}
		c = g.condition(tree)
	}
	if g.err != nil {
		return nil, g.err
	}
	raw, err := assemble(g.preamble(), c, snap)
	if err != nil {
		return nil, err
	}
	p, err := New(raw)
	if err != nil {
		return nil, fmt.Errorf("filter: the compiled program is invalid: %w", err)
	}
	return p, nil
}

// New makes a Program of instructions that come from elsewhere. It returns
// ErrProgram, wrapped, where Linux would refuse them.
func New(raw []bpf.RawInstruction) (*Program, error) {
	if err := check(raw); err != nil {
		return nil, err
	}
	return &Program{slices.Clone(raw)}, nil
}

// Instructions returns a copy of the program, ready for SO_ATTACH_FILTER or
// BIOCSETF.
func (p *Program) Instructions() []bpf.RawInstruction {
	return slices.Clone(p.code)
}

// String returns the program as "tcpdump -ddd" prints one: the number of
// instructions, then each as four decimal numbers on a line of its own. Parse
// reads it.
func (p *Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", len(p.code))
	for _, r := range p.code {
		fmt.Fprintf(&b, "%d %d %d %d\n", r.Op, r.Jt, r.Jf, r.K)
	}
	return b.String()
}
