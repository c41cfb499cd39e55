package host

import (
	"encoding/binary"
	"math/bits"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// board holds the last 32 scores of a host in one role, as one bitmap a
// threshold: bit 0 is the newest score (p0f-v3.md §7.1).
type board [4]uint32

// thresholds are the scores a board distinguishes, and limits how many of the 32
// may reach each before an address counts as shared.
var (
	thresholds = [4]int{6, 3, 2, 1}
	limits     = [4]int{2, 4, 6, 8}
)

// add shifts a score in.
func (b *board) add(score int) {
	b[0], b[1], b[2], b[3] = b[0]<<1, b[1]<<1, b[2]<<1, b[3]<<1
	if score == 0 {
		return
	}
	for i := range b {
		if score >= thresholds[i] {
			b[i] |= 1
		}
	}
}

// hits returns how many scores reach each threshold.
func (b *board) hits() (hits [4]int) {
	for i := range b {
		hits[i] = bits.OnesCount32(b[i])
	}
	return hits
}

// lastSeg is what scoring and uptime need of a host's last SYN or SYN+ACK.
type lastSeg struct {
	seconds uint32 // packet time
	millis  uint16 // and the milliseconds of it
	mss     uint16
	ts1     uint32
	layout  uint32 // hash of the option layout
	quirks  packet.Quirks
	sig     uint32 // a number for signature.DB.TCP, 0 = unmatched
	ttl     uint8
	fuzzy   bool
	valid   bool
}

func (l *lastSeg) atMillis() int64 { return int64(l.seconds)*1000 + int64(l.millis) }

// keepLast makes a segment the last one, field by field: a value that is made
// and then copied costs three times as much. at is when it came, milliseconds.
func keepLast(l *lastSeg, at int64, s *packet.Segment, m *signature.Match) {
	l.seconds, l.millis = uint32(at/1000), uint16(at%1000)
	l.mss, l.ts1, l.layout, l.quirks = s.MSS, s.TS1, layoutHash(&s.Layout), s.Quirks
	l.ttl, l.fuzzy, l.valid = s.TTL, m.Fuzzy, true
	l.sig = 0
	if m.Sig != nil {
		l.sig = uint32(m.Sig.ID)
	}
}

// layoutHash stands for a layout where only sameness counts. Kinds behind the
// last option are zero.
func layoutHash(l *packet.Layout) uint32 {
	le := binary.LittleEndian
	const odd1, odd2, odd3 = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9
	h := (uint64(l.Len) + 1) * odd3 // apart from the kinds: no options are not "mss,eol"
	h = (h ^ le.Uint64(l.Kinds[0:])) * odd1
	h = (h ^ h>>29 ^ le.Uint64(l.Kinds[8:])) * odd2
	h = (h ^ h>>29 ^ le.Uint64(l.Kinds[16:])) * odd3
	return uint32(h >> 32)
}

// driftQuirks may differ between two SYNs of one system.
const driftQuirks = packet.QuirkECN | packet.QuirkDF | packet.QuirkIDNonZero | packet.QuirkIDZero

// scored is the sum of what speaks for a change, and why.
type scored struct {
	score   int
	reasons event.Reasons
	major   bool // another system: smaller signs say nothing more
}

func (s *scored) add(score int, why event.Reasons) {
	s.score += score
	s.reasons |= why
}

// scoreTCP compares a fingerprint with what is known of the host (p0f-v3.md §7.2).
// port is the client's.
func (t *Table) scoreTCP(port uint16, who end, s *packet.Segment, m *signature.Match) {
	if m.Sig != nil && t.isSame(port, who, s, m) {
		who.rec.board.add(0)
	} else {
		t.scoreOther(port, who, s, m)
	}
	who.host.lastPort = port
}

// name takes over the system that a fingerprint names.
func (h *hostRec) name(m *signature.Match) {
	if m.Sig != nil {
		h.label = uint16(m.Sig.Label.ID)
		h.quality, h.flags = 0, m.Flags
		if m.Fuzzy {
			h.quality |= 1
		}
		if m.Sig.Label.Generic {
			h.quality |= 2
		}
	}
}

// knownOS is the system that an end is known for, or nil.
func (t *Table) knownOS(who end) *signature.Label {
	if !t.verifies() || who.role == event.Server {
		return t.db.Label(int(who.host.label))
	}
	if sig := t.db.TCP(int(who.last.sig)); sig != nil { // the host's label may be a forged SYN's
		return sig.Label
	}
	return nil
}

// isSame reports whether a fingerprint equals the host's last one in every
// scored field. Most do; their score is zero.
func (t *Table) isSame(port uint16, who end, s *packet.Segment, m *signature.Match) bool {
	h, r := who.host, who.last
	return r.valid && r.sig == uint32(m.Sig.ID) && r.fuzzy == m.Fuzzy &&
		(h.label == uint16(m.Sig.Label.ID) || t.verifies()) &&
		r.ttl == s.TTL && r.mss == s.MSS && (who.role == event.Server || !h.wentBack(port))
}

// wentBack reports whether the port of a client is below its last one, which
// speaks for another system.
func (h *hostRec) wentBack(port uint16) bool {
	return h.lastPort != 0 && int(h.lastPort)-int(port) >= 64
}

// scoreOther is scoreTCP for a fingerprint that is not the last one again.
func (t *Table) scoreOther(port uint16, who end, s *packet.Segment, m *signature.Match) {
	var sum scored
	known := t.knownOS(who)
	otherOS := m.Sig != nil && known != nil && !known.SameName(m.Sig.Label)
	switch {
	case who.last.valid:
		t.compare(&sum, port, who, s, m, otherOS)
	case otherOS:
		sum.add(8, event.ReasonOSDiff)
	}
	t.addScore(who, sum.reasons, sum.score)
}

// compare is part B of the scoring: there is an earlier segment r of the role.
func (t *Table) compare(sum *scored, port uint16, who end, s *packet.Segment, m *signature.Match, otherOS bool) {
	h, r, syn := who.host, who.last, who.role == event.Client
	old := t.db.TCP(int(r.sig))
	if m.Sig == nil || old == nil {
		unmatchedDiff(sum, r, s, syn)
		if syn && m.Sig != old {
			sum.add(1, event.ReasonXKnown)
		}
	} else {
		matchedDiff(sum, old, r, m, syn)
	}
	if !sum.major && otherOS {
		sum.add(8, event.ReasonOSDiff)
		sum.major = true
	}
	if d := int(s.TTL) - int(r.ttl); !sum.major && d != 0 && !random(old) && !random(m.Sig) &&
		(m.Distance <= 9 || d > 1) {
		if m.Distance > 5 && d >= -2 && d <= 2 {
			sum.add(1, event.ReasonTTL)
		} else {
			sum.add(4, event.ReasonTTL)
		}
	}
	if syn && h.wentBack(port) {
		sum.add(1, event.ReasonPort)
	}
	if s.MSS != r.mss {
		sum.add(1, event.ReasonMTU)
	}
	t.clockDiff(sum, r, s)
}

func unmatchedDiff(sum *scored, r *lastSeg, s *packet.Segment, syn bool) {
	if (s.Quirks^r.quirks)&^driftQuirks != 0 {
		sum.add(2, event.ReasonSigDiff)
	} else if syn && layoutHash(&s.Layout) != r.layout {
		sum.add(1, event.ReasonSigDiff)
	}
}

func matchedDiff(sum *scored, old *signature.TCP, r *lastSeg, m *signature.Match, syn bool) {
	switch {
	case !old.Label.SameName(m.Sig.Label):
		sum.add(8, event.ReasonOSDiff)
		sum.major = true
	case !syn:
	case old.Label.ID != m.Sig.Label.ID:
		sum.add(2, event.ReasonOSDiff)
	case old.Line != m.Sig.Line:
		sum.add(1, event.ReasonOSDiff)
	case r.fuzzy != m.Fuzzy:
		sum.add(1, event.ReasonFuzzy)
	}
}

func random(sig *signature.TCP) bool { return sig != nil && sig.RandomTTL }

// clockDiff looks at the timestamps of a host that is already suspect: a clock
// that went on as it should halves the suspicion.
func (t *Table) clockDiff(sum *scored, r *lastSeg, s *packet.Segment) {
	const day = 86_400_000
	d := t.at/1000 - r.atMillis()
	if sum.score == 0 || s.TS1 == 0 || r.ts1 == 0 || d < 0 || d >= day {
		return
	}
	most := uint32(max(d, 100) * 1500 / 1000)
	ticks := s.TS1 - r.ts1
	if ticks > most && (d >= 100 || ^ticks > most) {
		sum.add(4, event.ReasonTstamp)
	} else {
		sum.score /= 2
	}
}

// checkTool is for a program that was recognised by its TCP segments: can it
// run on the system the address is known for (p0f-v3.md §7.3)?
func (t *Table) checkTool(who end, program *signature.Label) {
	os := t.knownOS(who)
	switch {
	case os == nil:
	case program.Runs(os):
		t.addScore(who, 0, 0)
	default:
		t.addScore(who, event.ReasonAppVsOS, 4)
	}
}

// addScore enters a score and reports what follows from it (p0f-v3.md §7.1). The
// reasons of both roles share one set, which lasts until a report of sharing.
func (t *Table) addScore(who end, why event.Reasons, score int) {
	h, b := who.host, &who.rec.board
	b.add(score)
	h.reasons |= why
	if score == 0 {
		return
	}
	hits := b.hits()
	for i := range hits {
		if hits[i] <= limits[i] {
			continue
		}
		h.lastNAT = t.now
		why, h.reasons = h.reasons, 0
		*b = board{}
		t.suspect(event.IPSharing, who.role, why, hits)
		return
	}
	if score > 1 {
		h.lastChg = t.now
		t.suspect(event.HostChange, who.role, why, hits)
	}
}

func (t *Table) suspect(module event.Module, role event.Role, why event.Reasons, hits [4]int) {
	if v := t.sighting; v != nil {
		v.Parts |= Change
		v.Changed, v.Reasons = module, why
		for i, n := range hits {
			v.Hits[i] = uint8(n)
		}
	} else if o := t.finding(module, role); o != nil {
		o.Reasons, o.Hits = why, hits
		t.observer.Observe(o)
	}
}
