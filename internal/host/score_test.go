package host

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/packet"
)

// TestThresholds holds p0f-v3.md §7.1: how many scores of the last 32 may reach
// 6, 3, 2 and 1 before an address counts as shared.
func TestThresholds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		scores []int
		want   string // what the last one makes the table say
	}{
		{"0", []int{0}, ""},
		{"1", []int{1}, ""},
		{"2", []int{2}, "host change cli ttl 0,0,1,1"},
		{"3", []int{3}, "host change cli ttl 0,1,1,1"},
		{"5", []int{5}, "host change cli ttl 0,1,1,1"},
		{"6", []int{6}, "host change cli ttl 1,1,1,1"},
		{"two of 6", []int{6, 6}, "host change cli ttl 2,2,2,2"},
		{"three of 6", []int{6, 6, 6}, "ip sharing cli ttl 3,3,3,3"},
		{"four of 3", repeat(3, 4), "host change cli ttl 0,4,4,4"},
		{"five of 3", repeat(3, 5), "ip sharing cli ttl 0,5,5,5"},
		{"six of 2", repeat(2, 6), "host change cli ttl 0,0,6,6"},
		{"seven of 2", repeat(2, 7), "ip sharing cli ttl 0,0,7,7"},
		{"eight of 1", repeat(1, 8), ""},
		{"nine of 1", repeat(1, 9), "ip sharing cli ttl 0,0,0,9"},
		{"zeros between", []int{6, 0, 6, 0, 0, 6}, "ip sharing cli ttl 3,3,3,3"},
		{"a zero says nothing", []int{6, 6, 0}, ""},
		{"mixed", []int{6, 3, 2, 1, 1, 1, 1, 1}, ""},
		{"mixed, the ninth", []int{6, 3, 2, 1, 1, 1, 1, 1, 1}, "ip sharing cli ttl 1,2,3,9"},
		{"31 zeros between", append(append([]int{6, 6}, make([]int, 29)...), 6), "ip sharing cli ttl 3,3,3,3"},
		{"aged out", append(append([]int{6, 6}, make([]int, 31)...), 6), "host change cli ttl 1,1,1,1"},
		{"one of two aged out", append(append([]int{6, 6}, make([]int, 30)...), 6), "host change cli ttl 2,2,2,2"},
		{"after sharing all is new", []int{6, 6, 6, 6}, "host change cli ttl 1,1,1,1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFeed(t, Config{})
			f.send(syn(1025))
			who := f.end(f.hosts.number(syn(1).Src.Addr()), event.Client)
			for _, score := range tt.scores {
				f.said = nil
				f.addScore(who, event.ReasonTTL, score)
			}
			want := []string{tt.want}
			if tt.want == "" {
				want = nil
			}
			f.expect("the last score", f.said, want...)
		})
	}
}

func repeat(score, n int) []int { return slices.Repeat([]int{score}, n) }

// TestReasonsLast: the reasons of both roles share one set, which lasts until
// a report of sharing; a host change names its own alone.
func TestReasonsLast(t *testing.T) {
	f := newFeed(t, Config{})
	f.send(syn(1025))
	who := f.end(f.hosts.number(syn(1).Src.Addr()), event.Client)
	f.said = nil
	f.addScore(f.end(f.hosts.number(syn(1).Src.Addr()), event.Server), event.ReasonPort, 1)
	f.addScore(who, event.ReasonMTU, 6)
	f.addScore(who, event.ReasonTTL, 6)
	f.addScore(who, event.ReasonOSDiff, 6)
	f.addScore(who, event.ReasonOSDiff, 6)
	f.expect("in order", f.said, "host change cli mtu 1,1,1,1", "host change cli ttl 2,2,2,2",
		"ip sharing cli os_diff ttl port mtu 3,3,3,3", "host change cli os_diff 1,1,1,1")
	// The server's board was not reset.
	f.said = nil
	for range 8 {
		f.addScore(f.end(f.hosts.number(syn(1).Src.Addr()), event.Server), event.ReasonPort, 1)
	}
	f.expect("the server's ninth", f.said, "ip sharing srv os_diff port 0,0,0,9")
}

