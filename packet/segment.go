// Package packet decodes one captured frame into a Segment: the addresses, the
// TTL, the quirks and the TCP options by which a sending stack is known.
//
// Use it where frames come in. A Segment is a fixed-size value; it keeps no
// pointer into the frame, so the frame's buffer can be reused at once. Decoding
// allocates nothing. The package knows nothing of signatures, hosts or flows,
// and imports the standard library alone.
//
// It implements sections 1.2 to 1.8 of the p0f v3 behaviour (see
// docs/p0f-compatibility.md), and decodes more than p0f unless Decoder.P0f is
// set; the capture filter of section 1.1 is package filter's.
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning. Segment may gain fields.
package packet

import (
	"math/bits"
	"net/netip"
)

// Segment is what one IPv4 or IPv6 packet that carries TCP says about its
// sender. All numbers are in host order. A Segment is a plain value: copy it
// freely; it is not tied to the frame it was decoded from.
type Segment struct {
	Src, Dst netip.AddrPort // never IPv4-mapped unless the packet was IPv6

	Seq, Ack uint32
	TS1, TS2 uint32 // TSval and TSecr; 0 unless a timestamp option was parsed

	Quirks Quirks
	Flags  uint16 // the nine TCP flags, FlagFIN to FlagAE

	Window     uint16 // as sent, not scaled
	MSS        uint16 // bytes; 0 = no MSS option
	PayloadOff uint16 // offset of the payload in the frame, link header included
	PayloadLen uint16 // bytes after the TCP header, IP padding excluded; 65535 where it is more
	ExtLen     uint16 // bytes of IPv6 extension headers, which lie before the TCP header

	Version   uint8 // 4 or 6
	Type      Type  // which of SYN, ACK, FIN and RST are set
	TTL       uint8 // IPv4 TTL or IPv6 hop limit, as observed
	DSCP      uint8 // six bits: TOS or traffic class >> 2
	IPOptLen  uint8 // bytes of IPv4 options, 0..40; 0 for IPv6
	HeaderLen uint8 // bytes of IP and TCP header together, options included, ExtLen not
	Scale     uint8 // window scale shift; 0 also when the option is absent

	Tunnels Tunnels // the kinds that the packet was inside of; Decode knows of none

	Layout Layout
}

// MTU returns the MTU that the MSS was made for, in bytes: headers without
// options are added, of 40 bytes over IPv4 and 60 over IPv6 (p0f-v3.md §4). It
// means nothing without an MSS option.
func (s *Segment) MTU() int {
	if s.Version == 6 {
		return int(s.MSS) + 60
	}
	return int(s.MSS) + 40
}

// AccECN reports whether a SYN asks for Accurate ECN (RFC 9768 §3.1.1), and not
// for the ECN of RFC 3168.
func (s *Segment) AccECN() bool {
	const ask = FlagAE | FlagCWR | FlagECE
	return s.Type == SYN && s.Flags&ask == ask
}

// TCP flag bits of Segment.Flags. FlagAE is of Accurate ECN (RFC 9768); it was
// the bit NS of RFC 3540.
const (
	FlagFIN = 1 << iota
	FlagSYN
	FlagRST
	FlagPSH
	FlagACK
	FlagURG
	FlagECE
	FlagCWR
	FlagAE
)

// Type is the combination of SYN, ACK, FIN and RST of a segment. Only the
// combinations named here pass Decode.
type Type uint8

const (
	SYN    Type = FlagSYN
	SYNACK Type = FlagSYN | FlagACK
	ACK    Type = FlagACK
	FIN    Type = FlagFIN
	FINACK Type = FlagFIN | FlagACK
	RST    Type = FlagRST
	RSTACK Type = FlagRST | FlagACK
)

// MaxOptions is how many TCP options a Layout holds; a header with more is
// marked with the quirk Bad (p0f-v3.md §1.8).
const MaxOptions = 24

// Layout is the order of TCP options in a header. It is comparable and can be
// a map key: unused entries are zero.
type Layout struct {
	Kinds  [MaxOptions]uint8 // option kinds in the order sent
	Len    uint8             // how many of Kinds are valid
	EOLPad uint8             // bytes after the end-of-list option; 0 without one
}

// Option kinds with a name in signatures.
const (
	OptEOL  = 0
	OptNOP  = 1
	OptMSS  = 2
	OptWS   = 3
	OptSOK  = 4 // SACK permitted
	OptSACK = 5
	OptTS   = 8
)

// Quirks is a set of oddities of a header, one bit each, in the order in which
// p0f prints them (p0f-v3.md §1.7).
type Quirks uint32

const (
	QuirkDF         Quirks = 1 << iota // df: IPv4, don't-fragment set
	QuirkIDNonZero                     // id+: IPv4, DF set and ID not zero
	QuirkIDZero                        // id-: IPv4, DF clear and ID zero
	QuirkECN                           // ecn: any ECN bit in the IP or TCP header
	QuirkMustBeZero                    // 0+: IPv4 reserved flag set
	QuirkFlow                          // flow: IPv6 flow label not zero
	QuirkSeqZero                       // seq-: sequence number zero
	QuirkAckNonZero                    // ack+: acknowledgment number without ACK
	QuirkAckZero                       // ack-: ACK set, acknowledgment number zero
	QuirkUrgPtr                        // uptr+: urgent pointer without URG
	QuirkURG                           // urgf+: URG set
	QuirkPSH                           // pushf+: PSH set
	QuirkTS1Zero                       // ts1-: own timestamp zero
	QuirkTS2NonZero                    // ts2+: peer timestamp not zero on a SYN
	QuirkOptNonZero                    // opt+: non-zero bytes after end of list
	QuirkScaleBig                      // exws: window scale above 14
	QuirkBad                           // bad: options could not be parsed
)

// quirkNames are the names of the quirks in signatures, by bit.
var quirkNames = [...]string{
	"df", "id+", "id-", "ecn", "0+", "flow", "seq-", "ack+", "ack-", "uptr+",
	"urgf+", "pushf+", "ts1-", "ts2+", "opt+", "exws", "bad",
}

// AppendText appends the names of the quirks as signatures have them:
// "df,id+". The error is always nil.
func (q Quirks) AppendText(dst []byte) ([]byte, error) {
	start := len(dst)
	for i, name := range quirkNames {
		if q&(1<<i) == 0 {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, name...)
	}
	return dst, nil
}

// String returns the names of the quirks as signatures have them: "df,id+".
func (q Quirks) String() string {
	if bit := bits.TrailingZeros32(uint32(q)); q == 1<<bit && bit < len(quirkNames) {
		return quirkNames[bit]
	}
	text, _ := q.AppendText(nil)
	return string(text)
}
