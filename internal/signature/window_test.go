package signature

import (
	"testing"

	"github.com/mxprint/mxprint/packet"
)

// TestWindowMultiple goes down the twelve steps of p0f-v3.md §3.2: for each a
// window that only this step divides, and one with which an earlier step wins.
func TestWindowMultiple(t *testing.T) {
	type in struct {
		window, mss uint16
		ts1         uint32
		headers     uint8
		version     uint8
		peer        uint16
	}
	none := Multiple{}
	mss := func(n int) Multiple { return Multiple{WindowMSS, n} }
	mtu := func(n int) Multiple { return Multiple{WindowMTU, n} }
	for _, tt := range []struct {
		name string
		in   in
		want Multiple
	}{
		{"window 0", in{0, 1460, 0, 40, 4, 0}, none},
		{"MSS 99", in{990, 99, 0, 40, 4, 0}, none},
		{"MSS 100", in{1000, 100, 0, 40, 4, 0}, mss(10)},
		{"no MSS", in{1460, 0, 0, 40, 4, 0}, none},
		{"nothing divides", in{7919, 1400, 1, 60, 4, 1333}, none},

		{"1: MSS", in{5600, 1400, 0, 60, 4, 0}, mss(4)},
		{"1 before 2", in{2800, 112, 1, 60, 4, 0}, mss(25)},
		{"2: MSS less timestamps", in{1388 * 7, 1400, 1, 60, 4, 0}, mss(7)},
		{"2 without timestamps", in{1388 * 7, 1400, 0, 60, 4, 0}, none},
		{"3: 1460", in{1460 * 3, 1400, 0, 60, 4, 0}, mss(3)},
		{"4: 1448", in{1448 * 3, 1400, 0, 60, 4, 0}, mss(3)},
		{"5: 1440 over IPv6", in{1440 * 5, 1399, 0, 61, 6, 0}, mss(5)},
		{"5: 1440 over IPv4", in{1440 * 7, 1399, 0, 62, 4, 0}, none},
		{"6: 1428 over IPv6", in{1428 * 5, 1399, 0, 61, 6, 0}, mss(5)},
		{"6: 1428 over IPv4", in{1428 * 5, 1399, 0, 61, 4, 0}, none},
		{"7: MSS and 40", in{1440 * 5, 1400, 0, 60, 4, 0}, mtu(5)},
		{"7 over IPv6", in{1439 * 5, 1399, 0, 80, 6, 0}, mtu(5)},
		{"8: MSS and headers", in{1460*2 + 8, 1400, 0, 64, 4, 0}, mtu(2)},
		{"9: MSS and 60 over IPv6", in{1459 * 3, 1399, 0, 80, 6, 0}, mtu(3)},
		{"9 over IPv4", in{1459 * 3, 1399, 0, 80, 4, 0}, none},
		{"10: 1500", in{1500 * 7, 1399, 0, 56, 4, 0}, mtu(7)},
		{"11: MSS of the peer", in{1337 * 3, 1399, 0, 56, 4, 1337}, mss(3)},
		{"11 without a peer", in{1337 * 3, 1399, 0, 56, 4, 0}, none},
		{"10 before 11", in{3000, 1399, 0, 56, 4, 1000}, mtu(2)},
		{"12: MSS of the peer less timestamps", in{1325 * 3, 1399, 0, 56, 4, 1337}, mss(3)},
		{"12 with a peer of 12", in{1323, 1399, 0, 56, 4, 12}, none},

		// Quotients are 16 bits with a sign, and end the search even so.
		{"peer 1, window 32767", in{32767, 1399, 0, 56, 4, 1}, mss(32767)},
		{"peer 1, window 32768", in{32768, 1399, 0, 56, 4, 1}, none},
		{"peer 2, window 65534", in{65534, 1399, 0, 56, 4, 2}, mss(32767)},
		{"peer 11: divisor -1", in{7, 1399, 0, 56, 4, 11}, none},
		{"peer 5: divisor -7", in{49, 1399, 0, 56, 4, 5}, none},
		{"MSS 65535", in{65535, 65535, 0, 40, 4, 0}, mss(1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := packet.Segment{Window: tt.in.window, MSS: tt.in.mss, TS1: tt.in.ts1, HeaderLen: tt.in.headers, Version: tt.in.version}
			if got := MultipleOf(&s, tt.in.peer); got != tt.want {
				t.Errorf("MultipleOf(%+v) = %+v, want %+v", tt.in, got, tt.want)
			}
		})
	}
}

func TestGuessDistance(t *testing.T) {
	for ttl, want := range map[uint8]int{
		0: 32, 1: 31, 32: 0, 33: 31, 64: 0, 65: 63, 128: 0, 129: 126, 255: 0,
	} {
		if got := GuessDistance(ttl); got != want {
			t.Errorf("GuessDistance(%d) = %d, want %d", ttl, got, want)
		}
	}
}
