package signature

import "github.com/mxprint/mxprint/packet"

// Multiple is a window recognised as a multiple of the MSS or the MTU. The
// zero value matches nothing.
type Multiple struct {
	Kind WindowKind // WindowMSS, WindowMTU, or WindowAny for none
	N    int        // 1..32767
}

// MultipleOf finds the unit that the window of a segment is a multiple of, in
// p0f's order of units (p0f-v3.md §3.2). peerMSS is the MSS of the SYN that a SYN+ACK
// answers, 0 for a SYN. It is the Multiple of the segment's Match.
func MultipleOf(s *packet.Segment, peerMSS uint16) Multiple {
	return multipleOf(int(s.Window), int(s.MSS), s.TS1 != 0, int(s.HeaderLen), s.Version == 6, int(peerMSS))
}

func multipleOf(window, mss int, timestamps bool, headers int, v6 bool, peer int) Multiple {
	if window == 0 || mss < 100 {
		return Multiple{}
	}
	for _, try := range [...]struct {
		div  int
		kind WindowKind
		when bool
	}{
		{mss, WindowMSS, true},
		{mss - 12, WindowMSS, timestamps},
		{1460, WindowMSS, true}, // the MSS of Ethernet, in case a router on the way changed ours
		{1448, WindowMSS, true},
		{1440, WindowMSS, v6},
		{1428, WindowMSS, v6},
		{mss + 40, WindowMTU, true},
		{mss + headers, WindowMTU, true},
		{mss + 60, WindowMTU, v6},
		{1500, WindowMTU, true},
		{peer, WindowMSS, peer != 0},
		{peer - 12, WindowMSS, peer != 0 && peer != 12},
	} {
		if !try.when || window%try.div != 0 {
			continue
		}
		// p0f keeps the quotient in 16 bits with a sign, and a quotient that
		// is not positive ends the search without a unit.
		if n := int(int16(window / try.div)); n > 0 {
			return Multiple{Kind: try.kind, N: n}
		}
		return Multiple{}
	}
	return Multiple{}
}
