package host

import (
	"net/netip"
	"testing"
	"unsafe"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// linuxSYN is a SYN as Linux builds it, from a port of 192.0.2.1.
func linuxSYN(port, window uint16) *packet.Segment {
	s := &packet.Segment{
		Src:     netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port),
		Dst:     netip.MustParseAddrPort("192.0.2.25:25"),
		Version: 4, Type: packet.SYN, TTL: 60, MSS: 1460, Window: window, Scale: 7,
		HeaderLen: 60, TS1: 1, Quirks: packet.QuirkDF | packet.QuirkIDNonZero, Seq: uint32(port),
	}
	s.Layout.Len = uint8(copy(s.Layout.Kinds[:], []byte{packet.OptMSS, packet.OptSOK, packet.OptTS, packet.OptNOP, packet.OptWS}))
	return s
}

func TestConnKnowsItsOwnSYN(t *testing.T) {
	table := New(signature.Builtin(), Config{Recent: 100}, nil)
	syns := []*packet.Segment{linuxSYN(1025, 64240), linuxSYN(1026, 14600)}
	syns[1].Layout.Kinds[2] = packet.OptNOP // another machine behind the address
	for i, s := range syns {
		table.Frame(int64(1e12 + i))
		table.Update(s, nil)
	}
	for i, want := range []string{
		"4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0",
		"4:60+4:0:1460:mss*10,7:mss,sok,nop,nop,ws:df,id+:0",
	} {
		c, ok := table.Conn(syns[i].Src, netip.AddrPort{})
		if !ok || c.RawSig != want {
			t.Errorf("Conn(%v) = %q, %v, want %q", syns[i].Src, c.RawSig, ok, want)
		}
		if _, ok := table.Conn(syns[i].Src, syns[i].Dst); !ok {
			t.Errorf("Conn(%v, %v) not found", syns[i].Src, syns[i].Dst)
		}
	}
	if _, ok := table.Conn(syns[0].Src, netip.MustParseAddrPort("192.0.2.26:25")); ok {
		t.Error("a connection to another server was found")
	}
	if _, ok := table.Conn(netip.MustParseAddrPort("192.0.2.1:1027"), netip.AddrPort{}); ok {
		t.Error("a connection that never was, was found")
	}
}

func TestConnOldestGivesWay(t *testing.T) {
	const size = 2000 // more than one chunk
	table := New(signature.Builtin(), Config{Recent: size}, nil)
	for port := 1; port <= 3*size; port++ {
		table.Frame(int64(port) * 1000)
		table.Update(linuxSYN(uint16(port), 64240), nil)
		if oldest := port - size + 1; oldest > 1 {
			if _, ok := table.Conn(linuxSYN(uint16(oldest-1), 0).Src, netip.AddrPort{}); ok {
				t.Fatalf("after port %d, port %d is still there", port, oldest-1)
			}
			if _, ok := table.Conn(linuxSYN(uint16(oldest), 0).Src, netip.AddrPort{}); !ok {
				t.Fatalf("after port %d, port %d is gone", port, oldest)
			}
		}
	}
	if table.conns.used != size {
		t.Errorf("%d connections are indexed, want %d", table.conns.used, size)
	}
}

// TestConnNewestWins: where nothing can be forged, a SYN is of a new connection.
func TestConnNewestWins(t *testing.T) {
	table := New(signature.Builtin(), Config{Recent: 10, Trusted: true}, nil)
	for i, window := range []uint16{64240, 14600, 29200} {
		s := linuxSYN(1025, window)
		s.Seq = uint32(i) * 1000
		table.Frame(int64(i) * 1e6)
		table.Update(s, nil)
	}
	c, _ := table.Conn(linuxSYN(1025, 0).Src, netip.AddrPort{})
	if want := "4:60+4:0:1460:mss*20,7:mss,sok,ts,nop,ws:df,id+:0"; c.RawSig != want {
		t.Errorf("Conn = %q, want %q", c.RawSig, want)
	}
}

// A connection without a SYN hides an older one between the same ends, and a
// newer one hides it.
func TestConnMissed(t *testing.T) {
	table := New(signature.Builtin(), Config{Recent: 10}, nil)
	syn := linuxSYN(1025, 64240)
	table.Update(syn, nil)
	table.Missed(syn.Src, syn.Dst)
	for _, client := range []netip.AddrPort{syn.Src, netip.AddrPortFrom(syn.Src.Addr(), 0)} {
		if c, ok := table.Conn(client, syn.Dst); !ok || c != (Conn{Missed: true, Own: true}) {
			t.Errorf("Conn(%v) = %+v, %v", client, c, ok)
		}
	}
	if c, ok := table.Conn(linuxSYN(1026, 0).Src, syn.Dst); ok {
		t.Errorf("another connection is %+v", c)
	}
	again := linuxSYN(1025, 14600)
	again.Seq++
	table.Update(again, nil)
	if c, _ := table.Conn(syn.Src, syn.Dst); c.Missed || c.RawSig == "" {
		t.Errorf("after another SYN, %+v", c)
	}
	for port := range uint16(40) {
		table.Missed(linuxSYN(port+2000, 0).Src, syn.Dst)
	}
	if table.conns.used != 10 {
		t.Errorf("%d connections are indexed, want 10", table.conns.used)
	}
	New(signature.Builtin(), Config{}, nil).Missed(syn.Src, syn.Dst) // keeps none
}

