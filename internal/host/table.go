// Package host keeps what is known of each address and of each connection
// under way, and finds out what only a history shows: uptime, a change of
// system, several systems behind one address.
//
// A Table is fed segments in the order of capture and reports Observations;
// Host answers what is known of an address. It implements sections 5 to 7 of
// p0f's behaviour (p0f v3), with p0f's order of events: from the same packets
// and the same database come the same observations.
//
// Both tables are bounded, and the cost of a segment does not depend on how
// many hosts are known. Records hold no pointers. A Table is not safe for
// concurrent use; package engine guards it.
package host

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/http1"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// Config bounds a Table; its fields are those of engine.Hosts. Zero and negative values mean p0f's defaults, numbers
// beyond 2^30 mean 2^30.
type Config struct {
	MaxConns int           // connections under way; default 1,000
	MaxHosts int           // addresses; default 10,000
	ConnAge  time.Duration // a connection is forgotten after; default 30 s
	HostAge  time.Duration // an address is forgotten after; default 2 h
	Recent   int           // connections whose SYN is kept for Table.Conn; default none

	// Trusted says that a SYN comes when its connection is there: nothing can be
	// forged, and each is that of a new connection.
	Trusted bool

	// Unverified is how many of MaxHosts may be addresses that were not verified:
	// a flood of SYNs evicts no others. 0, and a table is p0f's: the oldest goes,
	// whatever is known of it.
	Unverified int

	// HTTPBytes bounds what is kept of unfinished HTTP headers, of all
	// connections together; default 16 MiB. Beyond it the oldest are given up.
	// A connection takes at most HTTPConnBytes of it.
	HTTPBytes int
	// HTTPWhole has responses that come in several segments read as a whole.
	// p0f loses a field at each boundary (http1.Reader).
	HTTPWhole bool

	// LoneSYNACK has SYN+ACKs observed whose SYN was not seen. p0f passes over
	// them, and scores of hosts never come from them.
	LoneSYNACK bool
}

func (c *Config) setDefaults() {
	c.MaxConns, c.MaxHosts = cmp.Or(max(c.MaxConns, 0), 1000), cmp.Or(max(c.MaxHosts, 0), 10000)
	c.ConnAge, c.HostAge = cmp.Or(max(c.ConnAge, 0), 30*time.Second), cmp.Or(max(c.HostAge, 0), 2*time.Hour)
	const most = 1 << 30 // records are numbered with 32 bits
	c.MaxConns, c.MaxHosts, c.Recent = min(c.MaxConns, most), min(c.MaxHosts, most), min(max(c.Recent, 0), most)
	if c.Unverified > 0 {
		c.Unverified = max(min(c.Unverified, c.MaxHosts-1), 2) // both ends of a connection
	}
	c.HTTPBytes = cmp.Or(max(c.HTTPBytes, 0), 16<<20)
}

// Share returns the configuration of each of several tables that together keep to
// the bounds of c.
func (c Config) Share(tables int) Config {
	if tables > 1 {
		c.setDefaults()
		c.MaxConns, c.MaxHosts = (c.MaxConns+tables-1)/tables, (c.MaxHosts+tables-1)/tables
		c.Recent, c.Unverified = (c.Recent+tables-1)/tables, (c.Unverified+tables-1)/tables
		c.HTTPBytes = (c.HTTPBytes + tables - 1) / tables
	}
	return c
}

