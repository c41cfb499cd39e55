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

	// families4 and families6 are the values of kindFamily; kindPFLOG has
	// families6.
	families4, families6 []uint32

	types map[uint32][]uint32 // of kindByte, by EtherType
}

// linkLayer returns the link layer of a Config. The numbers are LINKTYPE
// values and, for raw IP, those that some systems use for DLT_RAW.
func linkLayer(cfg Config) (link, error) {
	l := link{number: cfg.Link, more: cfg.Extended}
	switch cfg.Link {
	case 1: // LINKTYPE_ETHERNET
		l.kind, l.typeAt, l.payload, l.vlan = kindEther, 12, 14, true
	case 9, 50: // LINKTYPE_PPP, LINKTYPE_PPP_HDLC: address, control, protocol
		l.kind, l.typeAt, l.payload = kindPPP, 2, 4
	case 51: // LINKTYPE_PPP_ETHER: PPPoE session header, protocol
		l.kind, l.typeAt, l.payload = kindPPP, 6, 8
	case 166: // LINKTYPE_PPP_PPPD: direction, control, protocol
		l.kind, l.typeAt, l.payload = kindPPP, 2, 4
	case 6: // LINKTYPE_IEEE802_5, without source routing: two addresses, LLC and SNAP
		l.kind, l.typeAt, l.payload = kindEther, 20, 22
	case 100: // LINKTYPE_ATM_RFC1483: LLC and SNAP
		l.kind, l.typeAt, l.payload = kindEther, 6, 8
	case 104: // LINKTYPE_C_HDLC: address, control, EtherType
		l.kind, l.typeAt, l.payload = kindEther, 2, 4
	case 138: // LINKTYPE_APPLE_IP_OVER_IEEE1394: two addresses of 8 bytes
		l.kind, l.typeAt, l.payload = kindEther, 16, 18
	case 240: // LINKTYPE_NETANALYZER: 4 bytes, then Ethernet
		l.kind, l.typeAt, l.payload, l.start, l.vlan = kindEther, 16, 18, 4, true
	case 129: // LINKTYPE_ARCNET_LINUX
		l.kind, l.typeAt, l.payload = kindByte, 4, 8
		l.types = map[uint32][]uint32{etherIPv4: {0xd4, 0xf0}, etherIPv6: {0xc4}, etherARP: {0xd5, 0xf1}, etherRARP: {0xd6}}
	case 226: // LINKTYPE_IPNET: families as Solaris numbers them
		l.kind, l.typeAt, l.payload = kindByte, 1, 24
		l.types = map[uint32][]uint32{etherIPv4: {2}, etherIPv6: {26}}
	case 109: // LINKTYPE_ENC: family, SPI, flags
		l.kind, l.payload = kindFamily, 12
		l.families(cfg.Savefile)
	case 12, 14, 101: // LINKTYPE_RAW
		l.kind = kindVersion
	case 105: // LINKTYPE_IEEE802_11: LLC and SNAP are 8 bytes, EtherType last
		l.kind, l.typeAt, l.payload, l.vlan = kindWLAN, 6, 8, true
	case 113: // LINKTYPE_LINUX_SLL
		l.kind, l.typeAt, l.payload, l.vlan = kindEther, 14, 16, cfg.Extended
	case 276: // LINKTYPE_LINUX_SLL2
		l.kind, l.typeAt, l.payload, l.vlan = kindEther, 0, 20, cfg.Extended
	case 117: // LINKTYPE_PFLOG
		l.kind, l.typeAt = kindPFLOG, 1
		l.families6 = []uint32{inet6()}
		if cfg.Extended {
			l.families6 = []uint32{10, 24, 28, 30} // Linux, NetBSD and OpenBSD, FreeBSD, macOS
		}
	case 228: // LINKTYPE_IPV4
		l.kind = kindIPv4
	case 229: // LINKTYPE_IPV6
		l.kind = kindIPv6
	case 0, 108: // LINKTYPE_NULL, LINKTYPE_LOOP
		l.kind, l.payload = kindFamily, 4
		l.families(cfg.Savefile)
	default:
		return link{}, fmt.Errorf("%w: %d", ErrLink, cfg.Link)
	}
	return l, nil
}

// families fills in the address families of link types 0, 108 and 109. In type
// 108 they are in network byte order, else in that of the capturing machine.
func (l *link) families(savefile bool) {
	const inet = 2 // the same everywhere, unlike AF_INET6
	l.families4 = []uint32{inet}
	l.families6 = []uint32{inet6()}
	if savefile {
		l.families6 = []uint32{24, 28, 30}
	}
	if l.number == 108 {
		return
	}
	both := func(families []uint32) []uint32 {
		var out []uint32
		for _, f := range families {
			var b [4]byte
			binary.NativeEndian.PutUint32(b[:], f)
			out = append(out, binary.BigEndian.Uint32(b[:]))
			if savefile {
				out = append(out, binary.LittleEndian.Uint32(b[:]))
			}
		}
		return out
	}
	l.families4, l.families6 = both(l.families4), both(l.families6)
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
