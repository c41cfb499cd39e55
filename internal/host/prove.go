package host

import (
	"net/netip"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/packet"
)

// Prove says that a client is really there, as a mail server knows that asks
// about it: its address, and the connection if there is a port, are no longer
// evicted by SYNs. An invalid server stands for any. A handshake that the
// table sees completed proves both its ends. Without Config.Unproven nothing
// happens.
func (t *Table) Prove(client, server netip.AddrPort) {
	if t.cfg.Unproven == 0 {
		return
	}
	if n := t.hosts.number(client.Addr()); n != none {
		t.proveHost(n)
	}
	if t.kept.size == 0 || client.Port() == 0 {
		return
	}
	r := t.conns.find(client, server)
	if r == nil || r.is&isKept != 0 {
		return
	}
	r.is |= isKept
	kept := t.kept.oldest()
	*kept = *r
	t.kept.insert(t.kept.newest, t.kept.keyOf(r.client, r.clientPort))
}

// completes reports whether a client's segment is the first to acknowledge the
// number that the server chose: spoofed SYNs are never followed by one.
func (t *Table) completes(f *flowRec, s *packet.Segment) bool {
	if t.cfg.Unproven == 0 || f.proved || !f.answered || s.Seq != f.next[event.Client] || s.Ack != f.next[event.Server] {
		return false
	}
	f.proved = true
	return true
}

// proveHost moves a host into the list of the proved ones.
func (t *Table) proveHost(n uint32) {
	if t.hosts.at(n).list == proven {
		return
	}
	t.hosts.strike(n)
	t.hosts.enlist(n, proven)
	if t.hosts.counts[proven] > t.cfg.MaxHosts-t.cfg.Unproven {
		t.pushOut(proven)
	}
}

// full reports whether a host must go before one more may come.
func (t *Table) full() bool {
	if t.cfg.Unproven > 0 {
		return t.hosts.counts[unproven] >= t.cfg.Unproven
	}
	return t.hosts.count() > t.cfg.MaxHosts
}

// pushOut forgets the oldest host of a list, with the flows that refer to it.
func (t *Table) pushOut(list uint32) {
	n := t.hosts.age.oldest(list)
	for n != none && t.hosts.at(n).flows > 0 {
		t.destroyFlow(t.flows.oldest())
	}
	if n != none {
		t.deleteHost(n)
	}
}
