package packet

import (
	"encoding/binary"
	"errors"
)

// LinkType is the link-layer type of a capture, numbered as in pcap and pcapng
// files (LINKTYPE_ values).
type LinkType uint32

// The link types whose headers are known. Of others the first frame shows where
// the IP header starts.
const (
	LinkNull      LinkType = 0
	LinkEthernet  LinkType = 1
	linkTokenRing LinkType = 6
	LinkPPP       LinkType = 9
	LinkPPPSerial LinkType = 50
	LinkPPPEther  LinkType = 51
	linkATM       LinkType = 100
	LinkRaw       LinkType = 101
	linkCiscoHDLC LinkType = 104
	LinkIEEE80211 LinkType = 105
	LinkLoop      LinkType = 108
	linkEnc       LinkType = 109
	LinkSLL       LinkType = 113
	LinkPFLOG     LinkType = 117
	linkARCNET    LinkType = 129
	linkIEEE1394  LinkType = 138
	linkPPPD      LinkType = 166
	linkIPNET     LinkType = 226
	LinkIPv4      LinkType = 228
	LinkIPv6      LinkType = 229
	linkNetAna    LinkType = 240
	LinkSLL2      LinkType = 276
)

// EtherTypes. 0x88a8 is the outer tag of 802.1ad (QinQ), 0x9100 what was used
// before there was one.
const (
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd
	etherTag    = 0x8100
	etherOuter  = 0x88a8
	etherOuter0 = 0x9100

	etherHeader = 14 // bytes, without tags
	maxTags     = 4
)

// Network returns where the IP header of a frame starts, in bytes. It is not ok
// where the link header does not say so, or says that it is absent.
func (t LinkType) Network(frame []byte) (offset int, ok bool) {
	if t == LinkEthernet && untagged(frame) {
		return etherHeader, true
	}
	offset, err := t.network(frame)
	return offset, err == nil && offset <= len(frame)
}

// errNoHeader says that nothing is known of a link type's headers.
var errNoHeader = errors.New("unknown link type")

func (t LinkType) network(frame []byte) (int, error) {
	switch t {
	case LinkEthernet: // the usual one, without a call of etherType
		return etherPayload(frame, etherHeader-2, etherHeader)
	case LinkRaw, 12, 14, LinkIPv4, LinkIPv6: // 12 and 14 are DLT_RAW of some systems
		return 0, nil
	case LinkNull, LinkLoop, LinkPPP, LinkPPPSerial, linkPPPD:
		return 4, nil
	case LinkPPPEther, linkARCNET:
		return 8, nil
	case linkEnc:
		return 12, nil
	case linkIPNET:
		return 24, nil
	case LinkPFLOG:
		if len(frame) == 0 {
			return 0, ErrShort
		}
		return (int(frame[0]) + 3) &^ 3, nil
	}
	typeAt, off, err := t.etherType(frame)
	if err != nil {
		return 0, err
	}
	return etherPayload(frame, typeAt, off)
}

// etherType returns where the EtherType of a frame is, and what follows the header.
func (t LinkType) etherType(frame []byte) (at, off int, err error) {
	switch t {
	case LinkEthernet:
		return etherHeader - 2, etherHeader, nil
	case linkCiscoHDLC:
		return 2, 4, nil
	case linkATM:
		return 6, 8, nil
	case linkIEEE1394, linkNetAna:
		return 16, 18, nil
	case linkTokenRing:
		return 20, 22, nil
	case LinkSLL:
		return 14, 16, nil
	case LinkSLL2:
		return 0, 20, nil
	case LinkIEEE80211:
		return wlanType(frame)
	}
	return 0, 0, errNoHeader
}

// network returns where the IP header starts in a frame.
func (d *Decoder) network(frame []byte) (int, error) {
	off, err := d.Link.network(frame)
	if err == errNoHeader {
		return d.detect(frame, len(frame)), nil
	}
	return off, err
}

