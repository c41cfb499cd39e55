package host

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/http1"
	"github.com/mxprint/mxprint/packet"
)

// What the first SYN and SYN+ACK of the tests make the table say.
const (
	saysLinux  = "syn cli Linux 3.x"
	saysMTU    = "mtu cli 1500 Ethernet"
	saysServer = "syn+ack srv Linux server"
	saysMTUSrv = "mtu srv 1500 Ethernet"
)

// TestFlowLife walks p0f-v3.md §5.3, a rule a subtest.
func TestFlowLife(t *testing.T) {
	t.Run("SYN and SYN+ACK", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.expect("SYN", f.send(syn(1025)), saysLinux, saysMTU)
		f.expect("SYN+ACK", f.send(synAck(syn(1025))), saysServer, saysMTUSrv)
		if f.conns() != 1 || f.host(clientAddr).TotalConn != 1 || f.host(serverAddr).TotalConn != 1 {
			t.Errorf("%d flows, total %d and %d, want 1 each", f.conns(), f.host(clientAddr).TotalConn, f.host(serverAddr).TotalConn)
		}
	})
	t.Run("a SYN sent again is ignored", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025))
		f.ms += 3000
		f.expect("again", f.send(syn(1025)))
		if h := f.host(clientAddr); h.TotalConn != 1 || h.LastSeen != h.FirstSeen {
			t.Errorf("total %d, last seen %d s after first; want 1 and 0", h.TotalConn, h.LastSeen-h.FirstSeen)
		}
	})
	t.Run("another sequence number makes another flow", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025))
		f.expect("SYN", f.send(syn(1025, seq(1001))), saysLinux, saysMTU)
		if f.conns() != 1 || f.host(clientAddr).TotalConn != 2 {
			t.Errorf("%d flows, total %d; want 1 and 2", f.conns(), f.host(clientAddr).TotalConn)
		}
	})
	t.Run("a SYN sent again after data makes another flow", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025), synAck(syn(1025)), data(syn(1025), 0, 5))
		f.expect("SYN", f.send(syn(1025)), saysLinux, saysMTU)
		if f.host(clientAddr).TotalConn != 2 {
			t.Errorf("total %d, want 2", f.host(clientAddr).TotalConn)
		}
	})
	t.Run("a SYN from the server turns the flow round", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025))
		back := synAck(syn(1025), typed(packet.SYN))
		f.expect("SYN", f.send(back), saysLinux, saysMTU)
		f.expect("SYN+ACK", f.send(synAck(back)), saysServer, saysMTUSrv)
		if f.conns() != 1 {
			t.Errorf("%d flows, want 1", f.conns())
		}
	})
	t.Run("SYN+ACK of no flow, of the client, and sent again", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.expect("no flow", f.send(synAck(syn(1025))))
		if f.knows(serverAddr) {
			t.Error("a SYN+ACK of no flow made a host")
		}
		f.send(syn(1025))
		f.expect("of the client", f.send(syn(1025, typed(packet.SYNACK))))
		f.expect("with a wrong number", f.send(synAck(syn(1025), func(s *packet.Segment) { s.Ack = 99 })), saysServer, saysMTUSrv)
		f.expect("again", f.send(synAck(syn(1025), seq(77))))
	})
	t.Run("FIN and RST end a flow", func(t *testing.T) {
		for _, typ := range []packet.Type{packet.FIN, packet.FINACK, packet.RST, packet.RSTACK} {
			for _, of := range []*packet.Segment{syn(1025), synAck(syn(1025))} {
				f := newFeed(t, Config{})
				f.send(syn(1025), data(of, 1234567, 0, typed(typ)))
				if f.conns() != 0 {
					t.Errorf("after type %#x from %v: %d flows, want 0", typ, of.Src, f.conns())
				}
				f.expect("SYN+ACK behind it", f.send(synAck(syn(1025))))
				f.expect("the same of no flow", f.send(data(of, 0, 0, typed(typ))))
			}
		}
	})
	t.Run("ACK before SYN+ACK ends a flow", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025), data(syn(1025), 0, 0))
		if f.conns() != 0 {
			t.Errorf("%d flows, want 0", f.conns())
		}
	})
	t.Run("ACK without data, out of order, and of no flow", func(t *testing.T) {
		f := newFeed(t, Config{})
		first := syn(1025)
		f.expect("of no flow", f.send(data(first, 0, 100)))
		f.send(first, synAck(first), data(first, 0, 0), data(synAck(first), 0, 0))
		f.send(data(first, 1, 100), data(synAck(first), 1, 100))
		if f.conns() != 1 {
			t.Errorf("%d flows, want 1", f.conns())
		}
	})
	t.Run("a server that speaks first ends the flow", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(25025), synAck(syn(25025)), data(syn(25025), 0, 0), data(synAck(syn(25025)), 0, 30))
		if f.conns() != 0 {
			t.Errorf("%d flows, want 0", f.conns())
		}
	})
	t.Run("a connection with itself", func(t *testing.T) {
		f := newFeed(t, Config{})
		self := syn(25, to(clientAddr))
		f.expect("SYN", f.send(self), saysLinux, saysMTU)
		if h := f.host(clientAddr); h.TotalConn != 2 {
			t.Errorf("total %d, want 2", h.TotalConn)
		}
		// Everything is client to server, so this is the client's.
		f.expect("SYN+ACK", f.send(synAck(self)))
		f.send(data(self, 0, 0, typed(packet.RST)))
		if hosts, conns := f.Len(); hosts != 1 || conns != 0 {
			t.Errorf("%d hosts, %d flows, want 1 and 0", hosts, conns)
		}
	})
}

