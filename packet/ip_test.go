package packet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// set puts bytes into a packet.
func set(b []byte, at int, v ...byte) []byte { copy(b[at:], v); return b }

// TestDecode is for what p0f does not decode, and for what no decoder should.
func TestDecode(t *testing.T) {
	ext := func(kinds ...byte) []byte { return withExtensions(withOptions(syn6(), linuxOptions...), kinds...) }
	nine := []byte{0, 43, 60, 60, 60, 60, 60, 60, 60}
	for _, tt := range []struct {
		name string
		b    []byte
		want error
		ext  uint16 // ExtLen
	}{
		{"IPv4", syn4(), nil, 0},
		{"IPv4, first fragment", set(syn4(), 6, 0x20), nil, 0},
		{"IPv4, later fragment", set(syn4(), 6, 0x20, 1), ErrFragment, 0},
		{"IPv4, last fragment", set(syn4(), 6, 0, 1), ErrFragment, 0},
		{"IPv4, first fragment without the options of TCP", set(withOptions(syn4(), linuxOptions...)[:44], 2, 0, 44, 0, 0, 0x20), ErrHeader, 0},
		{"IPv4, total length 0", set(syn4(), 2, 0, 0), nil, 0},
		{"IPv4, total length 39", set(syn4(), 2, 0, 39), ErrShort, 0},
		{"IPv4, more on the wire than captured", set(syn4(), 2, 5, 0), nil, 0},
		{"IPv4, IHL 4", set(syn4(), 0, 0x44), ErrHeader, 0},
		{"IPv4, IHL beyond the capture", set(set(syn4(), 0, 0x4f), 2, 5, 0), ErrCut, 0},
		{"IPv4, UDP", set(syn4(), 9, 17), ErrNotTCP, 0},
		{"IPv4, data offset beyond the packet", set(syn4(), 32, 0x60), ErrHeader, 0},
		{"IPv4, data offset beyond the capture", set(set(syn4(), 32, 0x60), 2, 5, 0), ErrCut, 0},
		{"version 5", set(syn4(), 0, 0x55), VersionError(5), 0},

		{"IPv6", syn6(), nil, 0},
		{"IPv6, payload length 0", set(syn6(), 4, 0, 0), nil, 0},
		{"IPv6, payload length 19", set(syn6(), 4, 0, 19), ErrShort, 0},
		{"IPv6, more on the wire than captured", set(syn6(), 4, 5, 0), nil, 0},
		{"IPv6, UDP", set(syn6(), 6, 17), ErrNotTCP, 0},
		{"hop-by-hop options", ext(extHopByHop), nil, 16},
		{"routing header", ext(extRouting), nil, 16},
		{"destination options", ext(extDestOption), nil, 16},
		{"whole packet with a fragment header", ext(extFragment), nil, 8},
		{"first fragment", set(ext(extFragment), 42, 0, 1), nil, 8},
		{"later fragment", set(ext(extFragment), 42, 0, 8), ErrFragment, 0},
		{"all four", ext(extHopByHop, extDestOption, extRouting, extFragment), nil, 56},
		{"jumbogram of one header", set(ext(extHopByHop), 4, 0, 0), nil, 16},
		{"eight", ext(nine[1:]...), nil, 128},
		{"nine", ext(nine...), ErrHeader, 0},
		{"authentication header", set(ext(extHopByHop), 40, 51), ErrNotTCP, 0},
		{"no next header", set(ext(extHopByHop), 40, 59), ErrNotTCP, 0},
		{"a header of 2048 bytes", set(ext(extDestOption), 41, 255), ErrShort, 0},
		{"a header of 2048 bytes in a cut capture", set(set(ext(extDestOption), 41, 255), 4, 16, 0), ErrCut, 0},
		{"options cut", set(ext(extHopByHop)[:60], 4, 5, 0), ErrCut, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Decoder{Link: LinkRaw}
			var s Segment
			if got := d.Decode(tt.b, len(tt.b), &s); !errors.Is(got, tt.want) {
				t.Fatalf("Decode(%x) = %v, want %v", tt.b, got, tt.want)
			}
			if tt.want != nil {
				return
			}
			if s.ExtLen != tt.ext || int(s.PayloadOff) != len(tt.b) || s.Dst.Port() != 25 || s.IPOptLen != 0 {
				t.Errorf("Decode(%x) = %+v, want ExtLen %d and the payload at %d", tt.b, s, tt.ext, len(tt.b))
			}
		})
	}
}

