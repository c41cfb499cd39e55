package filter

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// operand generates the test for an address, port or protocol.
func (g *generator) operand(x operand) *cond {
	if x.length != nil || x.mask != nil {
		if x.qual.typ != typeNet && (x.at.kind == tokenIPv4 || x.length.number != 128) {
			return g.fail(x.at.errorf("a prefix or mask needs net before it"))
		}
	}
	switch x.qual.typ {
	case typePort:
		return g.portOperand(x)
	case typePortRange:
		return g.rangeOperand(x)
	case typeProto:
		return g.protoOperand(x)
	}
	switch x.at.kind {
	case tokenMAC:
		return g.macOperand(x)
	case tokenIPv6:
		return g.ipv6Operand(x)
	case tokenName:
		return g.fail(x.at.errorf("names are not looked up; give an address"))
	}
	return g.ipv4Operand(x)
}

// ipv4 returns a network written with one to four numbers, the missing ones
// being 0, and the mask of those that are there.
func (g *generator) ipv4(t token) (addr, mask uint32) {
	shift := uint(32)
	for part := range strings.SplitSeq(t.text, ".") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			g.fail(t.errorf("not an IPv4 address"))
			return 0, 0
		}
		shift -= 8
		addr |= uint32(n) << shift
		mask |= 0xff << shift
	}
	return addr, mask
}

func (g *generator) ipv4Operand(x operand) *cond {
	var addr, mask uint32
	if x.at.kind == tokenNumber {
		addr, mask = x.at.number, 0xffffffff
		for x.qual.typ == typeNet && addr != 0 && addr>>24 == 0 { // net 10
			addr, mask = addr<<8, mask<<8
		}
	} else {
		addr, mask = g.ipv4(x.at)
	}
	switch {
	case x.length != nil:
		if x.length.number > 32 {
			return g.fail(x.length.errorf("prefixes of IPv4 end at 32 bits"))
		}
		mask = ^uint32(0) << (32 - x.length.number)
	case x.mask != nil:
		mask, _ = g.ipv4(*x.mask)
	}
	if addr&^mask != 0 {
		return g.fail(x.at.errorf("has bits set outside the network's mask"))
	}
	host := func(etherType, src, dst uint32) *cond {
		return g.direct(x.qual.dir, func(offset uint32) *cond {
			return and(g.etherType(etherType), g.masked(g.atPayload(4, offset), mask, addr))
		}, src, dst)
	}
	switch x.qual.proto.word {
	case "":
		return or(host(etherIPv4, 12, 16), host(etherARP, 14, 24), host(etherRARP, 14, 24))
	case "ip":
		return host(etherIPv4, 12, 16)
	case "arp", "rarp":
		return host(x.qual.proto.number, 14, 24)
	}
	return g.fail(x.at.errorf("%s is not a protocol for IPv4 addresses; ip, arp and rarp are", x.qual.proto.word))
}

func (g *generator) ipv6Operand(x operand) *cond {
	bits := uint32(128)
	if x.length != nil {
		bits = x.length.number
	}
	if bits > 128 {
		return g.fail(x.length.errorf("prefixes of IPv6 end at 128 bits"))
	}
	if w := x.qual.proto.word; w != "" && w != "ip6" {
		return g.fail(x.at.errorf("%s is not a protocol for IPv6 addresses; ip6 is", w))
	}
	addr := x.at.addr.As16()
	var words, masks [4]uint32
	for i := range words {
		words[i] = binary.BigEndian.Uint32(addr[4*i:])
		n := min(max(int(bits)-32*i, 0), 32)
		masks[i] = ^uint32(0) << (32 - n)
		if words[i]&^masks[i] != 0 {
			return g.fail(x.at.errorf("has bits set outside the network's mask"))
		}
	}
	return g.direct(x.qual.dir, func(offset uint32) *cond {
		c := g.etherType(etherIPv6)
		for i := range words {
			c = and(c, g.masked(g.atPayload(4, offset+4*uint32(i)), masks[i], words[i]))
		}
		return c
	}, 8, 24)
}

// direct applies a test to the source, the destination, one or both.
func (g *generator) direct(dir direction, at func(offset uint32) *cond, src, dst uint32) *cond {
	switch dir {
	case dirSrc:
		return at(src)
	case dirDst:
		return at(dst)
	case dirBoth:
		return and(at(src), at(dst))
	}
	return or(at(src), at(dst))
}