// TestClientData: a flow lives on as long as the client may be speaking HTTP.
func TestClientData(t *testing.T) {
	for _, tt := range []struct {
		name  string
		data  []string // of the client, one segment each
		alive bool
	}{
		{"fewer than 15 bytes", []string{"EHLO a.example"}, true},
		{"15 bytes of SMTP", []string{"EHLO a.example\r"}, false},
		{"SMTP in two segments", []string{"EHLO a.", "example\r\n"}, false},
		{"GET", []string{"GET / HTTP/1.1\r\n"}, true},
		{"HEAD", []string{"HEAD / HTTP/1.1\r\n"}, true},
		{"GET in bytes", []string{"G", "E", "T", " ", "/ HTTP/1.1\r\n"}, true},
		{"GET of an address", []string{"GET http://a.example/ HTTP/1.1\r\n"}, false},
		{"POST", []string{"POST / HTTP/1.1\r\n"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFeed(t, Config{})
			f.send(syn(1025), synAck(syn(1025)))
			at := 0
			for _, d := range tt.data {
				f.Frame(f.ms * 1000)
				f.Update(data(syn(1025), at, len(d)), []byte(d))
				at += len(d)
			}
			if got := f.conns() == 1; got != tt.alive {
				t.Errorf("flow alive %v, want %v", got, tt.alive)
			}
			// The server's data ends what is not a whole request by now.
			f.send(data(synAck(syn(1025)), 0, 10))
			if f.conns() != 0 {
				t.Error("the flow outlives the server's data")
			}
		})
	}
	t.Run("full buffers", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025), synAck(syn(1025)))
		f.Frame(f.ms * 1000)
		f.Update(data(syn(1025), 0, http1.MaxData), []byte("GET / HTTP/1.1\r\n\r\n"))
		// A value that is too long leaves the flow until its next data.
		answer := []byte("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", http1.MaxData))
		f.Frame(f.ms * 1000)
		f.Update(data(synAck(syn(1025)), 0, http1.MaxData-1), answer[:http1.MaxData-1])
		if f.conns() != 1 {
			t.Errorf("one byte before both buffers are full: %d flows, want 1", f.conns())
		}
		f.send(data(synAck(syn(1025)), http1.MaxData-1, 1))
		if f.conns() != 0 {
			t.Errorf("with both buffers full: %d flows, want 0", f.conns())
		}
	})
}

// TestPrograms: a program that TCP gives away ends its flow at once, without
// link and uptime (p0f-v3.md §3.5).
func TestPrograms(t *testing.T) {
	f := newFeed(t, Config{})
	f.expect("SYN", f.send(syn(1025, window(winProgram), ttl(40))), "syn cli NMap SYN scan")
	if hosts, conns := f.Len(); hosts != 2 || conns != 0 {
		t.Errorf("%d hosts, %d flows, want 2 and 0", hosts, conns)
	}
	if h := f.host(clientAddr); h.OS != nil || h.TotalConn != 1 || h.Link != "" || h.Distance != -1 {
		t.Errorf("host = %+v, want no system, link and distance, one connection", h)
	}
	f = newFeed(t, Config{})
	f.send(syn(1025))
	f.expect("SYN+ACK", f.send(synAck(syn(1025), window(winProgram), ttl(60))), "syn+ack srv Honeypot")
	if f.conns() != 0 || f.host(serverAddr).Distance != 4 {
		t.Errorf("%d flows, distance %d, want 0 and 4", f.conns(), f.host(serverAddr).Distance)
	}
}

