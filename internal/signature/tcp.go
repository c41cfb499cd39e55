package signature

import (
	"slices"

	"github.com/mxprint/mxprint/packet"
)

// Any stands for a wildcard in the numbers of a TCP signature.
const Any = -1

// WindowKind says how the window of a signature is meant.
type WindowKind uint8

const (
	WindowAny    WindowKind = iota // *
	WindowEqual                    // a number
	WindowModulo                   // %N: divisible by N
	WindowMSS                      // mss*N
	WindowMTU                      // mtu*N
)

// Clock says what a system's TCP timestamps count (RFC 7323 §5.4).
type Clock uint8

const (
	ClockUnstated Clock = iota // the database does not say, as p0f's does not
	ClockBoot                  // the time since the system started
	ClockRandom                // from a random or new start, for each peer or connection: no uptime
)

// TCP is one signature of a [tcp:…] section (p0f-v3.md §2.4).
type TCP struct {
	ID    int    // number in the database, for DB.TCP; 1 is the first
	File  string // as Load or Parse named it; "builtin/…" in the built-in database
	Line  int    // line in the file
	Label *Label // what it says of the sender
	label int    // its id, while the labels are being read
	layer int

	Version   int  // 4, 6 or Any
	TTL       int  // initial TTL, 1..255
	RandomTTL bool // the initial TTL varies; TTL is the highest
	IPOptLen  int  // bytes of IPv4 options
	MSS       int  // or Any
	Window    int  // N of Kind
	Kind      WindowKind
	Scale     int // or Any
	Layout    packet.Layout
	Quirks    packet.Quirks
	Payload   int // 0 none, 1 some, or Any

	// Where the signature uses terms beyond p0f's, Layout is the plainest of
	// its layouts, Scale is Any, and Kind is not one of the kinds above.
	ext *terms

	Clock  Clock  // what the sender's timestamps count
	Text   string // the signature as the file has it
	Source string // how it is known, or ""
	Date   string // when that was, YYYY-MM or YYYY-MM-DD, or ""
}

func (t *TCP) place() place { return place{t.File, t.Line, t.layer} }

// quirksFor returns the quirks that the signature asks of a packet of this IP
// version. Only signatures for any version leave the other version's quirks
// out; 0+ stays, though IPv6 cannot have it.
func (t *TCP) quirksFor(version uint8) packet.Quirks { return t.mask(t.Quirks, version) }

func (t *TCP) mask(q packet.Quirks, version uint8) packet.Quirks {
	if t.Version != Any {
		return q
	}
	if version == 4 {
		return q &^ packet.QuirkFlow
	}
	return q &^ (packet.QuirkDF | packet.QuirkIDNonZero | packet.QuirkIDZero)
}

// Match is the outcome of DB.Match. It is a plain value.
type Match struct {
	Sig      *TCP // nil: no signature matched
	Distance int  // hops from the sender; where Sig is nil, a guess
	Multiple Multiple
	Fuzzy    bool  // a quirk or the TTL differed within bounds
	Flags    Flags // what a box on the way seems to have done
}

// Generic reports whether only a catch-all matched.
func (m *Match) Generic() bool { return m.Sig != nil && m.Sig.Label.Generic }

// MaxDistance is the largest distance p0f takes for real; above it a TTL no
// longer fits a signature.
const MaxDistance = 35

// GuessDistance returns how many hops a packet with this TTL travelled if its
// initial TTL was the next one of 32, 64, 128 and 255 (p0f-v3.md §3.1).
func GuessDistance(ttl uint8) int {
	for _, initial := range [...]int{32, 64, 128} {
		if int(ttl) <= initial {
			return initial - int(ttl)
		}
	}
	return 255 - int(ttl)
}

// Flags are signs that a box on the way changed the packet.
type Flags uint8

const (
	TTLReset Flags = 1 << iota // the TTL is another than the stack's own
	Erased                     // options are overwritten with NOPs
	Clamped                    // the window shows a larger MSS than the packet
)

// Quality says how well the signature of a Match fits.
type Quality uint8

const (
	None    Quality = iota // no signature
	Fuzzy                  // a quirk or the TTL differs within bounds
	Generic                // only a catch-all fits
	Exact
)