// Table is the memory of hosts and connections.
type Table struct {
	lone  uint64 // SYN+ACKs of connections that are not known
	tools lastTools

	db       *signature.DB
	matcher  *signature.Matcher
	cfg      Config
	observer Observer
	follower Follower // nil: none

	hosts   hosts
	extras  slab[extraRec] // what only few hosts have
	flows   flows
	conns   conns
	partial partials        // HTTP headers under way
	scored  column[lastSeg] // by host: the SYN of its last verified connection
	entered packet.Segment  // the SYN of a connection that was verified just now

	at         int64  // time of the current packet, microseconds
	now        uint32 // the same, seconds
	began      int64  // of Tick: packet time less the time that has passed, microseconds
	ticked     bool   // began is known
	frames     uint64
	lastExpiry uint32
	prefetched uint32                           // what prefetch read, so that it is read at all
	match      signature.Match                  // of the current packet
	sighting   *Sighting                        // of the same, while it is made; nil: none
	ahead      *matched                         // of the same; nil: none
	packet     *packet.Segment                  // that Update takes, for its ends
	from       event.Role                       // its sender
	lent       [event.Modules]event.Observation // lent to the observer, one a module
	msg        http1.Message
	raw        []byte // signature, lent to the observer
	join       [http1.MaxData]byte
}

// New returns an empty table. observer gets what the table finds out; it may be
// nil.
func New(db *signature.DB, cfg Config, observer Observer) *Table {
	cfg.setDefaults()
	t := &Table{
		db: db, matcher: signature.NewMatcher(db), cfg: cfg, observer: observer,
		hosts: newHosts(cfg.mostHosts()), flows: newFlows(cfg.MaxConns + 1), partial: newPartials(), conns: newConns(cfg.Recent),
	}
	if t.verifies() {
		t.scored = newColumn[lastSeg](cfg.mostHosts())
	}
	t.hosts.shares = newShares(cfg.MaxHosts - cfg.Unverified)
	return t
}

// ShareSeed has an empty table hash connections as another does, for one Snapshot
// of both.
func (t *Table) ShareSeed(with *Table) { t.conns.seed = with.conns.seed }

// expiryFrames is how often p0f looks for what is too old, in frames.
const expiryFrames = 50

// Frame counts a frame that passed the capture filter, whether or not it
// decodes, and forgets what is too old. Call it before Update. at is the time
// of capture in microseconds since 1970.
func (t *Table) Frame(at int64) {
	t.at, t.now = at, uint32(at/1e6)
	t.frames++
	if t.frames%expiryFrames == 0 && t.now != t.lastExpiry {
		t.lastExpiry = t.now
		t.expire(t.now)
	}
}

// Frames returns how many frames were counted.
func (t *Table) Frames() uint64 { return t.frames }

// Update takes one segment of the frame that Frame counted. payload is what
// was captured of the segment's data. Neither is kept.
func (t *Table) Update(s *packet.Segment, payload []byte) {
	t.update(s, payload, t.hosts.hashOf(s.Src.Addr()))
}

// update is Update with the hash of the source's address.
func (t *Table) update(s *packet.Segment, payload []byte, srcHash uint32) {
	var src found
	if s.Type == packet.SYN { // seldom from the last server
		src = found{t.hosts.find(s.Src.Addr(), srcHash), srcHash}
	} else {
		src = t.hosts.search(s.Src.Addr(), srcHash)
	}
	dst := t.hosts.searchServer(s.Dst.Addr())
	var fl, hash uint32
	if src.n != none && dst.n != none {
		hash = t.hosts.flowHash(src.n, s.Src.Port(), dst.n, s.Dst.Port())
		fl = t.flows.find(hash, src.n, s.Src.Port(), dst.n, s.Dst.Port())
	}
	if s.Type == packet.SYN {
		t.syn(fl, hash, s, src, dst)
		return
	}
	if t.cfg.Recent > 0 && t.handshake(s) {
		t.verifyHost(src.n)
		t.verifyHost(dst.n)
		t.opened(s)
	}
	if t.follower != nil {
		t.follower.Segment(s, payload, t.at)
	}
	if fl == none {
		if s.Type == packet.SYNACK {
			t.loneSYNACK(s)
		}
		return
	}
	f, role := t.flows.at(fl), event.Server
	if f.isFrom(src.n, s.Src.Port(), dst.n, s.Dst.Port()) {
		role = event.Client
	}
	t.packet, t.from = s, role
	switch s.Type {
	case packet.SYNACK:
		t.synAck(fl, role, s)
	case packet.ACK:
		if role == event.Client && t.completes(f, s) {
			t.verifyHost(src.n)
			t.verifyHost(dst.n)
		}
		t.ack(fl, role, s, payload)
	default: // FIN or RST, with or without ACK
		if !f.probe {
			t.ticks(f, role, s)
		}
		t.destroyFlow(fl)
	}
}

