package host

import "time"

// expire forgets what is too old (p0f v3 §5.6). The differences are of 32
// bits: when packet time goes back, all that is newer counts as old.
func (t *Table) expire(now uint32) {
	maxAge := uint32(t.cfg.ConnAge / time.Second)
	for n := t.flows.age.oldest; n != none; n = t.flows.age.oldest {
		if now-t.flows.at(n).created <= maxAge {
			break
		}
		t.destroyFlow(n)
	}
	maxAge = uint32(t.cfg.HostAge / time.Second)
	for i := range t.hosts.lists {
		for n := t.hosts.lists[i].age.oldest; n != none; {
			h := t.hosts.at(n)
			if now-h.lastSeen <= maxAge {
				break
			}
			newer := h.links.newer
			if h.flows == 0 {
				t.deleteHost(n)
			}
			n = newer
		}
	}
}

// pruneFlows makes room for a connection: the oldest tenth goes, and one more.
func (t *Table) pruneFlows() {
	count := 1 + t.flows.count*10/100
	t.warmOldest(count)
	for ; count > 0 && t.flows.age.oldest != none; count-- {
		t.destroyFlow(t.flows.age.oldest)
	}
}

// pruneHosts makes room for an address. As in p0f the flows pay for it, and
// only the host touched least recently goes, if no flow refers to it.
//
// Deviation: p0f's table then grows past its limit for good, and who chooses
// his packets can make it do so without end; this one stops where hosts that
// flows refer to can no longer be the reason.
func (t *Table) pruneHosts() {
	if t.cfg.Unproven > 0 {
		t.pushOut(unproven)
		return
	}
	t.pruneFlows()
	if t.hosts.count > t.cfg.MaxHosts+2*t.cfg.MaxConns+excessHosts {
		for t.hosts.at(t.hosts.lists[unproven].age.oldest).flows > 0 {
			t.destroyFlow(t.flows.age.oldest)
		}
	}
	if n := t.hosts.lists[unproven].age.oldest; n != none && t.hosts.at(n).flows == 0 {
		t.deleteHost(n)
	}
}

// excessHosts is how many hosts more than the limits explain a table may hold.
const excessHosts = 64

func (t *Table) deleteHost(n uint32) {
	if extra := t.hosts.at(n).extra; extra != none {
		t.extras.give(extra)
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
