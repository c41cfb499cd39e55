package difftest

import "encoding/binary"

// record is one frame of a capture: what was captured, how long it was on the
// wire, and when it came, in microseconds since 1970.
type record struct {
	micros uint64
	data   []byte
	wire   int // bytes; may be larger or smaller than len(data) in damaged records
}

// The link types of captures (the numbers of pcap-linktype(7)).
const (
	linkNull      = 0
	linkEthernet  = 1
	linkPPP       = 9
	linkPPPoE     = 51
	linkPPPSerial = 50
	linkRaw       = 101
	link80211     = 105
	linkLoop      = 108
	linkSLL       = 113
	linkPFLog     = 117
	linkIPv4      = 228
	linkIPv6      = 229
	linkSLL2      = 276
)

// pcapFormat chooses among the forms of a classic pcap file.
type pcapFormat struct {
	order binary.ByteOrder // nil = little-endian
	nanos bool
	link  uint32
}

// encodePcap returns records as a classic pcap file, version 2.4, snap length
// 65535.
func encodePcap(f pcapFormat, records []record) []byte {
	order := f.order
	if order == nil {
		order = binary.LittleEndian
	}
	magic, perMicro := uint32(0xa1b2c3d4), uint64(1)
	if f.nanos {
		magic, perMicro = 0xa1b23c4d, 1000
	}
	b := make([]byte, 24)
	order.PutUint32(b[0:], magic)
	order.PutUint16(b[4:], 2)
	order.PutUint16(b[6:], 4)
	order.PutUint32(b[16:], 65535)
	order.PutUint32(b[20:], f.link)
	for _, r := range records {
		var h [16]byte
		order.PutUint32(h[0:], uint32(r.micros/1e6))
		order.PutUint32(h[4:], uint32(r.micros%1e6*perMicro))
		order.PutUint32(h[8:], uint32(len(r.data)))
		order.PutUint32(h[12:], uint32(r.wire))
		b = append(append(b, h[:]...), r.data...)
	}
	return b
}

// encodePcapng returns records as a pcapng file of one section, one interface
// of link type Ethernet and enhanced packet blocks, in microseconds.
func encodePcapng(records []record) []byte {
	le := binary.LittleEndian
	block := func(b []byte, kind uint32, body []byte) []byte {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		size := uint32(12 + len(body))
		b = le.AppendUint32(le.AppendUint32(b, kind), size)
		return le.AppendUint32(append(b, body...), size)
	}
	section := le.AppendUint32(nil, 0x1a2b3c4d)
	section = le.AppendUint16(le.AppendUint16(section, 1), 0)
	section = le.AppendUint64(section, ^uint64(0)) // section length not given
	b := block(nil, 0x0a0d0d0a, section)
	iface := le.AppendUint16(le.AppendUint16(nil, linkEthernet), 0)
	b = block(b, 1, le.AppendUint32(iface, 65535))
	for _, r := range records {
		body := le.AppendUint32(nil, 0)
		body = le.AppendUint32(body, uint32(r.micros>>32))
		body = le.AppendUint32(body, uint32(r.micros))
		body = le.AppendUint32(body, uint32(len(r.data)))
		body = le.AppendUint32(body, uint32(r.wire))
		b = block(b, 6, append(body, r.data...))
	}
	return b
}

// decodePcap splits a little-endian microsecond pcap, as Generate makes it,
// into its records. Malformed input gives the records before the damage.
func decodePcap(b []byte) []record {
	var out []record
	for off := 24; off+16 <= len(b); {
		le := binary.LittleEndian
		n := int(le.Uint32(b[off+8:]))
		if n < 0 || off+16+n > len(b) {
			break
		}
		out = append(out, record{
			micros: uint64(le.Uint32(b[off:]))*1e6 + uint64(le.Uint32(b[off+4:])),
			data:   b[off+16 : off+16+n],
			wire:   int(le.Uint32(b[off+12:])),
		})
		off += 16 + n
	}
	return out
}
