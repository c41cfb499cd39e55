package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Tunnels is a set of kinds of encapsulation. Its zero value is empty.
type Tunnels uint16

// The kinds that Inner knows.
const (
	tunnelVLAN   Tunnels = 1 << iota // three and more tags (IEEE 802.1Q); Decode takes two
	tunnelSNAP                       // IEEE 802.3 with LLC and SNAP (RFC 1042)
	tunnelMPLS                       // RFC 3032, with IP or Ethernet (RFC 4448) inside
	tunnelPPPoE                      // RFC 2516, sessions
	tunnelIPIP                       // RFC 2003, RFC 2473
	tunnel6in4                       // RFC 4213
	tunnelGRE                        // RFC 2784, RFC 2890; version 1: RFC 2637
	tunnelERSPAN                     // in GRE, types I to III (draft-foschiano-erspan)
	tunnelVXLAN                      // RFC 7348
	tunnelGeneve                     // RFC 8926

	AllTunnels Tunnels = 1<<iota - 1
)

var tunnelNames = [...]string{"vlan", "snap", "mpls", "pppoe", "ipip", "6in4", "gre", "erspan", "vxlan", "geneve"}

// All yields the names of the kinds in the set, in a fixed order.
func (t Tunnels) All(yield func(string) bool) {
	for i, name := range tunnelNames {
		if t&(1<<i) != 0 && !yield(name) {
			return
		}
	}
}

// String returns the names of the kinds in the set, with commas between.
func (t Tunnels) String() string {
	var names []string
	for name := range t.All {
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

// OverIP returns those kinds of the set that travel in IP packets: any host of the
// network can send them.
func (t Tunnels) OverIP() Tunnels {
	return t & (tunnelIPIP | tunnel6in4 | tunnelGRE | tunnelERSPAN | tunnelVXLAN | tunnelGeneve)
}

// ParseTunnels returns the set of the kinds named, or of all of them for "all".
func ParseTunnels(names []string) (Tunnels, error) {
	var t Tunnels
	for _, name := range names {
		one := Tunnels(0)
		for i, known := range tunnelNames {
			if name == known {
				one = 1 << i
			}
		}
		if name == "all" {
			one = AllTunnels
		}
		if one == 0 {
			return 0, fmt.Errorf("packet: %q is not a kind of encapsulation (%s, all)", name, AllTunnels)
		}
		t |= one
	}
	return t, nil
}

// Why a tunnel is not opened.
var (
	ErrTunnelKind    = errors.New("packet: a tunnel of a kind that is not to be opened")
	ErrTunnelSender  = errors.New("packet: a tunnel from an address that is not trusted")
	ErrTunnelInside  = errors.New("packet: a tunnel with something other than IP inside")
	ErrTunnelPart    = errors.New("packet: a tunnel in fragments")
	ErrTunnelTooDeep = errors.New("packet: more than 8 tunnels or VLAN tags, or more than 16 MPLS labels")
)

// maxTunnels is how deep Inner looks.
const maxTunnels = 8

// maxLabels is how many labels of MPLS it reads.
const maxLabels = 16

// An Opener finds the packets inside tunnels. Its zero value opens none. It is safe
// for concurrent use.
type Opener struct {
	Kinds Tunnels
	// Trusted says whose outer IP packets are opened; nil: those of any sender. A
	// host that can send to the sensor can make up what is inside.
	Trusted func(netip.Addr) bool
}

// Inner returns the innermost IP packet of a frame, a part of frame, and the kinds
// of encapsulation around it. Without encapsulation both are zero. With an error the
// kinds are those up to the one that was not opened, with it; the error for one that
// has no kind, such as WireGuard, wraps errors.ErrUnsupported. It allocates nothing.
//
// Link types 127 (radiotap) and 239 (NFLOG), and PPP without address and control,
// count as none: of them it returns the packet, and no kinds.
func (o *Opener) Inner(link LinkType, frame []byte) (ip []byte, kinds Tunnels, err error) {
	if link == LinkEthernet && plain(frame) {
		return nil, 0, nil
	}
	w := unwrapper{opener: o}
	switch link {
	case linkNFLOG, linkRadiotap:
		err = w.wrapped(link, frame)
	case LinkPPP, LinkPPPSerial:
		w.bare = link.shortPPP(frame)
		err = w.ppp(frame)
	default:
		err = w.frame(link, frame)
	}
	switch {
	case w.kinds == 0 && !w.bare && !isClosed(err): // an ordinary frame, whatever is wrong with it
		return nil, 0, nil
	case err != nil:
		return nil, w.kinds, err
	}
	return w.inner, w.kinds, nil
}

// plain reports whether an Ethernet frame is of TCP right behind an IP header, as
// almost all are.
func plain(frame []byte) bool {
	const v4Proto, v6Next = etherHeader + 9, etherHeader + 6
	if len(frame) <= v4Proto {
		return true // too short for anything
	}
	switch binary.BigEndian.Uint16(frame[etherHeader-2:]) {
	case etherIPv4:
		return frame[v4Proto] == protoTCP
	case etherIPv6:
		return frame[v6Next] == protoTCP
	}
	return false
}
