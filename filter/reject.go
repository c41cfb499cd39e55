package filter

import "golang.org/x/net/bpf"

// maxSteps bounds the work of RejectsAll.
const maxSteps = 1000000

// RejectsAll reports whether it is certain that no frame passes, as for
// "tcp and arp". False says nothing: the search for a contradiction on every
// way through the program takes a bounded number of steps, and knows nothing of the
// relations between values of the frame.
func (p *Program) RejectsAll() bool {
	s := search{program: p, numbers: map[node]int{}, steps: maxSteps}
	return !s.accepts(state{})
}

// node is a value a program computes: a constant, a load, or an operation on
// values. Equal nodes have equal values for any one frame.
type node struct {
	op   uint16
	a, b int // numbers of nodes; of ldInd a is that of X
	k    uint32
}

// search walks all ways through a program. Values are known by their number
// in nodes, which is the same on all ways.
type search struct {
	program *Program
	nodes   []node
	numbers map[node]int
	steps   int
}

// state is a place on a way. The zero value of registers is no value at all:
// numbers in a, x and m are those in nodes, plus one.
type state struct {
	pc    int
	a, x  int
	m     [memorySlots]int
	known *outcome
}

// outcome is the result of a jump on the way here; a list.
type outcome struct {
	value int
	jump  uint16
	k     uint32
	holds bool
	prev  *outcome
}

func (s *search) number(n node) int {
	i, ok := s.numbers[n]
	if !ok {
		s.nodes = append(s.nodes, n)
		i = len(s.nodes)
		s.numbers[n] = i
	}
	return i
}

func (s *search) constant(k uint32) int { return s.number(node{op: ldImm, k: k}) }

// value returns the value of a register if it is constant. Registers are 0 at
// the start of a program.
func (s *search) value(reg int) (uint32, bool) {
	if reg == 0 {
		return 0, true
	}
	n := s.nodes[reg-1]
	return n.k, n.op == ldImm
}

// accepts reports whether a way from st on may accept a frame.
func (s *search) accepts(st state) bool {
	for {
		if s.steps--; s.steps < 0 {
			return true
		}
		in := s.program.code[st.pc]
		st.pc++
		switch {
		case in.Op == retK:
			return in.K != 0
		case in.Op == retA:
			v, ok := s.value(st.a)
			return !ok || v != 0
		case in.Op == jmp|ja:
			st.pc += int(in.K)
		case in.Op&7 == jmp:
			yes, no := s.outcomes(&st, in.Op, in.K)
			if yes && no {
				other := st
				other.pc += int(in.Jf)
				other.known = s.learn(&st, in.Op, in.K, false)
				if s.accepts(other) {
					return true
				}
			}
			if yes {
				st.known = s.learn(&st, in.Op, in.K, true)
			}
			st.pc += skip(in, yes)
		case in.Op&7 == alu:
			st.a = s.calculate(&st, in)
		default:
			s.move(&st, in)
		}
	}
}

// move follows an instruction that loads or stores.
func (s *search) move(to *state, in bpf.RawInstruction) {
	switch in.Op {
	case ldImm:
		to.a = s.constant(in.K)
	case ldxImm:
		to.x = s.constant(in.K)
	case ldMem:
		to.a = to.m[in.K]
	case ldxMem:
		to.x = to.m[in.K]
	case st:
		to.m[in.K] = to.a
	case stx:
		to.m[in.K] = to.x
	case tax:
		to.x = to.a
	case txa:
		to.a = to.x
	case ldxMsh:
		to.x = s.number(node{op: in.Op, k: in.K})
	case ldxLen:
		to.x = s.number(node{op: ldLen})
	case ldInd | sizeB, ldInd | sizeH, ldInd | sizeW:
		to.a = s.number(node{op: in.Op, a: to.x, k: in.K})
	default: // ldAbs, ldLen
		to.a = s.number(node{op: in.Op, k: in.K})
	}
}

func (s *search) calculate(st *state, in bpf.RawInstruction) int {
	n := node{op: in.Op, a: st.a, k: in.K}
	b, constB := in.K, true
	if in.Op&srcX != 0 {
		n.b, n.k = st.x, 0
		b, constB = s.value(st.x)
	}
	if a, ok := s.value(st.a); ok && constB {
		if v, ok := calculate(in.Op&0xf0, a, b); ok {
			return s.constant(v)
		}
	}
	return s.number(n)
}

// outcomes returns which outcomes a jump may have after those known.
func (s *search) outcomes(st *state, op uint16, k uint32) (yes, no bool) {
	jump := op & 0xf0
	if op&srcX != 0 {
		v, ok := s.value(st.x)
		if !ok {
			return true, true
		}
		k = v
	}
	if v, ok := s.value(st.a); ok {
		holds := jumps(jump, v, k)
		return holds, !holds
	}
	lo, hi := uint32(0), s.largest(st.a)
	for o := st.known; o != nil; o = o.prev {
		s.steps--
		if o.value != st.a {
			continue
		}
		switch {
		case o.jump == jeq && o.holds:
			holds := jumps(jump, o.k, k)
			return holds, !holds
		case o.jump == jump && o.k == k:
			return o.holds, !o.holds
		case o.jump == jset && jump == jeq && jumps(jset, k, o.k) != o.holds:
			return false, true
		case o.jump == jgt && o.holds:
			lo = max(lo, o.k+1)
		case o.jump == jge && o.holds:
			lo = max(lo, o.k)
		case o.jump == jgt:
			hi = min(hi, o.k)
		case o.jump == jge:
			hi = min(hi, o.k-1)
		}
	}
	switch jump {
	case jeq:
		return lo <= k && k <= hi, lo != hi || lo != k
	case jgt:
		return hi > k, lo <= k
	case jge:
		return hi >= k, lo < k
	}
	return hi != 0 && k != 0, true
}

// largest returns the largest value a node may have.
func (s *search) largest(reg int) uint32 {
	n := s.nodes[reg-1]
	switch most, isNote := notes[n.k]; {
	case isNote && isAbsolute(n.op):
		return most
	case n.op == ldAbs|sizeB, n.op == ldInd|sizeB:
		return 0xff
	case n.op == ldAbs|sizeH, n.op == ldInd|sizeH:
		return 0xffff
	case n.op == ldxMsh:
		return 60
	case n.op == alu|aluAnd:
		return n.k
	}
	return 0xffffffff
}

// learn adds the outcome of a jump to those known.
func (s *search) learn(st *state, op uint16, k uint32, holds bool) *outcome {
	if op&srcX != 0 {
		v, ok := s.value(st.x)
		if !ok {
			return st.known
		}
		k = v
	}
	if _, ok := s.value(st.a); ok {
		return st.known
	}
	return &outcome{value: st.a, jump: op & 0xf0, k: k, holds: holds, prev: st.known}
}
