package packet

import (
	"bytes"
	"testing"
)

// FuzzDecode holds what every caller relies on, whatever comes in.
func FuzzDecode(f *testing.F) {
	for _, b := range [][]byte{
		behind(14, withOptions(syn4(), linuxOptions...)),
		behind(14, withPayload(withOptions(syn6(), linuxOptions...), 'x')),
		behind(14, withIPOptions(syn4(), make([]byte, 40)...)),
		withOptions(syn4(), 5, 34, 0, 0),
		withOptions(syn6(), bytes.Repeat([]byte{1}, 40)...),
		behind(20, syn4()),
		nil,
	} {
		f.Add(b, len(b), uint16(LinkEthernet), false)
		f.Add(b, len(b)+1, uint16(LinkRaw), true)
		f.Add(b, len(b)+1000, uint16(LinkSLL2), true)
	}
	f.Fuzz(func(t *testing.T, frame []byte, wireLen int, link uint16, headersOnly bool) {
		before := bytes.Clone(frame)
		d := Decoder{Link: LinkType(link), HeadersOnly: headersOnly}
		var s, again Segment
		err := d.Decode(frame, wireLen, &s)
		if !bytes.Equal(frame, before) {
			t.Fatal("Decode changed the frame")
		}
		if err != nil {
			return
		}
		checkSegment(t, &s)
		end := int(s.PayloadOff) + int(s.PayloadLen)
		if end > wireLen || !headersOnly && end > len(frame) || int(s.PayloadOff) > len(frame) {
			t.Errorf("payload %d+%d is not within %d bytes captured, %d on the wire", s.PayloadOff, s.PayloadLen, len(frame), wireLen)
		}
		if err := d.Decode(frame, wireLen, &again); err != nil || s != again {
			t.Errorf("the second Decode = %+v, %v, the first = %+v", again, err, s)
		}
		if headersOnly || wireLen > len(frame) {
			return
		}
		// Of a whole frame both ways must say the same.
		d.HeadersOnly = true
		if err := d.Decode(frame, wireLen, &again); err != nil || s != again {
			t.Errorf("HeadersOnly = %+v, %v, without = %+v", again, err, s)
		}
	})
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
	case s.Quirks>>len(QuirkNames) != 0:
		t.Errorf("quirks %#x have no name", s.Quirks)
	case v4 && s.Quirks&Flow != 0 || !v4 && s.Quirks&(DF|IDNonZero|IDZero|MustBeZero) != 0:
		t.Errorf("quirks %s in version %d", quirkNames(s.Quirks), s.Version)
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