// The index is between one third and two thirds full, so a record costs up to
// three of its slots.
func TestConnRecordSize(t *testing.T) {
	if size := unsafe.Sizeof(connRec{}) + unsafe.Sizeof(links{}) + 3*unsafe.Sizeof(slot{}); size > 136 {
		t.Errorf("a connection takes %d bytes, want at most 136", size)
	}
}

// conversation is a table and the segments of connections to one server.
type conversation struct {
	*Table
	t  *testing.T
	ms int64
}

func converse(t *testing.T, cfg Config) *conversation {
	return &conversation{New(signature.Builtin(), cfg, nil), t, 1e12}
}

func (c *conversation) send(s packet.Segment) {
	c.ms++
	c.Frame(c.ms * 1000)
	c.Update(&s, nil)
}

// serverSeq is the sequence number that the server chooses.
const serverSeq = 777

// synReply is the SYN+ACK of a SYN, ack what completes the handshake, and fin what
// the client ends a session with.
func synReply(syn *packet.Segment) packet.Segment {
	return packet.Segment{
		Src: syn.Dst, Dst: syn.Src, Version: syn.Version, Type: packet.SYNACK, Flags: packet.FlagSYN | packet.FlagACK,
		Seq: serverSeq, Ack: syn.Seq + 1, TTL: 64, HeaderLen: 40,
	}
}

func ack(syn *packet.Segment) packet.Segment {
	return packet.Segment{
		Src: syn.Src, Dst: syn.Dst, Version: syn.Version, Type: packet.ACK, Flags: packet.FlagACK,
		Seq: syn.Seq + 1, Ack: serverSeq + 1, TTL: 60, HeaderLen: 40,
	}
}

func fin(syn *packet.Segment) packet.Segment {
	s := ack(syn)
	s.Type, s.Flags = packet.FINACK, packet.FlagFIN|packet.FlagACK
	s.Seq, s.Ack = s.Seq+5000, s.Ack+300
	return s
}

// forged is a SYN between the same ends by a machine that does not see the
// connection.
func forged(syn *packet.Segment, seq uint32) packet.Segment {
	s := *syn
	s.Seq, s.Window, s.TTL = seq, 1024, 110
	return s
}

func (c *conversation) want(when string, syn *packet.Segment, own bool, raw string) {
	c.t.Helper()
	got, ok := c.Conn(syn.Src, syn.Dst)
	if !ok || got.Own != own || got.RawSig[:5] != raw {
		c.t.Errorf("%s: %+v, found %v; want own %v, a raw signature from %s", when, got, ok, own, raw)
	}
}

// TestFinding05ForgedSYN: a SYN inside a connection does not replace its record (security,
// finding 5), not before FIN or RST, nor without the SYN+ACK that answers it.
func TestFinding05ForgedSYN(t *testing.T) {
	const genuine, other = "4:60+", "4:110"
	syn := linuxSYN(1025, 64240)
	established := func(t *testing.T) *conversation {
		c := converse(t, Config{Recent: 10, MaxHosts: 100, Unverified: 50})
		c.send(*syn)
		c.want("the SYN came", syn, true, genuine)
		c.send(synReply(syn))
		c.send(ack(syn))
		return c
	}
	t.Run("after the handshake", func(t *testing.T) {
		c := established(t)
		for i := range 150 {
			c.send(forged(syn, uint32(i)*31337))
			c.ms += 1000
			got, _ := c.Conn(syn.Src, syn.Dst)
			if got.RawSig[:5] != genuine {
				t.Fatalf("SYN %d replaced the record: %+v", i, got)
			}
		}
	})
	t.Run("before the handshake is complete", func(t *testing.T) {
		c := converse(t, Config{Recent: 10, MaxHosts: 100, Unverified: 50})
		c.send(*syn)
		c.send(forged(syn, 4711))
		c.want("two SYNs", syn, false, genuine)
		c.send(synReply(syn))
		c.send(ack(syn))
		c.want("the server answered the first", syn, true, genuine)
	})
	t.Run("before the SYN", func(t *testing.T) {
		c := converse(t, Config{Recent: 10, MaxHosts: 100, Unverified: 50})
		c.send(forged(syn, 4711))
		c.send(*syn)
		c.want("two SYNs", syn, false, other)
		c.send(synReply(syn))
		c.send(ack(syn))
		c.want("the server answered the second", syn, true, genuine)
	})
	t.Run("and both are answered, as by SYN cookies", func(t *testing.T) {
		c := converse(t, Config{Recent: 10, MaxHosts: 100, Unverified: 50})
		false1 := forged(syn, 4711)
		c.send(*syn)
		c.send(synReply(syn))
		c.send(false1)
		c.send(synReply(&false1))
		c.want("two answers", syn, false, other)
		c.send(ack(syn))
		c.want("the client acknowledged the first", syn, true, genuine)
	})
	t.Run("with a FIN or RST of other numbers", func(t *testing.T) {
		c := established(t)
		for _, kind := range []packet.Type{packet.FINACK, packet.RSTACK, packet.RST} {
			end := fin(syn)
			end.Type, end.Flags, end.Seq, end.Ack = kind, uint16(kind), 0x80000000, 0x90000000
			c.send(end)
			c.send(forged(syn, 4711))
			if got, _ := c.Conn(syn.Src, syn.Dst); got.RawSig[:5] != genuine {
				t.Errorf("after a forged %v the record is %+v", kind, got)
			}
		}
	})
	t.Run("the next connection from the port", func(t *testing.T) {
		next := forged(syn, 999_999)
		c := established(t)
		c.send(fin(syn))
		c.want("it has ended", syn, false, genuine)
		c.send(next)
		c.want("the next SYN", syn, true, other)

		c = established(t) // its end was not seen
		c.send(next)
		c.send(synReply(&next))
		c.want("the next SYN is answered", syn, true, other)
	})
}