// untagged reports whether an Ethernet frame is of IP and without a tag, as almost
// all are.
func untagged(frame []byte) bool {
	if len(frame) < etherHeader {
		return false
	}
	kind := binary.BigEndian.Uint16(frame[etherHeader-2:])
	return kind == etherIPv4 || kind == etherIPv6
}

// etherPayload returns where the IP header starts: at off, or behind the tags
// that the EtherType at typeAt announces.
func etherPayload(frame []byte, typeAt, off int) (int, error) {
	for range maxTags + 1 {
		if len(frame) < off {
			return 0, ErrShort
		}
		switch binary.BigEndian.Uint16(frame[typeAt:]) {
		case etherIPv4, etherIPv6:
			return off, nil
		case etherTag, etherOuter, etherOuter0:
			typeAt, off = off+2, off+4
		default:
			return 0, ErrNotIP
		}
	}
	return 0, ErrNotIP
}

// wlanType is etherType for a data frame of IEEE 802.11, whose header has parts
// that the frame control announces, and a SNAP header behind it
// (IEEE 802.11-2020 §9.2.3).
func wlanType(frame []byte) (at, off int, err error) {
	if len(frame) < 2 {
		return 0, 0, ErrShort
	}
	const (
		kind, data           = 0x0c, 0x08 // of the first byte
		noData, qos          = 0x40, 0x80
		bothDS, sealed, plus = 0x03, 0x40, 0x80 // of the second
	)
	control, flags := frame[0], frame[1]
	if control&kind != data || control&noData != 0 || flags&sealed != 0 {
		return 0, 0, ErrNotIP
	}
	n := 24
	if flags&bothDS == bothDS {
		n += 6 // a fourth address
	}
	if control&qos != 0 {
		n += 2
		if flags&plus != 0 {
			n += 4 // HT control
		}
	}
	if len(frame) < n+8 {
		return 0, 0, ErrShort
	}
	if [3]byte(frame[n:]) != [3]byte{0xaa, 0xaa, 3} {
		return 0, 0, ErrNotIP
	}
	return n + 6, n + 8, nil
}

// CutSYN returns the type of a segment of whose headers a frame holds the start and
// not all. It is 0 where the frame ends before the flags of TCP, and for all others.
func (d *Decoder) CutSYN(frame []byte) Type {
	off, ok := d.Link.Network(frame)
	if !ok {
		return 0
	}
	b := frame[off:]
	var at int
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[9] == protoTCP && binary.BigEndian.Uint16(b[6:])&fragmentOffset == 0:
		at = int(b[0]&0xf) * 4
	case len(b) >= headerIPv6Fixed && b[0]>>4 == 6:
		if n, err := tcpHeader(b); err == nil {
			at = n
		}
	}
	const flagsAt = 13
	if at < 20 || len(b) <= at+flagsAt || len(b) >= at+int(b[at+flagsAt-1]>>4)*4 {
		return 0
	}
	return Type(b[at+flagsAt] & (FlagSYN | FlagACK | FlagFIN | FlagRST))
}

const (
	offsetUnknown = -1 // no frame has shown it
	lastAutoOff   = 38 // the last offset that detection tries
)

// detect returns where the IP header starts in the frames of a link type that
// is not known: where it does in the first frame that shows one.
func (d *Decoder) detect(frame []byte, n int) int {
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

// detectOffset looks for a TCP/IP header at the even offsets of a frame of
// which n bytes count, and returns offsetUnknown if absent
// (p0f-v3.md §1.3, auto-detection).
func detectOffset(frame []byte, n int) int {
	for off := 0; off <= lastAutoOff && n-off >= minIPv4; off += 2 {
		b := frame[off:]
		v6 := n-off >= minIPv6 && b[0]>>4 == 6 && b[6] == protoTCP
		v4 := b[0]>>4 == 4 && b[9] == protoTCP
		if v4 || v6 {
			return off
		}
	}
	return offsetUnknown
}
