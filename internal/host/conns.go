package host

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// conns remembers the SYN of each of the last connections, the oldest giving
// way to the newest. Flows cannot serve for that: an SMTP connection has told
// a flow all it will at the server's greeting, when the mail server has just
// begun to ask.
type conns struct {
	slab[connRec]
	index
	size   uint32 // records at the most; 0 = none are kept
	newest uint32 // record number, none before the first
}

// connRec is one connection's SYN and what it was taken for. It holds no
// pointer.
type connRec struct {
	client                 [16]byte // as hostRec.addr
	server                 uint32   // hash of the server's address
	quirks                 packet.Quirks
	clientPort, serverPort uint16
	window, mss            uint16
	label                  uint16 // a signature.Label's ID; 0 = unmatched
	distance               int16
	multiple               int16
	multipleKind           signature.WindowKind
	layout                 packet.Layout
	ttl, scale, ipOpt      uint8
	is                     connFlags
}

// connFlags are the facts of a connRec that are true or false.
type connFlags uint8

const (
	isV6      connFlags = 1 << iota // the client's address is IPv6
	isFuzzy                         // the match was
	isPayload                       // the SYN had data
	isKept                          // the record was copied to the proved ones
	isMissed                        // there is no SYN

	flagShift = iota // above it are the match's flags
)

func newConns(size int) conns {
	return conns{slab: newSlab[connRec](size), index: newIndex(), size: uint32(size)}
}

// keyOf hashes one end of a connection.
func (c *conns) keyOf(key [16]byte, port uint16) uint32 {
	low, high := binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])
	return c.hash(low^bits.RotateLeft64(c.seed[0]*(2*uint64(port)+1), 17), high)
}

// remember takes the SYN of a new connection. It needs a size.
func (c *conns) remember(s *packet.Segment, m *signature.Match) {
	r := c.add(s.Src, s.Dst)
	r.quirks, r.window, r.mss, r.layout = s.Quirks, s.Window, s.MSS, s.Layout
	r.ttl, r.scale, r.ipOpt = s.TTL, s.Scale, s.IPOptLen
	r.distance, r.multiple, r.multipleKind = int16(m.Distance), int16(m.Multiple.N), m.Multiple.Kind
	if m.Fuzzy {
		r.is |= isFuzzy
	}
	if s.PayloadLen > 0 {
		r.is |= isPayload
	}
	r.is |= connFlags(m.Flags) << flagShift
	if m.Sig != nil {
		r.label = uint16(m.Sig.Label.ID)
	}
}

// add returns the record of a new connection, in the index, with only its ends
// filled in.
func (c *conns) add(client, server netip.AddrPort) *connRec {
	r := c.oldest()
	clientKey, v6 := hostKey(client.Addr())
	serverKey, _ := hostKey(server.Addr())
	*r = connRec{
		client: clientKey, clientPort: client.Port(),
		server: c.keyOf(serverKey, 0), serverPort: server.Port(),
	}
	if v6 {
		r.is |= isV6
	}
	c.insert(c.newest, c.keyOf(clientKey, client.Port()))
	return r
}

// oldest makes the record of the oldest connection that of the newest, which is
// not in the index yet.
func (c *conns) oldest() *connRec {
	n := uint32(firstRecord)
	if c.newest != none {
		n += (c.newest + 1 - firstRecord) % c.size
	}
	if n == firstRecord+c.made {
		n = c.take()
	} else {
		old := c.at(n)
		c.remove(n, c.keyOf(old.client, old.clientPort))
	}
	c.newest = n
	return c.at(n)
}

// find returns the newest connection between two ends; an invalid server
// stands for any.
func (c *conns) find(client, server netip.AddrPort) *connRec {
	key, v6 := hostKey(client.Addr())
	hash := c.keyOf(key, client.Port())
	var serverHash uint32
	if server.IsValid() {
		k, _ := hostKey(server.Addr())
		serverHash = c.keyOf(k, 0)
	}
	var found *connRec
	var age uint32
	mask := uint32(len(c.slots) - 1)
	for i := hash & mask; c.slots[i].n != none; i = (i + 1) & mask {
		n := c.slots[i].n
		if c.slots[i].hash != hash {
			continue
		}
		r := c.at(n)
		if r.client != key || (r.is&isV6 != 0) != v6 || r.clientPort != client.Port() ||
			server.IsValid() && (r.server != serverHash || r.serverPort != server.Port()) {
			continue
		}
		if a := (c.newest + c.size - n) % c.size; found == nil || a < age {
			found, age = r, a
		}
	}
	return found
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
}

// Missed enters a connection that has come about, but whose SYN the sensor
// could not have. Conn also finds it by the client's address without a port.
func (t *Table) Missed(client, server netip.AddrPort) {
	if t.conns.size == 0 {
		return
	}
	t.conns.add(netip.AddrPortFrom(client.Addr(), 0), server).is |= isMissed
	t.conns.add(client, server).is |= isMissed
}

// Conn returns what is known of the newest connection between two ends; an
// invalid server stands for any. Only a table with Config.Recent knows
// connections.
func (t *Table) Conn(client, server netip.AddrPort) (Conn, bool) {
	r := t.conns.find(client, server)
	if r == nil {
		r = t.kept.find(client, server)
	}
	if r == nil {
		return Conn{}, false
	}
	if r.is&isMissed != 0 {
		return Conn{Missed: true}, true
	}
	s := r.segment()
	c := Conn{
		OS: t.db.Label(int(r.label)), Fuzzy: r.is&isFuzzy != 0, Flags: signature.Flags(r.is >> flagShift),
		Distance: int(r.distance),
		RawSig:   string(signature.AppendRaw(nil, &s, signature.Multiple{Kind: r.multipleKind, N: int(r.multiple)})),
	}
	if s.MSS != 0 {
		c.MTU = s.MTU()
		c.Link = t.db.LinkName(t.db.LinkID(c.MTU))
	}
	return c, true
}

// segment is as much of the SYN as its raw signature shows.
func (r *connRec) segment() packet.Segment {
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
