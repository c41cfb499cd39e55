package signature

import (
	"math/rand/v2"
	"testing"

	"github.com/mxprint/mxprint/packet"
)

// TestRawTexts: what is remembered is what AppendRaw writes, whatever differs
// between two segments, and never more than the bound.
func TestRawTexts(t *testing.T) {
	var texts RawTexts
	pick := func(n int) uint8 { return uint8(rand.IntN(n)) }
	var got, want []byte
	for range 50_000 {
		s := linuxSYN()
		s.Version, s.Type, s.TTL, s.IPOptLen = 4+2*pick(2), [...]packet.Type{packet.SYN, packet.SYNACK}[pick(2)], 60+pick(5), 4*pick(2)
		s.Window, s.MSS = [...]uint16{5840, 64240, 1460, 14000}[pick(4)], [...]uint16{0, 1331, 1400, 1460}[pick(4)]
		s.TS1, s.PayloadLen, s.Scale, s.HeaderLen = uint32(pick(2)), uint16(pick(3)), 6+pick(2), 56+4*pick(2)
		s.Quirks = packet.Quirks(pick(8))
		s.Layout = [...]packet.Layout{layoutOf(2, 4, 8, 1, 3), layoutOf(2, 4, 8, 1, 0), layoutOf(2)}[pick(3)]
		s.Layout.EOLPad = pick(2)
		peer := [...]uint16{0, 1400, 1460}[pick(3)]
		got, want = texts.Append(got[:0], &s, peer), AppendRaw(want[:0], &s, MultipleOf(&s, peer))
		if string(got) != string(want) {
			t.Fatalf("%+v, peer %d: Append = %s, want %s", s, peer, got, want)
		}
		if len(texts.texts) > mostRawTexts {
			t.Fatalf("%d texts are remembered, want at most %d", len(texts.texts), mostRawTexts)
		}
	}
}
