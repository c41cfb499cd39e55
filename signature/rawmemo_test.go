package signature

import (
	"math/rand/v2"
	"testing"

	"github.com/mxprint/mxprint/packet"
)

// TestRawMemo: whatever came before, the text is that of AppendRaw. All fields
// that it shows differ one at a time, in few values, so that the memory is hit.
func TestRawMemo(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	edits := []func(*packet.Segment, *Multiple, int){
		func(s *packet.Segment, _ *Multiple, n int) { s.Version = 4 + uint8(n%2)*2 },
		func(s *packet.Segment, _ *Multiple, n int) { s.TTL = uint8(60 + n) },
		func(s *packet.Segment, _ *Multiple, n int) { s.IPOptLen = uint8(4 * n) },
		func(s *packet.Segment, _ *Multiple, n int) { s.MSS = []uint16{0, 1331, 1460}[n%3] },
		func(s *packet.Segment, _ *Multiple, n int) { s.Type = []packet.Type{packet.SYN, packet.SYNACK}[n%2] },
		func(s *packet.Segment, _ *Multiple, n int) { s.Window = uint16(n) << 12 },
		func(s *packet.Segment, _ *Multiple, n int) { s.Scale = uint8(n) },
		func(s *packet.Segment, _ *Multiple, n int) { s.PayloadLen = uint16(n % 3) },
		func(s *packet.Segment, _ *Multiple, n int) { s.Quirks = packet.Quirks(1) << n },
		func(s *packet.Segment, _ *Multiple, n int) { s.Layout.Kinds[n], s.Layout.Len = uint8(n), uint8(n+1) },
		func(s *packet.Segment, _ *Multiple, n int) { s.Layout.EOLPad = uint8(n) },
		func(_ *packet.Segment, m *Multiple, n int) {
			m.Kind = []WindowKind{WindowAny, WindowMSS, WindowMTU}[n%3]
		},
		func(_ *packet.Segment, m *Multiple, n int) { m.N = n },
	}
	var memo RawMemo
	s, mult := packet.Segment{Version: 4, TTL: 64, MSS: 1460, Type: packet.SYN}, Multiple{}
	for range 200_000 {
		edits[rnd.IntN(len(edits))](&s, &mult, rnd.IntN(5))
		got, want := memo.Append([]byte("x"), &s, mult), AppendRaw([]byte("x"), &s, mult)
		if string(got) != string(want) {
			t.Fatalf("%+v %+v: %q, want %q", s, mult, got, want)
		}
	}
	long := packet.Segment{Version: 4, Layout: packet.Layout{Len: packet.MaxOptions}}
	for i := range long.Layout.Kinds {
		long.Layout.Kinds[i] = 200
	}
	for range 2 { // too long to be remembered
		if got, want := memo.Append(nil, &long, mult), AppendRaw(nil, &long, mult); string(got) != string(want) || len(want) <= rawLen {
			t.Errorf("%q, want %q, longer than %d", got, want, rawLen)
		}
	}
	if n := testing.AllocsPerRun(100, func() { memo.Append(make([]byte, 0, 256), &s, mult) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
