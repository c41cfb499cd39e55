package signature

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/mxprint/mxprint/packet"
)

// A Matcher remembers memoSlots shapes of segments (2 MiB, half of them for raw
// signatures) in a set-associative cache of memoWays ways. With 2,765 SYN shapes
// from 25 distances, 1 % of look-ups miss.
const (
	memoSlots = 16384
	memoWays  = 2
)

// A Matcher is a DB that remembers its results for recent shapes of segments.
// Senders share a few hundred shapes, whatever their distance, so most segments
// take one comparison, whatever the number of signatures. Its results are those
// of its DB. It is not safe for concurrent use: each worker has its own.
type Matcher struct {
	db    *DB
	spans [256]uint8 // by TTL
	seed  [6]uint64
	memo  []memo
	last  *memo // of the last answer
}

// memo is what was said of one kind of segment, without the distance, in one cache
// line, and its raw signature in another.
//
// A kind is all of a segment that Match looks at but for the TTL, of which it
// has the span, and the type, which a raw signature shows: k0 to k2 are the
// layout, version is part of k3, so that the zero memo is of no kind.
type memo struct {
	k0, k1, k2, k3, k4, k5 uint64

	sig      *TCP
	multiple int16 // a Multiple's N
	kind     WindowKind
	flags    Flags
	fuzzy    bool
	dropped  bool  // as Match.Distance
	plain    bool  // the distance is what the TTL is below that of sig,
	ttl      uint8 // which is this

	raw rawText
}

// rawText is a raw signature but for its origin. It is empty before it is asked for,
// and where it is longer than the line.
type rawText struct {
	text [63]byte
	len  uint8
}

// NewMatcher returns a Matcher for a database.
func NewMatcher(db *DB) *Matcher {
	m := &Matcher{db: db, spans: db.ttlSpans(), memo: make([]memo, memoSlots)}
	for i := range m.seed {
		m.seed[i] = rand.Uint64()
	}
	return m
}

// DB returns the database.
func (m *Matcher) DB() *DB { return m.db }

// Match is DB.Match, with the answer put where it is wanted.
func (m *Matcher) Match(dir Direction, s *packet.Segment, peerMSS uint16, to *Match) {
	// Six variables and no array: what has just been written as words and is
	// read as something wider costs as much as the rest.
	le := binary.LittleEndian
	options := &s.Layout.Kinds
	k0, k1, k2 := le.Uint64(options[0:]), le.Uint64(options[8:]), le.Uint64(options[16:])
	k3 := uint64(s.Layout.Len) | uint64(s.Layout.EOLPad)<<8 | uint64(s.Scale)<<16 | uint64(m.spans[s.TTL])<<24 |
		uint64(s.IPOptLen)<<32 | uint64(s.Version)<<40 | uint64(s.HeaderLen)<<48
	k4 := uint64(s.Quirks) | uint64(s.Window)<<32 | uint64(s.MSS)<<48
	k5 := uint64(peerMSS) | uint64(dir)<<24 | uint64(s.Type)<<32
	if s.PayloadLen > 0 {
		k5 |= 1 << 16
	}
	if s.TS1 != 0 {
		k5 |= 2 << 16
	}
	// The seed is random, so that no sender can choose segments that all go to one
	// place.
	at := fold(k0^m.seed[0], k1^m.seed[1]) ^ fold(k2^m.seed[2], k3^m.seed[3]) ^ fold(k4^m.seed[4], k5^m.seed[5])
	set := at >> 32 % (memoSlots / memoWays) * memoWays
	ways := m.memo[set : set+memoWays : set+memoWays]
	for i := range ways {
		slot := &ways[i]
		if (slot.k0^k0)|(slot.k1^k1)|(slot.k2^k2)|(slot.k3^k3)|(slot.k4^k4)|(slot.k5^k5) == 0 {
			m.last = slot
			slot.say(s.TTL, to)
			return
		}
	}
	copy(ways[1:], ways) // the oldest goes
	slot, found := &ways[0], m.db.tcp[dir].find(s, peerMSS)
	slot.keep(&found)
	slot.k0, slot.k1, slot.k2, slot.k3, slot.k4, slot.k5 = k0, k1, k2, k3, k4, k5
	m.last = slot
	slot.say(s.TTL, to)
}

// AppendRaw appends the raw signature of the segment that Match took last, in a third
// of the time that the function AppendRaw takes.
func (m *Matcher) AppendRaw(dst []byte, s *packet.Segment) []byte {
	dst = appendOrigin(dst, s)
	e := m.last
	if e.raw.len > 0 {
		return append(dst, e.raw.text[:e.raw.len]...)
	}
	from := len(dst)
	dst = appendKind(dst, s, Multiple{e.kind, int(e.multiple)})
	if text := dst[from:]; len(text) <= len(e.raw.text) {
		e.raw.len = uint8(copy(e.raw.text[:], text))
	}
	return dst
}

// keep takes over what find has found.
func (e *memo) keep(m *Match) {
	e.sig, e.flags, e.fuzzy, e.dropped = m.Sig, m.Flags, m.Fuzzy, m.Distance == dropped
	e.kind, e.multiple, e.raw.len = m.Multiple.Kind, int16(m.Multiple.N), 0
	if e.plain = m.Sig != nil && !m.Fuzzy && m.Flags&TTLReset == 0; e.plain {
		e.ttl = uint8(m.Sig.TTL)
	}
}

// say completes what was found for a TTL.
func (e *memo) say(ttl uint8, to *Match) {
	to.Sig, to.Flags, to.Fuzzy = e.sig, e.flags, e.fuzzy
	to.Multiple.Kind, to.Multiple.N = e.kind, int(e.multiple)
	if e.plain {
		to.Distance = int(e.ttl) - int(ttl)
		return
	}
	to.Distance = 0
	if !e.dropped {
		to.Distance = to.distance(ttl)
	}
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// ttlSpans numbers the spans of TTLs between which no signature makes a
// difference, but for the distance.
func (db *DB) ttlSpans() (span [256]uint8) {
	var begins [256]bool
	for i := range db.tcp {
		for j := range db.tcp[i].sigs {
			for _, initial := range db.tcp[i].sigs[j].initialTTLs() {
				begins[max(initial-MaxDistance, 0)] = true
				if initial < 255 {
					begins[initial+1] = true
				}
			}
		}
	}
	for ttl := 1; ttl < len(span); ttl++ {
		span[ttl] = span[ttl-1]
		if begins[ttl] {
			span[ttl]++
		}
	}
	return span
}
