package filter

import (
	"cmp"

	"golang.org/x/net/bpf"
)

// cond is a condition whose offsets are known: a constant, a test, or others
// combined. It is between the syntax tree and the blocks of assemble.
type cond struct {
	op   condOp
	x, y *cond
	test test
}

type condOp uint8

const (
	condFalse condOp = iota
	condTrue
	condTest
	condNot
	condAnd
	condOr
)

// test is a load and a jump on the value loaded.
type test struct {
	load []bpf.RawInstruction
	jump uint16 // jeq, jgt, jge or jset; with srcX the right side is in X
	k    uint32
	// changes says that load stores to scratch memory that other tests
	// read, so that it must not be left out.
	changes bool
}

// Scratch memory. Slot 0 holds the length of a variable header; the others
// are for numbers.
const (
	slotVariable = 0
	firstSlot    = 1
)

// generator makes conditions of syntax trees. Its offsets change at every
// "vlan", for all that stands behind it in the text.
type generator struct {
	ll         link
	kernelVLAN bool
	savefile   bool // Config.Savefile
	keepLoads  bool // load what is not needed, as libpcap does without its optimizer

	shift       uint32 // of type and payload, by the tags seen
	tags        int
	typeMoves   bool // the type field is M[slotVariable] bytes further
	payloadUsed bool // the payload was loaded from, or may have moved

	err error // the first fault of the expression
}

// fail notes a fault, and returns what stands for the condition that has it.
func (g *generator) fail(err error) *cond {
	g.err = cmp.Or(g.err, err)
	return always(false)
}

func always(v bool) *cond {
	if v {
		return &cond{op: condTrue}
	}
	return &cond{op: condFalse}
}

func not(x *cond) *cond {
	switch x.op {
	case condFalse, condTrue:
		return always(x.op == condFalse)
	case condNot:
		return x.x
	}
	return &cond{op: condNot, x: x}
}

// and joins conditions, tested in this order.
func and(x *cond, rest ...*cond) *cond {
	for _, y := range rest {
		switch {
		case x.op == condFalse || y.op == condFalse:
			x = always(false)
		case x.op == condTrue:
			x = y
		case y.op != condTrue:
			x = &cond{op: condAnd, x: x, y: y}
		}
	}
	return x
}

// or joins conditions, tested in this order.
func or(x *cond, rest ...*cond) *cond {
	for _, y := range rest {
		switch {
		case x.op == condTrue || y.op == condTrue:
			x = always(true)
		case x.op == condFalse:
			x = y
		case y.op != condFalse:
			x = &cond{op: condOr, x: x, y: y}
		}
	}
	return x
}

func (g *generator) condition(x expr) *cond {
	switch x := x.(type) {
	case nil:
		return always(true)
	case junction:
		a, b := g.condition(x.x), g.condition(x.y)
		if x.and {
			return and(a, b)
		}
		return or(a, b)
	case negation:
		return not(g.condition(x.x))
	case abbreviation:
		if x.proto.layer == layerLink {
			return g.fail(x.at.errorf("not a condition; data of the link layer is written ether[0]"))
		}
		return g.protocol(x.proto)
	case operand:
		return g.operand(x)
	case relation:
		return g.relation(x)
	case tag:
		return g.tag(x)
	case notice:
		return g.notice(x)
	}
	panic("filter: unknown syntax node")
}

// at returns the instructions that load size bytes of the frame, at an offset
// of k or of the variable header's length more, into A.
func (g *generator) at(size uint32, k uint32, moves bool) []bpf.RawInstruction {
	if !moves {
		return []bpf.RawInstruction{{Op: ldAbs | sizeOp(size), K: k}}
	}
	g.payloadUsed = true
	return []bpf.RawInstruction{{Op: ldxMem, K: slotVariable}, {Op: ldInd | sizeOp(size), K: k}}
}

// moves reports whether the payload starts at a variable offset.
func (g *generator) moves() bool {
	return g.typeMoves || g.ll.kind == kindWLAN || g.ll.kind == kindPFLOG
}

// atPayload loads from the network header.
func (g *generator) atPayload(size, offset uint32) []bpf.RawInstruction {
	return g.at(size, g.ll.payload+g.shift+offset, g.moves())
}

