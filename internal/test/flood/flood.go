// Package flood sends spoofed SYNs over a link between two network namespaces, at
// a bounded rate. It is for tests and rigs.
package flood

import (
	"encoding/binary"
	"net/netip"

	"github.com/mxprint/mxprint/packet"
)

// Mix spreads numbers, the same in every run.
func Mix(n uint32) uint32 {
	n = (n ^ n>>16) * 0x45d9f3b
	n = (n ^ n>>16) * 0x45d9f3b
	return n ^ n>>16
}

// Random makes the n-th SYN one of an address of IPv4 and a port by chance.
func Random(s *packet.Segment, n uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], Mix(n))
	s.Src, s.Seq = netip.AddrPortFrom(netip.AddrFrom4(b), uint16(n)), Mix(n^0x5bd1e995)
}

// SYN is one as Linux sends it, without a client.
func SYN(server netip.AddrPort) packet.Segment {
	s := packet.Segment{
		Dst: server, Version: 4, Type: packet.SYN, Flags: packet.FlagSYN, TTL: 57, MSS: 1460, Window: 64240, Scale: 7,
		HeaderLen: 60, TS1: 1, Quirks: packet.QuirkDF | packet.QuirkIDNonZero,
	}
	if server.Addr().Is6() {
		s.Version, s.HeaderLen, s.Quirks = 6, 80, 0
	}
	s.Layout.Len = uint8(copy(s.Layout.Kinds[:], []byte{packet.OptMSS, packet.OptSOK, packet.OptTS, packet.OptNOP, packet.OptWS}))
	return s
}

// AppendFrame appends the Ethernet frame of a SYN, without checksums. It is to a
// machine that is not there: a sensor sees it, and no TCP answers it.
func AppendFrame(f []byte, s *packet.Segment) []byte {
	be := binary.BigEndian
	f = append(f, 2, 0, 0, 0, 0, 0xee, 2, 0, 0, 0, 0, 1, 8, 0)
	if s.Version == 4 {
		f = append(f, 0x45, 0, 0, 60, 0x12, 0x34, 0x40, 0, s.TTL, 6, 0, 0)
	} else {
		f[len(f)-2], f[len(f)-1] = 0x86, 0xdd
		f = append(f, 0x60, 0, 0, 0, 0, 40, 6, s.TTL)
	}
	for _, a := range []netip.Addr{s.Src.Addr(), s.Dst.Addr()} {
		if a.Is4() {
			b := a.As4()
			f = append(f, b[:]...)
		} else {
			b := a.As16()
			f = append(f, b[:]...)
		}
	}
	f = be.AppendUint32(be.AppendUint16(be.AppendUint16(f, s.Src.Port()), s.Dst.Port()), s.Seq)
	f = be.AppendUint16(append(f, 0, 0, 0, 0, 0xa0, 2), s.Window)
	return append(f, 0, 0, 0, 0, 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7)
}
