package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"

	"golang.org/x/net/bpf"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
)

// Rule says which frames count. The zero value takes all TCP.
//
// Expr holds for a packet behind no, one or two VLAN tags, and with IPv6
// extension headers as if they were not there. Where it has the word vlan, it
// says itself which tags are there, and nothing is looked for behind others.
type Rule struct {
	Expr    string          // pcap-filter text, "dst port 25"; empty for all TCP
	Program *filter.Program // a compiled filter to use instead of Expr, for one link type; nothing is added to it

	// P0f takes the frames that p0f 3.09b takes, and decodes them as it does:
	// see packet.Decoder.
	P0f bool
}

// link is what frames of one link type need.
type link struct {
	decoder packet.Decoder
	filter  *filter.Program
	// bare is the filter for frames without their IPv6 extension headers; nil
	// where it is not needed.
	bare    *filter.Program
	late    bool // the filter is for all TCP, and asked behind the decoder: see takes
	scratch [512]byte
}

func (r *Rule) newLink(t packet.LinkType, live bool) (*link, error) {
	if r.Program != nil && !live && r.Program.NeedsKernel() {
		return nil, errNeedsKernel
	}
	take, bare, err := r.compile(filter.Config{Link: int(t), Savefile: !live}, 2)
	if err != nil {
		return nil, err
	}
	return &link{
		decoder: packet.Decoder{Link: t, P0f: r.P0f}, filter: take, bare: bare,
		late: r.Expr == "" && r.Program == nil && t == packet.LinkEthernet,
	}, nil
}

// Kernel returns the rule as a program for a packet socket whose frames are of
// link type t. Of IPv6 packets with extension headers it lets pass what may be
// TCP: a program without loops cannot follow the headers. The engine holds
// these against the rule.
func (r *Rule) Kernel(t packet.LinkType) ([]bpf.RawInstruction, error) {
	// The outermost tag is not in the frame: what is left of two is one. Only
	// a rule that speaks of tags needs to ask the kernel for it, as p0f's does;
	// that makes programs three times as long, and kernels before 6.8 refuse
	// those of more than about 700 instructions.
	asks := r.P0f || namesTags.MatchString(r.Expr)
	take, _, err := r.compile(filter.Config{Link: int(t), KernelVLAN: asks && t == packet.LinkEthernet}, 1)
	if err != nil {
		return nil, err
	}
	return take.Instructions(), nil
}

// Check reports what is wrong with the rule for frames of link type t.
func (r *Rule) Check(t packet.LinkType) error {
	_, _, err := r.compile(filter.Config{Link: int(t)}, 2)
	return err
}

// extended matches IPv6 packets whose first header is an extension header, or
// a fragment's, and is followed by TCP or another one. Most with hop-by-hop
// options are of multicast, and do not pass.
const extended = "(ip6[6] = 0 or ip6[6] = 43 or ip6[6] = 44 or ip6[6] = 60) and " +
	"(ip6[40] = 6 or ip6[40] = 0 or ip6[40] = 43 or ip6[40] = 44 or ip6[40] = 60)"

// errNeedsKernel refuses a program for what a file does not record.
var errNeedsKernel = errors.New("the filter program asks for a packet's direction or interface, which a file does not record")

// namesKernel finds the words about what the kernel alone knows of a frame. It is
// not known any more when the engine has a frame, so a rule with one of them is
// the kernel's alone: packets with extension headers are not looked at again.
var namesKernel = regexp.MustCompile(`\b(inbound|outbound|ifindex)\b`)

var namesTags = regexp.MustCompile(`\bvlan\b`)

