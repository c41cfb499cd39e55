package filter

import "slices"

// The parts of an opcode, as in the BSD Packet Filter and
// <linux/bpf_common.h>.
const (
	sizeW = 0x00
	sizeH = 0x08
	sizeB = 0x10

	ldImm  = 0x00
	ldAbs  = 0x20
	ldInd  = 0x40
	ldMem  = 0x60
	ldLen  = 0x80
	ldxImm = 0x01
	ldxMem = 0x61
	ldxLen = 0x81
	ldxMsh = 0xb1
	st     = 0x02
	stx    = 0x03

	alu    = 0x04
	aluAdd = 0x00
	aluSub = 0x10
	aluMul = 0x20
	aluDiv = 0x30
	aluOr  = 0x40
	aluAnd = 0x50
	aluLsh = 0x60
	aluRsh = 0x70
	aluNeg = 0x80
	aluMod = 0x90
	aluXor = 0xa0
	srcX   = 0x08

	jmp  = 0x05
	ja   = 0x00
	jeq  = 0x10
	jgt  = 0x20
	jge  = 0x30
	jset = 0x40

	retK = 0x06
	retA = 0x16
	tax  = 0x07
	txa  = 0x87
)

// Offsets at which Linux does not load from the frame (SKF_AD_OFF and up).
const (
	adStart       = 0xfffff000
	adPacketType  = adStart + 4
	adIfIndex     = adStart + 8
	adVLANTag     = adStart + 44
	adVLANPresent = adStart + 48
)

// notes are what a program may load of what the kernel noted of a frame, by
// offset, and the largest value of each.
var notes = map[uint32]uint32{adPacketType: 0xff, adIfIndex: 0xffffffff, adVLANTag: 0xffff, adVLANPresent: 1}

// sizeOp returns the part of an opcode for a load of 1, 2 or 4 bytes.
func sizeOp(bytes uint32) uint16 {
	switch bytes {
	case 1:
		return sizeB
	case 2:
		return sizeH
	}
	return sizeW
}

// calculate is the arithmetic of BPF, on 32 bits without sign. It is not ok to
// divide by zero.
func calculate(op uint16, a, b uint32) (v uint32, ok bool) {
	switch op {
	case aluAdd:
		return a + b, true
	case aluSub:
		return a - b, true
	case aluMul:
		return a * b, true
	case aluDiv:
		if b == 0 {
			return 0, false
		}
		return a / b, true
	case aluMod:
		if b == 0 {
			return 0, false
		}
		return a % b, true
	case aluOr:
		return a | b, true
	case aluAnd:
		return a & b, true
	case aluXor:
		return a ^ b, true
	case aluLsh:
		return a << b, true
	case aluRsh:
		return a >> b, true
	case aluNeg:
		return -a, true
	}
	return 0, false
}

// jumps reports whether a jump's condition holds.
func jumps(op uint16, a, b uint32) bool {
	switch op {
	case jeq:
		return a == b
	case jgt:
		return a > b
	case jge:
		return a >= b
	}
	return a&b != 0
}

// plain are the opcodes that Linux accepts beside those of arithmetic and jumps.
var plain = []uint16{
	ldAbs | sizeW, ldAbs | sizeH, ldAbs | sizeB, ldInd | sizeW, ldInd | sizeH, ldInd | sizeB,
	ldLen, ldImm, ldMem, ldxImm, ldxMem, ldxLen, ldxMsh, st, stx, tax, txa, retK, retA,
}

// isKnown reports whether Linux accepts an opcode.
func isKnown(op uint16) bool {
	switch operation := op &^ 0xf; op & 7 {
	case alu:
		return operation <= aluXor && op != alu|aluNeg|srcX
	case jmp:
		return operation <= jset && op != jmp|ja|srcX
	}
	return slices.Contains(plain, op)
}

// isAbsolute reports whether an opcode loads from a fixed offset.
func isAbsolute(op uint16) bool { return op&^(sizeH|sizeB) == ldAbs }
