package signature

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mxprint/mxprint/packet"
)

// TestMatcher: a Matcher says of any segment what its database says, also of
// one that differs from the last in a single field, and its raw signature is that
// of AppendRaw, whether or not it was asked for before, and however long.
func TestMatcher(t *testing.T) {
	db := Builtin()
	m := NewMatcher(db)
	r := rand.New(rand.NewPCG(1, 2))
	s := new(packet.Segment)
	*s = linuxSYN()
	for range 200_000 {
		change(r, s)
		dir, peer := Direction(r.IntN(2)), uint16(0)
		if dir == Response {
			peer = uint16(1400 + r.IntN(3)*30)
		}
		var got Match
		m.Match(dir, s, peer, &got)
		if got != db.Match(dir, s, peer) {
			t.Fatalf("Match(%v, %+v, %d) = %+v, the database says %+v", dir, *s, peer, got, db.Match(dir, s, peer))
		}
		if r.IntN(4) == 0 {
			continue
		}
		if raw, want := m.AppendRaw(nil, s), AppendRaw(nil, s, got.Multiple); !bytes.Equal(raw, want) {
			t.Fatalf("AppendRaw of %+v = %s, want %s", *s, raw, want)
		}
	}
}

// change changes one field, or goes back to an ordinary SYN.
func change(r *rand.Rand, s *packet.Segment) {
	switch r.IntN(14) {
	case 0:
		s.TTL = uint8(r.IntN(256))
	case 1:
		s.Window = uint16(r.IntN(1 << 16))
	case 2:
		s.MSS = []uint16{0, 536, 1360, 1440, 1460, 8960}[r.IntN(6)]
	case 3:
		s.Scale = uint8(r.IntN(16))
	case 4:
		s.Quirks ^= 1 << r.IntN(17)
	case 5:
		s.Version ^= 4 ^ 6
	case 6:
		s.IPOptLen ^= 4
	case 7:
		s.PayloadLen ^= 8
	case 8:
		s.TS1 ^= 77
	case 9:
		s.HeaderLen ^= 16
	case 10:
		s.Layout.Kinds[r.IntN(8)] = uint8(r.IntN(9))
	case 11:
		s.Layout.EOLPad ^= 2
	case 12:
		s.Window = []uint16{29200, 64240, 65535, 8192, 5840}[r.IntN(5)]
	default:
		*s = linuxSYN()
	}
}

// TestMatcherKeepsBoth: of two kinds that may have the same places neither has
// to go for the other.
func TestMatcherKeepsBoth(t *testing.T) {
	m, s := NewMatcher(Builtin()), linuxSYN()
	windows := map[int]uint16{} // by set
	for w := range uint16(65535) {
		s.Window = w
		var got Match
		clear(m.memo)
		m.Match(Request, &s, 0, &got)
		set := slices.IndexFunc(m.memo, func(e memo) bool { return e != memo{} }) / memoWays
		other, ok := windows[set]
		if windows[set] = w; !ok {
			continue
		}
		clear(m.memo)
		for _, s.Window = range []uint16{w, other, w, other} {
			m.Match(Request, &s, 0, &got)
		}
		kept := 0
		for i := range m.memo {
			if m.memo[i] != (memo{}) {
				kept++
			}
		}
		if kept != 2 {
			t.Fatalf("of the kinds with windows %d and %d, both of set %d, %d are remembered", w, other, set, kept)
		}
		if len(windows) > 500 {
			return
		}
	}
}

func TestMatcherAllocates(t *testing.T) {
	m, s, i := NewMatcher(Builtin()), linuxSYN(), 0
	var got Match
	if n := testing.AllocsPerRun(10_000, func() {
		i++
		s.Window = uint16(i % 5000)
		m.Match(Request, &s, 0, &got)
	}); n != 0 {
		t.Errorf("a match makes %v allocations, want 0", n)
	}
}

func BenchmarkMatcher(b *testing.B) {
	m, s := NewMatcher(Builtin()), linuxSYN()
	i := 0
	var got Match
	for b.Loop() {
		i++
		s.TTL = uint8(40 + i&15)
		m.Match(Request, &s, 0, &got)
	}
}
