package stream

import (
	"crypto/tls"
	"net/netip"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/mxprint/mxprint/clienthello"
)

func key(n int) Key {
	a := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	return Key{netip.AddrPortFrom(a, 40000), netip.MustParseAddrPort("192.0.2.1:25")}
}

// TestMemory has 10,000 connections in the middle of what takes most, and then
// at their end.
func TestMemory(t *testing.T) {
	const conns, reading, after = 10_000, 4096, 1024
	table := New(Config{MaxBytes: conns * reading, Hello: func(Key, *clienthello.Hello) {}})
	all := segments(handshake(t, false, &tls.Config{}), 536)
	var atHello int
	for i, s := range all {
		if s.Side == Client && len(s.Data) > 500 {
			atHello = i + 2 // two of its three segments or more have come
			break
		}
	}
	open := make([]*Conn, conns)
	before := heap()
	for n := range open {
		open[n] = table.Open(key(n), clientISN, serverISN, false, 0)
		for i := range all[:atHello] {
			table.Segment(open[n], &all[i])
		}
	}
	each := (heap() - before) / conns
	t.Logf("%d bytes a connection while its hello comes", each)
	if table.Len() != conns || each > reading {
		t.Errorf("%d connections of %d bytes each, want %d of at most %d", table.Len(), each, conns, reading)
	}
	feed := func(segments []Segment) {
		for _, c := range open {
			for i := range segments {
				table.Segment(c, &segments[i])
			}
		}
		each = (heap() - before) / conns
	}
	hello := atHello
	for all[hello].Side == Client { // the rest of it
		hello++
	}
	feed(all[atHello:hello])
	t.Logf("%d bytes a connection after its hello", each)
	if table.Len() != conns || each > after {
		t.Errorf("%d connections of %d bytes each after the hello, want %d of at most %d", table.Len(), each, conns, after)
	}
	inTLS := len(all) - 5 // before the ends, and the last records
	feed(all[hello:inTLS])
	t.Logf("%d bytes a connection in TLS", each)
	if table.Len() != conns || each > 2048 {
		t.Errorf("%d connections of %d bytes each in TLS, want %d of at most 2048", table.Len(), each, conns)
	}
	for i := range open {
		for j := range all[inTLS:] {
			table.Segment(open[i], &all[inTLS+j])
		}
		open[i] = nil
	}
	each = (heap() - before) / conns
	t.Logf("%d bytes a connection after", each)
	if table.Len() != 0 || each > after {
		t.Errorf("%d connections, %d bytes each after, want none of at most %d", table.Len(), each, after)
	}
	runtime.KeepAlive(table)
	runtime.KeepAlive(open)
}

func TestConnBytes(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 448 { // the next size that Go allocates is 480
		t.Errorf("a Conn takes %d bytes, want at most 448", n)
	}
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestBounds: one source has its share, and the longest idle gives way.
func TestBounds(t *testing.T) {
	var ended []Key
	table := New(Config{MaxConns: 3, MaxSource: 2, Done: func(k Key, s *Session) {
		if s.State == Full {
			ended = append(ended, k)
		}
	}})
	table.Segment(nil, &Segment{Data: []byte("EHLO x\r\n"), ACK: true})
	table.Drop(nil)
	one := key(1)
	for port := range 5 {
		one.Client = netip.AddrPortFrom(one.Client.Addr(), uint16(1000+port))
		table.Open(one, 0, 0, false, 0)
	}
	if table.Len() != 2 || table.Refused != 3 {
		t.Errorf("%d connections of one source, %d refused, want 2 and 3", table.Len(), table.Refused)
	}
	table.Open(key(2), 0, 0, false, time.Second)
	table.Open(key(3), 0, 0, false, time.Second)
	if table.Len() != 3 || len(ended) != 1 || ended[0].Client.Port() != 1000 || table.Evicted != 1 {
		t.Errorf("%d connections, %v gave way", table.Len(), ended)
	}
	table.Expire(6 * time.Minute)
	if table.Len() != 0 || len(table.sources) != 0 || table.bytes != 0 || table.oldest() != nil {
		t.Errorf("%d connections, %d sources, %d bytes after all have expired", table.Len(), len(table.sources), table.bytes)
	}
}

func BenchmarkSession(b *testing.B) {
	all := segments(talk(mail), 1460)
	b.ReportAllocs()
	for b.Loop() {
		c := NewConn(clientISN, serverISN, false, nil)
		for i := range all {
			c.Segment(&all[i])
		}
	}
}
