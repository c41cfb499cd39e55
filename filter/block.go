package filter

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
)

// Blocks 0 and 1 are the ends of a program. Every other block jumps to blocks
// of lower numbers, so that blocks in falling order are a program without
// jumps backwards.
const (
	blockReject = 0
	blockAccept = 1
)

// maxBlocks bounds the work on an expression. Many tests turn out to be
// needless, so that it is above MaxInstructions.
const maxBlocks = 1 << 16

// maxRounds bounds how often the blocks are improved; each round can make work
// for the next.
const maxRounds = 8

// block is a test and where to go on its outcome.
type block struct {
	test
	yes, no int
	// key identifies the value that load leaves in A, where it depends on
	// the frame alone; empty where it does not.
	key string
}

// assembler lays out blocks.
type assembler struct {
	blocks []block
	known  map[string]int // blocks by all they do, to share them
}

// assemble makes a program of a condition.
func assemble(preamble []bpf.RawInstruction, c *cond, accept uint32) ([]bpf.RawInstruction, error) {
	a := &assembler{blocks: make([]block, 2), known: map[string]int{}}
	root, err := a.place(c, blockAccept, blockReject)
	if err != nil {
		return nil, err
	}
	for range maxRounds {
		next, threaded := a.thread(root)
		root = next
		if !threaded {
			break
		}
	}
	raw := slices.Concat(preamble, a.flatten(root, accept))
	if len(raw) > MaxInstructions {
		return nil, fmt.Errorf("%w: %d instructions, at most %d", ErrLong, len(raw), MaxInstructions)
	}
	return raw, nil
}

// place returns the block at which to begin for c to be tested and the program
// to go on at yes or no.
func (a *assembler) place(c *cond, yes, no int) (int, error) {
	switch c.op {
	case condFalse:
		return no, nil
	case condTrue:
		return yes, nil
	case condNot:
		return a.place(c.x, no, yes)
	case condAnd, condOr:
		next, err := a.place(c.y, yes, no)
		if err != nil {
			return 0, err
		}
		if c.op == condAnd {
			return a.place(c.x, next, no)
		}
		return a.place(c.x, yes, next)
	}
	if yes == no && !c.test.changes {
		return yes, nil
	}
	b := block{test: c.test, yes: yes, no: no}
	loaded := loadKey(c.test.load)
	whole := string(binary.BigEndian.AppendUint64([]byte(loaded), uint64(c.test.jump)<<32|uint64(c.test.k)))
	whole = string(binary.BigEndian.AppendUint64([]byte(whole), uint64(yes)<<32|uint64(no)))
	if n, ok := a.known[whole]; ok {
		return n, nil
	}
	if !usesMemory(c.test.load) && c.test.jump&srcX == 0 {
		b.key = loaded
	}
	if len(a.blocks) >= maxBlocks {
		return 0, fmt.Errorf("%w: more than %d tests", ErrLong, maxBlocks)
	}
	a.blocks = append(a.blocks, b)
	a.known[whole] = len(a.blocks) - 1
	return len(a.blocks) - 1, nil
}

func loadKey(load []bpf.RawInstruction) string {
	var b []byte
	for _, r := range load {
		b = binary.BigEndian.AppendUint16(b, r.Op)
		b = binary.BigEndian.AppendUint32(b, r.K)
	}
	return string(b)
}

func usesMemory(load []bpf.RawInstruction) bool {
	return slices.ContainsFunc(load, func(r bpf.RawInstruction) bool {
		return r.Op == ldMem || r.Op == ldxMem || r.Op == st || r.Op == stx
	})
}

// fact is the outcome of a test on the way to a block.
type fact struct {
	key   string // the value tested
	jump  uint16
	k     uint32
	holds bool
}

// maxFacts bounds what is remembered on the way to a block.
const maxFacts = 32

// thread leads jumps past tests whose outcome is known from the tests before,
// and returns the new root.
func (a *assembler) thread(root int) (int, bool) {
	facts := make([][]fact, len(a.blocks))
	reached := make([]bool, len(a.blocks))
	changed := false
	visit := func(to int, with []fact) int {
		target := a.follow(to, with)
		changed = changed || target != to
		if !reached[target] {
			reached[target], facts[target] = true, with
		} else {
			facts[target] = intersect(facts[target], with)
		}
		return target
	}
	root = visit(root, nil)
	for i := root; i > blockAccept; i-- {
		if !reached[i] {
			continue
		}
		b := &a.blocks[i]
		b.yes = visit(b.yes, learn(facts[i], b, true))
		b.no = visit(b.no, learn(facts[i], b, false))
	}
	return root, changed
}

