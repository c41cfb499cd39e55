package filter

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// testLinks are the link types and what tcpdump -y calls them.
var testLinks = []struct {
	number int
	name   string
}{
	{0, "NULL"}, {1, "EN10MB"}, {9, "PPP"}, {50, "PPP_SERIAL"}, {51, "PPP_ETHER"},
	{101, "RAW"}, {105, "IEEE802_11"}, {108, "LOOP"}, {113, "LINUX_SLL"},
	{6, "IEEE802"}, {100, "ATM_RFC1483"}, {104, "C_HDLC"}, {109, "ENC"}, {129, "ARCNET_LINUX"},
	{138, "APPLE_IP_OVER_IEEE1394"}, {166, "PPP_PPPD"}, {226, "IPNET"}, {240, "NETANALYZER"},
	{117, "PFLOG"}, {228, "IPV4"}, {229, "IPV6"}, {276, "LINUX_SLL2"},
}

// frames makes frames that are likely to be near the edges of the
// expressions tested.
type frames struct {
	*rand.Rand
	families6 []uint32 // address families of IPv6 in NULL and LOOP
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// next returns a frame as captured and its length on the wire.
func (f *frames) next(link int) ([]byte, int) {
	frame := f.whole(link)
	wire := len(frame)
	if f.IntN(3) == 0 {
		frame = frame[:f.IntN(len(frame)+1)]
	}
	return frame, wire
}

// whole returns a frame, which may be damaged.
func (f *frames) whole(link int) []byte {
	frame := f.frame(link)
	switch f.IntN(20) {
	case 0: // noise alone
		frame = make([]byte, f.IntN(120))
		fallthrough
	case 1, 2: // and in a frame
		for range 1 + f.IntN(4) {
			if len(frame) > 0 {
				frame[f.IntN(len(frame))] = byte(f.IntN(256))
			}
		}
	}
	return frame
}

func (f *frames) frame(link int) []byte {
	etherType, payload := f.network()
	b16 := binary.BigEndian.AppendUint16
	b32 := binary.BigEndian.AppendUint32
	var h []byte
	ppp := map[uint16]uint16{0x0800: 0x21, 0x86dd: 0x57}
	family := map[uint16]uint32{0x0800: 2, 0x86dd: pick(f.Rand, f.families6...)}[etherType]
	if family == 0 {
		family = f.Uint32N(40)
	}
	switch link {
	case 0:
		h = binary.NativeEndian.AppendUint32(nil, family)
	case 108:
		h = b32(nil, family)
	case 6, 138:
		h = f.addresses()
		if link == 6 {
			h = append(f.addresses(), 0x10, 0x40)
			h = append(h, 0xaa, 0xaa, 3, 0, 0, 0)
		} else {
			h = append(h, 1, 2, 3, 4)
		}
		h = b16(h, etherType)
	case 100:
		h = b16([]byte{0xaa, 0xaa, 3, 0, 0, 0}, etherType)
	case 104:
		h = b16([]byte{0x0f, 0}, etherType)
	case 109:
		h = append(binary.NativeEndian.AppendUint32(nil, family), make([]byte, 8)...)
	case 129:
		kind := map[uint16]byte{0x0800: pick[byte](f.Rand, 0xd4, 0xf0), 0x86dd: 0xc4, 0x0806: pick[byte](f.Rand, 0xd5, 0xf1), 0x8035: 0xd6}[etherType]
		h = []byte{1, pick[byte](f.Rand, 0, 2), 0, 0, kind, 0, 0, 0}
	case 226:
		h = append([]byte{1, map[uint16]byte{0x0800: 2, 0x86dd: 26}[etherType], 0, byte(f.IntN(4))}, make([]byte, 20)...)
	case 1, 240:
		h = f.addresses()
		if link == 240 {
			h = append([]byte{1, 2, 3, 4}, h...)
		}
		for range pick(f.Rand, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3) {
			h = b16(h, pick[uint16](f.Rand, 0x8100, 0x88a8, 0x9100, 0x9200))
			h = b16(h, f.tci())
		}
		h = b16(h, etherType)
	case 9, 50, 51, 166:
		h = b16(nil, 0xff03)
		if link == 166 {
			h[0] = pick[byte](f.Rand, 0, 1, 2)
		}
		if link == 51 {
			h = []byte{0x11, 0, 0, 7, 0, 100}
		}
		if p, ok := ppp[etherType]; ok {
			etherType = p
		}
		h = b16(h, etherType)
	case 105:
		h = []byte{pick[byte](f.Rand, 0x08, 0x88, 0x08, 0x88, 0x08, 0x88, 0x80, 0xb4, 0x0c, 0x8c), byte(f.IntN(4))}
		h = append(h, make([]byte, 22)...)
		if h[0]&0x80 != 0 && f.IntN(8) != 0 {
			h = append(h, 0, 0)
		}
		h = append(h, 0xaa, 0xaa, 3, 0, 0, 0)
		for range pick(f.Rand, 0, 0, 0, 1, 1, 2) {
			h = b16(h, pick[uint16](f.Rand, 0x8100, 0x88a8, 0x9100))
			h = b16(h, f.tci())
		}
		h = b16(h, etherType)
	case 113:
		h = b16(append([]byte{0, pick[byte](f.Rand, 0, 1, 3, 4), 0, 1, 0, 6}, make([]byte, 8)...), etherType)
	case 276:
		h = append(b16(nil, etherType), make([]byte, 18)...)
		h[7], h[10] = byte(f.IntN(20)), pick[byte](f.Rand, 0, 1, 3, 4)
	case 117:
		h = make([]byte, pick(f.Rand, 48, 61, 64, 100))
		for i := range h {
			h[i] = byte(f.IntN(256))
		}
		h[0] = byte(len(h) - f.IntN(4))
		h[1] = byte(family)
		if len(h) > 60 {
			h[60] = pick[byte](f.Rand, 1, 2, 3)
		}
		if family == f.families6[0] {
			h[1] = byte(inet6())
		}
	}
	return append(h, payload...)
}

func (f *frames) addresses() []byte {
	var h []byte
	for range 2 {
		h = append(h, pick(f.Rand, "\x02\x00\x00\x00\x00\x01", "\xff\xff\xff\xff\xff\xff", "\x01\x00\x5e\x00\x00\x01", "\x02\x00\x00\x00\x00\x02",
			string([]byte{byte(f.IntN(256)), 0, 0, 0, 0, byte(f.IntN(256))}))...)
	}
	return h
}

func (f *frames) tci() uint16 { return pick[uint16](f.Rand, 5, 0x2005, 0xe006, 6, 0, 0xfff, 100) }

func (f *frames) network() (uint16, []byte) {
	switch f.IntN(12) {
	case 0:
		p := []byte{0, 1, 8, 0, 6, 4, 0, 1}
		p = append(p, f.addresses()[:6]...)
		p = append(p, f.ipv4Address()...)
		p = append(p, make([]byte, 6)...)
		return pick[uint16](f.Rand, 0x0806, 0x8035), append(p, f.ipv4Address()...)
	case 1:
		return pick[uint16](f.Rand, 0x8863, 0x888e, 0, 300), f.addresses()
	case 2, 3, 4, 5:
		return 0x86dd, f.ipv6()
	}
	return 0x0800, f.ipv4()
}

func (f *frames) ipv4Address() []byte {
	a := netip.MustParseAddr(pick(f.Rand, "1.2.3.4", "1.2.3.4", "1.2.3.5", "1.2.2.4", "10.1.2.3", "10.1.0.0",
		"10.255.255.255", "11.0.0.0", "9.255.255.255", "192.0.2.0", "192.0.2.255", "192.0.3.0", "0.0.0.10",
		"198.51.100.7", "255.255.255.255", "0.0.0.0", "224.0.0.1")).As4()
	return a[:]
}

func (f *frames) ipv6Address() []byte {
	a := netip.MustParseAddr(pick(f.Rand, "2001:db8::1", "2001:db8::1", "2001:db8::2", "2001:db8:8000::1",
		"2001:db7:ffff::", "2001:db9::", "2001:db8:1:2::5", "2001:db8:1:3::5", "fe80::1", "::1", "::",
		"::ffff:1.2.3.4", "2001:db8:0:0:8000::1", "ff02::1")).As16()
	return a[:]
}

func (f *frames) port() uint16 {
	return pick[uint16](f.Rand, 25, 25, 25, 587, 465, 80, 443, 53, 22, 24, 26, 100, 99, 101, 6000, 6004, 6008, 6009,
		5999, 0, 65535, 1024, uint16(f.IntN(65536)))
}

func (f *frames) protocol() byte {
	return pick[byte](f.Rand, 6, 6, 6, 6, 6, 17, 17, 1, 58, 132, 44, 2, 47, 50, 51, 103, 112, 0)
}

func (f *frames) ipv4() []byte {
	words := pick(f.Rand, 5, 5, 5, 5, 6, 7, 15, 4, 0)
	h := make([]byte, max(words, 5)*4)
	h[0] = 0x40 | byte(words)
	if f.IntN(20) == 0 {
		h[0] ^= 0x50
	}
	h[1] = byte(f.IntN(256))
	h[8] = pick[byte](f.Rand, 64, 64, 128, 1, 0)
	h[9] = f.protocol()
	binary.BigEndian.PutUint16(h[6:], pick[uint16](f.Rand, 0, 0, 0, 0x4000, 0x4000, 0x2000, 0x2001, 1, 0x1fff, 0x8000))
	copy(h[12:], f.ipv4Address())
	copy(h[16:], f.ipv4Address())
	p := f.transport()
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(p)))
	return append(h, p...)
}

