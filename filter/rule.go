package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"golang.org/x/net/bpf"
)

// Rule says which frames count. The zero value takes all TCP.
//
// Expr holds for a packet after no, one or two VLAN tags, and with IPv6
// extension headers as if they were not there. Where it has the word vlan, it
// says itself which tags are there, and no more are looked for.
type Rule struct {
	Expr    string   // pcap-filter text, "dst port 25"; empty for all TCP
	Program *Program // a compiled filter to use instead of Expr, for one link type; nothing is added to it

	// P0f takes the frames that p0f 3.09b takes: see packet.Decoder.
	P0f bool

	// Tunnels are kinds of tunnels, as package packet names them, whose frames
	// Kernel lets pass, too; TunnelsFrom are the networks that those of IP come
	// from, and empty for all. Match takes none of them: it is for what is inside.
	Tunnels     []string
	TunnelsFrom []netip.Prefix
}

// LinkRule is a Rule for the frames of one link type. It is not safe for
// concurrent use.
type LinkRule struct {
	take *Program
	// bare is the filter for frames without their IPv6 extension headers; nil
	// where it is not needed.
	bare    *Program
	link    int
	all     bool // of Ethernet: takes all TCP
	scratch [512]byte
}

// ForLink compiles the rule for frames of a link type, as numbered in capture
// files. live frames come from the network, and not from a file.
func (r *Rule) ForLink(link int, live bool) (*LinkRule, error) {
	if r.Program != nil && !live && r.Program.NeedsKernel() {
		return nil, errNeedsKernel
	}
	take, bare, err := r.compile(Config{Link: link, Savefile: !live}, 2)
	if err != nil {
		return nil, err
	}
	all := link == ethernet && r.Expr == "" && r.Program == nil
	return &LinkRule{take: take, bare: bare, link: link, all: all}, nil
}

// Match reports whether the rule takes a frame. Of IPv6 packets with extension
// headers it takes those that may be TCP: see MatchWithout.
func (l *LinkRule) Match(frame []byte, wireLen int) bool {
	if l.all && isTCP(frame) {
		return true
	}
	return l.take.Match(frame, wireLen)
}

// isTCP reports whether a frame of Ethernet is of TCP right behind an IP header, which all
// programs for TCP take. To run one for each frame is 6 % of reading a file.
func isTCP(frame []byte) bool {
	if len(frame) < 24 {
		return false
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		return frame[23] == 6
	case 0x86dd:
		return frame[20] == 6
	}
	return false
}

// Extended reports whether Match takes packets that may turn out, after their
// IPv6 extension headers, not to be TCP or not to match.
func (l *LinkRule) Extended() bool { return l.bare != nil }

// Kernel returns the rule as a program for a packet socket whose frames are of
// a link type. Of IPv6 packets with extension headers it takes what may be TCP: a
// program without loops cannot follow the headers. Match these with MatchWithout.
//
// With Tunnels it takes their frames, too, whatever they hold: match all that it
// takes, opened, with Match.
func (r *Rule) Kernel(link int) ([]bpf.RawInstruction, error) {
	if len(r.Tunnels) > 0 {
		take, err := r.kernelTunnels(link)
		if err != nil {
			return nil, err
		}
		return take.Instructions(), nil
	}
	// The outermost tag is not in the frame: what is left of two is one. Only
	// a rule that speaks of tags needs to ask the kernel for it, as p0f's does;
	// that makes programs three times as long, and kernels before 6.8 refuse
	// those of more than about 700 instructions.
	asks := r.P0f || namesTags.MatchString(r.Expr)
	take, _, err := r.compile(Config{Link: link, KernelVLAN: asks && link == ethernet}, 1)
	if err != nil {
		return nil, err
	}
	return take.Instructions(), nil
}

// Check reports what is wrong with the rule for frames of a link type.
func (r *Rule) Check(link int) error {
	if len(r.Tunnels) > 0 {
		_, err := r.kernelTunnels(link)
		return err
	}
	_, _, err := r.compile(Config{Link: link}, 2)
	return err
}

// errBlank refuses a rule of spaces alone.
var errBlank = errors.New("filter: the rule is blank; an empty one takes all TCP")

// errNeedsKernel refuses a program for what a file does not record.
var errNeedsKernel = errors.New("the filter program asks for a packet's direction or interface, which a file does not record")

// namesKernel finds the words about what the kernel alone knows of a frame. It is
// not known any more when the engine has a frame, so a rule with one of them is
// the kernel's alone: packets with extension headers are not looked at again.
var namesKernel = regexp.MustCompile(`\b(inbound|outbound|ifindex)\b`)

