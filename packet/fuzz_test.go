package packet

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzDecode holds what every caller relies on, whatever comes in. The second
// Decode of a frame has the shape of its options from the first.
func FuzzDecode(f *testing.F) {
	for _, b := range [][]byte{
		ethernet(withOptions(syn4(), linuxOptions...)),
		ethernet(withPayload(withOptions(syn6(), linuxOptions...), 'x')),
		ethernet(withIPOptions(syn4(), make([]byte, 40)...)),
		withOptions(syn4(), 5, 34, 0, 0),
		withOptions(syn6(), bytes.Repeat([]byte{1}, 40)...),
		behind(20, syn4()),
		tagged(ethernet(syn4()), etherOuter, etherTag),
		ethernet(withExtensions(syn6(), extHopByHop, extFragment)),
		set(withExtensions(syn6(), extDestOption), 4, 0, 0),
		nil,
	} {
		for _, way := range []byte{fuzzP0f, fuzzP0f | fuzzHeaders, 0} {
			f.Add(b, len(b), uint16(LinkEthernet), way)
			f.Add(b, len(b)+1, uint16(LinkRaw), way)
			f.Add(b, len(b)+1000, uint16(LinkSLL2), way)
			f.Add(b, len(b), uint16(LinkIEEE80211), way)
			f.Add(b, len(b), uint16(LinkPFLOG), way)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, wireLen int, link uint16, way byte) {
		before := bytes.Clone(frame)
		d := Decoder{Link: LinkType(link), P0f: way&fuzzP0f != 0, HeadersOnly: way&fuzzHeaders != 0}
		var s, again Segment
		err := d.Decode(frame, wireLen, &s)
		if !bytes.Equal(frame, before) {
			t.Fatal("Decode changed the frame")
		}
		if off, ok := d.Link.Network(frame); ok && (off < 0 || off > len(frame)) {
			t.Fatalf("Network = %d of %d bytes", off, len(frame))
		}
		if err != nil {
			return
		}
		checkSegment(t, &s)
		if err := d.Decode(frame, wireLen, &again); err != nil || s != again {
			t.Errorf("the second Decode = %+v, %v, the first = %+v", again, err, s)
		}
		switch {
		case int(s.PayloadOff) > len(frame):
			t.Errorf("the headers end at %d, but %d bytes were captured", s.PayloadOff, len(frame))
		case !d.P0f:
			checkPlain(t, frame, &s)
			return
		case s.ExtLen != 0:
			t.Errorf("ExtLen %d of p0f", s.ExtLen)
		}
		end := int(s.PayloadOff) + int(s.PayloadLen)
		if end > wireLen || !d.HeadersOnly && end > len(frame) {
			t.Errorf("payload %d+%d is not within %d bytes captured, %d on the wire", s.PayloadOff, s.PayloadLen, len(frame), wireLen)
		}
		if d.HeadersOnly || wireLen > len(frame) {
			return
		}
		// Of a whole frame both ways must say the same.
		d.HeadersOnly = true
		if err := d.Decode(frame, wireLen, &again); err != nil || s != again {
			t.Errorf("HeadersOnly = %+v, %v, without = %+v", again, err, s)
		}
	})
}

const (
	fuzzP0f     = 1
	fuzzHeaders = 2
)

// checkPlain takes the IP and the TCP header out of a frame: alone they must
// say the same.
func checkPlain(t *testing.T, frame []byte, s *Segment) {
	t.Helper()
	tcp := int(s.HeaderLen) - 40
	if s.Version == 4 {
		tcp = int(s.HeaderLen) - 20 - int(s.IPOptLen)
	}
	at := int(s.PayloadOff) - tcp
	from := int(s.PayloadOff) - int(s.HeaderLen) - int(s.ExtLen)
	if tcp < 20 || from < 0 {
		t.Fatalf("a TCP header of %d bytes, and the IP header at %d", tcp, from)
	}
	b := append(bytes.Clone(frame[from:at-int(s.ExtLen)]), frame[at:s.PayloadOff]...)
	if s.Version == 6 {
		b[6] = protoTCP
		binary.BigEndian.PutUint16(b[4:], uint16(min(tcp+int(s.PayloadLen), 65535)))
	} else {
		binary.BigEndian.PutUint16(b[2:], uint16(min(int(s.HeaderLen)+int(s.PayloadLen), 65535)))
	}
	d := Decoder{Link: LinkRaw}
	var plain Segment
	err := d.Decode(b, len(b), &plain)
	plain.PayloadOff, plain.ExtLen, plain.PayloadLen = s.PayloadOff, s.ExtLen, s.PayloadLen
	if err != nil || plain != *s {
		t.Errorf("Decode(%x) =\n%+v, its headers alone\n%+v, %v", frame, *s, plain, err)
	}
}

func checkSegment(t *testing.T, s *Segment) {
	t.Helper()
	v4 := s.Version == 4
	switch {
	case !v4 && s.Version != 6:
		t.Errorf("version %d", s.Version)
	case s.Src.Addr().Is4() != v4 || s.Dst.Addr().Is4() != v4:
		t.Errorf("addresses %v and %v in version %d", s.Src, s.Dst, s.Version)
	case s.Layout.Len > MaxOptions:
		t.Fatalf("%d options", s.Layout.Len)
	case s.IPOptLen > 40 || !v4 && s.IPOptLen != 0:
		t.Errorf("%d bytes of IP options in version %d", s.IPOptLen, s.Version)
	case s.HeaderLen < 40 || s.HeaderLen > 120 || s.HeaderLen%4 != 0:
		t.Errorf("headers of %d bytes", s.HeaderLen)
	case s.DSCP > 63:
		t.Errorf("DSCP %d", s.DSCP)
	case uint16(s.Type) != s.Flags&(FlagSYN|FlagACK|FlagFIN|FlagRST):
		t.Errorf("type %d of flags %#x", s.Type, s.Flags)
	case s.Quirks>>len(quirkNames) != 0:
		t.Errorf("quirks %#x have no name", s.Quirks)
	case v4 && s.Quirks&QuirkFlow != 0 || !v4 && s.Quirks&(QuirkDF|QuirkIDNonZero|QuirkIDZero|QuirkMustBeZero) != 0:
		t.Errorf("quirks %s in version %d", s.Quirks, s.Version)
	}
	n := int(s.Layout.Len)
	for _, kind := range s.Layout.Kinds[n:] {
		if kind != 0 {
			t.Errorf("layout %v has kinds behind its end: it is no map key", s.Layout)
		}
	}
	if s.Layout.EOLPad != 0 && (n == 0 || s.Layout.Kinds[n-1] != OptEOL) {
		t.Errorf("layout %v has padding, but does not end with EOL", s.Layout)
	}
}
