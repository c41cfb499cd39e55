package signature

import "github.com/mxprint/mxprint/packet"

// terms is what a signature says beyond p0f's language (docs/signatures.md).
type terms struct {
	ttls     []int // initial TTLs that boxes on the way put in place of TCP.TTL
	windows  []windowTerm
	scales   *scaleSet
	optional packet.Quirks
	forms    []form // every option layout, the plainest first; nil for TCP.Layout alone
}

// form is one option layout of a signature.
type form struct {
	layout packet.Layout
	erased bool // options are overwritten in it
	ts     bool // it has a timestamp option, or had one
}

// scaleSet is a set of window scales.
type scaleSet [4]uint64

func (s *scaleSet) add(n int)      { s[n>>6] |= 1 << (n & 63) }
func (s *scaleSet) has(n int) bool { return s[n>>6]&(1<<(n&63)) != 0 }

// Window kinds beyond p0f's.
const (
	windowTerms WindowKind = iota + 100 // of TCP.Kind: see terms.windows
	windowFit
	windowSeg
)

// unit says what a window is rounded to: bits, as both may be allowed.
type unit uint8

const (
	unitMSS   unit = 1 << iota
	unitMSS12      // less the timestamp option's 12 bytes, where there is one
)

// windowTerm is one alternative of a window. Both ends of a range count.
type windowTerm struct {
	kind     WindowKind // WindowEqual, WindowModulo, WindowMSS, WindowMTU, windowFit or windowSeg
	low, top int        // of numbers, of buffer spaces in bytes, or N twice
	units    unit
	clamped  [2][len(usualMSS)]uint16 // of a single space: its window at each MSS, and at 12 less
	sieve    [4]uint64                // the low bytes of clamped, to pass over most windows at once
}

// usualMSS is what a packet's MSS may have been before a box on the way
// lowered it: Ethernet, PPPoE, the common tunnels, and the jumbo frames of
// clouds.
var usualMSS = [...]int{1460, 1452, 1440, 1432, 1420, 1412, 1400, 1380, 1360, 8961, 8960}

const (
	maxWindow  = 65535
	minMSS     = 100 // below it p0f takes an MSS for none (p0f-v3.md §3.2)
	stamp      = 12  // bytes of a timestamp option with its padding
	segmentMSS = 1460
)

// fitted is the largest multiple of u that fits a space, as stacks compute it.
func fitted(space, u int) int {
	if u < space {
		space -= space % u
	}
	return min(space, maxWindow)
}

// segments is the window of n segments of u bytes, as stacks limit the initial
// window: above 1460 bytes what fits n times 1460, and no less than two.
func segments(n, u int) int {
	if u > segmentMSS {
		n = max(segmentMSS*n/u, 2)
	}
	return min(n*u, maxWindow)
}

// prepare computes what does not depend on the packet.
func (t *windowTerm) prepare() {
	for i, mss := range usualMSS {
		for j, u := range [2]int{mss, mss - stamp} {
			switch t.kind {
			case windowFit:
				t.clamped[j][i] = uint16(fitted(t.low, u))
			case windowSeg:
				t.clamped[j][i] = uint16(segments(t.low, u))
			}
			low := t.clamped[j][i] & 255
			t.sieve[low>>6] |= 1 << (low & 63)
		}
	}
}

// plain reports whether the window is one of a term that does not depend on
// how the sender rounds.
func (t *windowTerm) plain(window int, mult Multiple) bool {
	switch t.kind {
	case WindowEqual:
		return t.low <= window && window <= t.top
	case WindowModulo:
		return window%t.low == 0
	case WindowMSS, WindowMTU:
		return mult.Kind == t.kind && mult.N == t.low
	}
	return false
}

// possible is a quick look: a fitted window is more than half of its space.
func (t *windowTerm) possible(window int) bool {
	return t.kind != windowFit || window == maxWindow || window <= t.top && window > t.low/2
}

// rounded reports whether the window is that of a sender with this MSS.
func (t *windowTerm) rounded(window, mss int, ts bool) bool {
	if t.units&unitMSS != 0 && t.of(window, mss) {
		return true
	}
	if t.units&unitMSS12 != 0 {
		if ts {
			mss -= stamp
		}
		return t.of(window, mss)
	}
	return false
}

func (t *windowTerm) of(window, u int) bool {
	switch {
	case t.kind == windowSeg:
		return segments(t.low, u) == window
	case window != maxWindow && (window > t.top || window <= t.low-u):
		return false // less than a segment is lost by rounding
	case t.low == t.top || window == maxWindow:
		return fitted(t.top, u) == window
	case t.top < maxSpace && t.low <= window && window <= min(t.top, u):
		return true // a space of one segment or less is not rounded
	}
	return window >= u && window%u == 0 && max(t.low, window) <= min(t.top, window+u-1)
}

// byLargerMSS reports whether the window is that of a sender whose MSS a box
// on the way lowered to mss.
func (t *windowTerm) byLargerMSS(window, mss int, ts bool) bool {
	if low := window & 255; t.low == t.top && t.sieve[low>>6]&(1<<(low&63)) == 0 {
		return false
	}
	for i, usual := range usualMSS {
		if usual <= mss || usual > window {
			continue // no box raises it; and less than a segment shows nothing of it
		}
		if t.low != t.top {
			if t.rounded(window, usual, ts) {
				return true
			}
			continue
		}
		less := 0
		if ts {
			less = 1
		}
		if t.units&unitMSS != 0 && int(t.clamped[0][i]) == window ||
			t.units&unitMSS12 != 0 && int(t.clamped[less][i]) == window {
			return true
		}
	}
	return false
}

// seen is what the windows of a segment are computed from.
type seen struct {
	*packet.Segment
	mult    Multiple
	peerMSS int
}

// windowTakes compares the window with the terms, and reports whether only a
// larger MSS explains it.
func (x *terms) windowTakes(s *seen, ts bool) (ok, clamped bool) {
	window := int(s.Window)
	rounding := false
	for i := range x.windows {
		t := &x.windows[i]
		if t.plain(window, s.mult) {
			return true, false
		}
		rounding = rounding || t.kind >= windowFit && t.possible(window)
	}
	if !rounding || window == 0 {
		return false, false
	}
	for _, mss := range [...]int{int(s.MSS), s.peerMSS} {
		if mss < minMSS {
			continue
		}
		for i := range x.windows {
			if t := &x.windows[i]; t.kind >= windowFit && t.possible(window) && t.rounded(window, mss, ts) {
				return true, false
			}
		}
	}
	for i := range x.windows {
		if t := &x.windows[i]; t.kind >= windowFit && t.possible(window) && t.byLargerMSS(window, int(s.MSS), ts) {
			return true, true
		}
	}
	return false, false
}