// TestSharingTimes: both times are those of the packet.
func TestSharingTimes(t *testing.T) {
	f := newFeed(t, Config{})
	f.send(syn(1025))
	if h := f.host(clientAddr); h.LastNAT != 0 || h.LastChange != 0 {
		t.Errorf("at first NAT %d, change %d, want never", h.LastNAT, h.LastChange)
	}
	who := f.end(f.hosts.number(syn(1).Src.Addr()), event.Client)
	for _, score := range []int{6, 1, 6, 6} {
		f.ms += 1000
		f.tick(1)
		f.addScore(who, event.ReasonTTL, score)
	}
	now := uint32(f.ms / 1000)
	if h := f.host(clientAddr); h.LastChange != now-1 || h.LastNAT != now {
		t.Errorf("change %d s ago, NAT %d s ago, want 1 and 0", now-h.LastChange, now-h.LastNAT)
	}
}

// TestScoreTCP walks p0f-v3.md §7.2: a first SYN, then a second one; how much the
// second adds and why. score is read from the client's board: 8 6 3 2 1 show as
// what they reach.
func TestScoreTCP(t *testing.T) {
	quirk := func(q packet.Quirks) func(*packet.Segment) {
		return func(s *packet.Segment) { s.Quirks ^= q }
	}
	kind := func(s *packet.Segment) { s.Layout.Kinds[3] = 77 } // for nop: nothing matches then
	none := window(winUnknown)
	both := func(e ...func(*packet.Segment)) []func(*packet.Segment) { return e }
	for _, tt := range []struct {
		name          string
		first, second []func(*packet.Segment)
		ports         [2]int // 0: 1025, 1026
		want          string // reasons and hits
	}{
		{"nothing changed", both(), both(), [2]int{}, "0,0,0,0"},

		// B1. One of them or both are unknown.
		{"unknown twice", both(none), both(none), [2]int{}, "0,0,0,0"},
		{"unknown, another quirk", both(none), both(none, quirk(packet.QuirkSeqZero)), [2]int{}, "sig_diff 0,0,1,1"},
		{"unknown, quirks that drift", both(none), both(none, quirk(packet.QuirkECN|packet.QuirkDF|packet.QuirkIDNonZero|packet.QuirkIDZero)), [2]int{}, "0,0,0,0"},
		{"unknown, other options", both(none), both(none, kind), [2]int{}, "sig_diff 0,0,0,1"},
		{"unknown, other options and another quirk", both(none), both(none, kind, quirk(packet.QuirkPSH)), [2]int{}, "sig_diff 0,0,1,1"},
		{"unknown, other padding", both(none), both(none, func(s *packet.Segment) { s.Layout.EOLPad = 3 }), [2]int{}, "0,0,0,0"},
		{"known, then unknown", both(), both(none), [2]int{}, "x_known 0,0,0,1"},
		{"unknown, then known", both(none), both(), [2]int{}, "x_known 0,0,0,1"},
		{"known, then unknown, with other options", both(), both(none, kind), [2]int{}, "sig_diff x_known 0,0,1,1"},
		{"known, then unknown, with another quirk", both(), both(none, quirk(packet.QuirkSeqZero)), [2]int{}, "sig_diff x_known 0,1,1,1"},

		// B2. Both are known.
		{"another system", both(), both(window(winXP), ttl(128)), [2]int{}, "os_diff 1,1,1,1"},
		{"another label", both(), both(window(winLinux2)), [2]int{}, "os_diff 0,0,1,1"},
		{"a catch-all of the same name", both(), both(window(winGeneric)), [2]int{}, "os_diff 0,0,1,1"},
		{"another line of the label", both(), both(window(winLinux3b)), [2]int{}, "os_diff 0,0,0,1"},
		{"exact, then fuzzy", both(), both(quirk(packet.QuirkECN)), [2]int{}, "fuzzy 0,0,0,1"},
		{"fuzzy, then exact", both(quirk(packet.QuirkECN)), both(), [2]int{}, "fuzzy 0,0,0,1"},
		{"fuzzy twice", both(quirk(packet.QuirkECN)), both(quirk(packet.QuirkECN)), [2]int{}, "0,0,0,0"},

		// B4. TTL, by distance of the second and change.
		{"TTL 1 lower at distance 1", both(), both(ttl(63)), [2]int{}, "ttl 0,1,1,1"},
		{"TTL 1 lower at distance 5", both(ttl(60)), both(ttl(59)), [2]int{}, "ttl 0,1,1,1"},
		{"TTL 1 lower at distance 6", both(ttl(59)), both(ttl(58)), [2]int{}, "ttl 0,0,0,1"},
		{"TTL 2 lower at distance 9", both(ttl(57)), both(ttl(55)), [2]int{}, "ttl 0,0,0,1"},
		{"TTL 3 lower at distance 9", both(ttl(58)), both(ttl(55)), [2]int{}, "ttl 0,1,1,1"},
		{"TTL 3 lower at distance 10", both(ttl(57)), both(ttl(54)), [2]int{}, "0,0,0,0"},
		{"TTL 1 higher at distance 10", both(ttl(53)), both(ttl(54)), [2]int{}, "0,0,0,0"},
		{"TTL 2 higher at distance 10", both(ttl(52)), both(ttl(54)), [2]int{}, "ttl 0,0,0,1"},
		{"TTL 3 higher at distance 10", both(ttl(51)), both(ttl(54)), [2]int{}, "ttl 0,1,1,1"},
		{"TTL of a random-TTL signature", both(window(winRandom), ttl(60)), both(window(winRandom), ttl(50)), [2]int{}, "0,0,0,0"},
		{"TTL of another system is not news", both(), both(window(winXP), ttl(100)), [2]int{}, "os_diff 1,1,1,1"},
		{"TTL of unknowns", both(none), both(none, ttl(63)), [2]int{}, "ttl 0,1,1,1"},

		// B5. Ports.
		{"port 63 lower", both(), both(), [2]int{2000, 1937}, "0,0,0,0"},
		{"port 64 lower", both(), both(), [2]int{2000, 1936}, "port 0,0,0,1"},
		{"port higher", both(), both(), [2]int{2000, 60000}, "0,0,0,0"},

		// B6. MSS.
		{"MSS", both(), both(mss(1400)), [2]int{}, "mtu 0,0,0,1"},
		{"all small signs", both(), both(mss(1400), window(winLinux3b), ttl(62)), [2]int{2000, 1000}, "os_diff ttl port mtu 1,1,1,1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFeed(t, Config{})
			if tt.ports[0] == 0 {
				tt.ports = [2]int{1025, 1026}
			}
			f.send(syn(tt.ports[0], tt.first...))
			f.ms += 1000
			f.send(syn(tt.ports[1], tt.second...))
			if got := clientBoard(f); got != tt.want {
				t.Errorf("the second SYN adds %s, want %s", got, tt.want)
			}
		})
	}
}

