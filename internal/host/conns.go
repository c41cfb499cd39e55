package host

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// conns remembers the SYN of each of the last connections, one record for two
// ends: the oldest gives way to the newest. Flows cannot serve for that: the flow
// of an SMTP connection is over at the server's greeting, when the mail server
// has just begun to ask.
//
// Records of connections that are verified are in a list of their own, which
// SYNs alone cannot fill.
type conns struct {
	slab[connRec]
	index
	age    ages
	size   int    // at most this number of records, half of them verified; 0: none are kept
	counts [2]int // of each list
	shares shares
	rivals slab[synRec] // the second SYNs of connections that have two
}

// connRec is one connection. It holds no pointer.
type connRec struct {
	client                 [16]byte // IPv4 in the first four bytes
	server                 uint32   // hash of the server's address
	clientPort, serverPort uint16
	at                     uint32 // when the SYN came, milliseconds of packet time
	syn                    synRec
	rival                  uint32 // record of another SYN between the same ends, or none
	list                   uint8  // unverified or verified
	is                     connState
}

// connState is what is known of a connection.
type connState uint8

const (
	isEstablished connState = 1 << iota // the client acknowledged what the server chose
	isAsked                             // a mail server asked about it, so that it was there
	isEnded                             // FIN or RST in sequence
	isOver                              // FIN or RST that may be forged
	isMissed                            // there is no SYN
	isScored                            // its SYN was compared with what is known of the host
)

// synRec is a SYN and what it was taken for.
type synRec struct {
	seq, answer       uint32 // sequence numbers of the client and, if isAnswered, of the server
	sig, ts1          uint32 // a signature.TCP's ID, 0 = unmatched; and the timestamp
	quirks            packet.Quirks
	window, mss       uint16
	label             uint16 // a signature.Label's ID; 0 = unmatched
	distance          int16
	multiple          int16
	multipleKind      signature.WindowKind
	layout            packet.Layout
	ttl, scale, ipOpt uint8
	is                synFlags
}

// synFlags are the facts of a synRec that are true or false.
type synFlags uint8

const (
	isV6       synFlags = 1 << iota // the client's address is IPv6
	isFuzzy                         // the match was
	isPayload                       // the SYN had data
	isAnswered                      // a SYN+ACK acknowledged it

	flagShift = iota // above it are the match's flags
)

const (
	// connServers is how many servers one end of a client is remembered with, so
	// that equal keys of the index are few.
	connServers = 8
	// handshakeTime is how long a handshake may take, and askedTime how long a
	// connection that was asked about is held for the same one, milliseconds.
	handshakeTime = 3000
	askedTime     = 60_000
)

// newConns makes a memory of size connections.
func newConns(size int) conns {
	return conns{slab: newSlab[connRec](size), index: newIndex(), age: newAges(size), size: size, shares: newShares(size / 2)}
}

// hostKey makes a key of an address.
func hostKey(a netip.Addr) (key [16]byte, v6 bool) {
	if a.Is4() {
		v4 := a.As4()
		copy(key[:], v4[:])
		return key, false
	}
	return a.As16(), true
}

// address is the address of a key.
func address(key *[16]byte, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16(*key)
	}
	return netip.AddrFrom4([4]byte(key[:4]))
}

// keyOf hashes one end of a connection.
func (c *conns) keyOf(key [16]byte, port uint16) uint32 {
	low, high := binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])
	return c.hash(low^bits.RotateLeft64(c.seed[0]*(2*uint64(port)+1), 17), high)
}

