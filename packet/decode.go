package packet

import (
	"encoding/binary"
	"errors"
	"strconv"
)

// Why a frame yields no Segment. The errors are values of the package, so that
// refusing a frame costs no allocation either.
var (
	ErrShort    = errors.New("packet: too short for IP and TCP headers")
	ErrCut      = errors.New("packet: capture holds less than the packet's length")
	ErrHeader   = errors.New("packet: impossible header length")
	ErrNotIP    = errors.New("packet: not IP")
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
	minIPv4    = 40 // IPv4 and TCP header without options
	minIPv6    = 60 // IPv6 and TCP header without options
	protoTCP   = 6
	maxPayload = 65535
)

// Decoder decodes the frames of one capture. It is not safe for concurrent
// use; the zero value decodes LinkNull, so set Link.
//
// It finds the IP header behind up to four VLAN tags, and the TCP header behind
// eight IPv6 extension headers; it takes first fragments, and packets whose
// length field is 0, as segmentation offload leaves it. What counts is that the
// headers were captured whole; how much is missing behind them does not matter.
type Decoder struct {
	Link LinkType

	// P0f decodes as p0f 3.09b does: frames with a VLAN tag, an extension
	// header or a part missing yield nothing, nor do link types whose headers
	// it does not know (p0f-v3.md §1.2 to §1.5).
	P0f bool

	// HeadersOnly says, with P0f, that frames are cut behind the headers on
	// purpose, as a capture ring with small slots does: the wire length then
	// counts as the length present, and only the headers must be there.
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
	if d.P0f {
		return d.decodeP0f(frame, wireLen, s)
	}
	off, err := etherHeader, error(nil)
	if d.Link != LinkEthernet || !untagged(frame) { // seldom
		if off, err = d.network(frame); err != nil {
			return err
		}
	}
	if len(frame)-off < minIPv4 {
		return ErrShort
	}
	b := frame[off:]
	n := max(wireLen, len(frame)) - off
	*s = Segment{}
	var ipLen int
	switch b[0] >> 4 {
	case 4:
		n, ipLen, err = s.decodeIPv4(b, n)
	case 6:
		n, ipLen, err = s.decodeIPv6(b, n)
	default:
		return VersionError(b[0] >> 4)
	}
	switch {
	case err != nil:
		return err
	case n < ipLen+20:
		return ErrShort
	case len(b) < ipLen+20:
		return ErrCut
	}
	s.PayloadOff = uint16(off)
	return d.decodeTCP(s, b, ipLen, n)
}

// decodeTCP reads the TCP header behind the ipLen bytes of IP header of b, 20
// bytes of which are there; n bytes of b belong to the packet (p0f-v3.md §1.6, §1.7).
func (d *Decoder) decodeTCP(s *Segment, b []byte, ipLen, n int) error {
	t := b[ipLen:]
	h := (*[tcpHeaderMin]byte)(t)
	tcpLen := int(h[12]>>4) * 4
	if tcpLen < tcpHeaderMin || tcpLen > n-ipLen {
		return ErrHeader
	}
	if len(t) < tcpLen {
		return ErrCut
	}
	s.Flags = uint16(h[13]) | uint16(h[12]&1)<<8
	s.Type = Type(s.Flags & (FlagSYN | FlagACK | FlagFIN | FlagRST))
	const valid = 1<<SYN | 1<<SYNACK | 1<<ACK | 1<<FIN | 1<<FINACK | 1<<RST | 1<<RSTACK
	if valid>>s.Type&1 == 0 {
		return ErrFlags
	}
	s.setEnds(b, binary.BigEndian.Uint16(h[0:]), binary.BigEndian.Uint16(h[2:]))
	s.Seq = binary.BigEndian.Uint32(h[4:])
	s.Ack = binary.BigEndian.Uint32(h[8:])
	s.Window = binary.BigEndian.Uint16(h[14:])
	s.HeaderLen = uint8(ipLen - int(s.ExtLen) + tcpLen)
	s.PayloadOff += uint16(ipLen + tcpLen)
	s.PayloadLen = uint16(min(n-ipLen-tcpLen, maxPayload))
	s.tcpQuirks(binary.BigEndian.Uint16(h[18:]))
	switch {
	case tcpLen == tcpHeaderMin:
	case tcpLen == tcpHeaderMin+timestampsLen && binary.LittleEndian.Uint32(t[tcpHeaderMin:]) == timestampsAlone:
		s.Layout = Layout{Kinds: [MaxOptions]uint8{OptNOP, OptNOP, OptTS}, Len: 3}
		s.timestamp(binary.BigEndian.Uint32(t[tcpHeaderMin+4:]), binary.BigEndian.Uint32(t[tcpHeaderMin+8:]))
	default:
		s.decodeOptions(t[tcpHeaderMin:tcpLen])
	}
	return nil
}

// tcpHeaderMin is the length of a TCP header without options.
const tcpHeaderMin = 20

// timestampsAlone is how the options of most segments but SYNs begin, of that many
// bytes: NOP, NOP, timestamps.
const (
	timestampsAlone = OptNOP | OptNOP<<8 | OptTS<<16 | 10<<24
	timestampsLen   = 12
)

func (s *Segment) tcpQuirks(urgent uint16) {
	if s.Flags&(FlagECE|FlagCWR|FlagAE) != 0 {
		s.Quirks |= QuirkECN
	}
	if s.Seq == 0 {
		s.Quirks |= QuirkSeqZero
	}
	if s.Flags&FlagACK != 0 {
		if s.Ack == 0 {
			s.Quirks |= QuirkAckZero
		}
	} else if s.Flags&FlagRST == 0 && s.Ack&0x01000000 != 0 {
		// p0f tests this one bit of the number, not the number.
		s.Quirks |= QuirkAckNonZero
	}
	if s.Flags&FlagURG != 0 {
		s.Quirks |= QuirkURG
	} else if urgent != 0 {
		s.Quirks |= QuirkUrgPtr
	}
	if s.Flags&FlagPSH != 0 {
		s.Quirks |= QuirkPSH
	}
}
