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
	edits := []func(*packet.Segment, int){
		func(s *packet.Segment, n int) { s.Version = 4 + uint8(n%2)*2 },
		func(s *packet.Segment, n int) { s.TTL = uint8(60 + n) },
		func(s *packet.Segment, n int) { s.IPOptLen = uint8(4 * n) },
		func(s *packet.Segment, n int) { s.HeaderLen = uint8(40 + 4*n) },
		func(s *packet.Segment, n int) { s.MSS = []uint16{0, 1331, 1460}[n%3] },
		func(s *packet.Segment, n int) { s.Type = []packet.Type{packet.SYN, packet.SYNACK}[n%2] },
		func(s *packet.Segment, n int) { s.Window = []uint16{0, 4096, 1331 * 4, 1460 * 4, 1500 * 4}[n] },
		func(s *packet.Segment, n int) { s.Scale = uint8(n) },
		func(s *packet.Segment, n int) { s.TS1 = uint32(n % 2) },
		func(s *packet.Segment, n int) { s.PayloadLen = uint16(n % 3) },
		func(s *packet.Segment, n int) { s.Quirks = packet.Quirks(1) << n },
		func(s *packet.Segment, n int) { s.Layout.Kinds[n], s.Layout.Len = uint8(n), uint8(n+1) },
		func(s *packet.Segment, n int) { s.Layout.EOLPad = uint8(n) },
	}
	var memo RawMemo
	matcher := NewMatcher(Builtin())
	check := func(s *packet.Segment, dir Direction, peerMSS uint16) Match {
		t.Helper()
		var m Match
		matcher.Match(dir, s, peerMSS, &m)
		if got, want := memo.Append([]byte("x"), s, &m), AppendRaw([]byte("x"), s, m.Multiple); string(got) != string(want) {
			t.Fatalf("%+v %+v: %q, want %q", *s, m, got, want)
		}
		return m
	}
	s := packet.Segment{Version: 4, TTL: 64, MSS: 1460, Type: packet.SYN}
	for range 200_000 {
		edits[rnd.IntN(len(edits))](&s, rnd.IntN(5))
		check(&s, Direction(rnd.IntN(2)), []uint16{0, 1331, 1400}[rnd.IntN(3)])
	}
	long := packet.Segment{Version: 4, Layout: packet.Layout{Len: packet.MaxOptions}}
	for i := range long.Layout.Kinds {
		long.Layout.Kinds[i] = 200
	}
	for range 2 { // too long to be remembered
		if m := check(&long, Request, 0); len(AppendRaw(nil, &long, m.Multiple)) <= rawLen {
			t.Errorf("%+v is not longer than %d", long, rawLen)
		}
	}
	plain := matcher.DB().Match(Request, &s, 0) // of no Matcher
	if got, want := memo.Append(nil, &s, &plain), AppendRaw(nil, &s, plain.Multiple); string(got) != string(want) {
		t.Errorf("%q, want %q", got, want)
	}
	m := check(&s, Request, 0)
	if n := testing.AllocsPerRun(100, func() { memo.Append(make([]byte, 0, 256), &s, &m) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
