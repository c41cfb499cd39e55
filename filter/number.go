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
func (g *generator) relation(r relation) (*cond, error) {
	c, err := g.requires(r.x)
	if err != nil {
		return nil, err
	}
	cy, err := g.requires(r.y)
	if err != nil {
		return nil, err
	}
	c = and(c, cy)
	x, err := g.simplify(r.x)
	if err != nil {
		return nil, err
	}
	y, err := g.simplify(r.y)
	if err != nil {
		return nil, err
	}
	how := comparisons[r.op]
	t, err := g.compare(how.jump, x, y)
	if err != nil {
		return nil, err
	}
	if how.inverted {
		t = not(t)
	}
	return and(c, t), nil
}

func (g *generator) compare(jump uint16, x, y arith) (*cond, error) {
	ny, constY := y.(number)
	if nx, ok := x.(number); ok && constY {
		return always(jumps(jump, uint32(nx), uint32(ny))), nil
	}
	if op, ok := x.(operation); ok && constY && ny == 0 && jump == jeq && op.op == "&" {
		if mask, ok := op.y.(number); ok { // x & mask = 0
			load, err := g.eval(op.x, firstSlot)
			return not(when(load, jset, uint32(mask))), err
		}
	}
	if constY {
		load, err := g.eval(x, firstSlot)
		return when(load, jump, uint32(ny)), err
	}
	load, err := g.evalPair(x, y, firstSlot)
	return &cond{op: condTest, test: test{load: load, jump: jump | srcX}}, err
}

// requires returns the tests for the protocols whose data a number uses. As in
// libpcap, those of an operation are those of its left side alone: in
// len - tcp[12] nothing is tested.
func (g *generator) requires(x arith) (*cond, error) {
	switch x := x.(type) {
	case negative:
		return g.requires(x.x)
	case operation:
		if _, err := g.requires(x.y); err != nil {
			return nil, err
		}
		return g.requires(x.x)
	case load:
		index, err := g.requires(x.index)
		if err != nil {
			return nil, err
		}
		p := x.proto
		switch {
		case p.layer == layerLink:
			return index, nil
		case p.layer == layerNetwork:
			return and(index, g.protocol(p)), nil
		case p.word == "icmp6":
			return and(g.etherType(etherIPv6), index, equal(g.atPayload(1, 6), ipICMP6)), nil
		case p.word == "ah" || p.word == "esp":
			return nil, x.at.errorf("the data of %s cannot be loaded", p.word)
		}
		return and(g.etherType(etherIPv4), index, g.protocol(p), g.firstFragment()), nil
	}
	return always(true), nil
}

// simplify folds what is constant. What is multiplied or masked by 0 is not
// loaded, as in libpcap, which shows in frames captured in part.
func (g *generator) simplify(x arith) (arith, error) {
	switch x := x.(type) {
	case negative:
		y, err := g.simplify(x.x)
		if n, ok := y.(number); ok {
			return -n, err
		}
		return negative{y}, err
	case load:
		index, err := g.simplify(x.index)
		x.index = index
		return x, err
	case operation:
		a, err := g.simplify(x.x)
		if err != nil {
			return nil, err
		}
		b, err := g.simplify(x.y)
		if err != nil {
			return nil, err
		}
		x.x, x.y = a, b
		return g.fold(x)
	}
	return x, nil
}

func (g *generator) fold(x operation) (arith, error) {
	a, constA := x.x.(number)
	b, constB := x.y.(number)
	if constB {
		switch x.op {
		case "/", "%":
			if b == 0 {
				return nil, x.at.errorf("division by zero")
			}
		case "<<", ">>":
			if b > 31 {
				return nil, x.at.errorf("shift by more than 31 bits")
			}
		}
	}
	if constA && constB {
		v, _ := calculate(arithOps[x.op], uint32(a), uint32(b))
		return number(v), nil
	}
	if g.keepLoads {
		return x, nil
	}
	switch x.op {
	case "/", "%", "<<", ">>":
		if constA && a == 0 {
			return number(0), nil
		}
	case "&", "*":
		if constA && a == 0 || constB && b == 0 {
			return number(0), nil
		}
	}
	return x, nil
}

// arithOps are the BPF operations of the operators.
var arithOps = map[string]uint16{
	"+": aluAdd, "-": aluSub, "*": aluMul, "/": aluDiv, "%": aluMod,
	"&": aluAnd, "|": aluOr, "^": aluXor, "<<": aluLsh, ">>": aluRsh,
}

// eval returns the instructions that leave a number in A. They may use X and
// the scratch memory from slot on.
func (g *generator) eval(x arith, slot uint32) ([]bpf.RawInstruction, error) {
	switch x := x.(type) {
	case number:
		return []bpf.RawInstruction{{Op: ldImm, K: uint32(x)}}, nil
	case wireLength:
		return []bpf.RawInstruction{{Op: ldLen}}, nil
	case negative:
		code, err := g.eval(x.x, slot)
		return append(code, bpf.RawInstruction{Op: alu | aluNeg}), err
	case load:
		return g.evalLoad(x, slot)
	case operation:
		op := alu | arithOps[x.op]
		if n, ok := x.y.(number); ok {
			code, err := g.eval(x.x, slot)
			return append(code, bpf.RawInstruction{Op: op, K: uint32(n)}), err
		}
		code, err := g.evalPair(x.x, x.y, slot)
		return append(code, bpf.RawInstruction{Op: op | srcX}), err
	}
	panic("filter: unknown number node")
}

// evalPair leaves x in A and y in X.
func (g *generator) evalPair(x, y arith, slot uint32) ([]bpf.RawInstruction, error) {
	if slot >= memorySlots {
		return nil, fmt.Errorf("%w: the numbers need more than %d words of memory", ErrLong, memorySlots)
	}
	cx, err := g.eval(x, slot)
	if err != nil {
		return nil, err
	}
	cy, err := g.eval(y, slot+1)
	return slices.Concat(cx,
		[]bpf.RawInstruction{{Op: st, K: slot}}, cy,
		[]bpf.RawInstruction{{Op: tax}, {Op: ldMem, K: slot}}), err
}

// evalLoad loads data of a header. An index known now is added to the offset
// of the load, if that does not make it negative.
func (g *generator) evalLoad(x load, slot uint32) ([]bpf.RawInstruction, error) {
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
			return g.atTransport(x.size, uint32(n)), nil
		}
		return g.at(x.size, at, moves), nil
	} else if constant && !transport && !moves {
		return nil, x.at.errorf("the offset %d is in no frame", int32(at))
	}
	code, err := g.eval(x.index, slot)
	if err != nil {
		return nil, err
	}
	switch {
	case transport:
		if slot >= memorySlots {
			return nil, fmt.Errorf("%w: the numbers need more than %d words of memory", ErrLong, memorySlots)
		}
		code = slices.Concat(code, []bpf.RawInstruction{{Op: st, K: slot}}, g.headerLength(),
			[]bpf.RawInstruction{{Op: ldMem, K: slot}, {Op: alu | aluAdd | srcX}, {Op: tax}})
	case moves:
		g.payloadUsed = true
		code = append(code, bpf.RawInstruction{Op: ldxMem, K: slotVariable},
			bpf.RawInstruction{Op: alu | aluAdd | srcX}, bpf.RawInstruction{Op: tax})
	default:
		code = append(code, bpf.RawInstruction{Op: tax})
	}
	return append(code, ind), nil
}
