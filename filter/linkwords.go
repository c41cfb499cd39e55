package filter

import (
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// What a word about the link layer asks.
type linkWord uint8

const (
	wordInbound linkWord = iota
	wordOutbound
	wordBroadcast
	wordMulticast
	wordIfIndex
)

// notice is a word about the link layer: "inbound", "ip multicast", "ifindex 3".
type notice struct {
	word  linkWord
	proto protocol
	at    token
	index uint32 // of an interface
}

// outgoing is PACKET_OUTGOING of packet(7).
const outgoing = 4

func (g *generator) notice(x notice) *cond {
	switch x.word {
	case wordInbound, wordOutbound:
		return g.packetDirection(x)
	case wordIfIndex:
		if g.ll.number == 276 {
			return equal(g.at(4, 4, false), x.index)
		}
		return g.fromKernel(x, bpf.RawInstruction{Op: ldAbs | sizeW, K: adIfIndex}, x.index)
	case wordBroadcast:
		return g.broadcast(x)
	}
	return g.multicast(x)
}

// fromKernel tests a note of the kernel, which a file does not record.
func (g *generator) fromKernel(x notice, load bpf.RawInstruction, v uint32) *cond {
	if g.savefile || g.ll.number == 240 {
		return g.fail(x.at.errorf("not recorded in frames of link type %d; it is for a live capture", g.ll.number))
	}
	return equal([]bpf.RawInstruction{load}, v)
}

// packetDirection tests whether a frame was received or sent.
func (g *generator) packetDirection(x notice) *cond {
	in := x.word == wordInbound
	var sent *cond
	switch g.ll.number {
	case 113: // LINKTYPE_LINUX_SLL
		sent = equal(g.at(2, 0, false), outgoing)
	case 276: // LINKTYPE_LINUX_SLL2
		sent = equal(g.at(1, 10, false), outgoing)
	case 117: // LINKTYPE_PFLOG, PF_IN and PF_OUT
		return equal(g.at(1, 60, false), pickDirection(in, 1, 2))
	case 166: // LINKTYPE_PPP_PPPD
		return equal(g.at(1, 0, false), pickDirection(in, 0, 1))
	case 226: // LINKTYPE_IPNET
		return equal(g.at(2, 2, false), pickDirection(in, 2, 1))
	default:
		sent = g.fromKernel(x, bpf.RawInstruction{Op: ldAbs | sizeH, K: adPacketType}, outgoing)
	}
	if in {
		return not(sent)
	}
	return sent
}

func pickDirection(in bool, received, sent uint32) uint32 {
	if in {
		return received
	}
	return sent
}

// address tests an Ethernet address.
func (g *generator) address(mac uint64, dir direction) *cond {
	return g.direct(dir, func(offset uint32) *cond {
		return and(equal(g.at(4, offset+2, false), uint32(mac)), equal(g.at(2, offset, false), uint32(mac>>32)))
	}, g.ll.src, g.ll.dst)
}

func (g *generator) macOperand(x operand) *cond {
	switch {
	case x.qual.proto.layer != layerLink || x.qual.typ != typeHost:
		return g.fail(x.at.errorf("an Ethernet address needs ether before it, as in ether host %s", x.at.text))
	case !g.ll.macs:
		return g.fail(x.at.errorf("link type %d has no Ethernet addresses that can be tested", g.ll.number))
	}
	return g.address(x.at.mac, x.qual.dir)
}

func (g *generator) broadcast(x notice) *cond {
	const everyone, arcnet = 1<<48 - 1, 129
	switch {
	case x.proto.word == "ip":
		// The mask of a network is not looked up: what is left is the same in all.
		return and(g.etherType(etherIPv4), or(equal(g.atPayload(4, 16), 0), equal(g.atPayload(4, 16), 0xffffffff)))
	case x.proto.layer != layerAny && x.proto.layer != layerLink:
		return g.fail(x.at.errorf("%s has no broadcast", x.proto.word))
	case g.ll.number == arcnet:
		return equal(g.at(1, 1, false), 0)
	case !g.ll.macs:
		return g.fail(x.at.errorf("link type %d has no broadcast that can be tested", g.ll.number))
	}
	return g.address(everyone, dirDst)
}

func (g *generator) multicast(x notice) *cond {
	switch {
	case x.proto.word == "ip":
		return and(g.etherType(etherIPv4), when(g.atPayload(1, 16), jge, 224))
	case x.proto.word == "ip6":
		return and(g.etherType(etherIPv6), equal(g.atPayload(1, 24), 0xff))
	case x.proto.layer != layerAny && x.proto.layer != layerLink:
		return g.fail(x.at.errorf("%s has no multicast", x.proto.word))
	case g.ll.number == 129:
		return equal(g.at(1, 1, false), 0)
	case !g.ll.macs:
		return g.fail(x.at.errorf("link type %d has no multicast that can be tested; ip multicast and ip6 multicast can", g.ll.number))
	}
	return when(g.at(1, g.ll.dst, false), jset, 1)
}

// linkProto tests the type of the payload, "ether proto 0x0800".
func (g *generator) linkProto(n uint32, at token) *cond {
	const longestLength = 1500 // a type field up to it is a length, and LLC follows
	switch n {
	case 0xfe, 0xf0, 0xe0, 0x809b, 0x80f3:
		return g.fail(at.errorf("ISO, NetBEUI, IPX and AppleTalk are not supported"))
	}
	if n > 0xffff {
		return g.fail(at.errorf("the types of a link layer end at 0xffff"))
	}
	if n > longestLength {
		return g.etherType(n)
	}
	switch g.ll.number {
	case 1, 240:
		length := not(when(g.atType(), jgt, longestLength))
		return and(length, equal(g.atPayload(1, 0), n))
	case 113:
		return and(equal(g.at(2, g.ll.typeAt, false), 4), equal(g.atPayload(1, 0), n))
	case 6, 100:
		return equal(g.at(1, g.ll.payload-8, false), n)
	}
	if g.ll.kind == kindWLAN {
		return g.fail(at.errorf("types of link type 105 begin at %d", longestLength+1))
	}
	return g.etherType(n)
}

// linkTypes are the names that may follow "ether proto".
var linkTypes = map[string]uint32{"ip": etherIPv4, "ip6": etherIPv6, "arp": etherARP, "rarp": etherRARP}

// parseMAC reads an Ethernet address in the spellings of libpcap.
func parseMAC(s string) (uint64, bool) {
	for _, sep := range []string{":", "-", "."} {
		parts := strings.Split(s, sep)
		switch longest := 2; {
		case len(parts) == 3 && sep == ".", len(parts) == 6:
			if len(parts) == 3 {
				longest = 4
			}
			var mac uint64
			for _, part := range parts {
				n, err := strconv.ParseUint(part, 16, 4*longest)
				if err != nil || len(part) > longest || longest == 4 && len(part) != 4 {
					return 0, false
				}
				mac = mac<<(4*longest) | n
			}
			return mac, true
		}
	}
	if len(s) != 12 {
		return 0, false
	}
	mac, err := strconv.ParseUint(s, 16, 48)
	return mac, err == nil
}

// macPrefix returns the length of the Ethernet address with colons that s begins
// with, or 0.
func macPrefix(s string) int {
	n := 0
	for n < len(s) && (strings.IndexByte("0123456789abcdefABCDEF:", s[n]) >= 0) {
		n++
	}
	if strings.Count(s[:n], ":") != 5 {
		return 0
	}
	if _, ok := parseMAC(s[:n]); !ok {
		return 0
	}
	return n
}

// similar returns the word that was probably meant, or nothing.
func similar(word string) string {
	best, least := "", 4
	for w := range keywords {
		if len(w) < 3 {
			continue
		}
		d := 3 * edits(word, w) // one, and a letter in common at the start
		if word[0] == w[0] {
			d--
		}
		if d < least || d == least && best != "" && w < best {
			best, least = w, d
		}
	}
	return best
}

// edits is the number of letters to insert, remove or change.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