// loneSYNACK counts a SYN+ACK of no connection that is known, and may observe it.
func (t *Table) loneSYNACK(s *packet.Segment) {
	if t.tools.has(s) {
		return
	}
	t.lone++
	if !t.cfg.LoneSYNACK {
		return
	}
	t.packet, t.from = s, event.Server
	t.matcher.Match(signature.Response, s, 0, &t.match)
	t.see(event.SYNACK, event.Server, s, &t.match, 0)
	t.show(s, &t.match)
}

// lastTools are the ends of the last SYNs whose connections were forgotten because
// a tool sent them: their SYN+ACKs are no lone ones.
type lastTools struct {
	ends [64][2]netip.AddrPort
	n    int
}

func (l *lastTools) add(s *packet.Segment) {
	l.ends[l.n%len(l.ends)] = [2]netip.AddrPort{s.Src, s.Dst}
	l.n++
}

func (l *lastTools) has(s *packet.Segment) bool {
	return slices.Contains(l.ends[:], [2]netip.AddrPort{s.Dst, s.Src})
}

// Lone is how many SYN+ACKs of connections came that are not known.
func (t *Table) Lone() uint64 { return t.lone }

// probeWindow and probeMSS mark the SYNs of p0f's own probing tool.
const (
	probeWindow = 1337
	probeMSS    = 1331
)

// syn opens a flow and fingerprints its client (p0f-v3.md §5.3). fl is a flow
// between the same ends, or none; hash is theirs if both are known.
func (t *Table) syn(fl, hash uint32, s *packet.Segment, src, dst found) {
	if fl != none {
		f := t.flows.at(fl)
		if f.isFrom(src.n, s.Src.Port(), dst.n, s.Dst.Port()) && s.Seq == f.next[event.Client]-1 {
			return // sent again
		}
		t.destroyFlow(fl)
	}
	fl = t.openFlow(s, hash, src, dst)
	f := t.flows.at(fl)
	f.probe = s.Window == probeWindow && s.MSS == probeMSS
	t.packet, t.from = s, event.Client
	m := t.matchSYN(s)
	client := t.end(f.client, event.Client)
	t.fingerprint(f, client, s, m)
	if t.cfg.Recent > 0 {
		t.remember(s, m)
	}
	switch {
	case f.probe:
	case m.Sig != nil && m.Sig.Label.Userland():
		t.tools.add(s)
		t.destroyFlow(fl)
	default:
		t.seen(f, client, s, m)
	}
	t.show(s, m)
}

// found is what a search for an address found: its record or none, and its
// hash.
type found struct{ n, hash uint32 }

// openFlow makes room, finds or makes both hosts and adds the flow. hash is that
// of the two ends where both are known.
func (t *Table) openFlow(s *packet.Segment, hash uint32, src, dst found) uint32 {
	if t.flows.count > t.cfg.MaxConns {
		t.pruneFlows()
	}
	known := src.n != none && dst.n != none
	client := t.touchHost(s.Src.Addr(), src)
	if src.n == none {
		// The new record may have taken the server's place, or be the server's.
		dst = t.hosts.searchServer(s.Dst.Addr())
	}
	server := t.touchHost(s.Dst.Addr(), dst)
	if last := t.hosts.lastFor(s.Dst.Addr()); last.n != server {
		*last = lastServer{s.Dst.Addr(), found{server, dst.hash}}
	}
	if !known {
		hash = t.hosts.flowHash(client, s.Src.Port(), server, s.Dst.Port())
	}
	t.hosts.at(client).opened()
	t.hosts.at(client).syns++
	if t.cfg.Trusted {
		t.hosts.at(client).handshakes++
	}
	t.hosts.at(server).opened()
	n := t.flows.add(hash)
	f := t.flows.at(n)
	f.client, f.server = client, server
	f.clientPort, f.serverPort = s.Src.Port(), s.Dst.Port()
	f.created = t.now
	f.next[event.Client] = s.Seq + 1
	return n
}

