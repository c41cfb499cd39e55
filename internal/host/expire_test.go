package host

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// TestExpiry holds p0f-v3.md §5.6. Expiry runs with every 50th frame, before it
// is processed.
func TestExpiry(t *testing.T) {
	answer := synAck(syn(1025))
	for _, tt := range []struct {
		name  string
		after int64 // seconds between the SYN and the answer
		frame int   // ordinal of the answer
		kept  bool
	}{
		{"30 s", 30, 50, true},
		{"31 s", 31, 50, false},
		{"100 s, but no tick between", 100, 49, true},
		{"31 s, a frame behind the tick", 31, 51, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFeed(t, Config{})
			f.send(syn(1025))
			f.ms += tt.after * 1000
			f.tick(tt.frame - 2)
			if got := len(f.send(answer)) > 0; got != tt.kept {
				t.Errorf("answer after %d s as frame %d was used: %v, want %v", tt.after, f.Frames(), got, tt.kept)
			}
		})
	}
	t.Run("the SYN of the tick itself finds the table cleared", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025))
		f.ms += 31_000
		f.tick(48)
		f.expect("SYN sent again", f.send(syn(1025)), saysLinux, saysMTU)
	})
	t.Run("not twice in a second", func(t *testing.T) {
		f := newFeed(t, Config{ConnAge: time.Second})
		f.ms += 900 // the last run is at 0
		f.tick(50)
		f.ms -= 100_000
		f.send(syn(1025))
		f.ms += 100_000
		f.tick(49)
		if f.conns() != 1 {
			t.Errorf("%d flows, want 1: this second had its run", f.conns())
		}
		f.ms += 1000
		f.tick(50)
		if f.conns() != 0 {
			t.Errorf("%d flows, want 0", f.conns())
		}
	})
	t.Run("time goes back", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025))
		f.ms -= 1000
		f.tick(49)
		if hosts, conns := f.Len(); hosts != 0 || conns != 0 {
			t.Errorf("%d hosts, %d flows, want none: all are newer than now", hosts, conns)
		}
	})
	t.Run("stops at the first that is young", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025))
		f.ms -= 40_000 // created later, though its time is older
		f.send(syn(1026))
		f.ms += 45_000
		f.tick(48)
		if f.conns() != 2 {
			t.Errorf("%d flows, want 2: the oldest by creation is young", f.conns())
		}
	})
}

func TestHostExpiry(t *testing.T) {
	for _, tt := range []struct {
		after int64
		kept  bool
	}{{7200, true}, {7201, false}} {
		f := newFeed(t, Config{})
		f.send(syn(1025), synAck(syn(1025)))
		f.ms += tt.after * 1000
		f.tick(48)
		if f.knows(clientAddr) != tt.kept || f.knows(serverAddr) != tt.kept {
			t.Errorf("after %d s: client known %v, server %v, want %v", tt.after, f.knows(clientAddr), f.knows(serverAddr), tt.kept)
		}
		if got := len(f.extras.free); got != 0 == tt.kept {
			t.Errorf("after %d s: %d records of a server role are free", tt.after, got)
		}
	}
	t.Run("one in use is skipped, not the end", func(t *testing.T) {
		f := newFeed(t, Config{ConnAge: 2 * time.Hour, HostAge: time.Hour})
		f.send(syn(1, window(winProgram), from("192.0.2.7"), to("192.0.2.8"))) // no flow stays
		f.send(syn(1025))
		f.send(syn(2, window(winProgram), from("192.0.2.9"), to("192.0.2.10")))
		f.ms += 3601_000
		f.tick(50)
		for addr, want := range map[string]bool{
			"192.0.2.7": false, "192.0.2.8": false, "192.0.2.9": false, "192.0.2.10": false,
			clientAddr: true, serverAddr: true,
		} {
			if f.knows(addr) != want {
				t.Errorf("%s known %v, want %v", addr, f.knows(addr), want)
			}
		}
		f.ms += 3600_000
		f.tick(50)
		if hosts, _ := f.Len(); hosts != 0 {
			t.Errorf("%d hosts, want 0", hosts)
		}
	})
	t.Run("a touch makes young", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025))
		f.ms += 7000_000
		f.send(syn(1026, to("192.0.2.9")))
		f.ms += 300_000
		f.tick(48)
		if !f.knows(clientAddr) || f.knows(serverAddr) {
			t.Errorf("client known %v, server %v, want true and false", f.knows(clientAddr), f.knows(serverAddr))
		}
	})
}

// TestConnLimit holds p0f-v3.md §5.7: one flow more than the limit can exist,
// then the oldest tenth and one go.
func TestConnLimit(t *testing.T) {
	for _, limit := range []int{1, 9, 10, 20} {
		f := newFeed(t, Config{MaxConns: limit})
		for port := 1; port <= limit+1; port++ {
			f.send(syn(port))
		}
		if f.conns() != limit+1 {
			t.Fatalf("limit %d: %d flows, want %d", limit, f.conns(), limit+1)
		}
		f.send(syn(limit + 2))
		gone := 1 + (limit+1)*10/100
		if want := limit + 2 - gone; f.conns() != want {
			t.Errorf("limit %d: %d flows after one more, want %d", limit, f.conns(), want)
		}
		for port := 1; port <= limit+2; port++ {
			if got := len(f.send(synAck(syn(port)))) > 0; got != (port > gone) {
				t.Errorf("limit %d: flow %d alive %v, want %v", limit, port, got, port > gone)
			}
		}
	}
}