// find returns the record of the connection between two ends, or none. An invalid
// server stands for the one with the newest SYN. among is how many servers the
// client's end is remembered with, and oldest the record of one.
func (c *conns) find(client, server netip.AddrPort) (n uint32, among int, oldest uint32) {
	key, v6 := hostKey(client.Addr())
	hash := c.keyOf(key, client.Port())
	var serverHash uint32
	if server.IsValid() {
		k, _ := hostKey(server.Addr())
		serverHash = c.keyOf(k, 0)
	}
	mask := uint32(len(c.slots) - 1)
	for i := hash & mask; c.slots[i].n != none; i = (i + 1) & mask {
		if c.slots[i].hash != hash {
			continue
		}
		r := c.at(c.slots[i].n)
		if r.client != key || (r.syn.is&isV6 != 0) != v6 || r.clientPort != client.Port() {
			continue
		}
		among++
		if oldest == none || int32(c.at(oldest).at-r.at) > 0 {
			oldest = c.slots[i].n
		}
		switch {
		case server.IsValid():
			if r.server == serverHash && r.serverPort == server.Port() {
				n = c.slots[i].n
			}
		case n == none || int32(r.at-c.at(n).at) >= 0:
			n = c.slots[i].n
		}
	}
	return n, among, oldest
}

// exact returns the record of the connection between two ends, or nil.
func (c *conns) exact(client, server netip.AddrPort) *connRec {
	if n, _, _ := c.find(client, server); n != none {
		return c.at(n)
	}
	return nil
}

// add returns the record of a new connection, with only its ends filled in.
func (c *conns) add(client, server netip.AddrPort, now uint32) *connRec {
	n, among, oldest := c.find(client, server)
	switch {
	case n != none:
		c.drop(n)
	case among >= connServers:
		c.drop(oldest)
	}
	if c.counts[unverified]+c.counts[verified] >= c.size {
		n := c.age.oldest(unverified)
		if n == none {
			n = c.age.oldest(verified)
		}
		c.drop(n)
	}
	n = c.take()
	r := c.at(n)
	clientKey, v6 := hostKey(client.Addr())
	serverKey, _ := hostKey(server.Addr())
	*r = connRec{
		client: clientKey, clientPort: client.Port(),
		server: c.keyOf(serverKey, 0), serverPort: server.Port(), at: now,
	}
	if v6 {
		r.syn.is |= isV6
	}
	c.insert(n, c.keyOf(clientKey, client.Port()))
	c.push(n, unverified)
	return r
}

func (c *conns) push(n uint32, list uint8) {
	c.at(n).list = list
	c.age.push(uint32(list), n)
	c.counts[list]++
}

func (c *conns) unlink(n uint32) {
	r := c.at(n)
	c.age.drop(n)
	if c.counts[r.list]--; r.list == verified {
		c.shares.give(sourceOf(&r.client, r.syn.is&isV6 != 0))
	}
}

// drop forgets a connection.
func (c *conns) drop(n uint32) {
	r := c.at(n)
	c.unlink(n)
	c.dropRival(r)
	c.remove(n, c.keyOf(r.client, r.clientPort))
	c.give(n)
}

func (c *conns) dropRival(r *connRec) {
	if r.rival != none {
		c.rivals.give(r.rival)
		r.rival = none
	}
}

// verify moves a connection to the verified ones, unless its source has its share
// of them.
func (c *conns) verify(n uint32) {
	r := c.at(n)
	if r.list == verified || c.size < 2 || !c.shares.take(sourceOf(&r.client, r.syn.is&isV6 != 0)) {
		return
	}
	c.age.drop(n)
	c.counts[unverified]--
	c.push(n, verified)
	if c.counts[verified] > c.size/2 {
		c.drop(c.age.oldest(verified))
	}
}

// remember takes the SYN of a new connection. A connection that may be under way
// keeps its SYN: a SYN between the same ends is a rival then, until the server
// answers it.
func (t *Table) remember(s *packet.Segment, m *signature.Match) {
	c, now := &t.conns, t.millis()
	n, _, _ := c.find(s.Src, s.Dst)
	if n == none || !c.at(n).holds(now, t.cfg.Trusted) {
		r := c.add(s.Src, s.Dst, now)
		r.syn.fill(s, m)
		if t.cfg.Trusted {
			t.scoreConn(s.Src, s.Dst, r)
		}
		return
	}
	r := c.at(n)
	if r.syn.seq == s.Seq {
		return // sent again
	}
	if r.rival == none {
		rival := c.rivals.take()
		c.at(n).rival = rival
	}
	rival := c.rivals.at(c.at(n).rival)
	*rival = synRec{is: c.at(n).syn.is & isV6}
	rival.fill(s, m)
}

