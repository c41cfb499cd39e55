package packet

import (
	"encoding/binary"
	"net/netip"
)

// unwrapper is the way into one frame.
type unwrapper struct {
	opener *Opener
	kinds  Tunnels
	depth  int
	bare   bool // the link header is one that Decode does not know
	inner  []byte
}

// enter notes one more tunnel, if it may be opened.
func (w *unwrapper) enter(kind Tunnels) error {
	w.kinds |= kind
	if w.opener.Kinds&kind == 0 {
		return ErrTunnelKind
	}
	if w.depth++; w.depth > maxTunnels {
		return ErrTunnelTooDeep
	}
	return nil
}

const (
	etherMPLS       = 0x8847
	etherMPLSMulti  = 0x8848
	etherPPPoE      = 0x8864
	etherBridged    = 0x6558 // Ethernet, in GRE and Geneve
	etherERSPAN     = 0x88be
	etherERSPAN3    = 0x22eb
	etherPPP        = 0x880b
	longestLength   = 1500 // of the type field: up to it, it is a length
	linkRadiotap    = 127
	linkNFLOG       = 239
	freeTags        = 2 // that Decode and filters take
	protoIPv4       = 4
	protoIPv6       = 41
	protoGRE        = 47
	protoUDP        = 17
	portVXLAN       = 4789
	portVXLANLinux  = 8472
	portVXLANGPE    = 4790
	portGeneve      = 6081
	headerUDP       = 8
	headerIPv6Fixed = 40
)

// frame goes on behind the header of a link type that Decode knows.
func (w *unwrapper) frame(link LinkType, b []byte) error {
	typeAt, off, err := link.etherType(b)
	if err == nil {
		return w.ether(b, typeAt, off)
	}
	if err == errNoHeader {
		off, err = link.network(b)
	}
	switch {
	case err != nil:
		return err
	case off > len(b):
		return ErrShort
	}
	return w.ip(b[off:])
}

// ether goes on at the EtherType at typeAt, whose payload starts at off.
func (w *unwrapper) ether(b []byte, typeAt, off int) error {
	for tags := 0; ; tags++ {
		if len(b) < off || len(b) < typeAt+2 {
			return ErrShort
		}
		kind := binary.BigEndian.Uint16(b[typeAt:])
		if kind != etherTag && kind != etherOuter && kind != etherOuter0 {
			return w.payload(kind, b[off:])
		}
		if tags == freeTags {
			if err := w.enter(tunnelVLAN); err != nil {
				return err
			}
		} else if tags >= maxTunnels {
			return ErrTunnelTooDeep
		}
		typeAt, off = off+2, off+4
	}
}

// payload goes on in what has an EtherType.
func (w *unwrapper) payload(kind uint16, b []byte) error {
	switch {
	case kind == etherIPv4 || kind == etherIPv6:
		return w.ip(b)
	case kind == etherMPLS || kind == etherMPLSMulti:
		return w.mpls(b)
	case kind == etherPPPoE:
		return w.pppoe(b)
	case kind <= longestLength && len(b) >= 8 && [6]byte(b) == [6]byte{0xaa, 0xaa, 3}:
		if err := w.enter(tunnelSNAP); err != nil {
			return err
		}
		return w.payload(binary.BigEndian.Uint16(b[6:]), b[8:])
	}
	if err := closedEther[kind]; err != nil {
		return err
	}
	return ErrTunnelInside
}

func (w *unwrapper) mpls(b []byte) error {
	if err := w.enter(tunnelMPLS); err != nil {
		return err
	}
	for range maxLabels {
		if len(b) < 5 {
			return ErrShort
		}
		last := b[2]&1 != 0
		b = b[4:]
		if !last {
			continue
		}
		switch b[0] >> 4 {
		case 4, 6:
			return w.ip(b)
		case 0: // a control word, and Ethernet; or an address of it
			if len(b) < 4 {
				return ErrShort
			}
			kinds := w.kinds
			if err := w.ether(b[4:], etherHeader-2, etherHeader); err != ErrTunnelInside {
				return err
			}
			w.kinds = kinds
		}
		return w.ether(b, etherHeader-2, etherHeader)
	}
	return ErrTunnelTooDeep
}