func (g *generator) portOperand(x operand) *cond {
	proto := g.portProtocol(x)
	var s service
	switch x.at.kind {
	case tokenNumber:
		s.port = x.at.number
	case tokenName:
		var ok bool
		if s, ok = services[x.at.text]; !ok {
			return g.fail(x.at.errorf("not a service known by name; give the number of its port"))
		}
	default:
		return g.fail(x.at.errorf("an address where a port belongs"))
	}
	return g.ports(x, s, s, proto)
}

func (g *generator) rangeOperand(x operand) *cond {
	proto := g.portProtocol(x)
	if x.at.kind == tokenIPv4 || x.at.kind == tokenIPv6 || x.at.kind == tokenMAC {
		return g.fail(x.at.errorf("an address where a range of ports belongs"))
	}
	from, to, ok := strings.Cut(x.at.text, "-")
	if !ok {
		to = from
	}
	lo, okLo := portNumber(from)
	hi, okHi := portNumber(to)
	if x.at.kind == tokenNumber {
		lo, hi, okLo, okHi = service{port: x.at.number}, service{port: x.at.number}, true, true
	}
	if !okLo || !okHi {
		return g.fail(x.at.errorf("not a range of ports; write it like 6000-6008"))
	}
	return g.ports(x, lo, hi, proto)
}

// portNumber reads one end of a range.
func portNumber(s string) (service, bool) {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return service{port: uint32(n)}, true
	}
	v, ok := services[s]
	return v, ok
}

// portProtocol returns the protocol a port was qualified with, 0 for none.
func (g *generator) portProtocol(x operand) uint32 {
	p := x.qual.proto
	if !slices.Contains([]string{"", "tcp", "udp", "sctp"}, p.word) {
		g.fail(x.at.errorf("%s is not a protocol with ports; tcp, udp and sctp are", p.word))
	}
	return p.number
}

// ports generates the test for a port or for a range of them.
func (g *generator) ports(x operand, lo, hi service, proto uint32) *cond {
	if lo.port > 0xffff || hi.port > 0xffff {
		return g.fail(x.at.errorf("ports end at 65535"))
	}
	if lo.proto == hi.proto && lo.proto != 0 {
		if proto != 0 && proto != lo.proto {
			return g.fail(x.at.errorf("not a service of %s", x.qual.proto.word))
		}
		proto = lo.proto
	}
	protos := []uint32{ipSCTP, ipTCP, ipUDP}
	if proto != 0 {
		protos = []uint32{proto}
	}
	from, to := min(lo.port, hi.port), max(lo.port, hi.port)
	single := x.qual.typ == typePort
	v4, v6 := always(false), always(false)
	for _, p := range protos {
		v4 = or(v4, and(equal(g.atPayload(1, 9), p), g.firstFragment(),
			g.direct(x.qual.dir, func(o uint32) *cond { return g.portAt(true, o, from, to, single) }, 0, 2)))
		v6 = or(v6, and(equal(g.atPayload(1, 6), p),
			g.direct(x.qual.dir, func(o uint32) *cond { return g.portAt(false, o, from, to, single) }, 0, 2)))
	}
	return or(and(g.etherType(etherIPv6), v6), and(g.etherType(etherIPv4), v4))
}

// portAt tests the port at an offset into the TCP, UDP or SCTP header.
func (g *generator) portAt(v4 bool, offset, from, to uint32, single bool) *cond {
	load := g.atPayload(2, 40+offset)
	if v4 {
		load = g.atTransport(2, offset)
	}
	if single {
		return equal(load, from)
	}
	return and(
		when(load, jge, from),
		not(when(load, jgt, to)),
	)
}

func (g *generator) protoOperand(x operand) *cond {
	n := x.at.number
	names := protocolNumbers
	if x.qual.proto.layer == layerLink {
		names = linkTypes
	}
	switch x.at.kind {
	case tokenName:
		var ok bool
		if n, ok = names[x.at.text]; !ok {
			return g.fail(x.at.errorf("not a protocol known by name; give its number"))
		}
	case tokenIPv4, tokenIPv6, tokenMAC:
		return g.fail(x.at.errorf("an address where a protocol belongs"))
	}
	switch q := x.qual.proto; {
	case q.word == "" || q.word == "ip" || q.word == "ip6":
		return g.ipProtocol(n, q.word != "ip6", q.word != "ip")
	case q.layer == layerLink:
		return g.linkProto(n, x.at)
	}
	return g.fail(x.at.errorf("%s proto is not supported; ip proto, ip6 proto and ether proto are", x.qual.proto.word))
}