// when tests what a load gives, by a jump.
func when(load []bpf.RawInstruction, jump uint16, k uint32) *cond {
	return &cond{op: condTest, test: test{load: load, jump: jump, k: k}}
}

func equal(load []bpf.RawInstruction, v uint32) *cond { return when(load, jeq, v) }

// masked tests whether the value loaded, masked, is v.
func (g *generator) masked(load []bpf.RawInstruction, mask, v uint32) *cond {
	switch {
	case mask == 0xffffffff:
		return equal(load, v)
	case mask == 0 && !g.keepLoads:
		return always(v == 0)
	case v == 0 && !g.keepLoads:
		return not(when(load, jset, mask))
	}
	return equal(append(load, bpf.RawInstruction{Op: alu | aluAnd, K: mask}), v)
}

// anyOf tests whether a load gives one of the values.
func anyOf(load []bpf.RawInstruction, values []uint32) *cond {
	c := always(false)
	for _, v := range values {
		c = or(c, equal(load, v))
	}
	return c
}

// atType loads the EtherType: behind a tag, its last two bytes.
func (g *generator) atType() []bpf.RawInstruction {
	at := g.ll.typeAt
	if g.shift > 0 {
		at = g.ll.payload + g.shift - 2
	}
	return g.at(2, at, g.typeMoves)
}

// etherType tests whether the payload is of a type.
func (g *generator) etherType(t uint32) *cond {
	ipv4, ipv6 := t == etherIPv4, t == etherIPv6
	switch g.ll.kind {
	case kindEther:
		return equal(g.atType(), t)
	case kindWLAN:
		// A data frame has bit 3 of the frame control set and bit 2 clear.
		control := g.at(1, 0, false)
		return and(
			not(when(control, jset, 0x04)),
			when(control, jset, 0x08),
			equal(g.at(2, g.ll.typeAt+g.shift, true), t),
		)
	case kindPPP:
		switch {
		case ipv4:
			t = 0x0021
		case ipv6:
			t = 0x0057
		}
		return equal(g.at(2, g.ll.typeAt, false), t)
	case kindFamily:
		return anyOf(g.at(4, 0, false), g.ll.types[t])
	case kindByte, kindPFLOG:
		return anyOf(g.at(1, g.ll.typeAt, false), g.ll.types[t])
	case kindVersion:
		switch {
		case ipv4:
			return g.masked(g.at(1, 0, false), 0xf0, 0x40)
		case ipv6:
			return g.masked(g.at(1, 0, false), 0xf0, 0x60)
		}
	case kindIPv4:
		return always(ipv4)
	case kindIPv6:
		return always(ipv6)
	}
	return always(false)
}

// protocol tests for a protocol as its name alone does.
func (g *generator) protocol(p protocol) *cond {
	if p.layer == layerNetwork {
		return g.etherType(p.number)
	}
	return g.ipProtocol(p.number, p.v4, p.v6)
}

func (g *generator) ipProtocol(n uint32, v4, v6 bool) *cond {
	c := always(false)
	if v4 {
		c = and(g.etherType(etherIPv4), equal(g.atPayload(1, 9), n))
	}
	if v6 {
		c = or(c, and(g.etherType(etherIPv6), or(
			equal(g.atPayload(1, 6), n),
			and(equal(g.atPayload(1, 6), ipFragment), equal(g.atPayload(1, 40), n)),
		)))
	}
	return c
}

// firstFragment tests that an IPv4 packet is no later fragment.
func (g *generator) firstFragment() *cond {
	return not(when(g.atPayload(2, 6), jset, 0x1fff))
}

// headerLength loads the length of the IPv4 header into X, with that of the
// variable header added.
func (g *generator) headerLength() []bpf.RawInstruction {
	at := g.ll.payload + g.shift
	if !g.moves() {
		return []bpf.RawInstruction{{Op: ldxMsh, K: at}}
	}
	return append(g.at(1, at, true),
		bpf.RawInstruction{Op: alu | aluAnd, K: 0xf},
		bpf.RawInstruction{Op: alu | aluLsh, K: 2},
		bpf.RawInstruction{Op: alu | aluAdd | srcX},
		bpf.RawInstruction{Op: tax},
	)
}

