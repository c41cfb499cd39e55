package sender

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/packet"
)

// TestMemory has 10,000 open connections of a program of the lab: while their
// hello comes, and in TLS. All that a Reader keeps counts, what it looks
// connections up by as well.
func TestMemory(t *testing.T) {
	const conns, reading, after = 10_000, 4096, 1024
	var conn []frame
	for _, l := range labels(t) {
		if l.Variant == "starttls" && strings.HasPrefix(l.File, "curl-8.14.1-debian-13") && l.TLS != "" {
			for key, c := range byConnection(frames(t, l.File)) {
				if key.Client.String() == l.Client && key.Server.String() == l.Server {
					conn = cutAt(536)(c)
				}
			}
			break
		}
	}
	hellos, read := 0, 0
	r := New(Config{})
	p := r.part(func(o *event.Observation) {
		switch o.Module {
		case event.TLS:
			hellos++
		case event.SMTP:
			read++
		}
	})
	client := func(n int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000)
	}
	feed := func(until func() bool) (segments int) {
		for ; len(conn) > 0 && !until(); segments++ {
			f := conn[0]
			conn = conn[1:]
			for n := range conns {
				s := f.Segment
				if s.Dst.Port() == 25 {
					s.Src = client(n)
				} else {
					s.Dst = client(n)
				}
				switch s.Type {
				case packet.SYN:
					continue
				case packet.ACK:
					if p.kept.count <= n {
						p.Open(&s, s.Seq-1, s.Ack-1, f.at)
					}
				}
				p.Segment(&s, f.payload, f.at)
			}
		}
		return segments
	}
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	feed(func() bool { return len(conn) > 0 && len(conn[0].payload) > 0 && conn[0].payload[0] == 0x16 })
	if first := conn[0]; first.Dst.Port() == 25 { // the first segment of the hello
		feed(func() bool { return conn[0].Seq != first.Seq })
	}
	each := (heap() - before) / conns
	t.Logf("%d bytes a connection while its hello comes", each)
	if each > reading {
		t.Errorf("%d bytes a connection while its hello comes, want at most %d", each, reading)
	}
	feed(func() bool { return hellos > 0 })
	each = (heap() - before) / conns
	t.Logf("%d bytes a connection after its hello", each)
	if hellos != conns || r.Stats().Reading != conns || each > after {
		t.Errorf("%d hellos, %d bytes a connection after its hello, want %d of at most %d", hellos, each, conns, after)
	}
	runtime.KeepAlive(r)
}
