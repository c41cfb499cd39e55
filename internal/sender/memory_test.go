package sender

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/stream"
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
	before := heapBytes()
	feed(func() bool { return len(conn) > 0 && len(conn[0].payload) > 0 && conn[0].payload[0] == 0x16 })
	if first := conn[0]; first.Dst.Port() == 25 { // the first segment of the hello
		feed(func() bool { return conn[0].Seq != first.Seq })
	}
	each := (heapBytes() - before) / conns
	t.Logf("%d bytes a connection while its hello comes", each)
	if each > reading {
		t.Errorf("%d bytes a connection while its hello comes, want at most %d", each, reading)
	}
	feed(func() bool { return hellos > 0 })
	each = (heapBytes() - before) / conns
	t.Logf("%d bytes a connection after its hello", each)
	if hellos != conns || r.Stats().Reading != conns || each > after {
		t.Errorf("%d hellos, %d bytes a connection after its hello, want %d of at most %d", hellos, each, conns, after)
	}
	runtime.KeepAlive(r)
}

func heapBytes() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestHostileEnded has 20,000 connections, of many networks, each with a hello of
// its own, short enough for its JA4Raw or as long as is read, and with much else to
// keep: what is kept of those that ended is bounded by bytes, not by number alone.
func TestHostileEnded(t *testing.T) {
	const conns, most = 20_000, 4096
	storm := strings.Repeat("RSET\r\n", 7) + strings.Repeat("NOOP\r\n", 7)
	for _, ciphers := range []int{190, 900} {
		r := New(Config{})
		hellos := 0
		p := r.part(func(o *event.Observation) {
			if o.Module == event.TLS {
				hellos++
			}
		})
		before := heapBytes()
		for n := range conns {
			name := fmt.Sprintf("%06d", n) + strings.Repeat("x", 40)
			c := begin(p, client(n*256), mx, int64(n)*1000)
			c.say(stream.Client, "EHLO "+name+"\r\nHELO y"+name+"\nXYZZY\r\nFoo: bar\r\n"+storm+"RCPT\r TO:<a>\r\n", 0)
			c.S("220 mx").C("STARTTLS").say(stream.Client, hostileHello(n, ciphers), 0).end()
		}
		each := (heapBytes() - before) / conns
		t.Logf("%d ciphers: %d bytes a connection that has ended", ciphers, each)
		if s := r.Stats(); hellos != conns || s.Kept != conns || each > most {
			t.Errorf("%d hellos, %d connections kept, %d bytes each, want %d of at most %d bytes", hellos, s.Kept, each, conns, most)
		}
		runtime.KeepAlive(r)
	}
}

// hostileHello is one of many ciphers, the n-th.
func hostileHello(n, ciphers int) string {
	body := append([]byte{3, 3}, make([]byte, 32+1)...) // version, random, session
	body = binary.BigEndian.AppendUint16(body, uint16(2*ciphers))
	body = binary.BigEndian.AppendUint32(body, uint32(n))
	for c := range uint16(ciphers - 2) {
		body = binary.BigEndian.AppendUint16(body, 0x1000+c)
	}
	body = append(body, 1, 0) // compression
	message := binary.BigEndian.AppendUint32(nil, 1<<24|uint32(len(body)))
	message = append(message, body...)
	return "\x16\x03\x01" + string(binary.BigEndian.AppendUint16(nil, uint16(len(message)))) + string(message)
}