func (f *frames) ipv6() []byte {
	h := make([]byte, 40)
	h[0] = 0x60
	h[7] = 64
	copy(h[8:], f.ipv6Address())
	copy(h[24:], f.ipv6Address())
	h[6] = f.protocol()
	switch f.IntN(6) {
	case 0: // fragment
		h[6] = 44
		h = append(h, f.protocol(), 0, 0, byte(f.IntN(3)), 0, 0, 0, 1)
	case 1: // hop by hop, routing or destination options
		h[6] = pick[byte](f.Rand, 0, 43, 60)
		h = append(h, f.protocol(), 0, 1, 4, 0, 0, 0, 0)
	}
	p := f.transport()
	binary.BigEndian.PutUint16(h[4:], uint16(len(h)-40+len(p)))
	return append(h, p...)
}

func (f *frames) transport() []byte {
	p := make([]byte, pick(f.Rand, 20, 20, 20, 40, 8, 4, 32, 100, 0, 600))
	for i := range p {
		p[i] = byte(f.IntN(256))
	}
	if len(p) >= 4 {
		binary.BigEndian.PutUint16(p, f.port())
		binary.BigEndian.PutUint16(p[2:], f.port())
	}
	if len(p) >= 20 {
		p[12] = byte(pick(f.Rand, 5, 8, 10, 15) << 4)
		p[13] = pick[byte](f.Rand, 2, 2, 0x12, 0x10, 0x18, 4, 0x11, 0xc2, 0)
	}
	if len(p) > 0 && f.IntN(3) == 0 { // as ICMP
		p[0] = pick[byte](f.Rand, 8, 0, 3, 128, 129)
	}
	return p
}
