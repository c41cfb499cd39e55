package host

import "time"

// expire forgets what is too old (p0f-v3.md §5.6). The differences are of 32
// bits: when packet time goes back, all that is newer counts as old.
func (t *Table) expire(now uint32) {
	maxAge := uint32(t.cfg.ConnAge / time.Second)
	for n := t.flows.oldest(); n != none; n = t.flows.oldest() {
		if now-t.flows.at(n).created <= maxAge {
			break
		}
		t.destroyFlow(n)
	}
	maxAge = uint32(t.cfg.HostAge / time.Second)
	for list := range uint32(len(t.hosts.counts)) {
		for n := t.hosts.age.oldest(list); n != none; {
			h := t.hosts.at(n)
			if now-h.lastSeen <= maxAge {
				break
			}
			newer := t.hosts.age.newer(n)
			if h.flows == 0 {
				t.deleteHost(n)
			}
			n = newer
		}
	}
}

// clockSet is from how much on packet time and the time that passed differ because
// the clock of the capture was set, in microseconds.
const clockSet = 10_000_000

// Tick says how much time has passed, by a clock that is never set, until the frame
// that was captured at a time. Where the clock of the capture was set meanwhile,
// ages go on as if it had not been. Without Tick packet time alone counts, as in
// p0f, and a clock that is set back forgets all.
func (t *Table) Tick(at int64, passed time.Duration) {
	now := at - passed.Microseconds()
	if drift := now - t.began; t.ticked && (drift >= clockSet || drift <= -clockSet) {
		t.shift(drift, uint32(at/1e6))
	}
	t.began, t.ticked = now, true
}

// shift moves all times that ages are counted from.
func (t *Table) shift(micros int64, now uint32) {
	seconds := uint32(micros / 1e6)
	moved := func(at uint32) uint32 {
		if at += seconds; int32(now-at) < 0 {
			return now
		}
		return at
	}
	for list := range uint32(len(t.hosts.counts)) {
		for n := t.hosts.age.oldest(list); n != none; n = t.hosts.age.newer(n) {
			h := t.hosts.at(n)
			h.lastSeen = moved(h.lastSeen)
		}
	}
	for n := t.flows.oldest(); n != none; n = t.flows.age.newer(n) {
		f := t.flows.at(n)
		f.created = moved(f.created)
	}
	for i := range t.conns.made {
		t.conns.at(firstRecord + i).at += uint32(micros / 1000)
	}
}

// pruneFlows makes room for a connection: the oldest tenth goes, and one more.
func (t *Table) pruneFlows() {
	count := 1 + t.flows.count*10/100
	t.prefetchClients(count)
	for ; count > 0 && t.flows.count > 0; count-- {
		t.destroyFlow(t.flows.oldest())
	}
}

// pruneHosts makes room for an address. As in p0f the flows pay for it, and
// only the host touched least recently goes, if no flow refers to it.
//
// Deviation: p0f's table then grows past its limit for good, and who chooses
// his packets can make it do so without end; this one stops where hosts that
// flows refer to can no longer be the reason.
func (t *Table) pruneHosts() {
	if t.cfg.Unverified > 0 {
		t.evictOldest(unverified)
		return
	}
	t.pruneFlows()
	if t.hosts.count() > t.cfg.mostHosts() {
		for t.hosts.at(t.hosts.age.oldest(unverified)).flows > 0 {
			t.destroyFlow(t.flows.oldest())
		}
	}
	if n := t.hosts.age.oldest(unverified); n != none && t.hosts.at(n).flows == 0 {
		t.deleteHost(n)
	}
}

// excessHosts is how many hosts more than the limits explain a table may hold.
const excessHosts = 64

func (c *Config) mostHosts() int { return c.MaxHosts + 2*c.MaxConns + excessHosts }

func (t *Table) deleteHost(n uint32) {
	if extra := t.hosts.at(n).extra; extra != none {
		t.extras.give(extra)
	}
	if int(n) < len(t.scored.all) {
		t.scored.at(n).valid = false
	}
	t.hosts.delete(n)
}

func (t *Table) destroyFlow(n uint32) {
	f := t.flows.at(n)
	t.dropPartial(f)
	t.hosts.at(f.client).flows--
	t.hosts.at(f.server).flows--
	t.flows.delete(n)
}
