package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

// decode decodes an IP packet without a link header.
func decode(t *testing.T, b []byte) Segment {
	t.Helper()
	var s Segment
	d := Decoder{Link: LinkRaw}
	if err := d.Decode(b, len(b), &s); err != nil {
		t.Fatalf("Decode(%x) = %v, want no error", b, err)
	}
	return s
}

func TestDecodeFields(t *testing.T) {
	b := withPayload(withOptions(syn4(), linuxOptions...), 'h', 'i')
	b[1] = 0xb8 // DSCP 46, no ECN
	binary.BigEndian.PutUint32(b[20+8:], 7)
	d := Decoder{Link: LinkEthernet}
	var got Segment
	if err := d.Decode(ethernet(b), 14+len(b), &got); err != nil {
		t.Fatal(err)
	}
	want := Segment{
		Src: netip.MustParseAddrPort("192.0.2.1:1025"), Dst: netip.MustParseAddrPort("198.51.100.2:25"),
		Seq: 0x11223344, Ack: 7, TS1: 99,
		Quirks: QuirkDF | QuirkIDNonZero, Flags: FlagSYN,
		Window: 64240, MSS: 1460, PayloadOff: 14 + 60, PayloadLen: 2,
		Version: 4, Type: SYN, TTL: 64, DSCP: 46, HeaderLen: 60, Scale: 7,
		Layout: Layout{Kinds: [MaxOptions]uint8{OptMSS, OptSOK, OptTS, OptNOP, OptWS}, Len: 5},
	}
	if got != want {
		t.Errorf("Decode =\n%+v, want\n%+v", got, want)
	}

	b = withOptions(syn6(), linuxOptions...)
	b[0], b[1] = 0x60|0xb, 0x80 // traffic class 0xb8
	got = decode(t, b)
	want.Src, want.Dst = netip.MustParseAddrPort("[2001:db8::1]:1025"), netip.MustParseAddrPort("[2001:db8::2]:25")
	want.Ack, want.Quirks, want.Version, want.HeaderLen = 0, 0, 6, 80
	want.PayloadOff, want.PayloadLen = 80, 0
	if got != want {
		t.Errorf("Decode =\n%+v, want\n%+v", got, want)
	}
}

// TestP0fIPv4Order holds the checks of p0f-v3.md §1.4 to their order: each
// packet but the first of a kind fails in two ways, and the earlier one shows.
func TestP0fIPv4Order(t *testing.T) {
	set := func(b []byte, at int, v ...byte) []byte { copy(b[at:], v); return b }
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"39 bytes", syn4()[:39], ErrShort},
		{"39 bytes of version 5", set(syn4()[:39], 0, 0x55), ErrShort},
		{"empty", nil, ErrShort},
		{"version 5", set(syn4(), 0, 0x55), VersionError(5)},
		{"version 0", set(syn4(), 0, 0x05), VersionError(0)},
		{"version 15 with IHL 0", set(syn4(), 0, 0xf0), VersionError(15)},
		{"total length 0, as segmentation offload leaves it", set(syn4(), 2, 0, 0), ErrShort},
		{"total length 39", set(syn4(), 2, 0, 39), ErrShort},
		{"total length 39 and IHL 4", set(set(syn4(), 2, 0, 39), 0, 0x44), ErrShort},
		{"IHL 4", set(syn4(), 0, 0x44), ErrHeader},
		{"IHL 0 and total length beyond the packet", set(set(syn4(), 0, 0x40), 2, 0, 41), ErrHeader},
		{"total length beyond the packet", set(syn4(), 2, 0, 41), ErrCut},
		{"cut, and no room for TCP", set(set(syn4(), 2, 0, 41), 0, 0x4f), ErrCut},
		{"no room for TCP", set(syn4(), 0, 0x46), ErrShort},
		{"no room for TCP, and UDP", set(set(syn4(), 0, 0x46), 9, 17), ErrShort},
		{"UDP", set(syn4(), 9, 17), ErrNotTCP},
		{"UDP in a fragment", set(set(syn4(), 9, 17), 6, 0x20), ErrNotTCP},
		{"more fragments", set(syn4(), 6, 0x20), ErrFragment},
		{"last fragment", set(syn4(), 6, 0x1f, 0xff), ErrFragment},
		{"fragment with offset 1 and data offset 4", set(set(syn4(), 6, 0, 1), 32, 0x40), ErrFragment},
		{"data offset 4", set(syn4(), 32, 0x40), ErrHeader},
		{"data offset beyond the packet", set(syn4(), 32, 0x60), ErrHeader},
		{"data offset 4 and no flags", set(syn4(), 32, 0x40, 0), ErrHeader},
		{"no flags", set(syn4(), 33, 0), ErrFlags},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Decoder{Link: LinkRaw, P0f: true}
			var s Segment
			if got := d.Decode(tt.b, len(tt.b), &s); got != tt.want {
				t.Errorf("Decode(%x) = %v, want %v", tt.b, got, tt.want)
			}
		})
	}
}

