package packet

// LinkType is the link-layer type of a capture, numbered as in pcap and pcapng
// files (LINKTYPE_ values).
type LinkType uint16

// The link types whose IP header stands at an offset p0f knows
// (p0f v3 §1.3), and three it finds by looking.
const (
	LinkNull      LinkType = 0
	LinkEthernet  LinkType = 1
	LinkPPP       LinkType = 9
	LinkPPPSerial LinkType = 50
	LinkPPPEther  LinkType = 51
	LinkRaw       LinkType = 101
	LinkIEEE80211 LinkType = 105
	LinkLoop      LinkType = 108
	LinkSLL       LinkType = 113
	LinkPFLOG     LinkType = 117
	LinkIPv4      LinkType = 228
	LinkIPv6      LinkType = 229
	LinkSLL2      LinkType = 276
)

const (
	offsetUnknown = -1 // to be found by looking at the frames
	lastAutoOff   = 38 // the last offset that detection tries
)

// offset returns where the IP header starts in a frame of this type, or
// offsetUnknown. The values for LinkLoop, LinkPPPSerial and LinkPFLOG are not
// those of today's headers; p0f uses them, and so discards such captures.
func (l LinkType) offset() int {
	switch l {
	case LinkRaw, 12, 14: // 12 and 14 are DLT_RAW of some systems
		return 0
	case LinkNull, LinkPPP:
		return 4
	case LinkLoop, LinkPPPSerial, LinkPPPEther:
		return 8
	case LinkEthernet:
		return 14
	case LinkSLL:
		return 16
	case LinkPFLOG:
		return 28
	case LinkIEEE80211:
		return 32
	}
	return offsetUnknown
}

// detectOffset looks for a TCP/IP header at the even offsets of a frame of
// which n bytes count, and returns offsetUnknown where there is none
// (p0f v3 §1.3, auto-detection).
func detectOffset(frame []byte, n int) int {
	for off := 0; off <= lastAutoOff && n-off >= minIPv4; off += 2 {
		b := frame[off:]
		v6 := n-off >= minIPv6 && b[0]>>4 == 6 && b[6] == protoTCP
		v4 := b[0]>>4 == 4 && b[9] == protoTCP
		if !v4 && !v6 {
			continue
		}
		// p0f takes 81 00 before the header for a VLAN tag behind it, and is
		// wrong for this frame and all later ones.
		if off >= 4 && frame[off-4] == 0x81 && frame[off-3] == 0x00 {
			off -= 4
		}
		return off
	}
	return offsetUnknown
}