// follow returns the first block from i on whose outcome is not known.
func (a *assembler) follow(i int, facts []fact) int {
	for i > blockAccept {
		b := &a.blocks[i]
		if b.yes == b.no && !b.changes {
			i = b.yes
			continue
		}
		outcome, known := decide(b, facts)
		switch {
		case !known:
			return i
		case outcome:
			i = b.yes
		default:
			i = b.no
		}
	}
	return i
}

// decide returns the outcome of a block's test if it follows from facts.
func decide(b *block, facts []fact) (outcome, known bool) {
	if b.key == "" {
		return false, false
	}
	for _, f := range facts {
		switch {
		case f.key != b.key:
		case f.jump == jeq && f.holds:
			return jumps(b.jump, f.k, b.k), true
		case f.jump == b.jump && f.k == b.k:
			return f.holds, true
		}
	}
	return false, false
}

// learn adds to facts what follows from the outcome of a block's test. Where there are
// too many, what a value is not goes first.
func learn(facts []fact, b *block, outcome bool) []fact {
	if b.key == "" {
		return facts
	}
	facts = slices.Clone(facts)
	if len(facts) >= maxFacts {
		least := slices.IndexFunc(facts, func(f fact) bool { return f.jump == jeq && !f.holds })
		facts = slices.Delete(facts, max(least, 0), max(least, 0)+1)
	}
	return append(facts, fact{b.key, b.jump, b.k, outcome})
}

func intersect(a, b []fact) []fact {
	var both []fact
	for _, f := range a {
		if slices.Contains(b, f) {
			both = append(both, f)
		}
	}
	return both
}

// flatten returns the instructions of the blocks that root leads to.
func (a *assembler) flatten(root int, accept uint32) []bpf.RawInstruction {
	if root == blockAccept {
		return []bpf.RawInstruction{{Op: retK, K: accept}}
	}
	inA := a.loaded(root)
	// Instructions are collected from the last to the first, so that the
	// distance of every jump is known when it is made.
	reversed := []bpf.RawInstruction{{Op: retK}, {Op: retK, K: accept}}
	at := make([]int, len(a.blocks))
	at[blockReject], at[blockAccept] = 0, 1
	distance := func(to int) int { return len(reversed) - to - 1 }
	for i := 2; i <= root; i++ {
		if inA[i] == nil {
			continue
		}
		b := a.blocks[i]
		yes, no := at[b.yes], at[b.no]
		// A jump on a condition reaches 255 instructions, ja any number.
		if distance(no) > 254 {
			reversed = append(reversed, bpf.RawInstruction{Op: jmp | ja, K: uint32(distance(no))})
			no = len(reversed) - 1
		}
		if distance(yes) > 255 {
			reversed = append(reversed, bpf.RawInstruction{Op: jmp | ja, K: uint32(distance(yes))})
			yes = len(reversed) - 1
		}
		reversed = append(reversed, bpf.RawInstruction{
			Op: jmp | b.jump, Jt: uint8(distance(yes)), Jf: uint8(distance(no)), K: b.k,
		})
		if b.key == "" || *inA[i] != b.key {
			for _, r := range slices.Backward(b.load) {
				reversed = append(reversed, r)
			}
		}
		at[i] = len(reversed) - 1
	}
	reversed = reversed[:at[root]+1]
	slices.Reverse(reversed)
	return reversed
}

// loaded returns for each block that root leads to the key of what is in A
// when the program comes there, "" where that differs; nil for other blocks.
func (a *assembler) loaded(root int) []*string {
	inA := make([]*string, len(a.blocks))
	none := ""
	inA[root] = &none
	for i := root; i > blockAccept; i-- {
		if inA[i] == nil {
			continue
		}
		b := &a.blocks[i]
		for _, to := range []int{b.yes, b.no} {
			if inA[to] == nil {
				inA[to] = &b.key
			} else if *inA[to] != b.key {
				inA[to] = &none
			}
		}
	}
	return inA
}