// touchHost returns the record of an address, made or made the newest.
func (t *Table) touchHost(a netip.Addr, at found) uint32 {
	if at.n != none {
		t.hosts.touch(at.n, t.now)
		return at.n
	}
	if t.full() {
		t.pruneHosts()
	}
	return t.hosts.add(a, at.hash, t.now)
}

// synAck fingerprints the server of a flow.
func (t *Table) synAck(fl uint32, role event.Role, s *packet.Segment) {
	f := t.flows.at(fl)
	if !f.probe && (role == event.Client || f.answered) {
		return
	}
	server, m := t.end(f.server, event.Server), &t.match
	t.matcher.Match(signature.Response, s, f.mss, m)
	t.fingerprint(f, server, s, m)
	f.answered = true
	if f.probe || m.Sig != nil && m.Sig.Label.Userland() {
		t.destroyFlow(fl)
	} else {
		t.seen(f, server, s, m)
		f.next[event.Server] = s.Seq + 1
	}
	t.show(s, m)
}

// end is one end of a connection: its host, and what is kept of that in its
// role.
type end struct {
	host *hostRec
	rec  *roleRec
	last *lastSeg // that scoring compares with
	role event.Role
}

func (t *Table) end(n uint32, role event.Role) end {
	h := t.hosts.at(n)
	if role == event.Client {
		return end{h, &h.client, &h.client.last, role}
	}
	rec := &t.extra(h).server
	return end{h, rec, &rec.last, role}
}

// extra returns what is kept of few hosts, made when it is first needed.
func (t *Table) extra(h *hostRec) *extraRec {
	if h.extra == none {
		h.extra = t.extras.take()
	}
	return t.extras.at(h.extra)
}

// fingerprint reports what a SYN or SYN+ACK was matched with, and scores the
// host.
func (t *Table) fingerprint(f *flowRec, who end, s *packet.Segment, m *signature.Match) {
	module, peerMSS := event.SYN, uint16(0)
	if who.role == event.Server {
		module, peerMSS = event.SYNACK, f.mss
	}
	if f.probe {
		module += event.Probe - event.SYN
	}
	t.see(module, who.role, s, m, peerMSS)
	if m.Sig == nil || !m.Sig.RandomTTL {
		who.host.distance = int16(m.Distance)
	}
	if who.role == event.Client {
		f.mss = s.MSS
	}
	if !t.verifies() || who.role == event.Server && s.Ack == f.next[event.Client] {
		t.score(f, who, s, m)
	}
	if !f.probe && (m.Sig == nil || !m.Sig.Label.Userland()) {
		who.host.name(m)
	}
}

// score is what a fingerprint says of a change of system, or of several.
func (t *Table) score(f *flowRec, who end, s *packet.Segment, m *signature.Match) {
	switch {
	case m.Sig != nil && m.Sig.Label.Userland():
		t.checkTool(who, m.Sig.Label)
	case !f.probe:
		t.scoreTCP(f.clientPort, who, s, m)
	}
}

// seen is what follows the fingerprint of a system: link, uptime, and the
// segment becomes the one that later ones are compared with.
func (t *Table) seen(f *flowRec, who end, s *packet.Segment, m *signature.Match) {
	if s.MSS != 0 {
		t.link(who, s)
	}
	t.checkUptime(f, who, s, m.Sig)
	keepLast(&who.rec.last, t.at/1000, s, m)
}

// link names the link by its MTU (p0f-v3.md §4).
func (t *Table) link(who end, s *packet.Segment) {
	mtu := s.MTU()
	who.host.mtu = uint32(mtu)
	id := t.db.LinkID(mtu)
	if id != 0 {
		who.host.link = uint16(id)
	}
	if v := t.sighting; v != nil {
		v.Parts |= Link
		v.LinkName = t.db.LinkName(id)
	}
}
