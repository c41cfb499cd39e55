package host

import (
	"encoding/binary"
	"net/netip"

	"github.com/mxprint/mxprint/signature"
)

// hosts is the table of addresses seen: two lists, each ordered by last touch.
// Those that have proved to be there are in a list of their own, so that
// addresses of which nothing but SYNs came cannot push them out.
type hosts struct {
	slab[hostRec]
	index
	lists [2]hostList
	count int
	last  struct { // the last destination: most packets go to one mail server
		addr netip.Addr
		found
	}
}

// hostList is one list of hosts.
type hostList struct {
	age   ageList
	count int
}

// The lists of hosts. Without Config.Unproven all are in the first.
const (
	unproven = iota
	proven
)

// hostRec is what is kept of one address: two cache lines. It holds no pointer.
// Times are seconds of packet time.
type hostRec struct {
	// The first line is what every new connection touches, of both its ends.
	addr      [16]byte // IPv4 in the first four bytes
	hash      uint32
	links     links
	flows     uint32 // flows that refer to the host; it stays while there are any
	totalConn uint32
	lastSeen  uint32
	firstSeen uint32
	extra     uint32 // record of what few hosts have, none before it is needed
	label     uint16 // OS, a signature.Label's ID; 0 = none ever matched
	link      uint16 // a number for signature.DB.LinkName
	lastPort  uint16
	distance  int16
	v6        bool
	list      uint8 // unproven or proven
	quality   uint8
	flags     signature.Flags // of the match that gave label
	clock     signature.Clock // of the stack whose uptime upMin is
	_         [3]byte

	client  roleRec
	lastNAT uint32
	lastChg uint32
	upMin   uint32
	upMod   uint16 // days; 0 = uptime unknown
	reasons Reasons
	_       [4]byte
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

func newHosts() hosts {
	return hosts{index: newIndex()}
}

func hostKey(a netip.Addr) (key [16]byte, v6 bool) {
	if a.Is4() {
		v4 := a.As4()
		copy(key[:], v4[:])
		return key, false
	}
	return a.As16(), true
}

func (h *hosts) hashKey(key *[16]byte, v6 bool) uint32 {
	low, high := binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])
	if !v6 {
		high = 1 << 63 // an IPv4 address is no IPv6 address with zeros behind it
	}
	return h.hash(low, high)
}

// find returns the record number of an address, or none, and its hash.
func (h *hosts) find(a netip.Addr) (n, hash uint32) {
	key, v6 := hostKey(a)
	return h.lookup(&key, v6)
}

// findAgain is find for an address that is likely to be the last one's.
func (h *hosts) findAgain(a netip.Addr) (n, hash uint32) {
	if h.last.n == none || h.last.addr != a {
		h.last.addr = a
		h.last.n, h.last.hash = h.find(a)
	}
	return h.last.n, h.last.hash
}

func (h *hosts) lookup(key *[16]byte, v6 bool) (n, hash uint32) {
	hash = h.hashKey(key, v6)
	mask := uint32(len(h.slots) - 1)
	for i := hash & mask; h.slots[i].n != none; i = (i + 1) & mask {
		if h.slots[i].hash != hash {
			continue
		}
		if r := h.at(h.slots[i].n); r.addr == *key && r.v6 == v6 {
			return h.slots[i].n, hash
		}
	}
	return none, hash
}

// add makes a record for an address that has none.
func (h *hosts) add(a netip.Addr, hash, now uint32) uint32 {
	n := h.take()
	r := h.at(n)
	r.addr, r.v6 = hostKey(a)
	r.hash = hash
	r.firstSeen, r.lastSeen = now, now
	r.distance = distanceUnknown
	h.insert(n, hash)
	h.enlist(n, unproven)
	h.count++
	return n
}

// touch makes the host the newest.
func (h *hosts) touch(n, now uint32) {
	h.at(n).lastSeen = now
	if age := &h.lists[h.at(n).list].age; age.newest != n {
		age.drop(n, h.linksOf)
		age.push(n, h.linksOf)
	}
}

func (h *hosts) enlist(n uint32, list uint8) {
	h.at(n).list = list
	h.lists[list].age.push(n, h.linksOf)
	h.lists[list].count++
}

func (h *hosts) strike(n uint32) {
	l := &h.lists[h.at(n).list]
	l.age.drop(n, h.linksOf)
	l.count--
}

func (h *hosts) delete(n uint32) {
	if h.last.n == n {
		h.last.n = none
	}
	h.strike(n)
	h.remove(n, h.at(n).hash)
	h.give(n)
	h.count--
}

func (h *hosts) linksOf(n uint32) *links { return &h.at(n).links }

// flowHash hashes the two ends of a connection so that both directions have
// one hash.
func (h *hosts) flowHash(a uint32, aPort uint16, b uint32, bPort uint16) uint32 {
	ka, kb := uint64(a)<<16|uint64(aPort), uint64(b)<<16|uint64(bPort)
	if ka > kb {
		ka, kb = kb, ka
	}
	return h.hash(ka, kb)
}
