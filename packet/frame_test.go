package packet

import "encoding/binary"

// The packets of the tests are one SYN, changed in one place each. syn4 has no
// options, DF and an ID; syn6 has no flow label.

func syn4() []byte {
	b := make([]byte, 40)
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], 40)
	binary.BigEndian.PutUint16(b[4:], 0x1234)
	binary.BigEndian.PutUint16(b[6:], 0x4000)
	b[8], b[9] = 64, protoTCP
	copy(b[12:], []byte{192, 0, 2, 1})
	copy(b[16:], []byte{198, 51, 100, 2})
	putTCP(b[20:])
	return b
}

func syn6() []byte {
	b := make([]byte, 60)
	b[0] = 0x60
	binary.BigEndian.PutUint16(b[4:], 20)
	b[6], b[7] = protoTCP, 64
	copy(b[8:], []byte{0x20, 1, 0x0d, 0xb8, 15: 1})
	copy(b[24:], []byte{0x20, 1, 0x0d, 0xb8, 15: 2})
	putTCP(b[40:])
	return b
}

func putTCP(b []byte) {
	binary.BigEndian.PutUint16(b[0:], 1025)
	binary.BigEndian.PutUint16(b[2:], 25)
	binary.BigEndian.PutUint32(b[4:], 0x11223344)
	b[12], b[13] = 5<<4, FlagSYN
	binary.BigEndian.PutUint16(b[14:], 64240)
}

// ipLen is the length of the IP header of a packet.
func ipLen(b []byte) int {
	if b[0]>>4 == 6 {
		return 40
	}
	return int(b[0]&15) * 4
}

// grow inserts bytes at an offset and sets the length field of the IP header.
func grow(b []byte, at int, more ...byte) []byte {
	b = append(b[:at:at], append(append([]byte(nil), more...), b[at:]...)...)
	if b[0]>>4 == 6 {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	} else {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	return b
}

// withOptions gives a packet without TCP options some; their number of bytes
// must be a multiple of four.
func withOptions(b []byte, opt ...byte) []byte {
	tcp := ipLen(b)
	b[tcp+12] += byte(len(opt)/4) << 4
	return grow(b, tcp+20, opt...)
}

// withIPOptions gives an IPv4 packet options of the IP header.
func withIPOptions(b []byte, opt ...byte) []byte {
	b[0] += byte(len(opt) / 4)
	return grow(b, 20, opt...)
}

// withPayload appends data.
func withPayload(b []byte, data ...byte) []byte { return grow(b, len(b), data...) }

// withExtensions puts extension headers of 16 bytes, or 8 of a fragment header,
// before the TCP header of an IPv6 packet that has none.
func withExtensions(b []byte, kinds ...byte) []byte {
	for i := len(kinds) - 1; i >= 0; i-- {
		h := []byte{b[6], 1, 1, 12, 15: 0} // PadN
		if kinds[i] == extFragment {
			h = []byte{b[6], 0, 0, 1, 0, 0, 0, 9}
		}
		b[6] = kinds[i]
		b = grow(b, 40, h...)
	}
	return b
}

// ethernet puts an Ethernet header before a packet.
func ethernet(b []byte) []byte {
	t := uint16(etherIPv4)
	if b[0]>>4 == 6 {
		t = etherIPv6
	}
	return append(binary.BigEndian.AppendUint16(make([]byte, 12), t), b...)
}

// tagged puts tags into an Ethernet frame, the outermost first.
func tagged(frame []byte, types ...uint16) []byte {
	var tags []byte
	for _, t := range types {
		tags = append(binary.BigEndian.AppendUint16(tags, t), 0x60, 42)
	}
	return append(frame[:12:12], append(tags, frame[12:]...)...)
}

// behind puts n bytes before a packet, as a link header.
func behind(n int, b []byte) []byte { return append(make([]byte, n), b...) }

// linuxOptions is the option area of a Linux SYN: mss 1460, sok, ts, nop, ws 7.
var linuxOptions = []byte{
	2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 99, 0, 0, 0, 0, 1, 3, 3, 7,
}