// TestOldSYN: without the handshake, a SYN is that of the connection for a moment,
// or for a minute if a mail server asked; then the next one takes its place.
// Frames of another interface may come a little late, with the time they were seen.
func TestOldSYN(t *testing.T) {
	const first, second = "4:60+", "4:110"
	for _, tt := range []struct {
		asked bool
		after int64 // milliseconds
		own   bool
	}{{false, -12, true}, {true, -12, true}, {false, 1000, true}, {false, handshakeTime + 1000, false}, {true, handshakeTime + 1000, true}, {true, askedTime + 1000, false}} {
		syn := linuxSYN(1025, 64240)
		c := converse(t, Config{Recent: 10, MaxHosts: 100, Unverified: 50})
		c.send(*syn)
		if tt.asked {
			c.Verify(syn.Src, syn.Dst)
		}
		c.ms += tt.after
		c.send(*linuxSYN(1026, 64240)) // time goes on
		c.want("later", syn, tt.own, first)
		want, own := second, true
		if tt.own {
			want, own = first, false // two of them
		}
		c.send(forged(syn, 4711))
		c.want("another SYN", syn, own, want)
	}
}

// TestFinding03EqualKeys: SYNs from one address and port, and connections by SYN cookie
// from one address, have one record (security, finding 3).
func TestFinding03EqualKeys(t *testing.T) {
	c := converse(t, Config{Recent: 50_000, MaxHosts: 100_000, Unverified: 50_000})
	syn := linuxSYN(1025, 64240)
	for i := range 100_000 {
		c.send(forged(syn, uint32(i)))
	}
	for port := range 60_000 {
		c.Missed(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), uint16(port+1)), syn.Dst)
	}
	for i := range 100_000 {
		s := forged(syn, uint32(i))
		s.Dst = netip.AddrPortFrom(s.Dst.Addr(), uint16(i))
		c.send(s)
	}
	checkConns(t, &c.conns)
}

// TestOneNetwork: real connections from one /64, or one address, do not evict
// those that are verified elsewhere.
func TestOneNetwork(t *testing.T) {
	c := converse(t, Config{Recent: 1000, MaxHosts: 1000, Unverified: 200, MaxConns: 50})
	connect := func(client netip.AddrPort) {
		syn := linuxSYN(1025, 64240)
		if syn.Src = client; client.Addr().Is6() {
			syn.Version = 6
		}
		c.send(*syn)
		c.send(synReply(syn))
		c.send(ack(syn))
	}
	var senders []netip.AddrPort
	for i := range 100 {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 2000)
		senders = append(senders, client)
		connect(client)
	}
	network := netip.MustParseAddr("2001:db8::").As16()
	for i := range 20_000 {
		network[14], network[15] = byte(i>>8), byte(i)
		connect(netip.AddrPortFrom(netip.AddrFrom16(network), 2000))
		connect(netip.AddrPortFrom(netip.MustParseAddr("198.51.100.7"), uint16(i+1)))
	}
	for _, client := range senders {
		_, host := c.Host(client.Addr())
		if _, conn := c.Conn(client, linuxSYN(1, 1).Dst); !host || !conn {
			t.Errorf("%v: address known %v, connection known %v; want both", client, host, conn)
		}
	}
	checkTable(t, c.Table)
}
