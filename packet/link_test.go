package packet

import (
	"slices"
	"testing"
)

// TestP0fOffsets holds the table of p0f-v3.md §1.3.
func TestP0fOffsets(t *testing.T) {
	for _, tt := range []struct {
		link   LinkType
		offset int
	}{
		{LinkRaw, 0}, {12, 0}, {14, 0},
		{LinkNull, 4}, {LinkPPP, 4},
		{LinkLoop, 8}, {LinkPPPSerial, 8}, {LinkPPPEther, 8},
		{LinkEthernet, 14}, {LinkSLL, 16}, {LinkPFLOG, 28}, {LinkIEEE80211, 32},
	} {
		frame := behind(tt.offset, syn4())
		d := Decoder{Link: tt.link, P0f: true}
		var s Segment
		if err := d.Decode(frame, len(frame), &s); err != nil || int(s.PayloadOff) != tt.offset+40 {
			t.Errorf("link type %d, IP at %d: payload at %d, %v; want %d", tt.link, tt.offset, s.PayloadOff, err, tt.offset+40)
		}
		// Elsewhere the packet must not be found.
		for _, wrong := range []int{0, 4, 8, 14, 16, 28, 32} {
			if wrong == tt.offset {
				continue
			}
			frame := behind(wrong, syn4())
			if err := d.Decode(frame, len(frame), &s); err == nil {
				t.Errorf("link type %d, IP at %d: the frame was taken", tt.link, wrong)
			}
		}
	}
}

// TestP0fVLAN: a tag behind the Ethernet addresses shifts the packet away from
// where p0f looks. The high nibble of the tag is taken for the IP version.
func TestP0fVLAN(t *testing.T) {
	for _, tt := range []struct {
		name string
		tci  byte // its first byte: priority, DEI and part of the number
		want error
	}{
		{"priority 0", 0x00, VersionError(0)},
		{"priority 7", 0xe1, VersionError(14)},
		{"priority 2 reads as IPv4, whose total length is the inner type", 0x45, ErrCut},
		{"priority 3 reads as IPv6", 0x60, ErrShort},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frame := behind(12, append([]byte{0x81, 0x00, tt.tci, 0x2a, 0x08, 0x00}, syn4()...))
			d := Decoder{Link: LinkEthernet, P0f: true}
			var s Segment
			if err := d.Decode(frame, len(frame), &s); err != tt.want {
				t.Errorf("Decode(%x) = %v, want %v", frame, err, tt.want)
			}
		})
	}
}

func TestP0fDetection(t *testing.T) {
	for off := 0; off <= lastAutoOff+2; off++ {
		for name, ip := range map[string][]byte{"IPv4": syn4(), "IPv6": syn6()} {
			frame := behind(off, ip)
			for i := range off {
				frame[i] = 0xff // nothing that looks like a header
			}
			d := Decoder{Link: LinkSLL2, P0f: true}
			var s Segment
			err := d.Decode(frame, len(frame), &s)
			if found := err == nil; found != (off <= lastAutoOff && off%2 == 0) {
				t.Errorf("%s at offset %d: %v", name, off, err)
			}
		}
	}
}

// TestDetectionStays: the first frame decides for all, and a frame in which
// nothing is found decides nothing.
func TestDetectionStays(t *testing.T) {
	d := Decoder{Link: LinkSLL2, P0f: true}
	var s Segment
	noise := make([]byte, 100)
	if err := d.Decode(noise, len(noise), &s); err != VersionError(0) {
		t.Errorf("Decode of zeros = %v, want %v, as at offset 0", err, VersionError(0))
	}
	if err := d.Decode(behind(20, syn4()), 60, &s); err != nil {
		t.Errorf("Decode of a packet at offset 20 = %v", err)
	}
	if err := d.Decode(behind(22, syn4()), 62, &s); err == nil {
		t.Error("Decode took a packet at offset 22 after 20 was found")
	}
	if err := d.Decode(behind(20, syn6()), 80, &s); err != nil {
		t.Errorf("Decode of a later packet at offset 20 = %v", err)
	}
}