// String returns the name of a quality in lower case.
func (q Quality) String() string {
	return [...]string{"none", "fuzzy", "generic", "exact"}[min(q, Exact)]
}

// Quality says how well the signature fits. A fuzzy match is called fuzzy,
// be its label generic or not.
func (m *Match) Quality() Quality {
	switch {
	case m.Sig == nil:
		return None
	case m.Fuzzy:
		return Fuzzy
	case m.Sig.Label.Generic:
		return Generic
	}
	return Exact
}

// tcpTable is the signatures of one direction in file order, and where to find
// those with a given option layout: no signature matches another layout, so
// that a packet is compared with a handful and not with all.
type tcpTable struct {
	sigs     []TCP
	byLayout map[packet.Layout]*group
}

func (t *tcpTable) add(s TCP) {
	if t.byLayout == nil {
		t.byLayout = make(map[packet.Layout]*group)
	}
	for _, f := range s.forms() {
		g := t.byLayout[f.layout]
		if g == nil {
			g = new(group)
			t.byLayout[f.layout] = g
		}
		g.entries = append(g.entries, entry{int32(len(t.sigs)), f.erased, f.ts})
	}
	t.sigs = append(t.sigs, s)
}

// forms returns the layouts of a signature.
func (t *TCP) forms() []form {
	if t.ext != nil && t.ext.forms != nil {
		return t.ext.forms
	}
	return []form{{layout: t.Layout, ts: hasTimestamp(&t.Layout)}}
}

func hasTimestamp(l *packet.Layout) bool { return slices.Contains(l.Kinds[:l.Len], packet.OptTS) }

// verdict is how well one signature fits one segment.
type verdict uint8

const (
	differs verdict = iota
	fuzzy
	exact
)

// Quirks that may be missing from the packet, and those that may be added to
// it, in a fuzzy match.
const (
	fuzzyMissing = packet.QuirkDF | packet.QuirkIDNonZero
	fuzzyAdded   = packet.QuirkIDZero | packet.QuirkECN
)

func (t *tcpTable) match(s *packet.Segment, peerMSS uint16) Match {
	m := t.find(s, peerMSS)
	m.setDistance(s.TTL)
	return m
}

// dropped is the Distance of a match before it has one, where p0f drops the
// match and says distance 0.
const dropped = -1

// find is match without the distance, which is all that TTLs between which no
// signature makes a difference do not share.
func (t *tcpTable) find(s *packet.Segment, peerMSS uint16) Match {
	m := Match{Multiple: MultipleOf(s, peerMSS)}
	var found, generic, nearly candidate
	if g := t.byLayout[s.Layout]; g != nil {
		seg := seen{Segment: s, mult: m.Multiple, peerMSS: int(peerMSS)}
		t.findExact(g.exact, &seg, &found, &generic)
		if found.sig == nil {
			found = generic
		}
		if found.sig == nil {
			t.findFuzzy(g.fuzzy, &seg, &nearly)
		}
	}
	if found.sig == nil && nearly.sig == nil {
		if bare, ok := withoutProbes(s); ok {
			return t.findBare(&bare, peerMSS, m)
		}
	}
	switch {
	case found.sig != nil:
		m.Sig, m.Flags = found.sig, found.flags
	case nearly.sig != nil && nearly.sig.Label.Userland():
		m.Distance = dropped
	case nearly.sig != nil:
		m.Sig, m.Flags, m.Fuzzy = nearly.sig, nearly.flags, true
	}
	return m
}

// findBare is find for a segment from which the options of a WAN optimiser are
// removed. Only signatures beyond p0f's language allow for boxes on the way: to
// p0f such a segment is unknown.
func (t *tcpTable) findBare(s *packet.Segment, peerMSS uint16, none Match) Match {
	m := t.find(s, peerMSS)
	if m.Sig == nil || m.Sig.ext == nil {
		return none
	}
	m.Flags |= Erased
	return m
}

// Option kinds that WAN optimisers append to a SYN to find each other.
const (
	optProbe      = 76 // Riverbed's
	optProbeTrial = 78
	optWAAS       = 33 // Cisco's, 0x21 in the pages of WAAS
)