func TestDecodeIPv4Takes(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    []byte
		want func(*Segment) bool
	}{
		{"padding of the link is not payload", append(syn4(), 1, 2, 3, 4, 5, 6), func(s *Segment) bool { return s.PayloadLen == 0 }},
		{"IP options", withIPOptions(syn4(), 7, 7, 4, 0), func(s *Segment) bool { return s.IPOptLen == 4 && s.HeaderLen == 44 && s.PayloadOff == 44 }},
		{"40 bytes of IP options", withIPOptions(syn4(), make([]byte, 40)...), func(s *Segment) bool { return s.IPOptLen == 40 && s.HeaderLen == 80 }},
		{"the longest headers", withOptions(withIPOptions(syn4(), make([]byte, 40)...), make([]byte, 40)...), func(s *Segment) bool { return s.HeaderLen == 120 && s.Layout.EOLPad == 39 }},
		{"source equals destination", append(syn4()[:16:16], append([]byte{192, 0, 2, 1}, syn4()[20:]...)...), func(s *Segment) bool { return s.Src.Addr() == s.Dst.Addr() }},
		{"broadcast to multicast", append(syn4()[:12:12], append([]byte{255, 255, 255, 255, 224, 0, 0, 1}, syn4()[20:]...)...), func(s *Segment) bool { return s.Dst.Addr().IsMulticast() }},
		{"payload", withPayload(syn4(), 'E', 'H', 'L', 'O'), func(s *Segment) bool { return s.PayloadLen == 4 && s.PayloadOff == 40 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if s := decode(t, tt.b); !tt.want(&s) {
				t.Errorf("Decode(%x) = %+v", tt.b, s)
			}
		})
	}
}

func TestP0fIPv6(t *testing.T) {
	set := func(b []byte, at int, v ...byte) []byte { copy(b[at:], v); return b }
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"whole", syn6(), nil},
		{"padding of the link", append(syn6(), 0, 0, 0, 0), nil},
		{"39 bytes", syn6()[:39], ErrShort},
		{"59 bytes", syn6()[:59], ErrShort},
		{"payload length 19", set(syn6(), 4, 0, 19), ErrShort},
		{"payload length 0 (jumbogram)", set(syn6(), 4, 0, 0), ErrShort},
		{"payload length beyond the packet", set(syn6(), 4, 0, 21), ErrCut},
		{"cut, and UDP", set(set(syn6(), 4, 0, 21), 6, 17), ErrCut},
		{"UDP", set(syn6(), 6, 17), ErrNotTCP},
		{"hop-by-hop options", set(syn6(), 6, 0), ErrNotTCP},
		{"fragment header", set(syn6(), 6, 44), ErrNotTCP},
		{"data offset 4", set(syn6(), 52, 0x40), ErrHeader},
		{"data offset 6", set(syn6(), 52, 0x60), ErrHeader},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Decoder{Link: LinkRaw, P0f: true}
			var s Segment
			if got := d.Decode(tt.b, len(tt.b), &s); got != tt.want {
				t.Errorf("Decode(%x) = %v, want %v", tt.b, got, tt.want)
			}
			if tt.want == nil && (s.PayloadLen != 0 || s.IPOptLen != 0) {
				t.Errorf("Decode(%x): payload %d, IP options %d, want none", tt.b, s.PayloadLen, s.IPOptLen)
			}
		})
	}
}

// TestTypes walks all combinations of SYN, ACK, FIN and RST, with and without
// the other flags, which must change nothing (p0f-v3.md §1.6).
func TestTypes(t *testing.T) {
	good := map[Type]bool{SYN: true, SYNACK: true, ACK: true, FIN: true, FINACK: true, RST: true, RSTACK: true}
	const others = FlagPSH | FlagURG | FlagECE | FlagCWR
	taken := 0
	for flags := range 256 {
		b := syn4()
		b[33] = byte(flags)
		d := Decoder{Link: LinkRaw}
		var s Segment
		err := d.Decode(b, len(b), &s)
		typ := Type(flags &^ others)
		if good[typ] {
			taken++
			if err != nil || s.Type != typ || s.Flags != uint16(flags) {
				t.Errorf("Decode(flags %#x) = type %#x, flags %#x, %v; want type %#x", flags, s.Type, s.Flags, err, typ)
			}
		} else if !errors.Is(err, ErrFlags) {
			t.Errorf("Decode(flags %#x) = %v, want %v", flags, err, ErrFlags)
		}
	}
	if taken != 7*16 {
		t.Errorf("%d combinations of flags pass, want %d", taken, 7*16)
	}
}

