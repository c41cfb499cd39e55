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

// Classic BPF, as the kernel runs it on a packet whose IP header starts at net.
const (
	ipHeader = 0xfff00000 // SKF_NET_OFF

	loadByte    = 0x30
	loadHalf    = 0x28
	loadWord    = 0x20
	loadHalfAtX = 0x48
	loadXHeader = 0xb1 // X = length of the IPv4 header
	loadXMem    = 0x61
	store       = 0x02
	toX         = 0x07
	jumpEqual   = 0x15
	jumpAboveX  = 0x2d
	jump        = 0x05
	shiftRight  = 0x74
	multiply    = 0x24
	xorX        = 0xac
	retA        = 0x16
)

// program is Worker as a program for PACKET_FANOUT_CBPF, which takes the
// result modulo the number of sockets.
func (f Fanout) program() []bpf.RawInstruction {
	source, destination := fold(8), fold(24)
	six := choose([]bpf.RawInstruction{
		{Op: loadHalf, K: ipHeader + 40},
		{Op: toX},
		{Op: loadHalf, K: ipHeader + 42},
	}, source, destination)
	four := choose([]bpf.RawInstruction{
		{Op: loadXHeader, K: ipHeader},
		{Op: loadHalfAtX, K: ipHeader},
		{Op: store},
		{Op: loadHalfAtX, K: ipHeader + 2},
		{Op: loadXMem},
	}, []bpf.RawInstruction{{Op: loadWord, K: ipHeader + 12}}, []bpf.RawInstruction{{Op: loadWord, K: ipHeader + 16}})
	return slices.Concat(
		[]bpf.RawInstruction{
			{Op: loadByte, K: ipHeader},
			{Op: shiftRight, K: 4},
			{Op: jumpEqual, K: 6, Jt: uint8(len(four) + 1)},
		},
		four,
		[]bpf.RawInstruction{{Op: jump, K: uint32(len(six))}},
		six,
		[]bpf.RawInstruction{
			{Op: multiply, K: f.factor},
			{Op: toX},
			{Op: shiftRight, K: 16},
			{Op: xorX},
			{Op: multiply, K: spread},
			{Op: shiftRight, K: 16},
			{Op: retA},
		})
}

// choose runs one of two programs: the second where A, the port of the
// destination that ports leaves there, is above X, that of the source.
func choose(ports, first, second []bpf.RawInstruction) []bpf.RawInstruction {
	return slices.Concat(
		ports,
		[]bpf.RawInstruction{{Op: jumpAboveX, Jt: uint8(len(first) + 1)}},
		first,
		[]bpf.RawInstruction{{Op: jump, K: uint32(len(second))}},
		second)
}

// fold leaves in A the four words of an IPv6 address, each xor the others.
func fold(offset uint32) []bpf.RawInstruction {
	p := []bpf.RawInstruction{{Op: loadWord, K: ipHeader + offset}}
	for word := uint32(1); word < 4; word++ {
		p = append(p,
			bpf.RawInstruction{Op: toX},
			bpf.RawInstruction{Op: loadWord, K: ipHeader + offset + 4*word},
			bpf.RawInstruction{Op: xorX},
		)
	}
	return p
}