// clientBoard is what stands on the client's board, with the reasons.
func clientBoard(f *feed) string {
	who := f.end(f.hosts.number(syn(1).Src.Addr()), event.Client)
	h := who.host
	s := ""
	for name := range h.reasons.All {
		s += name + " "
	}
	var hits [4]int
	for i, bits := range h.client.board {
		for ; bits != 0; bits &= bits - 1 {
			hits[i]++
		}
	}
	return s + fmt.Sprintf("%d,%d,%d,%d", hits[0], hits[1], hits[2], hits[3])
}

// TestScoreClock: timestamps that went on as a clock does halve a suspicion,
// others add to it; without one they say nothing (p0f-v3.md §7.2, B7).
func TestScoreClock(t *testing.T) {
	const start = 1_000_000
	for _, tt := range []struct {
		name  string
		ms    int64
		ticks int64
		score string // of a second SYN with another label (2) and MSS (1)
	}{
		{"no clock", 1000, -start, "os_diff mtu 0,1,1,1"},
		{"250 Hz", 1000, 250, "os_diff mtu 0,0,0,1"},
		{"1500 Hz", 1000, 1500, "os_diff mtu 0,0,0,1"},
		{"1501 Hz", 1000, 1501, "os_diff tstamp mtu 1,1,1,1"},
		{"back", 1000, -1, "os_diff tstamp mtu 1,1,1,1"},
		{"stands still", 1000, 0, "os_diff mtu 0,0,0,1"},
		{"150 ticks in 1 ms", 1, 150, "os_diff mtu 0,0,0,1"},
		{"151 ticks in 1 ms", 1, 151, "os_diff tstamp mtu 1,1,1,1"},
		{"back by 151 within 100 ms", 99, -151, "os_diff mtu 0,0,0,1"}, // ^t = 150
		{"back by 152 within 100 ms", 99, -152, "os_diff tstamp mtu 1,1,1,1"},
		{"back by 1 in 100 ms", 100, -1, "os_diff tstamp mtu 1,1,1,1"},
		{"within a day", 86_399_999, -1, "os_diff tstamp mtu 1,1,1,1"},
		{"after a day", 86_400_000, -1, "os_diff mtu 0,1,1,1"},
		{"time goes back", -1, -1, "os_diff mtu 0,1,1,1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFeed(t, Config{})
			f.send(syn(1025, stamp(start)))
			f.ms += tt.ms
			f.send(syn(1026, window(winLinux2), mss(1400), stamp(uint32(start+tt.ticks))))
			if got := clientBoard(f); got != tt.score {
				t.Errorf("the second SYN adds %s, want %s", got, tt.score)
			}
		})
	}
	t.Run("alone it is no reason", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025, stamp(start)))
		f.ms += 1000
		f.send(syn(1026, stamp(5)))
		if got := clientBoard(f); got != "0,0,0,0" {
			t.Errorf("the second SYN adds %s, want nothing", got)
		}
	})
}