// mostBack is how far time may go back, in milliseconds: of two interfaces that fill
// one table, one may be read later.
const mostBack = 1000

// holds reports whether the connection may be under way, so that a SYN is not
// taken for that of the next one between the same ends.
func (r *connRec) holds(now uint32, trusted bool) bool {
	age := now - r.at
	if -age < mostBack {
		age = 0
	}
	switch {
	case trusted || r.is&(isEnded|isMissed) != 0:
		return false
	case r.is&isEstablished != 0:
		return true
	case r.is&isAsked != 0:
		return age < askedTime
	default:
		return age < handshakeTime
	}
}

func (r *synRec) fill(s *packet.Segment, m *signature.Match) {
	r.seq = s.Seq
	r.quirks, r.window, r.mss, r.layout = s.Quirks, s.Window, s.MSS, s.Layout
	r.ttl, r.scale, r.ipOpt = s.TTL, s.Scale, s.IPOptLen
	r.distance, r.multiple, r.multipleKind = int16(m.Distance), int16(m.Multiple.N), m.Multiple.Kind
	if m.Fuzzy {
		r.is |= isFuzzy
	}
	if s.PayloadLen > 0 {
		r.is |= isPayload
	}
	r.is |= synFlags(m.Flags) << flagShift
	r.ts1 = s.TS1
	if m.Sig != nil {
		r.label, r.sig = uint16(m.Sig.Label.ID), uint32(m.Sig.ID)
	}
}

// handshake takes a segment that is no SYN, and reports whether it completes a
// handshake.
func (t *Table) handshake(s *packet.Segment) bool {
	switch s.Type {
	case packet.SYNACK:
		t.answered(s)
	case packet.ACK:
		return t.acknowledged(s)
	default:
		t.closed(s)
	}
	return false
}

// answered takes a SYN+ACK: it says which of two SYNs the server heard.
func (t *Table) answered(s *packet.Segment) {
	c := &t.conns
	r := c.exact(s.Dst, s.Src)
	switch {
	case r == nil:
	case s.Ack == r.syn.seq+1:
		if r.is&isEstablished == 0 {
			r.syn.answer, r.syn.is = s.Seq, r.syn.is|isAnswered
		}
	case r.rival != none && s.Ack == c.rivals.at(r.rival).seq+1:
		rival := c.rivals.at(r.rival)
		rival.answer, rival.is = s.Seq, rival.is|isAnswered
		r.syn, *rival = *rival, r.syn
		if r.is&isEstablished != 0 { // a server answers no SYN inside a connection
			c.dropRival(r)
		}
		r.is, r.at = 0, t.millis()
	}
}

// acknowledged takes a client's ACK, and reports whether it is the first to
// acknowledge the number that the server chose: spoofed SYNs are never followed
// by one.
func (t *Table) acknowledged(s *packet.Segment) bool {
	c := &t.conns
	n, _, _ := c.find(s.Src, s.Dst)
	if n == none || c.at(n).is&isEstablished != 0 {
		return false
	}
	r := c.at(n)
	if !r.syn.completedBy(s) {
		if r.rival == none || !c.rivals.at(r.rival).completedBy(s) {
			return false
		}
		r.syn = *c.rivals.at(r.rival)
		r.is &^= isScored
	}
	c.dropRival(r)
	r.is |= isEstablished
	c.verify(n)
	if h := t.hosts.number(s.Src.Addr()); h != none {
		t.hosts.at(h).handshakes++
	}
	t.scoreConn(s.Src, s.Dst, r)
	return true
}

func (r *synRec) completedBy(s *packet.Segment) bool {
	return r.is&isAnswered != 0 && s.Seq == r.seq+1 && s.Ack == r.answer+1
}

// How far sequence numbers go in a mail session: what the client sends, and what
// the server answers. A FIN or RST with other numbers is not of the connection.
const (
	mostAsked    = 1 << 28
	mostAnswered = 1 << 20
)