func TestP0fHeadersOnly(t *testing.T) {
	whole := withPayload(withOptions(syn4(), linuxOptions...), make([]byte, 1000)...)
	whole6 := withPayload(withOptions(syn6(), linuxOptions...), make([]byte, 1000)...)
	for _, tt := range []struct {
		name  string
		frame []byte
		kept  int // bytes of the packet in the capture
		want  error
	}{
		{"headers and some data", whole, 100, nil},
		{"headers to the byte", whole, 60, nil},
		{"last option cut", whole, 59, ErrCut},
		{"TCP header cut", whole, 41, ErrCut},
		{"IP header cut", whole, 39, ErrShort},
		{"IPv6 headers to the byte", whole6, 80, nil},
		{"IPv6, last option cut", whole6, 79, ErrCut},
		{"IPv6, TCP header cut", whole6, 59, ErrCut},
		{"IPv6 header alone", whole6, 40, ErrCut},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frame := ethernet(tt.frame)
			d := Decoder{Link: LinkEthernet, P0f: true, HeadersOnly: true}
			var s Segment
			if got := d.Decode(frame[:14+tt.kept], len(frame), &s); got != tt.want {
				t.Fatalf("Decode of %d bytes = %v, want %v", tt.kept, got, tt.want)
			}
			if tt.want == nil && (s.PayloadLen != 1000 || s.Scale != 7) {
				t.Errorf("payload %d, scale %d, want 1000 and 7", s.PayloadLen, s.Scale)
			}
			// Without the flag a packet of which a part is missing does not count.
			d.HeadersOnly = false
			if got := d.Decode(frame[:14+tt.kept], len(frame), &s); got == nil {
				t.Errorf("Decode of %d bytes without HeadersOnly took the frame", tt.kept)
			}
		})
	}
	// The wire length bounds the packet, not what was captured.
	frame := ethernet(syn4())
	for _, headersOnly := range []bool{false, true} {
		d := Decoder{Link: LinkEthernet, P0f: true, HeadersOnly: headersOnly}
		var s Segment
		if got := d.Decode(frame, len(frame)-1, &s); got != ErrShort {
			t.Errorf("Decode with a wire length of one byte less, HeadersOnly %v = %v, want %v", headersOnly, got, ErrShort)
		}
		if got := d.Decode(frame, -1, &s); got != ErrShort {
			t.Errorf("Decode with a negative wire length, HeadersOnly %v = %v, want %v", headersOnly, got, ErrShort)
		}
	}
}

// TestP0fLongFrame is for frames of more bytes than IP can name.
func TestP0fLongFrame(t *testing.T) {
	frame := append(ethernet(syn4()), make([]byte, 100_000)...)
	d := Decoder{Link: LinkEthernet, P0f: true}
	var s Segment
	if err := d.Decode(frame, len(frame), &s); err != nil || s.PayloadLen != 0 {
		t.Errorf("Decode = payload %d, %v; want 0 and no error", s.PayloadLen, err)
	}
	binary.BigEndian.PutUint16(frame[14+2:], 65535)
	if err := d.Decode(frame, len(frame), &s); err != ErrCut { // 65535 - 14 bytes count
		t.Errorf("Decode of a packet of 65535 bytes = %v, want %v, as 65535 is the limit of the frame", err, ErrCut)
	}
}

func TestVersionErrorText(t *testing.T) {
	if got, want := VersionError(7).Error(), "packet: unknown packet type 7, wrong link type?"; got != want {
		t.Errorf("VersionError(7) = %q, want %q", got, want)
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	frames := [][]byte{
		ethernet(withOptions(syn4(), linuxOptions...)),
		ethernet(withOptions(syn6(), linuxOptions...)),
		ethernet(syn4()[:39]),
		ethernet(append([]byte{0x75}, syn4()[1:]...)),
		tagged(ethernet(syn4()), etherTag, etherOuter),
		ethernet(withExtensions(syn6(), extHopByHop, extFragment)),
	}
	for _, d := range []Decoder{{Link: LinkEthernet}, {Link: LinkIPv4 + 100}, {Link: LinkEthernet, P0f: true}, {Link: LinkSLL2, P0f: true}} {
		var s Segment
		if n := testing.AllocsPerRun(100, func() {
			for _, f := range frames {
				_ = d.Decode(f, len(f), &s)
			}
		}); n != 0 {
			t.Errorf("Decode of link type %d, as p0f %v, makes %v allocations, want 0", d.Link, d.P0f, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, tt := range []struct {
		name string
		ip   []byte
	}{
		{"IPv4", withOptions(syn4(), linuxOptions...)},
		{"IPv6", withOptions(syn6(), linuxOptions...)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			frame := ethernet(tt.ip)
			d := Decoder{Link: LinkEthernet}
			var s Segment
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Decode(frame, len(frame), &s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func ExampleDecoder() {
	frame := ethernet(withOptions(syn4(), linuxOptions...))
	d := Decoder{Link: LinkEthernet}
	var s Segment
	if err := d.Decode(frame, len(frame), &s); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Src, "TTL", s.TTL, "MSS", s.MSS, "scale", s.Scale)
	// Output: 192.0.2.1:1025 TTL 64 MSS 1460 scale 7
}