// TestExtensionsChangeNothing: behind extension headers stands the same
// segment.
func TestExtensionsChangeNothing(t *testing.T) {
	plain := decode(t, withOptions(syn6(), linuxOptions...))
	got := decode(t, withExtensions(withOptions(syn6(), linuxOptions...), extHopByHop, extRouting, extDestOption))
	if got.ExtLen != 48 || got.PayloadOff != plain.PayloadOff+48 {
		t.Errorf("ExtLen %d, PayloadOff %d; want 48, %d", got.ExtLen, got.PayloadOff, plain.PayloadOff+48)
	}
	got.ExtLen, got.PayloadOff = 0, plain.PayloadOff
	if got != plain {
		t.Errorf("Decode =\n%+v, without extension headers\n%+v", got, plain)
	}
}

// TestCut: a capture that ends anywhere behind the headers says what a whole
// one does.
func TestCut(t *testing.T) {
	for _, whole := range [][]byte{
		withPayload(withOptions(syn4(), linuxOptions...), make([]byte, 1000)...),
		withPayload(withExtensions(withOptions(syn6(), linuxOptions...), extHopByHop), make([]byte, 1000)...),
	} {
		headers := len(whole) - 1000
		want := decode(t, whole)
		d := Decoder{Link: LinkRaw}
		for kept := range whole {
			for _, wire := range []int{len(whole), kept} { // some write the wrong one
				var s Segment
				err := d.Decode(whole[:kept], wire, &s)
				if kept < headers && err == nil || kept >= headers && (err != nil || s != want) {
					t.Fatalf("Decode of %d bytes, %d on the wire = %+v, %v; headers of %d bytes, whole %+v", kept, wire, s, err, headers, want)
				}
			}
		}
	}
}

// TestOffload: a length of 0 leaves that of the frame.
func TestOffload(t *testing.T) {
	for name, b := range map[string][]byte{
		"IPv4":      set(withPayload(syn4(), make([]byte, 3000)...), 2, 0, 0),
		"IPv6":      set(withPayload(syn6(), make([]byte, 3000)...), 4, 0, 0),
		"jumbogram": set(withPayload(withExtensions(syn6(), extHopByHop), make([]byte, 3000)...), 4, 0, 0),
	} {
		for _, tt := range []struct{ kept, more, want int }{
			{0, 0, 3000}, {2900, 0, 3000}, {0, 60_000, 63_000}, {0, 200_000, 65_535},
		} {
			d := Decoder{Link: LinkRaw}
			var s Segment
			if err := d.Decode(b[:len(b)-tt.kept], len(b)+tt.more, &s); err != nil || int(s.PayloadLen) != tt.want {
				t.Errorf("%s, %d bytes on the wire: payload of %d, %v; want %d", name, len(b)+tt.more, s.PayloadLen, err, tt.want)
			}
		}
	}
}

// TestPadding: what the link adds behind a packet is no payload.
func TestPadding(t *testing.T) {
	for _, b := range [][]byte{syn4(), syn6()} {
		if s := decode(t, append(b, 1, 2, 3, 4, 5, 6)); s.PayloadLen != 0 {
			t.Errorf("Decode(%x): payload of %d bytes, want none", b, s.PayloadLen)
		}
	}
}

// TestP0fSame: of what p0f decodes, it and the zero Decoder say the same.
func TestP0fSame(t *testing.T) {
	for _, b := range [][]byte{
		withOptions(syn4(), linuxOptions...),
		withOptions(syn6(), linuxOptions...),
		withPayload(withIPOptions(syn4(), 7, 7, 4, 0), 'h', 'i'),
		append(syn4(), bytes.Repeat([]byte{0}, 6)...),
	} {
		for _, frame := range [][]byte{b, ethernet(b)} {
			link := LinkRaw
			if len(frame) > len(b) {
				link = LinkEthernet
			}
			d, p0f := Decoder{Link: link}, Decoder{Link: link, P0f: true}
			var got, want Segment
			if err := p0f.Decode(frame, len(frame), &want); err != nil {
				t.Fatal(err)
			}
			if err := d.Decode(frame, len(frame), &got); err != nil || got != want {
				t.Errorf("Decode(%x) =\n%+v, %v, as p0f\n%+v", frame, got, err, want)
			}
		}
	}
}

// TestAccurateECN: a SYN that asks for Accurate ECN has AE, CWR and ECE set,
// and the answer one or two of them (RFC 9768 §3.1.1).
func TestAccurateECN(t *testing.T) {
	for _, bits := range []uint16{FlagAE | FlagCWR | FlagECE, FlagAE, FlagCWR, FlagAE | FlagECE, FlagAE | FlagCWR} {
		b := syn4()
		binary.BigEndian.PutUint16(b[32:], 5<<12|bits|FlagSYN)
		if s := decode(t, b); s.Flags != bits|FlagSYN || s.Type != SYN || s.Quirks&QuirkECN == 0 || s.AccECN() != (bits == FlagAE|FlagCWR|FlagECE) {
			t.Errorf("Decode(flags %#x) = %+v, AccECN %v", bits, s, s.AccECN())
		}
	}
}
