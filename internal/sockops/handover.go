package sockops

import (
	"encoding/binary"
	"net/netip"

	"github.com/mxprint/mxprint/packet"
)

// synMax and the offsets are those of struct handover in program.c.
const (
	synMax       = 128
	offServer    = 16
	offPorts     = 32
	offLength    = 36
	offSYN       = 40
	handoverSize = offSYN + synMax
)

// handover is one established connection. The addresses are unmapped.
type handover struct {
	client, server netip.AddrPort
	syn            []byte // IP and TCP headers, in the decoded record; nil: not kept
}

// decodeHandover takes a record of the ring apart. ok is false where it is not
// a record of program.c.
func decodeHandover(b []byte) (h handover, ok bool) {
	if len(b) < handoverSize {
		return h, false
	}
	end := func(addr, port int) netip.AddrPort {
		a := netip.AddrFrom16([16]byte(b[addr:])).Unmap()
		return netip.AddrPortFrom(a, binary.NativeEndian.Uint16(b[port:]))
	}
	h.client, h.server = end(0, offPorts), end(offServer, offPorts+2)
	length := int(int32(binary.NativeEndian.Uint32(b[offLength:])))
	if length > 0 && length <= synMax {
		if syn := b[offSYN : offSYN+length]; wireLen(syn) > 0 {
			h.syn = syn
		}
	}
	return h, true
}

// wireLen is the length of a packet by its IP header, or 0 where package packet
// cannot decode it, as when its extension headers left no room for the rest.
func wireLen(ip []byte) int {
	decoder := packet.Decoder{Link: packet.LinkRaw}
	var s packet.Segment
	if decoder.Decode(ip, len(ip), &s) != nil {
		return 0
	}
	return int(s.HeaderLen) + int(s.ExtLen) + int(s.PayloadLen)
}
