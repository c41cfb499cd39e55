package host

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/answer"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// Bounds of a measurement of the timestamp clock (p0f-v3.md §6).
const (
	minMillis = 25
	maxMillis = 600_000
	minTicks  = 5
	minHertz  = 0.7
	maxHertz  = 1500
	graceMs   = 100   // packets so close may come in the wrong order,
	graceTick = 15000 // their clocks up to this many ticks back
)

// ticks is checkUptime for a segment that is neither SYN nor SYN+ACK.
func (t *Table) ticks(flow *flowRec, role event.Role, s *packet.Segment) {
	n := flow.client
	if role == event.Server {
		if n = flow.server; t.hosts.at(n).extra == none {
			return
		}
	}
	t.checkUptime(flow, t.end(n, role), s, nil)
}

// checkUptime measures the sender's timestamp clock against the host's last
// SYN or SYN+ACK, which may be of another flow. sig is what matched s, where
// that is a SYN or SYN+ACK, too.
func (t *Table) checkUptime(flow *flowRec, who end, s *packet.Segment, sig *signature.TCP) {
	last := &who.rec.last
	if s.TS1 == 0 || flow.uptime[who.role] != 0 || !last.valid || last.ts1 == 0 {
		return
	}
	ms := t.at/1000 - last.atMillis()
	ticks := s.TS1 - last.ts1
	if ms < minMillis || ms > maxMillis || ticks < minTicks ||
		ms < graceMs && ^ticks/1000 < graceTick/1000 {
		return
	}
	hz := float64(ticks) * 1000 / float64(ms)
	if ticks > ^ticks {
		hz = -float64(^ticks) * 1000 / float64(ms)
	}
	if hz < minHertz || hz > maxHertz {
		if s.Type != packet.SYN {
			flow.uptime[who.role] = -1
		}
		return
	}
	rate := roundHertz(uint32(hz))
	flow.uptime[who.role] = int16(rate)
	h := who.host
	h.upMin = s.TS1 / rate / 60
	h.upMod = uint16(0xffffffff / (rate * 86400))
	h.clock = clockOf(t.db.TCP(int(last.sig)))
	if (s.Type == packet.SYN || s.Type == packet.SYNACK) && clockOf(sig) != h.clock {
		h.clock = note.ClockRandom // the clocks of two stacks, compared
	}
	if v := t.sighting; v != nil {
		v.Parts |= Uptime
		v.UptimeMin, v.ModDays, v.Frequency, v.Clock = h.upMin, h.upMod, hz, h.clock
	} else if o := t.finding(event.Uptime, who.role); o != nil {
		o.UptimeMin, o.ModDays, o.Frequency, o.Clock = h.upMin, uint32(h.upMod), hz, h.clock
		t.observer.Observe(o)
	}
}

// clockOf says what the timestamps of a segment count that a signature
// matched. An unknown stack cannot be trusted, and most of today's
// begin at random.
func clockOf(sig *signature.TCP) note.Clock {
	if sig == nil {
		return note.ClockRandom
	}
	return answer.Clock(sig.Clock)
}

// roundHertz returns the frequency a clock was most likely made for.
func roundHertz(hz uint32) uint32 {
	switch {
	case hz == 0:
		return 1
	case hz <= 10:
		return hz
	case hz <= 50:
		return (hz + 3) / 5 * 5
	case hz <= 100:
		return (hz + 7) / 10 * 10
	case hz <= 500:
		return (hz + 33) / 50 * 50
	}
	return (hz + 67) / 100 * 100
}
