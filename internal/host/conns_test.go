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

func TestConnNewestWins(t *testing.T) {
	table := New(signature.Builtin(), Config{Recent: 10}, nil)
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
		if c, ok := table.Conn(client, syn.Dst); !ok || c != (Conn{Missed: true}) {
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
	if size := unsafe.Sizeof(connRec{}) + 3*unsafe.Sizeof(slot{}); size > 96 {
		t.Errorf("a connection takes %d bytes, want at most 96", size)
	}
}