// closed takes a FIN or RST. Without an acknowledgement, or without the
// handshake, its numbers say too little: it may be forged.
func (t *Table) closed(s *packet.Segment) {
	c := &t.conns
	r, fromClient := c.exact(s.Src, s.Dst), true
	if r == nil {
		if r, fromClient = c.exact(s.Dst, s.Src), false; r == nil {
			return
		}
	}
	own, other := s.Seq-r.syn.seq, s.Ack-r.syn.answer
	if !fromClient {
		own, other = s.Ack-r.syn.seq, s.Seq-r.syn.answer
	}
	acks := s.Flags&packet.FlagACK != 0
	switch {
	case own-1 >= mostAsked && (fromClient || acks):
	case r.syn.is&isAnswered == 0:
		r.is |= isOver
	case other-1 >= mostAnswered && (!fromClient || acks):
	case acks:
		r.is |= isEnded
	default:
		r.is |= isOver
	}
}

// Conn is what one connection's own SYN said.
type Conn struct {
	OS       *signature.Label // nil: no signature matched
	Fuzzy    bool
	Flags    signature.Flags
	Distance int    // hops
	Link     string // empty if unknown
	MTU      int    // bytes; 0 if unknown
	RawSig   string // in p0f's notation
	Missed   bool   // the rest is not known: there was a connection, and no SYN

	// Own reports whether the SYN is that of the connection that is under way
	// between these ends. It is not where the connection has ended, where two
	// SYNs came and the server has not answered one of them yet, and where
	// neither the handshake was seen nor the SYN came a moment ago.
	Own   bool
	Rival bool // two SYNs came, and it does not show yet which is that of the connection
	Open  bool // the handshake was seen, and no end: a Rival that the server does not answer is forged
	Asked bool // there was an earlier question
}

// Missed enters a connection that has come about, but whose SYN the sensor
// could not have. Conn also finds it by the client's address without a port.
func (t *Table) Missed(client, server netip.AddrPort) {
	if t.cfg.Recent == 0 {
		return
	}
	now := t.millis()
	t.conns.add(netip.AddrPortFrom(client.Addr(), 0), server, now).is |= isMissed
	t.conns.add(client, server, now).is |= isMissed
}

// Conn returns what is known of the connection between two ends; an invalid
// server stands for the one with the newest SYN. Only a table with Config.Recent
// knows connections.
func (t *Table) Conn(client, server netip.AddrPort) (Conn, bool) {
	r := t.conns.exact(client, server)
	if r == nil {
		return Conn{}, false
	}
	if r.is&isMissed != 0 {
		return Conn{Missed: true, Own: true}, true
	}
	s, syn := r.syn.segment(), &r.syn
	c := Conn{
		OS: t.db.Label(int(syn.label)), Fuzzy: syn.is&isFuzzy != 0, Flags: signature.Flags(syn.is >> flagShift),
		Distance: int(syn.distance),
		RawSig:   string(signature.AppendRaw(nil, &s, signature.Multiple{Kind: syn.multipleKind, N: int(syn.multiple)})),
		Own:      t.cfg.Trusted || r.rival == none && r.is&(isEnded|isOver) == 0 && r.holds(t.millis(), false),
		Rival:    r.rival != none,
		Open:     r.is&(isEstablished|isEnded|isOver) == isEstablished,
		Asked:    r.is&isAsked != 0,
	}
	if s.MSS != 0 {
		c.MTU = s.MTU()
		c.Link = t.db.LinkName(t.db.LinkID(c.MTU))
	}
	return c, true
}

// segment is as much of the SYN as its raw signature shows.
func (r *synRec) segment() packet.Segment {
	s := packet.Segment{
		Version: 4, Type: packet.SYN, TTL: r.ttl, IPOptLen: r.ipOpt, MSS: r.mss,
		Window: r.window, Scale: r.scale, Layout: r.layout, Quirks: r.quirks,
	}
	if r.is&isV6 != 0 {
		s.Version = 6
	}
	if r.is&isPayload != 0 {
		s.PayloadLen = 1
	}
	return s
}

// millis is the time of the current packet in milliseconds; differences count.
func (t *Table) millis() uint32 { return uint32(t.at / 1000) }
