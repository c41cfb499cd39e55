package filter

import (
	"encoding/binary"
	"fmt"
	"runtime"
)

// linkKind is the way a link layer says what its payload is.
type linkKind uint8

const (
	kindEther   linkKind = iota // a 16-bit EtherType
	kindPPP                     // a 16-bit PPP protocol number
	kindFamily                  // a 32-bit address family
	kindPFLOG                   // an 8-bit address family, header length in the first byte
	kindVersion                 // the version nibble of the IP header itself
	kindIPv4                    // always IPv4
	kindIPv6                    // always IPv6
	kindWLAN                    // an EtherType in a SNAP header behind a header of 24 or 26 bytes
	kindByte                    // a byte, whose values are in types
)

// link describes a link layer. Offsets are in bytes from the start of the
// frame; of kindPFLOG and kindWLAN the payload is at the length of the
// variable header more.
type link struct {
	number  int
	more    bool // Config.Extended
	kind    linkKind
	typeAt  uint32
	payload uint32
	start   uint32 // of what ether[0] is
	vlan    bool   // it can carry VLAN tags

	// src and dst are the offsets of the Ethernet addresses. Valid iff macs.
	src, dst uint32
	macs     bool

	types map[uint32][]uint32 // of kindByte, kindFamily and kindPFLOG, by EtherType
}

// links are the link layers by LINKTYPE value and, for raw IP, also by the values
// that some systems use for DLT_RAW. Address families are filled in by linkLayer.
var links = map[int]link{
	// Those with an EtherType.
	1:   {kind: kindEther, typeAt: 12, payload: 14, vlan: true, macs: true, src: 6, dst: 0}, // ETHERNET
	6:   {kind: kindEther, typeAt: 20, payload: 22, macs: true, src: 8, dst: 2},             // IEEE802_5, no source routing: LLC and SNAP
	100: {kind: kindEther, typeAt: 6, payload: 8},                                           // ATM_RFC1483: LLC and SNAP
	104: {kind: kindEther, typeAt: 2, payload: 4},                                           // C_HDLC: address, control
	113: {kind: kindEther, typeAt: 14, payload: 16},                                         // LINUX_SLL
	138: {kind: kindEther, typeAt: 16, payload: 18},                                         // APPLE_IP_OVER_IEEE1394: addresses of 8 bytes
	276: {kind: kindEther, typeAt: 0, payload: 20},                                          // LINUX_SLL2

	// NETANALYZER: 4 bytes, then Ethernet.
	240: {kind: kindEther, typeAt: 16, payload: 18, start: 4, vlan: true, macs: true, src: 10, dst: 4},

	// IEEE802_11: LLC and SNAP are 8 bytes, the EtherType is last.
	105: {kind: kindWLAN, typeAt: 6, payload: 8, vlan: true},

	9:   {kind: kindPPP, typeAt: 2, payload: 4}, // PPP: address, control, protocol
	50:  {kind: kindPPP, typeAt: 2, payload: 4}, // PPP_HDLC: likewise
	51:  {kind: kindPPP, typeAt: 6, payload: 8}, // PPP_ETHER: PPPoE session header, protocol
	166: {kind: kindPPP, typeAt: 2, payload: 4}, // PPP_PPPD: direction, control, protocol

	0:   {kind: kindFamily, payload: 4},  // NULL
	108: {kind: kindFamily, payload: 4},  // LOOP
	109: {kind: kindFamily, payload: 12}, // ENC: family, SPI, flags
	117: {kind: kindPFLOG, typeAt: 1},    // PFLOG

	12:  {kind: kindVersion}, // RAW
	14:  {kind: kindVersion},
	101: {kind: kindVersion},
	228: {kind: kindIPv4}, // IPV4
	229: {kind: kindIPv6}, // IPV6

	129: {kind: kindByte, typeAt: 4, payload: 8, types: arcnetTypes}, // ARCNET_LINUX
	226: {kind: kindByte, typeAt: 1, payload: 24, types: ipnetTypes}, // IPNET
}

// arcnetTypes are the types of ARCNET, and ipnetTypes families as Solaris numbers them.
var (
	arcnetTypes = map[uint32][]uint32{etherIPv4: {0xd4, 0xf0}, etherIPv6: {0xc4}, etherARP: {0xd5, 0xf1}, etherRARP: {0xd6}}
	ipnetTypes  = map[uint32][]uint32{etherIPv4: {2}, etherIPv6: {26}}
)

// linkLayer returns the link layer of a Config.
func linkLayer(cfg Config) (link, error) {
	l, ok := links[cfg.Link]
	if !ok {
		return link{}, fmt.Errorf("%w: %d", ErrLink, cfg.Link)
	}
	l.number, l.more = cfg.Link, cfg.Extended
	switch {
	case l.kind == kindFamily:
		l.families(cfg.Savefile)
	case l.kind == kindPFLOG && cfg.Extended:
		l.types = families(10, 24, 28, 30) // Linux, NetBSD and OpenBSD, FreeBSD, macOS
	case l.kind == kindPFLOG:
		l.types = families(inet6())
	case cfg.Link == 113 || cfg.Link == 276:
		l.vlan = cfg.Extended
	}
	return l, nil
}

// families are the types where AF_INET6 is one of some numbers. AF_INET is the
// same everywhere.
func families(inet6 ...uint32) map[uint32][]uint32 {
	return map[uint32][]uint32{etherIPv4: {2}, etherIPv6: inet6}
}

// families fills in the address families of link types 0, 108 and 109. In type
// 108 they are in network byte order, else in that of the capturing machine.
func (l *link) families(savefile bool) {
	l.types = families(inet6())
	if savefile {
		l.types = families(24, 28, 30)
	}
	if l.number == 108 {
		return
	}
	for t, values := range l.types {
		var both []uint32
		for _, f := range values {
			var b [4]byte
			binary.NativeEndian.PutUint32(b[:], f)
			both = append(both, binary.BigEndian.Uint32(b[:]))
			if savefile {
				both = append(both, binary.LittleEndian.Uint32(b[:]))
			}
		}
		l.types[t] = both
	}
}

// inet6 returns the AF_INET6 of this system, which the kernel puts into the
// frames of a loopback device.
func inet6() uint32 {
	switch runtime.GOOS {
	case "linux", "android":
		return 10
	case "freebsd", "dragonfly":
		return 28
	case "darwin", "ios":
		return 30
	}
	return 24 // NetBSD, OpenBSD, Npcap
}
