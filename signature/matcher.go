package signature

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/mxprint/mxprint/packet"
)

// memoSlots is how many kinds of segments a Matcher remembers: 192 KiB.
const memoSlots = 2048

// A Matcher is a DB that remembers what it said of the last kinds of segments.
// Senders share a few hundred kinds, so most segments cost one comparison,
// whatever the number of signatures. It says exactly what its DB says, and is
// not safe for concurrent use: each worker has one of its own.
type Matcher struct {
	db   *DB
	seed [3]uint64
	memo []memo
}

// memo is what was said of one kind of segment.
type memo struct {
	kind  kind
	match Match
}

// kind is all of a segment that Match looks at. The zero kind is none: a
// segment has an IP version.
type kind [6]uint64

// NewMatcher returns a Matcher for a database.
func NewMatcher(db *DB) *Matcher {
	m := &Matcher{db: db, memo: make([]memo, memoSlots)}
	for i := range m.seed {
		m.seed[i] = rand.Uint64()
	}
	return m
}

// DB returns the database.
func (m *Matcher) DB() *DB { return m.db }

// Match is DB.Match.
func (m *Matcher) Match(dir Direction, s *packet.Segment, peerMSS uint16) Match {
	k := kindOf(dir, s, peerMSS)
	slot := &m.memo[m.place(&k)]
	if slot.kind != k {
		slot.match, slot.kind = m.db.Match(dir, s, peerMSS), k
	}
	return slot.match
}

func kindOf(dir Direction, s *packet.Segment, peerMSS uint16) kind {
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
		uint64(s.Layout.Len) | uint64(s.Layout.EOLPad)<<8 | uint64(s.Scale)<<16 | uint64(s.TTL)<<24 |
			uint64(s.IPOptLen)<<32 | uint64(s.Version)<<40 | uint64(s.HeaderLen)<<48,
		uint64(s.Quirks) | uint64(s.Window)<<32 | uint64(s.MSS)<<48,
		uint64(peerMSS) | flags<<16,
	}
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