// tag tests for a VLAN tag and moves all offsets behind it.
func (g *generator) tag(x tag) *cond {
	if !g.ll.vlan {
		return g.fail(x.at.errorf("link type %d has no VLAN tags", g.ll.number))
	}
	if x.id != nil && x.id.number > 0xfff {
		return g.fail(x.id.errorf("VLAN numbers end at 4095"))
	}
	inKernel := g.kernelVLAN && g.ll.kind == kindEther && g.tags == 0
	c := or(g.etherType(0x8100), g.etherType(0x88a8), g.etherType(0x9100))
	var id *cond
	if x.id != nil {
		id = g.masked(g.atPayload(2, 0), 0xfff, x.id.number)
	}
	g.tags++
	if inKernel {
		return g.kernelTag(c, id, x.id)
	}
	g.shift += 4
	if id != nil {
		c = and(c, id)
	}
	return c
}

// kernelTag tests for a tag that the kernel took out of the frame or left in:
// tagged and id are the tests of one left in. Only running the program shows
// which it is, so offsets become variable: slotVariable is 0 or 4.
func (g *generator) kernelTag(tagged, id *cond, number *token) *cond {
	present := equal([]bpf.RawInstruction{{Op: ldAbs | sizeB, K: adVLANPresent}}, 1)
	first := tagged
	for first.op == condOr {
		first = first.x
	}
	first.test.changes = true
	first.test.load = append([]bpf.RawInstruction{
		{Op: ldMem, K: slotVariable},
		{Op: alu | aluAdd, K: 4},
		{Op: st, K: slotVariable},
	}, first.test.load...)
	g.typeMoves, g.payloadUsed = true, true
	c := or(present, tagged)
	if id == nil {
		return c
	}
	kept := g.masked([]bpf.RawInstruction{{Op: ldAbs | sizeB, K: adVLANTag}}, 0xfff, number.number)
	return and(c, or(and(present, kept), and(not(present), id)))
}

// preamble returns the instructions that compute the length of a variable
// header, before all tests. Its jumps stay within it.
func (g *generator) preamble() []bpf.RawInstruction {
	switch {
	case !g.payloadUsed:
		return nil
	case g.ll.kind == kindPFLOG:
		return []bpf.RawInstruction{ // rounded up to 4
			{Op: ldAbs | sizeB, K: 0},
			{Op: alu | aluAdd, K: 3},
			{Op: alu | aluAnd, K: 0xfffffffc},
			{Op: st, K: slotVariable},
		}
	case g.ll.kind == kindWLAN && g.ll.more:
		return wlanHeader()
	case g.ll.kind == kindWLAN:
		return []bpf.RawInstruction{ // 24, and 2 more in data frames with QoS
			{Op: ldImm, K: 24},
			{Op: st, K: slotVariable},
			{Op: ldAbs | sizeB, K: 0},
			{Op: alu | aluAnd, K: 0x8c},
			{Op: jmp | jeq, K: 0x88, Jf: 2},
			{Op: ldImm, K: 26},
			{Op: st, K: slotVariable},
		}
	}
	return []bpf.RawInstruction{{Op: ldImm, K: 0}, {Op: st, K: slotVariable}}
}

// wlanHeader computes the length of an 802.11 header: 24, 6 more for a fourth
// address, and in data frames with QoS 2 more, or 6 with HT control.
func wlanHeader() []bpf.RawInstruction {
	return []bpf.RawInstruction{
		{Op: ldImm, K: 24},
		{Op: st, K: slotVariable},
		{Op: ldAbs | sizeB, K: 1},
		{Op: alu | aluAnd, K: 3},
		{Op: jmp | jeq, K: 3, Jf: 3},
		{Op: ldMem, K: slotVariable},
		{Op: alu | aluAdd, K: 6},
		{Op: st, K: slotVariable},
		{Op: ldAbs | sizeB, K: 0},
		{Op: alu | aluAnd, K: 0x8c},
		{Op: jmp | jeq, K: 0x88, Jf: 8},
		{Op: ldMem, K: slotVariable},
		{Op: alu | aluAdd, K: 2},
		{Op: st, K: slotVariable},
		{Op: ldAbs | sizeB, K: 1},
		{Op: jmp | jset, K: 0x80, Jf: 3},
		{Op: ldMem, K: slotVariable},
		{Op: alu | aluAdd, K: 4},
		{Op: st, K: slotVariable},
	}
}
