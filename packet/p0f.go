package packet

import "encoding/binary"

// maxFrame is how much of a frame p0f looks at.
const maxFrame = 65535

// decodeP0f is Decode as p0f does it.
func (d *Decoder) decodeP0f(frame []byte, wireLen int, s *Segment) error {
	n := min(wireLen, maxFrame)
	if !d.HeadersOnly {
		n = min(n, len(frame))
	}
	off := etherHeader
	if d.Link != LinkEthernet { // seldom
		off = d.offset(frame, n)
	}
	if n -= off; n < minIPv4 || len(frame)-off < minIPv4 {
		return ErrShort
	}
	b := frame[off:]
	*s = Segment{}
	var ipLen int
	var err error
	switch b[0] >> 4 {
	case 4:
		n, ipLen, err = s.p0fIPv4(b, n)
	case 6:
		n, ipLen, err = s.p0fIPv6(b, n)
	default:
		return VersionError(b[0] >> 4)
	}
	if err != nil {
		return err
	}
	if len(b) < ipLen+20 {
		return ErrCut
	}
	s.PayloadOff = uint16(off)
	return d.decodeTCP(s, b, ipLen, n)
}

// offset returns where the IP header of a frame starts, of which n bytes count,
// for all link types but Ethernet. Those for LinkLoop, LinkPPPSerial and LinkPFLOG
// are not of today's headers, and tags have no entry (p0f-v3.md §1.3).
func (d *Decoder) offset(frame []byte, n int) int {
	switch d.Link {
	case LinkRaw, 12, 14:
		return 0
	case LinkNull, LinkPPP:
		return 4
	case LinkLoop, LinkPPPSerial, LinkPPPEther:
		return 8
	case LinkSLL:
		return 16
	case LinkPFLOG:
		return 28
	case LinkIEEE80211:
		return 32
	}
	first := !d.found
	off := d.detect(frame, n)
	// p0f takes 81 00 before the header for a VLAN tag behind it, and is wrong
	// for this frame and all later ones.
	if first && d.found && off >= 4 && frame[off-4] == 0x81 && frame[off-3] == 0x00 {
		off -= 4
		d.detected = off
	}
	return off
}

// p0fIPv4 reads the IPv4 header of b, of which n bytes count. It returns the
// bytes that belong to the packet and the length of its header. The order of
// the checks is p0f's (p0f-v3.md §1.4).
func (s *Segment) p0fIPv4(b []byte, n int) (int, int, error) {
	total := int(binary.BigEndian.Uint16(b[2:]))
	n = min(n, total) // what follows is padding of the link
	if n < minIPv4 {
		return 0, 0, ErrShort
	}
	ipLen := int(b[0]&15) * 4
	if ipLen < 20 {
		return 0, 0, ErrHeader
	}
	if total > n {
		return 0, 0, ErrCut
	}
	if ipLen+20 > n {
		return 0, 0, ErrShort
	}
	if b[9] != protoTCP {
		return 0, 0, ErrNotTCP
	}
	if binary.BigEndian.Uint16(b[6:])&(fragmentOffset|moreFragments) != 0 {
		return 0, 0, ErrFragment
	}
	s.setIPv4(b, ipLen)
	return n, ipLen, nil
}

// p0fIPv6 is p0fIPv4 for the fixed IPv6 header; extension headers are not
// walked (p0f-v3.md §1.5).
func (s *Segment) p0fIPv6(b []byte, n int) (int, int, error) {
	total := int(binary.BigEndian.Uint16(b[4:])) + 40
	n = min(n, total)
	if n < minIPv6 {
		return 0, 0, ErrShort
	}
	if total > n {
		return 0, 0, ErrCut
	}
	if b[6] != protoTCP {
		return 0, 0, ErrNotTCP
	}
	s.setIPv6(b)
	return n, 40, nil
}
