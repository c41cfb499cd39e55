package host

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// FuzzTable feeds a table whatever comes: eight bytes make one segment, among
// few hosts and ports, so that they meet. Tables are small, so that limits and
// expiry decide.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0, 0x01, 0, 0, 0, 0, 1, 1, 1, 0x10, 1, 0, 0, 0, 1, 1, 2, 0x01, 1, 0, 3, 0, 1, 1}, uint8(5), uint8(8), uint8(0))
	f.Add([]byte{0, 0x11, 0, 0, 0, 0, 0, 0, 4, 0x11, 0, 0, 0, 0, 0, 0}, uint8(1), uint8(1), uint8(3))
	f.Add([]byte("00000000210000002100000000080A00"), uint8('~'), uint8('8'), uint8(2)) // another system, asked about without the server
	f.Fuzz(func(t *testing.T, script []byte, maxConns, maxHosts, unverified uint8) {
		cfg := Config{MaxConns: 1 + int(maxConns), MaxHosts: 1 + int(maxHosts), Recent: int(maxConns % 16), Unverified: int(unverified), HTTPBytes: 5000, HTTPWhole: maxHosts%2 == 1}
		db := mustParse(t, webDB)
		seen := &times{t: t}
		table := New(db, cfg, observe(seen.Observe))
		seen.table = table
		cfg = table.cfg
		now := int64(1e15)
		for len(script) >= 8 {
			s := scripted(script[:8])
			now += int64(int8(script[7])) * int64(script[6]) * 10_000 // also back
			script = script[8:]
			table.Frame(now)
			table.Update(&s, said(&s))
			if s.Seq&3 == 0 {
				table.Verify(s.Src, netip.AddrPort{})
			}
			hosts, conns := table.Len()
			if cfg.Unverified > 0 && hosts > cfg.MaxHosts+2 {
				t.Fatalf("%d hosts, with a limit of %d", hosts, cfg.MaxHosts)
			}
			if conns > cfg.MaxConns+1 || hosts > cfg.MaxHosts+2*cfg.MaxConns+excessHosts+2 {
				t.Fatalf("%d hosts, %d flows, with limits of %d and %d", hosts, conns, cfg.MaxHosts, cfg.MaxConns)
			}
			if table.Frames()%64 == 0 {
				checkTable(t, table)
			}
		}
		checkTable(t, table)
		table.SetDB(signature.Builtin())
		checkTable(t, table)
	})
}

// times holds observations to the time of their packet and to their segment.
type times struct {
	t     *testing.T
	table *Table
}

func (x *times) Observe(o *event.Observation) {
	if o.At != x.table.at || !o.Client.IsValid() || !o.Server.IsValid() || int(o.Module) >= event.Modules {
		x.t.Fatalf("observation %+v at %d", o, x.table.at)
	}
	if fingerprint := o.Module.Fingerprint(); fingerprint != (o.Segment.Version != 0) {
		x.t.Fatalf("%s with segment %v", o.Module, o.Segment)
	}
	if change := o.Module == event.HostChange || o.Module == event.IPSharing; change != (o.Hits != [4]int{}) || change && o.Reasons == 0 {
		x.t.Fatalf("%s with reasons %v, hits %v", o.Module, o.Reasons, o.Hits)
	}
}

// scripted makes a segment of eight bytes.
func scripted(b []byte) packet.Segment {
	types := [...]packet.Type{packet.SYN, packet.SYNACK, packet.ACK, packet.FIN, packet.RST, packet.SYN, packet.ACK, packet.SYN}
	windows := [...]uint16{winLinux3, winLinux3b, winLinux2, winXP, winRandom, winGeneric, winProgram, winUnknown, probeWindow}
	s := *syn(1000 + int(b[2]>>4)*40)
	s.Type = types[b[0]&7]
	end := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n & 31}) }
	s.Src, s.Dst = netip.AddrPortFrom(end(b[1]), s.Src.Port()), netip.AddrPortFrom(end(b[1]>>3), 25)
	if b[0]&8 != 0 { // the other way round
		s.Src, s.Dst = s.Dst, s.Src
	}
	s.Window = windows[int(b[2]&15)%len(windows)]
	if s.Window == probeWindow && b[3]&1 != 0 {
		s.MSS = probeMSS
	}
	s.Seq = uint32(b[3] >> 1)
	s.TS1 = uint32(b[4]) * 300
	s.TTL = 64 - b[5]>>4
	s.PayloadLen = uint16(b[5]&15) * 1000
	if b[5]&1 != 0 {
		s.PayloadLen = uint16(len(sayings[b[5]&15>>1]))
	}
	return s
}

// sayings are what a scripted segment of the same length has said.
var sayings = [...]string{
	"GET / HTTP/1.1\nX-Name: firefox\n\n", "HTTP/1.1 200 OK\nX-Name: nginx\n\n.", "GET / HTTP/1.1\nA: ", "HTTP/1.1 200 OK\nA:",
	"b\nVia: x\n", "\n", "A: b" + strings.Repeat("b", 1100), "EHLO a.example.net\r\n",
}

