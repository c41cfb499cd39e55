package packet

import (
	"encoding/binary"
	"net/netip"
)

// Flags and offset of the IPv4 header's fragment word.
const (
	fragmentOffset = 0x1fff
	moreFragments  = 0x2000
	dontFragment   = 0x4000
	reservedFlag   = 0x8000
)

// decodeIPv4 reads the IPv4 header of b, a packet of n bytes unless it says its
// length itself. It returns the packet's length and that of its header.
func (s *Segment) decodeIPv4(b []byte, n int) (int, int, error) {
	if total := int(binary.BigEndian.Uint16(b[2:])); total != 0 { // 0: segmentation offload
		n = total
	}
	ipLen := int(b[0]&15) * 4
	if ipLen < 20 {
		return 0, 0, ErrHeader
	}
	if b[9] != protoTCP {
		return 0, 0, ErrNotTCP
	}
	if binary.BigEndian.Uint16(b[6:])&fragmentOffset != 0 {
		return 0, 0, ErrFragment
	}
	if len(b) < ipLen {
		return 0, 0, ErrCut
	}
	s.setIPv4(b, ipLen)
	return n, ipLen, nil
}

// decodeIPv6 is decodeIPv4 for IPv6; the extension headers count as header.
func (s *Segment) decodeIPv6(b []byte, n int) (int, int, error) {
	if payload := int(binary.BigEndian.Uint16(b[4:])); payload != 0 { // 0: offload, RFC 2675
		n = payload + 40
	}
	ipLen, err := tcpHeader(b)
	if err != nil {
		return 0, 0, err
	}
	s.setIPv6(b)
	s.ExtLen = uint16(ipLen - 40)
	return n, ipLen, nil
}

// Extension headers of IPv6, and how many of them a packet may have: more than
// RFC 8200 §4.1 knows, and few enough for ExtLen.
const (
	extHopByHop   = 0
	extRouting    = 43
	extFragment   = 44
	extDestOption = 60

	maxExtensions = 8
)

// tcpHeader returns where the TCP header starts in an IPv6 packet.
func tcpHeader(b []byte) (int, error) {
	next, at := b[6], 40
	for range maxExtensions + 1 {
		switch next {
		case protoTCP:
			return at, nil
		case extHopByHop, extRouting, extDestOption, extFragment:
		default:
			return 0, ErrNotTCP
		}
		if len(b) < at+8 {
			return 0, ErrCut
		}
		h := b[at:]
		if next == extFragment {
			if binary.BigEndian.Uint16(h[2:])&0xfff8 != 0 { // the offset
				return 0, ErrFragment
			}
			at += 8
		} else {
			at += 8 + 8*int(h[1])
		}
		next = h[0]
	}
	return 0, ErrHeader
}

// setIPv4 takes over what an IPv4 header of ipLen bytes says.
func (s *Segment) setIPv4(b []byte, ipLen int) {
	s.Version = 4
	s.IPOptLen = uint8(ipLen - 20)
	s.TTL = b[8]
	s.setTOS(b[1])
	id, frag := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	switch df := frag&dontFragment != 0; {
	case df && id != 0:
		s.Quirks |= QuirkDF | QuirkIDNonZero
	case df:
		s.Quirks |= QuirkDF
	case id == 0:
		s.Quirks |= QuirkIDZero
	}
	if frag&reservedFlag != 0 {
		s.Quirks |= QuirkMustBeZero
	}
}

// setIPv6 takes over what the fixed IPv6 header says.
func (s *Segment) setIPv6(b []byte) {
	s.Version = 6
	s.TTL = b[7]
	s.setTOS(b[0]<<4 | b[1]>>4)
	if binary.BigEndian.Uint32(b)&0xfffff != 0 {
		s.Quirks |= QuirkFlow
	}
}

// setEnds takes over both addresses, from the IP header, and the ports.
func (s *Segment) setEnds(ip []byte, src, dst uint16) {
	if s.Version == 4 {
		s.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), src)
		s.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), dst)
	} else {
		s.Src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(ip[8:24])), src)
		s.Dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(ip[24:40])), dst)
	}
}

// setTOS takes the TOS byte or traffic class apart.
func (s *Segment) setTOS(tos uint8) {
	s.DSCP = tos >> 2
	if tos&3 != 0 {
		s.Quirks |= QuirkECN
	}
}