// TestScoreRoles: a host is a client and a server, with one system for both.
func TestScoreRoles(t *testing.T) {
	// turned is a SYN from the server to the client.
	turned := func(port int, edit ...func(*packet.Segment)) *packet.Segment {
		return syn(port, append([]func(*packet.Segment){from(serverAddr), to(clientAddr)}, edit...)...)
	}
	t.Run("A: known as a client, another as a server", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025))
		f.expect("SYN+ACK", f.send(turned(1), synAck(turned(1), window(winXP)))[2:],
			"syn+ack srv Windows server", "host change srv os_diff 1,1,1,1", saysMTUSrv)
		if h := f.host(clientAddr); h.OS.Name != "Windows" {
			t.Errorf("system = %s, want the last one named", h.OS.Name)
		}
	})
	t.Run("A: the same name is no change", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025))
		f.expect("SYN+ACK", f.send(turned(1), synAck(turned(1)))[2:], saysServer, saysMTUSrv)
	})
	t.Run("A: unknown says nothing", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025))
		f.expect("SYN+ACK", f.send(turned(1), synAck(turned(1), window(winUnknown)))[2:], "syn+ack srv ???", saysMTUSrv)
	})
	t.Run("B3: the system of the other role", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025), turned(1), synAck(turned(1), window(winXP))) // now Windows
		f.expect("SYN as before", f.send(syn(1026, ttl(50))), saysLinux, "host change cli os_diff 1,1,1,1", saysMTU)
	})
	t.Run("SYN+ACKs: labels, lines and ports do not count", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(5000), synAck(syn(5000), window(winUnknown)))
		f.expect("known, port lower", f.send(syn(1000), synAck(syn(1000)))[2:], saysServer, saysMTUSrv)
	})
	t.Run("SYN+ACKs: TTL and MSS do", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1), synAck(syn(1)), syn(2))
		f.expect("SYN+ACK", f.send(synAck(syn(2), ttl(60), mss(1400))), saysServer, "host change srv ttl mtu 0,1,1,1", "mtu srv 1440 ")
	})
	t.Run("the peer's port is kept as the last one", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1000))
		f.send(turned(40000), synAck(turned(40000)))
		f.send(syn(1001))
		if got := clientBoard(f); got != "port 0,0,0,1" {
			t.Errorf("board = %s, want a port gone back", got)
		}
	})
}

