package filter

import "encoding/binary"

// inst is a bpf.RawInstruction with its opcode renumbered.
type inst struct {
	op     opcode
	jt, jf uint8
	k      uint32
}

// Match reports whether the program accepts a frame. frame is what was
// captured of it and wireLen its length on the wire, which is what "len" is;
// a load from beyond the captured bytes rejects the frame. Match does not
// allocate and does not keep frame.
//
// Linux's notes about VLAN tags are not there: a program compiled for
// KernelVLAN sees tags that are in the frame.
func (p *Program) Match(frame []byte, wireLen int) bool {
	return p.runNoted(frame, uint32(wireLen), -1, noted{}) != 0
}

// NeedsKernel reports whether the program asks which way a frame went or by which
// interface, which a kernel knows and no file records: for Match, all frames are
// received, by interface 0.
func (p *Program) NeedsKernel() bool {
	for _, i := range p.code {
		if i.op == opLdPacketType || i.op == opLdIfIndex {
			return true
		}
	}
	return false
}

// noted is what a kernel knows of a frame, beside its tag.
type noted struct {
	packetType uint8
	ifIndex    uint32
}

// run returns the program's result: the number of bytes to keep, 0 to reject.
// tci is the tag control information of a tag that was taken out of the frame,
// negative for none.
func (p *Program) run(frame []byte, wireLen uint32, tci int32) uint32 {
	return p.runNoted(frame, wireLen, tci, noted{})
}

// runNoted is run with what else a kernel knows.
func (p *Program) runNoted(frame []byte, wireLen uint32, tci int32, known noted) uint32 {
	var a, x uint32
	var m [memorySlots]uint32
	n := uint64(len(frame))
	for pc := 0; pc < len(p.code); pc++ {
		i := p.code[pc]
		switch i.op {
		case opRetK:
			return i.k
		case opRetA:
			return a

		case opLdAbsW:
			if uint64(i.k)+4 > n {
				return 0
			}
			a = binary.BigEndian.Uint32(frame[i.k:])
		case opLdAbsH:
			if uint64(i.k)+2 > n {
				return 0
			}
			a = uint32(binary.BigEndian.Uint16(frame[i.k:]))
		case opLdAbsB:
			if uint64(i.k) >= n {
				return 0
			}
			a = uint32(frame[i.k])
		case opLdIndW:
			at := uint64(x) + uint64(i.k)
			if at+4 > n {
				return 0
			}
			a = binary.BigEndian.Uint32(frame[at:])
		case opLdIndH:
			at := uint64(x) + uint64(i.k)
			if at+2 > n {
				return 0
			}
			a = uint32(binary.BigEndian.Uint16(frame[at:]))
		case opLdIndB:
			at := uint64(x) + uint64(i.k)
			if at >= n {
				return 0
			}
			a = uint32(frame[at])
		case opLdxMsh:
			if uint64(i.k) >= n {
				return 0
			}
			x = uint32(frame[i.k]&0xf) * 4
		case opLdLen:
			a = wireLen
		case opLdxLen:
			x = wireLen
		case opLdImm:
			a = i.k
		case opLdxImm:
			x = i.k
		case opLdMem:
			a = m[i.k&(memorySlots-1)]
		case opLdxMem:
			x = m[i.k&(memorySlots-1)]
		case opLdPacketType:
			a = uint32(known.packetType)
		case opLdIfIndex:
			a = known.ifIndex
		case opLdVLANTag:
			a = uint32(max(tci, 0))
		case opLdVLANPresent:
			a = 0
			if tci >= 0 {
				a = 1
			}
		case opSt:
			m[i.k&(memorySlots-1)] = a
		case opStx:
			m[i.k&(memorySlots-1)] = x
		case opTax:
			x = a
		case opTxa:
			a = x

		case opJa:
			pc += int(i.k)
		case opJeqK:
			pc += i.skip(a == i.k)
		case opJgtK:
			pc += i.skip(a > i.k)
		case opJgeK:
			pc += i.skip(a >= i.k)
		case opJsetK:
			pc += i.skip(a&i.k != 0)
		case opJeqX:
			pc += i.skip(a == x)
		case opJgtX:
			pc += i.skip(a > x)
		case opJgeX:
			pc += i.skip(a >= x)
		case opJsetX:
			pc += i.skip(a&x != 0)

		case opAddK:
			a += i.k
		case opSubK:
			a -= i.k
		case opMulK:
			a *= i.k
		case opDivK:
			if i.k == 0 { // not in a checked program
				return 0
			}
			a /= i.k
		case opModK:
			if i.k == 0 {
				return 0
			}
			a %= i.k
		case opAndK:
			a &= i.k
		case opOrK:
			a |= i.k
		case opXorK:
			a ^= i.k
		case opLshK:
			a <<= i.k
		case opRshK:
			a >>= i.k
		case opAddX:
			a += x
		case opSubX:
			a -= x
		case opMulX:
			a *= x
		case opDivX:
			if x == 0 {
				return 0
			}
			a /= x
		case opModX:
			if x == 0 {
				return 0
			}
			a %= x
		case opAndX:
			a &= x
		case opOrX:
			a |= x
		case opXorX:
			a ^= x
		case opLshX:
			a <<= x
		case opRshX:
			a >>= x
		case opNeg:
			a = -a
		default:
			return 0
		}
	}
	return 0
}

// skip returns how many instructions a jump skips.
func (i inst) skip(holds bool) int {
	if holds {
		return int(i.jt)
	}
	return int(i.jf)
}
