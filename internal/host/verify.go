package host

import (
	"encoding/binary"
	"net/netip"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// Verify says that a client is really there, as a mail server knows that asks
// about it: its address, and the connection if there is a port, are no longer
// evicted by SYNs. An invalid server stands for any; then no change of system is
// looked for, which would be observed without it. A handshake that the table sees
// completed verifies both its ends. Without Config.Unverified nothing
// happens to addresses.
func (t *Table) Verify(client, server netip.AddrPort) {
	t.verifyHost(t.hosts.number(client.Addr()))
	if client.Port() == 0 {
		return
	}
	if n, _, _ := t.conns.find(client, server); n != none {
		r := t.conns.at(n)
		r.is |= isAsked
		if server.IsValid() { // what is observed of a connection names both its ends
			t.scoreConn(client, server, r)
		}
		t.conns.verify(n) // the record may have gone after it
	}
}

// completes reports whether a client's segment is the first to acknowledge the
// number that the server chose: spoofed SYNs are never followed by one.
func (t *Table) completes(f *flowRec, s *packet.Segment) bool {
	if t.cfg.Unverified == 0 || f.verified || !f.answered || s.Seq != f.next[event.Client] || s.Ack != f.next[event.Server] {
		return false
	}
	f.verified = true
	return true
}

// verifies reports whether verified connections alone show a change of system or
// several systems at one address: a SYN may be forged.
//
// Deviation: p0f, and its command here, take every SYN.
func (t *Table) verifies() bool { return t.cfg.Unverified > 0 && t.cfg.Recent > 0 }

// scoreConn scores the SYN of a connection that was just verified.
func (t *Table) scoreConn(client, server netip.AddrPort, r *connRec) {
	n := t.hosts.number(client.Addr())
	if !t.verifies() || n == none || r.is&(isScored|isMissed) != 0 {
		return
	}
	r.is |= isScored
	s := &t.entered
	*s = r.syn.segment()
	s.Src, s.Dst, s.TS1 = client, server, r.syn.ts1
	m := signature.Match{Sig: t.db.TCP(int(r.syn.sig)), Fuzzy: r.syn.is&isFuzzy != 0, Distance: int(r.syn.distance)}
	t.scored.reach(n)
	who := t.end(n, event.Client)
	who.last = t.scored.at(n)
	t.packet, t.from = s, event.Client
	if s.Window == probeWindow && s.MSS == probeMSS {
		return
	}
	if m.Sig != nil && m.Sig.Label.Userland() {
		t.checkTool(who, m.Sig.Label)
		return
	}
	t.scoreTCP(client.Port(), who, s, &m)
	now := t.at / 1000
	keepLast(who.last, now-int64(uint32(now)-r.at), s, &m)
}

// verifyHost moves a host into the list of the verified ones, unless its /64 has
// its share of them.
func (t *Table) verifyHost(n uint32) {
	if t.cfg.Unverified == 0 || n == none {
		return
	}
	r := t.hosts.at(n)
	if r.list == verified || r.v6 && !t.hosts.shares.take(sourceOf(&r.addr, true)) {
		return
	}
	t.hosts.unlink(n)
	t.hosts.push(n, verified)
	if t.hosts.counts[verified] > t.cfg.MaxHosts-t.cfg.Unverified {
		t.evictOldest(verified)
	}
}

// full reports whether a host must go before one more may come.
func (t *Table) full() bool {
	if t.cfg.Unverified > 0 {
		return t.hosts.counts[unverified] >= t.cfg.Unverified
	}
	return t.hosts.count() > t.cfg.MaxHosts
}

// evictOldest forgets the oldest host of a list, with the flows that refer to it.
func (t *Table) evictOldest(list uint32) {
	n := t.hosts.age.oldest(list)
	for n != none && t.hosts.at(n).flows > 0 {
		t.destroyFlow(t.flows.oldest())
	}
	if n != none {
		t.deleteHost(n)
	}
}

// shares bounds how many verified records one source may have: an IPv4 address,
// or an IPv6 /64, whose owner has all its addresses. Real connections from one
// network cannot evict those of all others then.
type shares struct {
	count map[uint64]uint32
	most  uint32
}

// shareOf is the part of a list that one source may have.
const shareOf = 16

func newShares(most int) shares {
	return shares{make(map[uint64]uint32), uint32(max(most/shareOf, 1))}
}

// sourceOf is the source of an address, as hostKey returns it.
func sourceOf(addr *[16]byte, v6 bool) uint64 {
	if v6 {
		return binary.BigEndian.Uint64(addr[:])
	}
	return uint64(binary.BigEndian.Uint32(addr[:]))
}

// take counts one more record of a source, or returns false.
func (s *shares) take(source uint64) bool {
	if s.count[source] >= s.most {
		return false
	}
	s.count[source]++
	return true
}

func (s *shares) give(source uint64) {
	if s.count[source]--; s.count[source] == 0 {
		delete(s.count, source)
	}
}