// withoutProbes returns a segment without the options of WAN optimisers, and
// without the padding after them, if it has any.
func withoutProbes(s *packet.Segment) (bare packet.Segment, ok bool) {
	kinds := s.Layout.Kinds[:s.Layout.Len]
	first := slices.IndexFunc(kinds, isProbe)
	if first < 0 {
		return bare, false
	}
	bare = *s
	bare.Layout = packet.Layout{Len: uint8(first)}
	copy(bare.Layout.Kinds[:], kinds[:first])
	for _, kind := range kinds[first:] {
		if !isProbe(kind) && kind != packet.OptNOP && kind != packet.OptEOL {
			bare.Layout.Kinds[bare.Layout.Len] = kind
			bare.Layout.Len++
		}
	}
	return bare, true
}

func isProbe(kind uint8) bool { return kind == optProbe || kind == optProbeTrial || kind == optWAAS }

// setDistance completes what find has found.
func (m *Match) setDistance(ttl uint8) {
	if m.Distance == dropped {
		m.Distance = 0
		return
	}
	m.Distance = m.distance(ttl)
}

func (m *Match) distance(ttl uint8) int {
	if m.Sig == nil {
		return GuessDistance(ttl)
	}
	d := m.Sig.TTL - int(ttl)
	if m.Flags&TTLReset != 0 {
		for _, initial := range m.Sig.ext.ttls {
			if near(initial, ttl) {
				return initial - int(ttl)
			}
		}
	}
	if m.Fuzzy && (d < 0 || !m.Sig.RandomTTL && d > MaxDistance) {
		return GuessDistance(ttl)
	}
	return d
}

// near reports whether a packet that left with an initial TTL may come with
// this one.
func near(initial int, ttl uint8) bool {
	d := initial - int(ttl)
	return d >= 0 && d <= MaxDistance
}

// compare holds one signature against a segment with the layout of e.
func (t *TCP) compare(s *seen, e entry) (verdict, Flags) {
	v, flags := exact, Flags(0)
	q := t.quirksFor(s.Version)
	if missing, added := q&^s.Quirks, s.Quirks&^(q|t.optionalFor(s.Version)); missing|added != 0 {
		if missing&^fuzzyMissing != 0 || added&^fuzzyAdded != 0 {
			return differs, 0
		}
		v = fuzzy
	}
	if t.IPOptLen != int(s.IPOptLen) {
		return differs, 0
	}
	if t.RandomTTL {
		if t.TTL < int(s.TTL) {
			return differs, 0
		}
	} else if !near(t.TTL, s.TTL) {
		if t.resetTo(s.TTL) {
			flags |= TTLReset
		} else {
			v = fuzzy
		}
	}
	payload := 0
	if s.PayloadLen > 0 {
		payload = 1
	}
	if !fits(t.MSS, int(s.MSS)) || !t.scaleFits(int(s.Scale)) || !fits(t.Payload, payload) {
		return differs, 0
	}
	if t.Kind == windowTerms {
		ok, clamped := t.ext.windowTakes(s, e.ts)
		if !ok {
			return differs, 0
		}
		if clamped {
			flags |= Clamped
		}
	} else if !t.windowFits(int(s.Window), s.mult) {
		return differs, 0
	}
	if e.erased {
		flags |= Erased
	}
	return v, flags
}

func (t *TCP) resetTo(ttl uint8) bool {
	return t.ext != nil && slices.ContainsFunc(t.ext.ttls, func(initial int) bool { return near(initial, ttl) })
}

func (t *TCP) scaleFits(scale int) bool {
	if t.ext != nil && t.ext.scales != nil {
		return t.ext.scales.has(scale)
	}
	return fits(t.Scale, scale)
}

// optionalFor returns the quirks that a packet of this IP version may have.
func (t *TCP) optionalFor(version uint8) packet.Quirks {
	if t.ext == nil {
		return 0
	}
	return t.mask(t.ext.optional, version)
}

// fits reports whether a number of a signature, or its wildcard, takes a value.
func fits(want, got int) bool { return want == Any || want == got }

func (t *TCP) windowFits(window int, mult Multiple) bool {
	switch t.Kind {
	case WindowEqual:
		return t.Window == window
	case WindowModulo:
		return window%t.Window == 0
	case WindowMSS, WindowMTU:
		return mult.Kind == t.Kind && mult.N == t.Window
	}
	return true
}