func (w *unwrapper) pppoe(b []byte) error {
	if err := w.enter(tunnelPPPoE); err != nil {
		return err
	}
	if len(b) < 8 {
		return ErrShort
	}
	if b[0] != 0x11 || b[1] != 0 {
		return ErrTunnelInside
	}
	return w.ppp(b[6:])
}

// ppp goes on at the protocol of PPP (RFC 1661), one or two bytes.
func (w *unwrapper) ppp(b []byte) error {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 { // address and control
		b = b[2:]
	}
	if len(b) < 2 {
		return ErrShort
	}
	kind := uint16(b[0])
	if b = b[1:]; kind&1 == 0 {
		kind, b = kind<<8|uint16(b[0]), b[1:]
	}
	switch kind {
	case 0x21, 0x57: // IPv4, IPv6
		return w.ip(b)
	case 0x281, 0x283: // one receiver, or several (RFC 3032 §4.3)
		return w.mpls(b)
	}
	if err := closedPPP[kind]; err != nil {
		return err
	}
	return ErrTunnelInside
}

// ip goes on in an IP packet, which is the innermost one unless it is a tunnel.
func (w *unwrapper) ip(b []byte) error {
	if len(b) < 20 {
		return ErrShort
	}
	var proto byte
	var src netip.Addr
	var part bool
	var next []byte
	switch b[0] >> 4 {
	case 4:
		n := int(b[0]&0xf) * 4
		if n < 20 || len(b) < n {
			return ErrHeader
		}
		src = netip.AddrFrom4([4]byte(b[12:]))
		proto, part, next = b[9], binary.BigEndian.Uint16(b[6:])&0x3fff != 0, b[n:]
	case 6:
		if len(b) < headerIPv6Fixed {
			return ErrShort
		}
		src = netip.AddrFrom16([16]byte(b[8:]))
		proto, part, next = upper(b)
	default:
		return ErrTunnelInside
	}
	w.inner = b
	kind := w.tunnel(proto, b[0]>>4, next)
	if kind == 0 {
		return unopened(proto, part, next)
	}
	if err := w.enter(kind); err != nil {
		return err
	}
	if trusted := w.opener.Trusted; trusted != nil && !trusted(src) {
		return ErrTunnelSender
	}
	if part {
		return ErrTunnelPart
	}
	switch kind {
	case tunnelIPIP, tunnel6in4:
		return w.ip(next)
	case tunnelVXLAN:
		return w.vxlan(next[headerUDP:])
	case tunnelGeneve:
		return w.geneve(next[headerUDP:])
	}
	return w.gre(next)
}

// upper is what an IPv6 packet holds behind the extension headers that tunnels
// have: hop-by-hop, routing, destination options and fragment.
func upper(b []byte) (proto byte, part bool, next []byte) {
	proto, next = b[6], b[headerIPv6Fixed:]
	for range maxTunnels {
		if proto == 44 && len(next) >= 8 { // a fragment, or an atomic one (RFC 6946)
			return next[0], binary.BigEndian.Uint16(next[2:])&0xfff9 != 0, next[8:]
		}
		if proto != 0 && proto != 43 && proto != 60 || len(next) < 8 {
			break
		}
		n := 8 + int(next[1])*8
		if len(next) < n {
			break
		}
		proto, next = next[0], next[n:]
	}
	return proto, false, next
}

// tunnel returns which kind of tunnel a protocol is, or none.
func (w *unwrapper) tunnel(proto, version byte, b []byte) Tunnels {
	switch proto {
	case protoIPv4:
		return tunnelIPIP
	case protoIPv6:
		if version == 4 {
			return tunnel6in4
		}
		return tunnelIPIP
	case protoGRE:
		if len(b) >= 4 {
			if kind := binary.BigEndian.Uint16(b[2:]); kind == etherERSPAN || kind == etherERSPAN3 {
				return tunnelERSPAN
			}
		}
		return tunnelGRE
	case protoUDP:
		if len(b) < headerUDP+8 {
			return 0
		}
		const validNumber = 8 // a flag of VXLAN
		switch port, flags := binary.BigEndian.Uint16(b[2:]), b[headerUDP]; port {
		case portVXLAN, portVXLANLinux, portVXLANGPE:
			if flags&validNumber != 0 {
				return tunnelVXLAN
			}
		case portGeneve:
			if flags>>6 == 0 { // version
				return tunnelGeneve
			}
		}
	}
	return 0
}

