package packet

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
)

// Why a frame yields no Segment. The errors are values of the package, so that
// refusing a frame costs no allocation either.
var (
	ErrShort    = errors.New("packet: too short for IP and TCP headers")
	ErrCut      = errors.New("packet: capture holds less than the packet's length")
	ErrHeader   = errors.New("packet: impossible header length")
	ErrNotTCP   = errors.New("packet: not TCP")
	ErrFragment = errors.New("packet: IP fragment")
	ErrFlags    = errors.New("packet: impossible combination of TCP flags")
)

// VersionError is the IP version found where it is neither 4 nor 6; most often
// a sign of a wrong link type.
type VersionError uint8

func (v VersionError) Error() string {
	return "packet: unknown packet type " + strconv.Itoa(int(v)) + ", wrong link type?"
}

const (
	minIPv4  = 40 // IPv4 and TCP header without options
	minIPv6  = 60 // IPv6 and TCP header without options
	protoTCP = 6
	maxFrame = 65535
)

// Decoder decodes the frames of one capture. It is not safe for concurrent
// use; the zero value decodes LinkNull, so set Link.
type Decoder struct {
	Link LinkType

	// HeadersOnly says that frames are cut behind the headers on purpose, as a
	// capture ring with small slots does: the wire length then counts as the
	// length present, and only the headers must be there.
	HeadersOnly bool

	found    bool // offset was detected; for link types without a known one
	detected int
	lost     bool // no offset was found in the last frame
}

// Lost reports whether the link type of the capture has no known offset and
// the last frame showed none: it was then decoded from its start.
func (d *Decoder) Lost() bool { return d.lost }

// Decode decodes one frame into s. wireLen is the frame's length on the wire,
// which may be more or less than what was captured. It returns nil, one of the
// package's errors, or a VersionError; s is then not to be used. It never
// panics and never allocates, whatever the frame holds.
func (d *Decoder) Decode(frame []byte, wireLen int, s *Segment) error {
	n := min(wireLen, maxFrame)
	if !d.HeadersOnly {
		n = min(n, len(frame))
	}
	off := d.offset(frame, n)
	if n -= off; n < minIPv4 || len(frame)-off < minIPv4 {
		return ErrShort
	}
	b := frame[off:]
	*s = Segment{}
	var ipLen int
	var err error
	switch b[0] >> 4 {
	case 4:
		n, ipLen, err = s.decodeIPv4(b, n)
	case 6:
		n, ipLen, err = s.decodeIPv6(b, n)
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
	return s.decodeTCP(b, ipLen, n)
}

func (d *Decoder) offset(frame []byte, n int) int {
	if off := d.Link.offset(); off != offsetUnknown {
		return off
	}
	if d.found {
		return d.detected
	}
	off := detectOffset(frame, min(n, len(frame)))
	if d.lost = off == offsetUnknown; d.lost {
		return 0
	}
	d.found, d.detected = true, off
	return off
}

// decodeIPv4 reads the IPv4 header of b, of which n bytes count. It returns
// the bytes that belong to the packet and the length of its header. The order
// of the checks is p0f's (p0f v3 §1.4).
func (s *Segment) decodeIPv4(b []byte, n int) (int, int, error) {
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
	frag := binary.BigEndian.Uint16(b[6:])
	if frag&0x3fff != 0 {
		return 0, 0, ErrFragment
	}
	s.Version = 4
	s.IPOptLen = uint8(ipLen - 20)
	s.TTL = b[8]
	s.setTOS(b[1])
	s.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:16])), 0)
	s.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:20])), 0)
	id := binary.BigEndian.Uint16(b[4:])
	switch df := frag&0x4000 != 0; {
	case df && id != 0:
		s.Quirks |= DF | IDNonZero
	case df:
		s.Quirks |= DF
	case id == 0:
		s.Quirks |= IDZero
	}
	if frag&0x8000 != 0 {
		s.Quirks |= MustBeZero
	}
	return n, ipLen, nil
}

// decodeIPv6 is decodeIPv4 for the fixed IPv6 header; extension headers are
// not walked (p0f v3 §1.5).
func (s *Segment) decodeIPv6(b []byte, n int) (int, int, error) {
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
	s.Version = 6
	s.TTL = b[7]
	s.setTOS(b[0]<<4 | b[1]>>4)
	s.Src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), 0)
	s.Dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:40])), 0)
	if binary.BigEndian.Uint32(b)&0xfffff != 0 {
		s.Quirks |= Flow
	}
	return n, 40, nil
}

// setTOS takes the TOS byte or traffic class apart.
func (s *Segment) setTOS(tos uint8) {
	s.DSCP = tos >> 2
	if tos&3 != 0 {
		s.Quirks |= ECN
	}
}

// decodeTCP reads the TCP header behind the ipLen bytes of IP header of b; n
// bytes of b belong to the packet (p0f v3 §1.6, §1.7).
func (s *Segment) decodeTCP(b []byte, ipLen, n int) error {
	t := b[ipLen:]
	tcpLen := int(t[12]>>4) * 4
	if tcpLen < 20 || tcpLen > n-ipLen {
		return ErrHeader
	}
	if len(t) < tcpLen {
		return ErrCut
	}
	s.Flags = uint16(t[13]) | uint16(t[12]&1)<<8
	s.Type = Type(s.Flags & (FlagSYN | FlagACK | FlagFIN | FlagRST))
	switch s.Type {
	case SYN, SYNACK, ACK, FIN, FINACK, RST, RSTACK:
	default:
		return ErrFlags
	}
	s.Src = netip.AddrPortFrom(s.Src.Addr(), binary.BigEndian.Uint16(t))
	s.Dst = netip.AddrPortFrom(s.Dst.Addr(), binary.BigEndian.Uint16(t[2:]))
	s.Seq = binary.BigEndian.Uint32(t[4:])
	s.Ack = binary.BigEndian.Uint32(t[8:])
	s.Window = binary.BigEndian.Uint16(t[14:])
	s.HeaderLen = uint8(ipLen + tcpLen)
	s.PayloadOff += uint16(ipLen + tcpLen)
	s.PayloadLen = uint16(n - ipLen - tcpLen)
	s.tcpQuirks(binary.BigEndian.Uint16(t[18:]))
	s.decodeOptions(t[20:tcpLen])
	return nil
}

func (s *Segment) tcpQuirks(urgent uint16) {
	if s.Flags&(FlagECE|FlagCWR|FlagNS) != 0 {
		s.Quirks |= ECN
	}
	if s.Seq == 0 {
		s.Quirks |= SeqZero
	}
	if s.Flags&FlagACK != 0 {
		if s.Ack == 0 {
			s.Quirks |= AckZero
		}
	} else if s.Flags&FlagRST == 0 && s.Ack&0x01000000 != 0 {
		// p0f tests this one bit of the number, not the number.
		s.Quirks |= AckNonZero
	}
	if s.Flags&FlagURG != 0 {
		s.Quirks |= URG
	} else if urgent != 0 {
		s.Quirks |= UrgPtr
	}
	if s.Flags&FlagPSH != 0 {
		s.Quirks |= PSH
	}
}
