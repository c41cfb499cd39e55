package filter

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"
)

// MaxInstructions is the length of the longest program Linux takes
// (BPF_MAXINSNS).
const MaxInstructions = 4096

// ErrProgram is the error for instructions that are not a valid program.
var ErrProgram = errors.New("filter: invalid program")

// check refuses what Linux refuses (bpf_check_classic): jumps out of the
// program (there are no backward ones), unknown opcodes, scratch memory that
// does not exist or is read before it is written, division by a constant 0,
// shifts by more than 31, a last instruction that is not a return, and loads
// of notes of the kernel's other than those of VLAN tags, of the packet's
// direction and of its interface.
func check(raw []bpf.RawInstruction) error {
	if len(raw) == 0 || len(raw) > MaxInstructions {
		return fmt.Errorf("%w: %d instructions, not 1 to %d", ErrProgram, len(raw), MaxInstructions)
	}
	// written[i] has a bit for each slot written on all ways to i.
	written := make([]uint16, len(raw))
	for i := range written {
		written[i] = 0xffff
	}
	written[0] = 0
	for i, r := range raw {
		fault := checkOne(r, len(raw)-i-1, written[i])
		if fault == "" && i == len(raw)-1 && r.Op != retK && r.Op != retA {
			fault = "the last one is not a return"
		}
		if fault != "" {
			return fmt.Errorf("%w: instruction %d (%d %d %d %d): %s", ErrProgram, i, r.Op, r.Jt, r.Jf, r.K, fault)
		}
		after := written[i]
		if r.Op == st || r.Op == stx {
			after |= 1 << r.K
		}
		switch {
		case r.Op == retK || r.Op == retA:
		case r.Op == jmp|ja:
			written[i+1+int(r.K)] &= after
		case r.Op&7 == jmp:
			written[i+1+int(r.Jt)] &= after
			written[i+1+int(r.Jf)] &= after
		default:
			written[i+1] &= after
		}
	}
	return nil
}

// checkOne checks an instruction with behind others after it, and returns what
// is wrong.
func checkOne(r bpf.RawInstruction, behind int, written uint16) string {
	if !isKnown(r.Op) {
		return "unknown opcode"
	}
	switch r.Op {
	case alu | aluDiv, alu | aluMod:
		if r.K == 0 {
			return "division by zero"
		}
	case alu | aluLsh, alu | aluRsh:
		if r.K > 31 {
			return "shift by more than 31 bits"
		}
	case st, stx, ldMem, ldxMem:
		if r.K >= memorySlots {
			return "no such scratch memory"
		}
		if (r.Op == ldMem || r.Op == ldxMem) && written&(1<<r.K) == 0 {
			return "scratch memory is read that was not written"
		}
	case jmp | ja:
		if uint64(r.K) >= uint64(behind) {
			return "jump out of the program"
		}
	case ldAbs | sizeB, ldAbs | sizeH, ldAbs | sizeW:
		if _, known := notes[r.K]; r.K >= adStart && !known {
			return "load of something only a kernel knows"
		}
	}
	if r.Op&7 == jmp && r.Op != jmp|ja && (int(r.Jt) >= behind || int(r.Jf) >= behind) {
		return "jump out of the program"
	}
	return ""
}