func said(s *packet.Segment) []byte {
	for _, text := range sayings {
		if len(text) == int(s.PayloadLen) {
			return []byte(text)
		}
	}
	return nil
}

// checkTable holds the insides of a table together: each record is found by
// its key, stands once in its age list, and refers to what exists.
func checkTable(t testing.TB, table *Table) {
	t.Helper()
	flows := map[uint32]uint32{} // flow references a host
	n := checkAge(t, "flows", &table.flows.age, 0, func(n uint32) {
		r := table.flows.at(n)
		flows[r.client]++
		flows[r.server]++
		if found := table.flows.find(r.hash, r.client, r.clientPort, r.server, r.serverPort); found != n {
			t.Fatalf("flow %d is found as %d", n, found)
		}
	})
	chained := 0
	for _, n := range table.flows.heads {
		for ; n != none; n = table.flows.at(n).chain {
			chained++
		}
	}
	checkSlab(t, "flows", n, table.flows.count, chained, table.flows.made, table.flows.free)
	extras := 0
	visit := func(n uint32) {
		r := table.hosts.at(n)
		if r.flows != flows[n] {
			t.Fatalf("host %d counts %d flows, there are %d", n, r.flows, flows[n])
		}
		delete(flows, n)
		if r.extra != none {
			extras++
		}
		addr := r.address()
		if found := table.hosts.number(addr); found != n {
			t.Fatalf("host %d, %v, is found as %d", n, addr, found)
		}
		if h, ok := table.Host(addr); !ok || h.TotalConn == 0 || h.Distance < -1 || h.Distance > 255 {
			t.Fatalf("host %v = %+v, %v", addr, h, ok)
		}
	}
	n = 0
	for list, counted := range table.hosts.counts {
		count := checkAge(t, "hosts", &table.hosts.age, uint32(list), visit)
		if count != counted {
			t.Fatalf("list %d: %d listed, %d counted", list, count, counted)
		}
		n += count
	}
	checkSlab(t, "hosts", n, table.hosts.count(), table.hosts.used, table.hosts.made, table.hosts.free)
	if len(flows) != 0 {
		t.Fatalf("flows refer to hosts that are gone: %v", flows)
	}
	if live := int(table.extras.made) - len(table.extras.free); live != extras {
		t.Fatalf("%d records of few hosts are in use, %d hosts have one", live, extras)
	}
	checkPartials(t, table)
	checkConns(t, &table.conns)
}

// checkConns is checkTable for the connections: each has one record, a client's
// end has few, and sources have no more than their shares.
func checkConns(t testing.TB, c *conns) {
	t.Helper()
	n, rivals, sources := 0, 0, map[uint64]uint32{}
	ends := map[[2]uint64]int{}
	for list, counted := range c.counts {
		count := checkAge(t, "connections", &c.age, uint32(list), func(n uint32) {
			r := c.at(n)
			if r.rival != none {
				rivals++
			}
			if list == verified {
				sources[sourceOf(&r.client, r.syn.is&isV6 != 0)]++
			}
			end := [2]uint64{uint64(c.keyOf(r.client, r.clientPort)), uint64(r.clientPort)}
			if ends[end]++; ends[end] > connServers {
				t.Fatalf("an end of a client has %d records, want %d at most", ends[end], connServers)
			}
		})
		if count != counted {
			t.Fatalf("list %d: %d listed, %d counted", list, count, counted)
		}
		n += count
	}
	checkSlab(t, "connections", n, c.counts[0]+c.counts[1], c.used, c.made, c.free)
	if n > c.size || c.counts[verified] > c.size/2 {
		t.Fatalf("%d connections, %d of them verified, %d the limit", n, c.counts[verified], c.size)
	}
	if live := int(c.rivals.made) - len(c.rivals.free); live != rivals {
		t.Fatalf("%d rivals in use, %d connections have one", live, rivals)
	}
	for source, count := range sources {
		if count != c.shares.count[source] || count > c.shares.most {
			t.Fatalf("source %x has %d verified connections, counted %d, its share is %d", source, count, c.shares.count[source], c.shares.most)
		}
	}
	if len(sources) != len(c.shares.count) {
		t.Fatalf("%d sources have verified connections, %d are counted", len(sources), len(c.shares.count))
	}
}

// checkAge walks an age list in both directions and returns its length.
func checkAge(t testing.TB, what string, a *ages, list uint32, visit func(uint32)) int {
	t.Helper()
	older, count := list, 0
	for n := a.oldest(list); n != none; n = a.newer(n) {
		if a.at(n).older != older {
			t.Fatalf("%s: %d stands after %d but names %d", what, n, older, a.at(n).older)
		}
		visit(n)
		older = n
		count++
	}
	if newest := a.at(list).older; newest != older {
		t.Fatalf("%s: the newest is %d, the list ends with %d", what, newest, older)
	}
	return count
}

func checkSlab(t testing.TB, what string, listed, count, used int, made uint32, free []uint32) {
	t.Helper()
	if listed != count || used != count || int(made)-len(free) != count {
		t.Fatalf("%s: %d listed, %d counted, %d indexed, %d records in use", what, listed, count, used, int(made)-len(free))
	}
}
