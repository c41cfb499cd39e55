package signature

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/mxprint/mxprint/packet"
)

// memoSlots is how many kinds of segments a Matcher remembers: 768 KiB.
const memoSlots = 8192

// A Matcher is a DB that remembers what it said of the last kinds of segments.
// Senders share a few hundred kinds, however far away they are, so most
// segments cost one comparison, whatever the number of signatures. It says
// exactly what its DB says, and is not safe for concurrent use: each worker has
// one of its own.
type Matcher struct {
	db    *DB
	spans [256]uint8 // by TTL
	seed  [3]uint64
	memo  []memo
}

// memo is what was said of one kind of segment, without the distance.
type memo struct {
	kind  kind
	match Match
}

// kind is all of a segment that Match looks at but for the TTL, of which it has
// the span. The zero kind is none: a segment has an IP version.
type kind [6]uint64

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

// Match is DB.Match.
func (m *Matcher) Match(dir Direction, s *packet.Segment, peerMSS uint16) Match {
	k := kindOf(dir, s, m.spans[s.TTL], peerMSS)
	slot := &m.memo[m.place(&k)]
	if !slot.kind.is(&k) {
		slot.match, slot.kind = m.db.tcp[dir].find(s, peerMSS), k
	}
	found := slot.match
	found.setDistance(s.TTL)
	return found
}

// ttlSpans numbers the spans of TTLs between which no signature tells a
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

func kindOf(dir Direction, s *packet.Segment, ttlSpan uint8, peerMSS uint16) kind {
	flags := uint64(dir) << 8
	if s.PayloadLen > 0 {
		flags |= 1
	}
	if s.TS1 != 0 {
		flags |= 2
	}
	le := binary.LittleEndian
	options := &s.Layout.Kinds
	return kind{
		le.Uint64(options[0:]), le.Uint64(options[8:]), le.Uint64(options[16:]),
		uint64(s.Layout.Len) | uint64(s.Layout.EOLPad)<<8 | uint64(s.Scale)<<16 | uint64(ttlSpan)<<24 |
			uint64(s.IPOptLen)<<32 | uint64(s.Version)<<40 | uint64(s.HeaderLen)<<48,
		uint64(s.Quirks) | uint64(s.Window)<<32 | uint64(s.MSS)<<48,
		uint64(peerMSS) | flags<<16,
	}
}

// is compares without the call that == would be for so many bytes.
func (k *kind) is(o *kind) bool {
	return (k[0]^o[0])|(k[1]^o[1])|(k[2]^o[2])|(k[3]^o[3])|(k[4]^o[4])|(k[5]^o[5]) == 0
}

// place is where a kind is remembered. The seed is random, so that nobody can
// choose segments that all go to one place.
func (m *Matcher) place(k *kind) uint {
	var sum uint64
	for i, seed := range m.seed {
		hi, lo := bits.Mul64(k[2*i]^seed, k[2*i+1]^bits.RotateLeft64(seed, 32))
		sum ^= hi ^ lo
	}
	return uint(sum>>32) % memoSlots
}