// compile returns the filter that frames are taken by, with so many tags at
// the most, and the one for link.bare.
func (r *Rule) compile(cfg filter.Config, tags int) (take, bare *filter.Program, err error) {
	if r.Program != nil {
		return r.Program, nil, nil
	}
	cfg.Extended = !r.P0f
	text := "tcp"
	if r.Expr != "" {
		// On its own first, so that an error speaks of the rule as given.
		if _, err := filter.Compile(r.Expr, cfg); err != nil {
			return nil, nil, err
		}
		text = "tcp and (" + r.Expr + ")"
	}
	switch {
	case r.P0f && cfg.Link == int(packet.LinkEthernet):
		tags = 1 // p0f v3 §1.1
	case r.P0f:
		tags = 0
	case namesTags.MatchString(r.Expr):
		// "vlan" moves what stands behind it.
		text, tags = "("+r.Expr+") and tcp", 0
	}
	// Fewer where the link type has no tags, or the program gets too long.
	for ; tags >= 0; tags-- {
		if bare, err = filter.Compile(tagged(text, tags), cfg); err != nil {
			continue
		}
		if take = bare; !r.P0f && !namesKernel.MatchString(r.Expr) {
			if take, err = filter.Compile(tagged("("+text+") or ("+extended+")", tags), cfg); err != nil {
				continue
			}
		}
		break
	}
	switch {
	case err != nil:
		return nil, nil, err
	case bare.RejectsAll():
		return nil, nil, fmt.Errorf("filter %q: no TCP packet can match it", r.Expr)
	case r.P0f || namesKernel.MatchString(r.Expr):
		bare = nil
	}
	return take, bare, nil
}

// tagged is a rule for a packet behind so many VLAN tags at the most.
func tagged(text string, tags int) string {
	if tags == 0 {
		return text
	}
	return "(" + text + ") or (vlan and (" + tagged(text, tags-1) + "))"
}

// takes asks the filter for all TCP. Most frames it need not: it takes what
// decodes and is what its EtherType says, without tags and extension headers.
func (l *link) takes(f *capture.Frame, s *packet.Segment, err error) bool {
	const tagless, ipv4, ipv6 = 14, 0x0800, 0x86dd
	if err == nil && s.ExtLen == 0 && s.PayloadOff == tagless+uint16(s.HeaderLen) {
		kind := binary.BigEndian.Uint16(f.Data[tagless-2:])
		if kind == ipv4 && s.Version == 4 || kind == ipv6 && s.Version == 6 {
			return true
		}
	}
	return l.filter.Match(f.Data, f.WireLen)
}

// counts reports whether a frame counts that the filter took, and that did not
// decode or has extension headers: all others do.
func (l *link) counts(f *capture.Frame, s *packet.Segment, err error) bool {
	switch {
	case l.bare == nil:
		return true
	case err != nil:
		return err != packet.ErrNotTCP // but something else behind extension headers
	}
	return l.bareMatches(f, s)
}

// bareMatches holds a frame against the rule, without its extension headers,
// and with the tag that the kernel took out.
func (l *link) bareMatches(f *capture.Frame, s *packet.Segment) bool {
	const tagAt = 12 // in an Ethernet frame
	tcp := int(s.PayloadOff) - int(s.HeaderLen) + 40
	ext := int(s.ExtLen)
	ip := tcp - ext - 40
	b, data, wire := l.scratch[:0], f.Data, f.WireLen-ext
	if len(data)-ext+4 > cap(b) {
		data = data[:cap(b)-4+ext] // no need of all its data
	}
	if tcp > len(data) {
		return false // no link header is so long
	}
	from := 0
	if f.Tagged && l.decoder.Link == packet.LinkEthernet {
		b = append(b, data[:tagAt]...)
		b = append(b, 0x81, 0, byte(f.VLAN>>8), byte(f.VLAN))
		from = tagAt
		wire += 4
	}
	b = append(b, data[from:ip+40]...)
	ip = len(b) - 40
	b = append(b, data[tcp:]...)
	b[ip+6] = 6 // TCP is the next header
	if length := b[ip+4 : ip+6]; length[0]|length[1] != 0 {
		binary.BigEndian.PutUint16(length, binary.BigEndian.Uint16(length)-uint16(ext))
	}
	return l.bare.Match(b, wire)
}