func TestDetectionNeedsLength(t *testing.T) {
	for _, tt := range []struct {
		name  string
		frame []byte
		wire  int
		found bool
	}{
		{"40 bytes of IPv4", behind(20, syn4()), 60, true},
		{"39 bytes of IPv4", behind(20, syn4())[:59], 59, false},
		{"40 captured, 39 on the wire", behind(20, syn4()), 59, false},
		{"60 bytes of IPv6", behind(20, syn6()), 80, true},
		{"59 bytes of IPv6", behind(20, syn6())[:79], 79, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Decoder{Link: LinkIPv4 + 100, P0f: true}
			var s Segment
			err := d.Decode(tt.frame, tt.wire, &s)
			if (err == nil) != tt.found || d.found != tt.found {
				t.Errorf("Decode = %v, found %v; want found %v", err, d.found, tt.found)
			}
		})
	}
}

// TestP0fDetectionVLANRule: 81 00 four bytes before the header makes detection
// step back by four, which is wrong for this frame and all later ones; an SLL2
// header whose source address ends so does it.
func TestP0fDetectionVLANRule(t *testing.T) {
	frame := behind(20, syn4())
	frame[16], frame[17] = 0x81, 0x00
	d := Decoder{Link: LinkSLL2, P0f: true}
	var s Segment
	if err := d.Decode(frame, len(frame), &s); err == nil {
		t.Error("Decode took the frame, p0f does not")
	}
	if !d.found || d.detected != 16 {
		t.Errorf("detected %d (%v), want 16", d.detected, d.found)
	}
	if err := d.Decode(behind(20, syn4()), 60, &s); err == nil {
		t.Error("Decode took a later frame at offset 20")
	}
	if err := d.Decode(behind(16, syn4()), 56, &s); err != nil {
		t.Errorf("Decode of a later frame at offset 16 = %v", err)
	}
	// Below offset 4 there is no room for a tag.
	frame = append([]byte{0x81, 0x00}, syn4()...)
	d = Decoder{Link: LinkSLL2, P0f: true}
	if err := d.Decode(frame, len(frame), &s); err != nil {
		t.Errorf("Decode at offset 2 = %v", err)
	}
}

// TestLost: a capture whose IP headers are nowhere to be found says so, until
// one is.
func TestLost(t *testing.T) {
	var s Segment
	noise := make([]byte, 100)
	d := Decoder{Link: LinkEthernet, P0f: true}
	if _ = d.Decode(noise, len(noise), &s); d.Lost() {
		t.Error("Lost() of Ethernet, whose offset is known")
	}
	d = Decoder{Link: LinkSLL2, P0f: true}
	for _, tt := range []struct {
		frame []byte
		want  bool
	}{{noise, true}, {behind(20, syn4()), false}, {noise, false}} {
		if _ = d.Decode(tt.frame, len(tt.frame), &s); d.Lost() != tt.want {
			t.Errorf("Lost() after %x = %v, want %v", tt.frame, d.Lost(), tt.want)
		}
	}
}