// vxlan ignores the flags and fields that RFC 7348 reserves, such as those of group
// policies, but for the flag of the generic protocol extension and the protocol
// that comes with it (draft-ietf-nvo3-vxlan-gpe).
func (w *unwrapper) vxlan(b []byte) error {
	const generic, ipv4, ipv6, nsh, mpls = 4, 1, 2, 4, 5
	flags, next, b := b[0], b[3], b[8:]
	switch {
	case flags&generic == 0:
	case next == ipv4 || next == ipv6:
		return w.ip(b)
	case next == nsh:
		return w.payload(0x894f, b)
	case next == mpls:
		return w.mpls(b)
	}
	return w.ether(b, etherHeader-2, etherHeader)
}

func (w *unwrapper) geneve(b []byte) error {
	n := 8 + int(b[0]&0x3f)*4
	if len(b) < n {
		return ErrShort
	}
	if kind := binary.BigEndian.Uint16(b[2:]); kind != etherBridged {
		return w.payload(kind, b[n:])
	}
	return w.ether(b[n:], etherHeader-2, etherHeader)
}

func (w *unwrapper) gre(b []byte) error {
	const checksum, routing, key, sequence, ack = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
	if len(b) < 4 {
		return ErrShort
	}
	flags, kind := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	n := 4
	for _, flag := range [...]uint16{checksum, key, sequence} {
		if flags&flag != 0 {
			n += 4
		}
	}
	version := flags & 7
	inside := kind
	if version == 1 && flags&ack != 0 {
		n += 4
	}
	switch {
	case version > 1 || flags&routing != 0:
		return ErrTunnelInside
	case kind == etherERSPAN && flags&sequence != 0: // type II; type I has no header
		n += 8
	case kind == etherERSPAN3:
		if len(b) >= n+12 {
			if b[n+10]>>2&0x1f == 2 { // an IP packet, not Ethernet
				inside = etherIPv4
			}
			if b[n+11]&1 != 0 { // one more header
				n += 8
			}
		}
		n += 12
	}
	if len(b) < n {
		return ErrShort
	}
	switch b = b[n:]; inside {
	case etherERSPAN, etherERSPAN3, etherBridged:
		return w.ether(b, etherHeader-2, etherHeader)
	case etherPPP:
		return w.ppp(b)
	}
	return w.payload(inside, b)
}

// shortPPP reports whether a frame of PPP has no address and control before its
// protocol, as LINKTYPE_PPP allows, or a protocol of one byte behind them; Decode
// and filters expect four bytes.
func (t LinkType) shortPPP(frame []byte) bool {
	isIP := func(b byte) bool { return b == 0x21 || b == 0x57 }
	return (t == LinkPPP || t == LinkPPPSerial) && len(frame) >= 3 && (frame[0] == 0 && frame[1]&1 == 1 || isIP(frame[0]) ||
		frame[0] == 0xff && frame[1] == 3 && isIP(frame[2]))
}

// wrapped goes on in the frame behind a header of the capture itself.
func (w *unwrapper) wrapped(link LinkType, b []byte) error {
	w.bare = true
	if link == linkNFLOG {
		return w.nflog(b)
	}
	if len(b) < 4 { // version, padding, length of the header
		return ErrShort
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n < 8 || n > len(b) {
		return ErrHeader
	}
	err := w.frame(LinkIEEE80211, b[n:])
	if err == ErrTunnelInside && w.kinds == 0 {
		return ErrNotIP
	}
	return err
}

// nflog goes on in the packet of an NFLOG frame: behind a header of 4 bytes are
// fields of length, type and value, in the byte order of the machine that
// captured (LINKTYPE_NFLOG).
func (w *unwrapper) nflog(b []byte) error {
	const header, payload, maxFields = 4, 9, 64
	if len(b) < header {
		return ErrShort
	}
	for _, order := range [...]binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		rest := b[header:]
		for range maxFields {
			if len(rest) < 4 {
				break
			}
			n, kind := int(order.Uint16(rest)), order.Uint16(rest[2:])
			if n < 4 || n > len(rest) && kind != payload {
				break
			}
			n = min(n, len(rest))
			if kind == payload {
				return w.ip(rest[4:n])
			}
			rest = rest[min((n+3)&^3, len(rest)):]
		}
	}
	return ErrHeader
}