// TestCheckTool holds p0f-v3.md §7.3.
func TestCheckTool(t *testing.T) {
	program := []func(*packet.Segment){window(winProgram), ttl(40)}
	t.Run("system not known", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1, window(winUnknown)))
		f.expect("program", f.send(syn(2, program...)), "syn cli NMap SYN scan")
		if got := clientBoard(f); got != "0,0,0,0" {
			t.Errorf("board = %s, want nothing", got)
		}
	})
	t.Run("runs on it", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1))
		f.expect("program", f.send(syn(2, program...)), "syn cli NMap SYN scan")
	})
	t.Run("does not", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1, window(winXP), ttl(128)))
		f.expect("program", f.send(syn(2, program...)), "syn cli NMap SYN scan", "host change cli app_vs_os 0,1,1,1")
		if h := f.host(clientAddr); h.OS.Name != "Windows" {
			t.Errorf("system = %s, want Windows still", h.OS.Name)
		}
	})
	t.Run("an honest program ages the board", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1), syn(2, window(winLinux2)))
		for i := range 32 {
			f.send(syn(100+i, program...))
		}
		if got := clientBoard(f); got != "os_diff 0,0,0,0" {
			t.Errorf("board = %s, want all aged out", got)
		}
	})
	t.Run("of a server", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1), synAck(syn(1)), syn(2))
		f.expect("SYN+ACK", f.send(synAck(syn(2), window(winProgram))), "syn+ack srv Honeypot", "host change srv app_vs_os 0,1,1,1")
	})
}

// TestHost is about what stays of a match.
func TestHost(t *testing.T) {
	f := newFeed(t, Config{})
	f.send(syn(1, window(winGeneric), ttl(60), func(s *packet.Segment) { s.Quirks = packet.QuirkDF }))
	if h := f.host(clientAddr); h.OS.Title() != "Linux" || !h.Fuzzy || !h.Generic || h.Distance != 4 || h.Link != "Ethernet" {
		t.Errorf("after a generic fuzzy match: %+v (%v)", h, h.OS)
	}
	f.send(syn(2))
	if h := f.host(clientAddr); h.OS.Title() != "Linux 3.x" || h.Fuzzy || h.Generic || h.Distance != 0 {
		t.Errorf("after an exact match: %+v (%v)", h, h.OS)
	}
	f.send(syn(3, window(winUnknown), ttl(30)))
	if h := f.host(clientAddr); h.OS.Title() != "Linux 3.x" || h.Distance != 2 {
		t.Errorf("after an unknown: %+v (%v), want the system kept, the distance of the guess", h, h.OS)
	}
	f.send(syn(4, window(winRandom), ttl(10)))
	if h := f.host(clientAddr); h.OS.Title() != "Random" || h.Distance != 2 {
		t.Errorf("after a random-TTL match: %+v (%v), want the distance kept", h, h.OS)
	}
	if h := f.host(serverAddr); h.OS != nil || h.Distance != -1 || h.UpModDays != 0 {
		t.Errorf("a server that never answered: %+v, want nothing known", h)
	}
	if f.knows("::ffff:192.0.2.1") {
		t.Error("an IPv4-mapped address is another host")
	}
}

// TestLayoutHash: short layouts, which differ in little, have hashes of their
// own.
func TestLayoutHash(t *testing.T) {
	seen := map[uint32][]uint8{}
	kinds := []uint8{packet.OptEOL, packet.OptNOP, packet.OptMSS, packet.OptWS, packet.OptSOK, packet.OptSACK, 6, 7, packet.OptTS, 254}
	var add func(l packet.Layout)
	add = func(l packet.Layout) {
		h := layoutHash(&l)
		if other, ok := seen[h]; ok {
			t.Fatalf("%d and %d have one hash", l.Kinds[:l.Len], other)
		}
		seen[h] = append([]uint8{}, l.Kinds[:l.Len]...)
		if l.Len == 4 {
			return
		}
		for _, k := range kinds {
			next := l
			next.Kinds[l.Len] = k
			next.Len++
			add(next)
		}
	}
	add(packet.Layout{})
}
