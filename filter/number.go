package filter

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
)

// memorySlots is how many words of scratch memory a program has.
const memorySlots = 16

// atTransport loads from behind the IPv4 header.
func (g *generator) atTransport(size, offset uint32) []bpf.RawInstruction {
	return append(g.headerLength(),
		bpf.RawInstruction{Op: ldInd | sizeOp(size), K: g.ll.payload + g.shift + offset})
}

// comparisons are the jumps of the operators that compare numbers.
var comparisons = map[string]struct {
	jump     uint16
	inverted bool
}{"=": {jump: jeq}, "!=": {jeq, true}, ">": {jump: jgt}, ">=": {jump: jge}, "<": {jge, true}, "<=": {jgt, true}}

// relation generates the tests that the protocols named are there, and then
// the comparison.
func (g *generator) relation(r relation) *cond {
	c := and(g.requires(r.x), g.requires(r.y))
	how := comparisons[r.op]
	t := g.compare(how.jump, g.simplify(r.x), g.simplify(r.y))
	if how.inverted {
		t = not(t)
	}
	return and(c, t)
}

func (g *generator) compare(jump uint16, x, y arith) *cond {
	ny, constY := y.(number)
	if nx, ok := x.(number); ok && constY {
		return always(jumps(jump, uint32(nx), uint32(ny)))
	}
	if op, ok := x.(operation); ok && constY && ny == 0 && jump == jeq && op.op == "&" {
		if mask, ok := op.y.(number); ok { // x & mask = 0
			return not(when(g.eval(op.x, firstSlot), jset, uint32(mask)))
		}
	}
	if constY {
		return when(g.eval(x, firstSlot), jump, uint32(ny))
	}
	return when(g.evalPair(x, y, firstSlot), jump|srcX, 0)
}

// requires returns the tests for the protocols whose data a number uses. As in
// libpcap, those of an operation are those of its left side alone: in
// len - tcp[12] nothing is tested.
func (g *generator) requires(x arith) *cond {
	switch x := x.(type) {
	case negative:
		return g.requires(x.x)
	case operation:
		g.requires(x.y) // for its faults
		return g.requires(x.x)
	case load:
		index, p := g.requires(x.index), x.proto
		switch {
		case p.layer == layerLink:
			return index
		case p.layer == layerNetwork:
			return and(index, g.protocol(p))
		case p.word == "icmp6":
			return and(g.etherType(etherIPv6), index, equal(g.atPayload(1, 6), ipICMP6))
		case p.word == "ah" || p.word == "esp":
			return g.fail(x.at.errorf("the data of %s cannot be loaded", p.word))
		}
		return and(g.etherType(etherIPv4), index, g.protocol(p), g.firstFragment())
	}
	return always(true)
}

// simplify folds what is constant. What is multiplied or masked by 0 is not
// loaded, as in libpcap, which shows in frames captured in part.
func (g *generator) simplify(x arith) arith {
	switch x := x.(type) {
	case negative:
		y := g.simplify(x.x)
		if n, ok := y.(number); ok {
			return -n
		}
		return negative{y}
	case load:
		x.index = g.simplify(x.index)
		return x
	case operation:
		x.x, x.y = g.simplify(x.x), g.simplify(x.y)
		return g.fold(x)
	}
	return x
}

func (g *generator) fold(x operation) arith {
	a, constA := x.x.(number)
	b, constB := x.y.(number)
	if constB {
		switch x.op {
		case "/", "%":
			if b == 0 {
				g.fail(x.at.errorf("division by zero"))
			}
		case "<<", ">>":
			if b > 31 {
				g.fail(x.at.errorf("shift by more than 31 bits"))
			}
		}
	}
	if constA && constB {
		v, _ := calculate(arithOps[x.op], uint32(a), uint32(b))
		return number(v)
	}
	if g.keepLoads {
		return x
	}
	switch x.op {
	case "/", "%", "<<", ">>":
		if constA && a == 0 {
			return number(0)
		}
	case "&", "*":
		if constA && a == 0 || constB && b == 0 {
			return number(0)
		}
	}
	return x
}