// TestTouch: only a new SYN counts as a sign of life, of both ends (p0f-v3.md §5.4).
func TestTouch(t *testing.T) {
	f := newFeed(t, Config{})
	f.send(syn(1025))
	start := uint32(f.ms / 1000)
	f.ms += 10_000
	f.send(synAck(syn(1025)), data(syn(1025), 0, 0))
	f.Host(syn(1025).Src.Addr())
	for _, addr := range []string{clientAddr, serverAddr} {
		if h := f.host(addr); h.FirstSeen != start || h.LastSeen != start {
			t.Errorf("%s after data: first %d, last seen %d, want %d", addr, h.FirstSeen, h.LastSeen, start)
		}
	}
	f.send(syn(1026))
	for _, addr := range []string{clientAddr, serverAddr} {
		if h := f.host(addr); h.FirstSeen != start || h.LastSeen != start+10 || h.TotalConn != 2 {
			t.Errorf("%s after a SYN: first %d, last seen %d, total %d, want %d, %d, 2", addr, h.FirstSeen, h.LastSeen, h.TotalConn, start, start+10)
		}
	}
}

// TestProbe holds p0f-v3.md §5.5.
func TestProbe(t *testing.T) {
	probe := syn(65535, window(probeWindow), mss(probeMSS), ttl(190), stamp(1337))
	t.Run("SYN and answer", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025, ttl(60)))
		f.expect("probe", f.send(probe), "sendsyn probe cli p0f sendsyn utility")
		f.ms += 1000
		f.expect("answer", f.send(synAck(probe, window(winXP), stamp(100))), "sendsyn response srv Windows server")
		if f.conns() != 1 { // the first one
			t.Errorf("%d flows, want 1", f.conns())
		}
		if h := f.host(clientAddr); h.OS.Name != "Linux" || h.Distance != 2 || h.TotalConn != 2 {
			t.Errorf("client = %v at %d, total %d; want Linux at 2, total 2", h.OS.Name, h.Distance, h.TotalConn)
		}
		if h := f.host(serverAddr); h.OS != nil || h.Distance != 0 || h.Link != "" {
			t.Errorf("server = %+v, want only a distance", h)
		}
	})
	t.Run("not one of both marks", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.expect("window alone", f.send(syn(1, window(probeWindow))), "syn cli ???", saysMTU)
		f.expect("MSS alone", f.send(syn(2, mss(probeMSS), from("192.0.2.9"))), "syn cli Linux 3.x", "mtu cli 1371 ")
	})
	t.Run("unknown", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.expect("probe", f.send(syn(1, window(probeWindow), mss(probeMSS), ttl(255))), "sendsyn probe cli p0f sendsyn utility~")
		unknown := syn(2, window(probeWindow), mss(probeMSS))
		unknown.Layout.Len = 1
		f.expect("probe", f.send(unknown), "sendsyn probe cli ???")
	})
	t.Run("answer from the client's side", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(probe)
		f.expect("answer", f.send(syn(65535, typed(packet.SYNACK))), "sendsyn response srv Linux server")
		if f.conns() != 0 {
			t.Errorf("%d flows, want 0", f.conns())
		}
	})
	t.Run("an ACK ends it", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(probe, data(probe, 0, 0))
		if f.conns() != 0 {
			t.Errorf("%d flows, want 0", f.conns())
		}
	})
	t.Run("no uptime", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025, stamp(1000)), probe)
		f.ms += 1000
		f.expect("FIN", f.send(data(probe, 0, 0, typed(packet.FIN), stamp(1250))))
	})
}

// TestPeerMSS: the SYN+ACK is matched with the MSS of its flow's SYN.
func TestPeerMSS(t *testing.T) {
	f := newFeed(t, Config{})
	f.Table = New(mustParse(t, "classes = unix\n[tcp:response]\nlabel = s:unix:Echo:\nsig = *:64:0:*:mss*3,*:mss,sok,ts,nop,ws:df,id+:0\n"), Config{}, observe(f.Observe))
	f.send(syn(1, mss(1337)), syn(2, mss(1338)))
	f.expect("multiple of the SYN's MSS", f.send(synAck(syn(1), mss(1399), window(3*1337))), "syn+ack srv Echo", "mtu srv 1439 ")
	f.expect("no multiple", f.send(synAck(syn(2), mss(1399), window(3*1337))), "syn+ack srv ???", "mtu srv 1439 ")
}

// TestLink: an unknown MTU leaves the link of the host as it was (p0f-v3.md §4).
func TestLink(t *testing.T) {
	f := newFeed(t, Config{})
	f.send(syn(1))
	f.expect("unknown MTU", f.send(syn(2, mss(1400))), saysLinux, "mtu cli 1440 ")
	if got := f.host(clientAddr).Link; got != "Ethernet" {
		t.Errorf("link = %q, want Ethernet", got)
	}
	f.expect("no MSS", f.send(syn(3, mss(0), from("192.0.2.9"))), "syn cli Linux 3.x")
	v6 := syn(4, mss(1440), from("2001:db8::1"), to("2001:db8::2"), func(s *packet.Segment) { s.Version, s.Quirks = 6, 0 })
	f.expect("IPv6", f.send(v6), saysLinux, saysMTU)
}
