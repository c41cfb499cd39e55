package filter

import (
	"encoding/binary"
	"slices"

	"golang.org/x/net/bpf"
)

// Match reports whether the program accepts a frame. frame is what was
// captured of it and wireLen its length on the wire, which is what "len" is;
// a load from beyond the captured bytes rejects the frame. Match does not
// allocate and does not keep frame.
//
// Linux's notes about VLAN tags are not there: a program compiled for
// KernelVLAN sees tags that are in the frame.
func (p *Program) Match(frame []byte, wireLen int) bool {
	return p.run(frame, uint32(wireLen), noted{tci: -1}) != 0
}

// NeedsKernel reports whether the program asks which way a frame went or by which
// interface, which a kernel knows and no file records: for Match, all frames are
// received, by interface 0.
func (p *Program) NeedsKernel() bool {
	return slices.ContainsFunc(p.code, func(i bpf.RawInstruction) bool {
		return isAbsolute(i.Op) && (i.K == adPacketType || i.K == adIfIndex)
	})
}

// noted is what a kernel knows of a frame.
type noted struct {
	tci        int32 // tag control information of a tag that it took out; negative: none
	packetType uint8
	ifIndex    uint32
}

// at is what a load from an offset of notes gives.
func (n *noted) at(offset uint32) uint32 {
	switch {
	case offset == adPacketType:
		return uint32(n.packetType)
	case offset == adIfIndex:
		return n.ifIndex
	case n.tci < 0:
		return 0
	case offset == adVLANTag:
		return uint32(n.tci)
	}
	return 1 // adVLANPresent
}

// run returns the program's result: the number of bytes to keep, 0 to reject.
func (p *Program) run(frame []byte, wireLen uint32, known noted) uint32 {
	var a, x uint32
	var m [memorySlots]uint32
	n := uint64(len(frame))
	for pc := 0; pc < len(p.code); pc++ {
		i := p.code[pc]
		at := uint64(i.K)
		switch i.Op {
		case ldAbs | sizeW, ldAbs | sizeH, ldAbs | sizeB, ldInd | sizeW, ldInd | sizeH, ldInd | sizeB:
			if i.Op&ldInd != 0 {
				at += uint64(x)
			}
			v, ok := bytesAt(frame, at, i.Op&(sizeH|sizeB))
			switch {
			case ok:
				a = v
			case at >= adStart && i.Op&ldInd == 0:
				a = known.at(i.K)
			default:
				return 0
			}
		case ldxMsh:
			if at >= n {
				return 0
			}
			x = uint32(frame[at]&0xf) * 4
		case ldLen:
			a = wireLen
		case ldxLen:
			x = wireLen
		case ldImm:
			a = i.K
		case ldxImm:
			x = i.K
		case ldMem:
			a = m[i.K&(memorySlots-1)]
		case ldxMem:
			x = m[i.K&(memorySlots-1)]
		case st:
			m[i.K&(memorySlots-1)] = a
		case stx:
			m[i.K&(memorySlots-1)] = x
		case tax:
			x = a
		case txa:
			a = x
		case retK:
			return i.K
		case retA:
			return a
		case jmp | ja:
			pc += int(i.K)
		case jmp | jeq: // apart from the others, for it is the most frequent
			pc += skip(i, a == i.K)
		default:
			b := i.K
			if i.Op&srcX != 0 {
				b = x
			}
			if i.Op&7 == jmp {
				pc += skip(i, jumps(i.Op&0xf0, a, b))
				continue
			}
			var ok bool
			if a, ok = calculate(i.Op&0xf0, a, b); !ok {
				return 0
			}
		}
	}
	return 0
}

// bytesAt reads a number of a frame; it is not ok to read beyond its end.
func bytesAt(frame []byte, at uint64, size uint16) (v uint32, ok bool) {
	n := uint64(len(frame))
	switch {
	case size == sizeH && at+2 <= n:
		return uint32(binary.BigEndian.Uint16(frame[at:])), true
	case size == sizeB && at < n:
		return uint32(frame[at]), true
	case size == sizeW && at+4 <= n:
		return binary.BigEndian.Uint32(frame[at:]), true
	}
	return 0, false
}

// skip returns how many instructions a jump skips.
func skip(i bpf.RawInstruction, holds bool) int {
	if holds {
		return int(i.Jt)
	}
	return int(i.Jf)
}