// TestLinks: the packet is found behind the headers of today.
func TestLinks(t *testing.T) {
	ppp := []byte{0xff, 3, 0, 0x21}
	sll2 := slices.Concat([]byte{0x08, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6}, make([]byte, 8))
	sll2Tagged := slices.Concat([]byte{0x81, 0}, sll2[2:], []byte{0, 42, 0x08, 0})
	pflog := make([]byte, 100)
	pflog[0], pflog[1] = 100, 2
	snap := []byte{0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0}
	wlan := func(control, flags byte, n int) []byte {
		return append(append([]byte{control, flags}, make([]byte, n-2)...), snap...)
	}
	for _, tt := range []struct {
		name   string
		link   LinkType
		header []byte
		want   error
	}{
		{"raw", LinkRaw, nil, nil}, {"raw, 12", 12, nil, nil}, {"raw, 14", 14, nil, nil},
		{"IPv4", LinkIPv4, nil, nil}, {"IPv6", LinkIPv6, nil, nil},
		{"null", LinkNull, []byte{2, 0, 0, 0}, nil},
		{"loop", LinkLoop, []byte{0, 0, 0, 2}, nil},
		{"PPP", LinkPPP, ppp, nil}, {"PPP serial", LinkPPPSerial, ppp, nil},
		{"PPPoE", LinkPPPEther, []byte{0x11, 0, 0, 9, 0, 62, 0, 0x21}, nil},
		{"Ethernet", LinkEthernet, ethernet(syn4())[:14], nil},
		{"Ethernet, ARP", LinkEthernet, append(make([]byte, 12), 8, 6), ErrNotIP},
		{"SLL", LinkSLL, append(make([]byte, 14), 8, 0), nil},
		{"SLL, tagged", LinkSLL, append(make([]byte, 14), 0x81, 0, 0, 42, 8, 0), nil},
		{"SLL, ARP", LinkSLL, append(make([]byte, 14), 8, 6), ErrNotIP},
		{"SLL2", LinkSLL2, sll2, nil},
		{"SLL2, source address ends in 81:00", LinkSLL2, slices.Concat(sll2[:16], []byte{0x81, 0, 0, 0}), nil},
		{"SLL2, tagged", LinkSLL2, sll2Tagged, nil},
		{"SLL2, LLC", LinkSLL2, slices.Concat([]byte{0, 4}, sll2[2:]), ErrNotIP},
		{"pflog of OpenBSD 7", LinkPFLOG, pflog, nil},
		{"pflog of 61 bytes", LinkPFLOG, append([]byte{61, 2}, make([]byte, 62)...), nil},
		{"802.11", LinkIEEE80211, wlan(0x08, 1, 24), nil},
		{"802.11, QoS", LinkIEEE80211, wlan(0x88, 1, 26), nil},
		{"802.11, QoS and HT control", LinkIEEE80211, wlan(0x88, 0x81, 30), nil},
		{"802.11, four addresses", LinkIEEE80211, wlan(0x08, 3, 30), nil},
		{"802.11, four addresses and QoS", LinkIEEE80211, wlan(0x88, 3, 32), nil},
		{"802.11, encrypted", LinkIEEE80211, wlan(0x08, 0x41, 24), ErrNotIP},
		{"802.11, no data", LinkIEEE80211, wlan(0x48, 1, 24), ErrNotIP},
		{"802.11, beacon", LinkIEEE80211, wlan(0x80, 0, 24), ErrNotIP},
		{"802.11, no SNAP", LinkIEEE80211, append(make([]byte, 32), 1), ErrNotIP},
		{"unknown", LinkIPv4 + 100, make([]byte, 22), nil},
		{"unknown, 81 00 before it", LinkIPv4 + 100, append(make([]byte, 18), 0x81, 0, 0, 0), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frame := slices.Concat(tt.header, syn4())
			d := Decoder{Link: tt.link}
			for range 2 {
				var s Segment
				if err := d.Decode(frame, len(frame), &s); err != tt.want {
					t.Fatalf("Decode(%x) = %v, want %v", frame, err, tt.want)
				} else if err == nil && (int(s.PayloadOff) != len(frame) || s.Window != 64240) {
					t.Errorf("Decode(%x): payload at %d, window %d; want %d and 64240", frame, s.PayloadOff, s.Window, len(frame))
				}
			}
			known := tt.link < LinkIPv4+100
			if off, ok := tt.link.Network(frame); ok != (known && tt.want == nil) || ok && off != len(tt.header) {
				t.Errorf("Network(%x) = %d %t, want %d", frame, off, ok, len(tt.header))
			}
			for cut := range frame { // no less will do
				if off, ok := tt.link.Network(frame[:cut]); ok && off > cut {
					t.Errorf("Network of %d bytes of %x = %d", cut, frame, off)
				}
				if err := d.Decode(frame[:cut], len(frame), new(Segment)); err == nil {
					t.Errorf("Decode took %d bytes of %x", cut, frame)
				}
			}
		})
	}
}

func TestTags(t *testing.T) {
	for _, tt := range []struct {
		name string
		tags []uint16
		want error
	}{
		{"802.1Q", []uint16{etherTag}, nil},
		{"802.1ad", []uint16{etherOuter}, nil},
		{"QinQ", []uint16{etherOuter, etherTag}, nil},
		{"QinQ of 802.1Q", []uint16{etherTag, etherTag}, nil},
		{"QinQ before 802.1ad", []uint16{etherOuter0, etherTag}, nil},
		{"four", []uint16{etherTag, etherTag, etherTag, etherTag}, nil},
		{"five", []uint16{etherTag, etherTag, etherTag, etherTag, etherTag}, ErrNotIP},
		{"none known", []uint16{0x8864}, ErrNotIP},
	} {
		for _, ip := range [][]byte{withOptions(syn4(), linuxOptions...), withOptions(syn6(), linuxOptions...)} {
			frame := tagged(ethernet(ip), tt.tags...)
			d := Decoder{Link: LinkEthernet}
			var s Segment
			err := d.Decode(frame, len(frame), &s)
			if err != tt.want || err == nil && (int(s.PayloadOff) != len(frame) || s.Scale != 7) {
				t.Errorf("%s: Decode(%x) = payload at %d, scale %d, %v; want %v", tt.name, frame, s.PayloadOff, s.Scale, err, tt.want)
			}
		}
	}
}