// arithOps are the BPF operations of the operators.
var arithOps = map[string]uint16{
	"+": aluAdd, "-": aluSub, "*": aluMul, "/": aluDiv, "%": aluMod,
	"&": aluAnd, "|": aluOr, "^": aluXor, "<<": aluLsh, ">>": aluRsh,
}

// eval returns the instructions that leave a number in A. They may use X and
// the scratch memory from slot on.
func (g *generator) eval(x arith, slot uint32) []bpf.RawInstruction {
	switch x := x.(type) {
	case number:
		return []bpf.RawInstruction{{Op: ldImm, K: uint32(x)}}
	case wireLength:
		return []bpf.RawInstruction{{Op: ldLen}}
	case negative:
		return append(g.eval(x.x, slot), bpf.RawInstruction{Op: alu | aluNeg})
	case load:
		return g.evalLoad(x, slot)
	case operation:
		op := alu | arithOps[x.op]
		if n, ok := x.y.(number); ok {
			return append(g.eval(x.x, slot), bpf.RawInstruction{Op: op, K: uint32(n)})
		}
		return append(g.evalPair(x.x, x.y, slot), bpf.RawInstruction{Op: op | srcX})
	}
	panic("filter: unknown number node")
}

// evalPair leaves x in A and y in X.
func (g *generator) evalPair(x, y arith, slot uint32) []bpf.RawInstruction {
	if !g.hasSlot(slot) {
		return nil
	}
	return slices.Concat(g.eval(x, slot),
		[]bpf.RawInstruction{{Op: st, K: slot}}, g.eval(y, slot+1),
		[]bpf.RawInstruction{{Op: tax}, {Op: ldMem, K: slot}})
}

// hasSlot reports whether a program has that word of memory; g fails otherwise.
func (g *generator) hasSlot(slot uint32) bool {
	if slot >= memorySlots {
		g.fail(fmt.Errorf("%w: the numbers need more than %d words of memory", ErrLong, memorySlots))
	}
	return slot < memorySlots
}

// evalLoad loads data of a header. An index known now is added to the offset
// of the load, if that does not make it negative.
func (g *generator) evalLoad(x load, slot uint32) []bpf.RawInstruction {
	start := g.ll.payload + g.shift
	moves := g.moves()
	switch {
	case x.proto.layer == layerLink:
		start, moves = g.ll.start, false
	case x.proto.word == "icmp6":
		start += 40
	}
	transport := x.proto.layer == layerTransport && x.proto.word != "icmp6"
	ind := bpf.RawInstruction{Op: ldInd | sizeOp(x.size), K: start}
	n, constant := x.index.(number)
	if at := start + uint32(n); constant && at < 1<<31 {
		if transport {
			return g.atTransport(x.size, uint32(n))
		}
		return g.at(x.size, at, moves)
	} else if constant && !transport && !moves {
		g.fail(x.at.errorf("the offset %d is in no frame", int32(at)))
		return nil
	}
	code := g.eval(x.index, slot)
	switch {
	case transport && !g.hasSlot(slot):
		return nil
	case transport:
		code = slices.Concat(code, []bpf.RawInstruction{{Op: st, K: slot}}, g.headerLength(),
			[]bpf.RawInstruction{{Op: ldMem, K: slot}, {Op: alu | aluAdd | srcX}, {Op: tax}})
	case moves:
		g.payloadUsed = true
		code = append(code, bpf.RawInstruction{Op: ldxMem, K: slotVariable},
			bpf.RawInstruction{Op: alu | aluAdd | srcX}, bpf.RawInstruction{Op: tax})
	default:
		code = append(code, bpf.RawInstruction{Op: tax})
	}
	return append(code, ind)
}
