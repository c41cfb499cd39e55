package host

import (
	"encoding/binary"
	"net/netip"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
)

// hosts is the table of addresses seen: two lists, each ordered by last touch.
// Those that have proved to be there are in a list of their own, so that
// addresses of which nothing but SYNs came cannot push them out.
type hosts struct {
	slab[hostRec]
	index
	age    ages
	counts [2]int        // of each list
	shares shares        // of the verified ones, by /64
	last   [2]lastServer // of IPv6 and IPv4
}

// lastServer is that of the last SYN: most packets are from or for it.
type lastServer struct {
	addr netip.Addr
	found
}

func (h *hosts) lastFor(a netip.Addr) *lastServer {
	if a.Is4() {
		return &h.last[1]
	}
	return &h.last[0]
}

// The lists of hosts. Without Config.Unverified all are in the first.
const (
	unverified = iota
	verified
)

// hostRec is what is kept of one address: two cache lines. It holds no pointer.
// Times are seconds of packet time.
type hostRec struct {
	// The first line is what every new connection touches, of both its ends.
	addr      [16]byte // IPv4 as ::ffff:a.b.c.d
	hash      uint32
	flows     uint32 // flows that refer to the host; it stays while there are any
	totalConn uint32
	lastSeen  uint32
	firstSeen uint32
	extra     uint32 // record of what few hosts have, none before it is needed
	mtu       uint32 // of the last SYN or SYN+ACK with an MSS; 0 = none; at most 65595
	label     uint16 // OS, a signature.Label's ID; 0 = none ever matched
	link      uint16 // a number for signature.DB.LinkName
	lastPort  uint16
	distance  int16
	v6        bool
	list      uint8 // unverified or verified
	quality   uint8
	flags     signature.Flags // of the match that gave label
	clock     note.Clock      // of the stack whose uptime upMin is
	syns      uint32          // connections it opened

	client     roleRec
	lastNAT    uint32
	lastChg    uint32
	upMin      uint32
	upMod      uint16 // days; 0 = uptime unknown
	reasons    event.Reasons
	handshakes uint32 // of syns, those whose handshake was seen
}

// roleRec is what is kept of a host in one role: its scores, and its last SYN
// or SYN+ACK.
type roleRec struct {
	board board
	last  lastSeg
}

// extraRec is what is kept of the few hosts that are servers, or speak HTTP.
type extraRec struct {
	server roleRec
	http   httpHost
}

const distanceUnknown = 255 // as p0f says it

func newHosts(most int) hosts {
	return hosts{slab: newSlab[hostRec](most), index: newIndex(), age: newAges(most)}
}

// count is how many addresses the table holds.
func (h *hosts) count() int { return h.counts[unverified] + h.counts[verified] }

// hashOf is the hash of an address in the index.
func (h *hosts) hashOf(a netip.Addr) uint32 {
	key := a.As16() // of IPv4 too: no branch can foresee which of the two comes next
	return h.hash(binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:]))
}

// find returns the record number of an address with this hash, or none.
func (h *hosts) find(a netip.Addr, hash uint32) uint32 {
	mask := uint32(len(h.slots) - 1)
	for i := hash & mask; h.slots[i].n != none; i = (i + 1) & mask {
		if s := h.slots[i]; s.hash == hash && h.at(s.n).is(a) {
			return s.n
		}
	}
	return none
}

// number returns the record number of an address, or none.
func (h *hosts) number(a netip.Addr) uint32 { return h.find(a, h.hashOf(a)) }

// is reports whether the record is that of an address.
func (r *hostRec) is(a netip.Addr) bool {
	return r.addr == a.As16() && r.v6 == !a.Is4()
}

// search finds an address by its hash, or at once if it is the last server's.
func (h *hosts) search(a netip.Addr, hash uint32) found {
	if last := h.lastFor(a); last.n != none && last.addr == a {
		return last.found
	}
	return found{h.find(a, hash), hash}
}

// searchServer finds an address that is likely to be the last server's.
func (h *hosts) searchServer(a netip.Addr) found {
	if last := h.lastFor(a); last.n != none && last.addr == a {
		return last.found
	}
	hash := h.hashOf(a)
	return found{h.find(a, hash), hash}
}

// add makes a record for an address that has none.
func (h *hosts) add(a netip.Addr, hash, now uint32) uint32 {
	n := h.take()
	r := h.at(n)
	r.addr, r.v6 = a.As16(), !a.Is4()
	r.hash = hash
	r.firstSeen, r.lastSeen = now, now
	r.distance = distanceUnknown
	h.insert(n, hash)
	h.push(n, unverified)
	return n
}

// touch makes the host the newest of its list.
func (h *hosts) touch(n, now uint32) {
	r := h.at(n)
	r.lastSeen = now
	h.age.touch(uint32(r.list), n)
}

// opened counts a new connection.
func (r *hostRec) opened() {
	r.totalConn++
	r.flows++
}

func (h *hosts) push(n uint32, list uint8) {
	h.at(n).list = list
	h.age.push(uint32(list), n)
	h.counts[list]++
}

func (h *hosts) unlink(n uint32) {
	r := h.at(n)
	h.age.drop(n)
	if h.counts[r.list]--; r.list == verified && r.v6 {
		h.shares.give(sourceOf(&r.addr, true))
	}
}

func (h *hosts) delete(n uint32) {
	for i := range h.last {
		if h.last[i].n == n {
			h.last[i].n = none
		}
	}
	h.unlink(n)
	h.remove(n, h.at(n).hash)
	h.give(n)
}

// flowHash hashes the two ends of a connection so that both directions have
// one hash.
func (h *hosts) flowHash(a uint32, aPort uint16, b uint32, bPort uint16) uint32 {
	ka, kb := uint64(a)<<16|uint64(aPort), uint64(b)<<16|uint64(bPort)
	if ka > kb {
		ka, kb = kb, ka
	}
	return h.hash(ka, kb)
}