func TestHostLimit(t *testing.T) {
	addr := func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }
	t.Run("one a new address", func(t *testing.T) {
		f := newFeed(t, Config{MaxHosts: 4})
		for i := 1; i <= 4; i++ { // and the server: five, one more than the limit
			f.send(syn(i, from(addr(i))))
		}
		if hosts, conns := f.Len(); hosts != 5 || conns != 4 {
			t.Fatalf("%d hosts, %d flows, want 5 and 4", hosts, conns)
		}
		f.send(syn(5, from(addr(5))))
		if hosts, conns := f.Len(); hosts != 5 || conns != 4 { // the oldest flow went, and its host
			t.Errorf("%d hosts, %d flows, want 5 and 4", hosts, conns)
		}
		for i := 1; i <= 5; i++ {
			if f.knows(addr(i)) != (i > 1) {
				t.Errorf("host %d known %v, want %v", i, f.knows(addr(i)), i > 1)
			}
		}
	})
	t.Run("the flows pay, a tenth and one each time", func(t *testing.T) {
		f := newFeed(t, Config{MaxHosts: 1})
		for i := range 30 {
			f.send(syn(100 + i)) // 30 flows of two hosts
		}
		f.send(syn(1, from(addr(9))))
		if hosts, conns := f.Len(); hosts != 3 || conns != 30-4+1 {
			t.Errorf("%d hosts, %d flows, want 3 (the oldest is in use) and 27", hosts, conns)
		}
	})
	t.Run("the limit is one a host can have", func(t *testing.T) {
		f := newFeed(t, Config{MaxHosts: 1, MaxConns: 1})
		for i := range 200 {
			f.send(syn(i, from(addr(i))))
			if hosts, conns := f.Len(); hosts > 4 || conns > 2 {
				t.Fatalf("%d hosts, %d flows of a limit of 1", hosts, conns)
			}
		}
	})
}

// TestBadConfig: limits that are no limits mean the defaults.
func TestBadConfig(t *testing.T) {
	f := newFeed(t, Config{MaxConns: -1, MaxHosts: -1, ConnAge: -1, HostAge: -1, Recent: -1})
	for port := range 200 {
		f.send(syn(port))
	}
	if hosts, conns := f.Len(); hosts != 2 || conns != 200 {
		t.Errorf("%d hosts, %d flows, want 2 and 200", hosts, conns)
	}
	if _, ok := f.Conn(syn(1).Src, syn(1).Dst); ok {
		t.Error("connections are kept that were not asked about")
	}
}

// TestEvictionKeepsTables fills small tables far beyond their limits and holds
// their insides together.
func TestEvictionKeepsTables(t *testing.T) {
	f := newFeed(t, Config{MaxHosts: 50, MaxConns: 20, Recent: 30})
	for i := range 5000 {
		s := syn(1+i%500, from(fmt.Sprintf("192.0.%d.%d", i%7, i*31%251)), seq(uint32(i)))
		f.send(s)
		if i%3 == 0 {
			f.send(synAck(s))
		}
		if i%5 == 0 {
			f.send(data(s, 0, 0, typed(packet.RST)))
		}
		f.ms += int64(i % 100)
		if i%100 == 0 {
			checkTable(t, f.Table)
		}
	}
	checkTable(t, f.Table)
}

// TestFinding18ClockSet: a clock that is set back, or forward, forgets nothing that a table
// with Tick knows (security, finding 18).
func TestFinding18ClockSet(t *testing.T) {
	for _, set := range []time.Duration{-time.Minute, -48 * time.Hour, 3 * time.Hour} {
		table := New(signature.Builtin(), Config{MaxHosts: 5000, Unverified: 4000, Recent: 100}, nil)
		at, passed := int64(1e15), time.Duration(0)
		send := func(i int) {
			at, passed = at+10_000, passed+10*time.Millisecond
			table.Tick(at, passed)
			table.Frame(at)
			s := linuxSYN(1025, 64240)
			s.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 1025)
			s.Seq = uint32(at) // no SYN that is sent again
			table.Update(s, nil)
		}
		for i := range 1001 {
			send(i)
		}
		at += set.Microseconds()
		for i := range 1001 {
			send(i)
		}
		if hosts, _ := table.Len(); hosts != 1002 {
			t.Errorf("clock set by %v: %d hosts, want 1002", set, hosts)
		}
		forgot := 0
		for i := range 1001 {
			if h, ok := table.Host(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})); !ok || h.TotalConn != 2 {
				forgot++
			}
		}
		if forgot > 0 {
			t.Errorf("clock set by %v: of %d of 1001 hosts the first connection is forgotten", set, forgot)
		}
		passed += 3 * time.Hour
		at += (3 * time.Hour).Microseconds()
		for i := range 100 {
			send(10_000 + i)
		}
		if hosts, _ := table.Len(); hosts > 102 {
			t.Errorf("clock set by %v: %d hosts after three hours, want those of after", set, hosts)
		}
	}
}