// extended matches IPv6 packets whose first header is an extension header, or
// a fragment's, and is followed by TCP or another one. Most with hop-by-hop
// options are of multicast, and do not pass.
const extended = "(ip6[6] = 0 or ip6[6] = 43 or ip6[6] = 44 or ip6[6] = 60) and " +
	"(ip6[40] = 6 or ip6[40] = 0 or ip6[40] = 43 or ip6[40] = 44 or ip6[40] = 60)"

var namesTags = regexp.MustCompile(`\bvlan\b`)

// compile returns the filter that frames are taken by, with up to that number of
// tags, and the one for LinkRule.bare.
func (r *Rule) compile(cfg Config, tags int) (take, bare *Program, err error) {
	if r.Program != nil {
		return r.Program, nil, nil
	}
	cfg.Extended = !r.P0f
	text, err := r.tcp(cfg)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case r.P0f && cfg.Link == ethernet:
		tags = 1 // p0f-v3.md §1.1
	case r.P0f:
		tags = 0
	case namesTags.MatchString(r.Expr):
		// "vlan" moves what stands behind it.
		text, tags = "("+r.Expr+") and tcp", 0
	}
	// Fewer where the link type has no tags, or the program gets too long.
	for ; tags >= 0; tags-- {
		if bare, err = Compile(tagged(text, tags), cfg); err != nil {
			continue
		}
		if take = bare; !r.P0f && !namesKernel.MatchString(r.Expr) {
			if take, err = Compile(tagged("("+text+") or ("+extended+")", tags), cfg); err != nil {
				continue
			}
		}
		break
	}
	switch {
	case err != nil:
		return nil, nil, err
	case bare.RejectsAll():
		return nil, nil, r.errNone()
	case r.P0f || namesKernel.MatchString(r.Expr):
		bare = nil
	}
	return take, bare, nil
}

func (r *Rule) errNone() error { return fmt.Errorf("filter %q: no TCP packet can match it", r.Expr) }

// tcp is the expression, of TCP alone.
func (r *Rule) tcp(cfg Config) (string, error) {
	switch {
	case r.Expr == "":
		return "tcp", nil
	case strings.TrimSpace(r.Expr) == "":
		return "", errBlank
	}
	// On its own first, so that an error speaks of the rule as given.
	if _, err := Compile(r.Expr, cfg); err != nil {
		return "", err
	}
	return "tcp and (" + r.Expr + ")", nil
}

// tagged is a rule for a packet after at most that many VLAN tags.
func tagged(text string, tags int) string {
	if tags == 0 {
		return text
	}
	return "(" + text + ") or (vlan and (" + tagged(text, tags-1) + "))"
}

// ethernet is the link type whose frames may have a tag.
const ethernet = 1

// Extensions is where the parts of an IPv6 packet with extension headers are in
// its frame.
type Extensions struct {
	TCP int // offset of the TCP header
	Len int // bytes of extension headers before it; the IPv6 header is before them

	// VLAN is the tag that the kernel took out of the frame. Valid iff Tagged.
	VLAN   uint16
	Tagged bool
}

// MatchWithout reports whether the rule takes a frame without its extension
// headers, and with the tag that the kernel took out.
func (l *LinkRule) MatchWithout(frame []byte, wireLen int, x Extensions) bool {
	const (
		tagAt   = 12 // in an Ethernet frame
		header6 = 40
	)
	if l.bare == nil {
		return true
	}
	ip := x.TCP - x.Len - header6
	b, data, wire := l.scratch[:0], frame, wireLen-x.Len
	if len(data)-x.Len+4 > cap(b) {
		data = data[:cap(b)-4+x.Len] // no need of all its data
	}
	if x.TCP > len(data) {
		return false // no link header is so long
	}
	from := 0
	if x.Tagged && l.link == ethernet {
		b = append(b, data[:tagAt]...)
		b = append(b, 0x81, 0, byte(x.VLAN>>8), byte(x.VLAN))
		from = tagAt
		wire += 4
	}
	b = append(b, data[from:ip+header6]...)
	ip = len(b) - header6
	b = append(b, data[x.TCP:]...)
	b[ip+6] = 6 // TCP is the next header
	if length := b[ip+4 : ip+6]; length[0]|length[1] != 0 {
		binary.BigEndian.PutUint16(length, binary.BigEndian.Uint16(length)-uint16(x.Len))
	}
	return l.bare.Match(b, wire)
}
