package packet

import "testing"

// TestOffsets holds the table of p0f v3 §1.3.
func TestOffsets(t *testing.T) {
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
		d := Decoder{Link: tt.link}
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

// TestVLAN: a tag behind the Ethernet addresses shifts the packet away from
// where p0f looks. The high nibble of the tag is taken for the IP version.
func TestVLAN(t *testing.T) {
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
			d := Decoder{Link: LinkEthernet}
			var s Segment
			if err := d.Decode(frame, len(frame), &s); err != tt.want {
				t.Errorf("Decode(%x) = %v, want %v", frame, err, tt.want)
			}
		})
	}
}

func TestDetection(t *testing.T) {
	for off := 0; off <= lastAutoOff+2; off++ {
		for name, ip := range map[string][]byte{"IPv4": syn4(), "IPv6": syn6()} {
			frame := behind(off, ip)
			for i := range off {
				frame[i] = 0xff // nothing that looks like a header
			}
			d := Decoder{Link: LinkSLL2}
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
	d := Decoder{Link: LinkSLL2}
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
			d := Decoder{Link: LinkIPv4 + 100}
			var s Segment
			err := d.Decode(tt.frame, tt.wire, &s)
			if (err == nil) != tt.found || d.found != tt.found {
				t.Errorf("Decode = %v, found %v; want found %v", err, d.found, tt.found)
			}
		})
	}
}

// TestDetectionVLANRule: 81 00 four bytes before the header makes detection
// step back by four, which is wrong for this frame and all later ones; an SLL2
// header whose source address ends so does it.
func TestDetectionVLANRule(t *testing.T) {
	frame := behind(20, syn4())
	frame[16], frame[17] = 0x81, 0x00
	d := Decoder{Link: LinkSLL2}
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
	d = Decoder{Link: LinkSLL2}
	if err := d.Decode(frame, len(frame), &s); err != nil {
		t.Errorf("Decode at offset 2 = %v", err)
	}
}

// TestLost: a capture whose IP headers are nowhere to be found says so, until
// one is.
func TestLost(t *testing.T) {
	var s Segment
	noise := make([]byte, 100)
	d := Decoder{Link: LinkEthernet}
	if _ = d.Decode(noise, len(noise), &s); d.Lost() {
		t.Error("Lost() of Ethernet, whose offset is known")
	}
	d = Decoder{Link: LinkSLL2}
	for _, tt := range []struct {
		frame []byte
		want  bool
	}{{noise, true}, {behind(20, syn4()), false}, {noise, false}} {
		if _ = d.Decode(tt.frame, len(tt.frame), &s); d.Lost() != tt.want {
			t.Errorf("Lost() after %x = %v, want %v", tt.frame, d.Lost(), tt.want)
		}
	}
}
