package capture

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// A Fanout spreads packets over workers by client, so that both directions of
// a connection, and all connections of a client, go to one of them. Of the two
// ends the client is taken to be the one with the higher port. The factor is
// random, so that no outsider can choose addresses for one worker. The zero
// value sends all to worker 0.
type Fanout struct{ factor uint32 }

// NewFanout returns a Fanout with a factor of its own.
func NewFanout() Fanout { return Fanout{rand.Uint32() | 1} }

// Worker returns which of n workers a packet goes to.
func (f Fanout) Worker(src, dst netip.AddrPort, n int) int {
	client := src.Addr()
	if dst.Port() > src.Port() {
		client = dst.Addr()
	}
	if client.Is4() {
		b := client.As4()
		return f.of(binary.BigEndian.Uint32(b[:]), n)
	}
	b := client.As16()
	return f.of(words(&b), n)
}

// of returns which of n workers an address goes to. One multiplication alone
// sends, with some factors, all of a network to one worker.
func (f Fanout) of(client uint32, n int) int {
	h := client * f.factor
	return int((h ^ h>>16) * spread >> 16 % uint32(n))
}

const spread = 0x9e3779b1 // odd, and half of its bits are set

// words is the four words of an IPv6 address, each xor the others.
func words(a *[16]byte) uint32 {
	return binary.BigEndian.Uint32(a[0:]) ^ binary.BigEndian.Uint32(a[4:]) ^
		binary.BigEndian.Uint32(a[8:]) ^ binary.BigEndian.Uint32(a[12:])
}

// ipHeader is where the IP header starts, for the kernel that runs a program of
// classic BPF (SKF_NET_OFF).
const ipHeader = 0xfff00000

// program is Worker as a program for PACKET_FANOUT_CBPF, which takes the
// result modulo the number of sockets.
func (f Fanout) program() []bpf.Instruction {
	source, destination := fold(8), fold(24)
	six := choose([]bpf.Instruction{
		bpf.LoadAbsolute{Off: ipHeader + 40, Size: 2},
		bpf.TAX{},
		bpf.LoadAbsolute{Off: ipHeader + 42, Size: 2},
	}, source, destination)
	four := choose([]bpf.Instruction{
		bpf.LoadMemShift{Off: ipHeader}, // X = length of the IPv4 header
		bpf.LoadIndirect{Off: ipHeader, Size: 2},
		bpf.StoreScratch{Src: bpf.RegA},
		bpf.LoadIndirect{Off: ipHeader + 2, Size: 2},
		bpf.LoadScratch{Dst: bpf.RegX},
	}, []bpf.Instruction{bpf.LoadAbsolute{Off: ipHeader + 12, Size: 4}}, []bpf.Instruction{bpf.LoadAbsolute{Off: ipHeader + 16, Size: 4}})
	return slices.Concat(
		[]bpf.Instruction{
			bpf.LoadAbsolute{Off: ipHeader, Size: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipTrue: uint8(len(four) + 1)},
		},
		four,
		[]bpf.Instruction{bpf.Jump{Skip: uint32(len(six))}},
		six,
		[]bpf.Instruction{
			bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: f.factor},
			bpf.TAX{},
			bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 16},
			bpf.ALUOpX{Op: bpf.ALUOpXor},
			bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: spread},
			bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 16},
			bpf.RetA{},
		})
}

// choose runs one of two programs: the second where A, the port of the
// destination that ports leaves there, is above X, that of the source.
func choose(ports, first, second []bpf.Instruction) []bpf.Instruction {
	return slices.Concat(
		ports,
		[]bpf.Instruction{bpf.JumpIfX{Cond: bpf.JumpGreaterThan, SkipTrue: uint8(len(first) + 1)}},
		first,
		[]bpf.Instruction{bpf.Jump{Skip: uint32(len(second))}},
		second)
}

// fold leaves in A the four words of an IPv6 address, each xor the others.
func fold(offset uint32) []bpf.Instruction {
	p := []bpf.Instruction{bpf.LoadAbsolute{Off: ipHeader + offset, Size: 4}}
	for word := uint32(1); word < 4; word++ {
		p = append(p, bpf.TAX{}, bpf.LoadAbsolute{Off: ipHeader + offset + 4*word, Size: 4}, bpf.ALUOpX{Op: bpf.ALUOpXor})
	}
	return p
}
