package host

import (
	"net/netip"
	"testing"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// TestFlood: senders that completed a handshake, or that a mail server asked
// about, are answered for after any number of SYNs from elsewhere; the others
// are not, and the table keeps its bounds.
func TestFlood(t *testing.T) {
	cfg := Config{MaxHosts: 1000, Unverified: 600, Recent: 400}
	f := newFeed(t, cfg)
	f.observer = nil
	update := func(s *packet.Segment) {
		f.Frame(f.ms * 1000)
		f.Update(s, nil)
	}
	sender := func(i int) *packet.Segment {
		s := syn(2000 + i)
		s.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), uint16(2000+i))
		return s
	}
	const each = 60 // senders of a kind
	for i := range 3 * each {
		s := sender(i)
		update(s)
		switch i / each {
		case 0: // the handshake is completed
			answer := synAck(s)
			answer.Dst = s.Src
			update(answer)
			ack := *s
			ack.Type, ack.Flags = packet.ACK, packet.FlagACK
			ack.Seq, ack.Ack = s.Seq+1, answer.Seq+1
			update(&ack)
		case 1: // a mail server asks
			f.Verify(s.Src, netip.AddrPort{})
		}
	}
	for i := range 100_000 {
		s := addressed(syn(1), i)
		s.Seq = uint32(i) + 1
		update(s)
		if hosts, _ := f.Len(); hosts > cfg.MaxHosts {
			t.Fatalf("%d hosts after %d SYNs, want %d at most", hosts, i, cfg.MaxHosts)
		}
	}
	for i := range 3 * each {
		s := sender(i)
		_, host := f.Host(s.Src.Addr())
		_, conn := f.Conn(s.Src, netip.AddrPort{})
		if want := i/each < 2; host != want || conn != want {
			t.Errorf("sender %d: address known %v, connection known %v, want %v", i, host, conn, want)
		}
	}
	checkTable(t, f.Table)
}

// TestVerifiedAreBounded: the verified ones evict each other, the oldest first.
func TestVerifiedAreBounded(t *testing.T) {
	table := New(signature.Builtin(), Config{MaxHosts: 500, Unverified: 100, Recent: 100}, nil)
	for i := range 5000 {
		s := addressed(syn(1), i)
		table.Frame(1e15)
		table.Update(s, nil)
		table.Verify(s.Src, s.Dst)
	}
	known := 0
	for i := range 5000 {
		if _, ok := table.Host(addressed(syn(1), i).Src.Addr()); ok {
			known++
			if i < 4500 {
				t.Errorf("sender %d of 5000 is known still", i)
			}
		}
	}
	if known < 399 || known > 500 {
		t.Errorf("%d senders are known, want 399 to 500", known)
	}
	checkTable(t, table)
}

// TestAckOfAnotherNumber: who spoofs a SYN does not see what the server chose,
// so that an acknowledgement of something else proves nothing.
func TestAckOfAnotherNumber(t *testing.T) {
	f := newFeed(t, Config{MaxHosts: 100, Unverified: 50})
	s := syn(1025)
	answer := synAck(s)
	f.send(s)
	f.send(answer)
	ack := data(s, 0, 0)
	ack.Ack = answer.Seq + 2
	f.send(ack)
	if n := f.hosts.counts[verified]; n != 0 {
		t.Errorf("%d hosts are verified, want none", n)
	}
	ack.Ack--
	f.send(ack)
	if n := f.hosts.counts[verified]; n != 2 {
		t.Errorf("%d hosts are verified, want both ends", n)
	}
}

// TestFinding05ForgedSYNsChangeNothing: SYNs alone show neither another system nor a shared
// address; verified connections do, in the order in which they came (security,
// finding 5).
func TestFinding05ForgedSYNsChangeNothing(t *testing.T) {
	signs := func(c *conversation) (change, shared bool) {
		h, _ := c.Host(linuxSYN(1, 0).Src.Addr())
		return h.LastChange != 0, h.LastNAT != 0
	}
	connect := func(c *conversation, s packet.Segment, how string) {
		c.send(s)
		switch how {
		case "handshake":
			c.send(synReply(&s))
			c.send(ack(&s))
		case "question":
			c.Verify(s.Src, s.Dst)
		case "blind": // who forges a SYN does not see what the server chose
			c.send(synReply(&s))
			blind := ack(&s)
			blind.Ack += 5
			c.send(blind)
		}
		c.ms += 1000
	}
	for _, tt := range []struct {
		how            string
		change, shared bool
	}{{"SYN", false, false}, {"blind", false, false}, {"handshake", true, true}, {"question", true, true}} {
		t.Run(tt.how, func(t *testing.T) {
			c := converse(t, Config{Recent: 100, MaxHosts: 100, Unverified: 50})
			connect(c, *linuxSYN(1000, 64240), "handshake")
			for i := range uint16(12) {
				s := *linuxSYN(2000+i, 64240)
				if i%2 == 0 {
					s = forged(&s, s.Seq)
					s.TTL, s.Scale = 128, 0
				}
				connect(c, s, tt.how)
			}
			change, shared := signs(c)
			t.Logf("by %s: change of system %v, shared address %v", tt.how, change, shared)
			if change != tt.change || shared != tt.shared {
				t.Errorf("change of system %v, shared address %v, want %v and %v", change, shared, tt.change, tt.shared)
			}
			h, _ := c.Host(linuxSYN(1, 0).Src.Addr())
			want := uint32(1)
			if tt.how == "handshake" {
				want = 13
			}
			if h.SYNs != 13 || h.Handshakes != want {
				t.Errorf("%d SYNs, %d handshakes, want 13 and %d", h.SYNs, h.Handshakes, want)
			}
			connect(c, *linuxSYN(3000, 64240), "handshake")
			if change, _ := signs(c); change != tt.change {
				t.Errorf("after them a genuine connection: change of system %v, want %v", change, tt.change)
			}
			checkTable(t, c.Table)
		})
	}
	p0f := converse(t, Config{MaxHosts: 100})
	for i := range uint16(12) {
		s := *linuxSYN(2000+i, 64240)
		if i%2 == 0 {
			s = forged(&s, s.Seq)
		}
		connect(p0f, s, "SYN")
	}
	if change, shared := signs(p0f); !change || !shared {
		t.Errorf("p0f's table: change of system %v, shared address %v, want both", change, shared)
	}
}
