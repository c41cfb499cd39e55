package sender

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

const second = 1_000_000 // microseconds

func client(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000)
}

var mx = netip.MustParseAddrPort("192.0.2.25:25")

// talk feeds a part with lines of one connection.
type talk struct {
	*part
	client, server netip.AddrPort
	next           [2]uint32
	at             int64
}

// begin opens a connection.
func begin(p *part, client, server netip.AddrPort, at int64) *talk {
	s := packet.Segment{Src: client, Dst: server, Type: packet.ACK, Flags: packet.FlagACK, Seq: 1, Ack: 1}
	p.Segment(&packet.Segment{Src: server, Dst: client, Type: packet.SYNACK, Flags: packet.FlagSYN | packet.FlagACK, Ack: 1}, nil, at-20_000)
	p.Open(&s, 0, 0, at)
	return &talk{p, client, server, [2]uint32{1, 1}, at}
}

func (c *talk) say(side stream.Side, text string, flags uint16) *talk {
	s := packet.Segment{Src: c.client, Dst: c.server, Flags: packet.FlagACK | flags, Seq: c.next[side], Ack: c.next[side^1], PayloadLen: uint16(len(text)), Window: 100}
	if side == stream.Server {
		s.Src, s.Dst = s.Dst, s.Src
	}
	s.Type = packet.Type(s.Flags)
	c.next[side] += uint32(len(text))
	c.at += 1000
	c.Segment(&s, []byte(text), c.at)
	return c
}

func (c *talk) S(text string) *talk { return c.say(stream.Server, text+"\r\n", 0) }
func (c *talk) C(text string) *talk { return c.say(stream.Client, text+"\r\n", 0) }

// end has both sides end the connection.
func (c *talk) end() {
	c.say(stream.Client, "", packet.FlagFIN)
	c.say(stream.Server, "", packet.FlagFIN)
}

// knows is a note.Lookuper that knows every client.
type knows struct{ err error }

func (k knows) Lookup(context.Context, note.Query) (note.Note, error) {
	return note.Note{State: note.Unknown}, k.err
}

// TestProgress: a look-up during a session has what was said until then.
func TestProgress(t *testing.T) {
	var seen []event.Observation
	r := New(Config{})
	p := r.part(func(o *event.Observation) { seen = append(seen, *o) })
	who := r.Lookuper(knows{})
	state := func() string {
		n, err := who.Lookup(context.Background(), note.Query{Client: client(1), Server: mx})
		if err != nil {
			t.Fatal(err)
		}
		if n.TLS == nil {
			return "nil"
		}
		return n.TLS.State.String()
	}
	expect := func(when, want string) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("%s TLS is %q, want %q", when, got, want)
		}
	}
	expect("before the connection", "nil")
	c := begin(p, client(1), mx, 100*second)
	expect("after the handshake", "reading")
	c.S("220 mx").C("EHLO a").S("250 mx")
	expect("after EHLO", "reading")
	c.C("MAIL FROM:<>")
	expect("after MAIL", "none")
	c.S("250 ok").C("QUIT").S("221 bye")
	if len(seen) > 0 {
		t.Errorf("observed before the end: %+v", seen)
	}
	c.end()
	expect("after the end", "none")
	n, _ := who.Lookup(context.Background(), note.Query{Client: client(1), Server: mx})
	f := n.Flow
	if f == nil || f.HandshakeRTT != 20*time.Millisecond || f.TCPRTT == 0 || f.SMTPRTT != time.Millisecond || !f.Counted || f.ClosedBy != "client" {
		t.Errorf("Flow = %+v", f)
	}
	if len(seen) != 1 || seen[0].Module != event.SMTP || seen[0].Client != client(1) || seen[0].Server != mx || seen[0].At != c.at || seen[0].Sender.Flow != f {
		t.Errorf("observed %+v", seen)
	}
	if _, err := r.Lookuper(knows{errors.New("no sensor")}).Lookup(context.Background(), note.Query{Client: client(1)}); err == nil {
		t.Error("the error of the engine is lost")
	}
}

// TestAsked: which connection a question is about.
func TestAsked(t *testing.T) {
	r := New(Config{})
	p := r.part(nil)
	other := netip.MustParseAddrPort("192.0.2.26:25")
	begin(p, client(1), mx, second).C("MAIL FROM:<>")
	begin(p, client(1), other, 2*second)
	for _, tt := range []struct {
		name string
		q    note.Query
		want *note.TLS
	}{
		{"both ends", note.Query{Client: client(1), Server: mx}, tlsNone},
		{"no server: the newest", note.Query{Client: client(1)}, tlsReading},
		{"a server behind a port forwarding", note.Query{Client: client(1), Server: netip.MustParseAddrPort("10.9.9.9:25")}, tlsReading},
		{"another port", note.Query{Client: netip.AddrPortFrom(client(1).Addr(), 1)}, nil},
		{"no port", note.Query{Client: netip.AddrPortFrom(client(1).Addr(), 0)}, nil},
		{"IPv4 in IPv6", note.Query{Client: netip.AddrPortFrom(netip.AddrFrom16(client(1).Addr().As16()), 40000), Server: mx}, tlsNone},
	} {
		if n, _ := r.Lookuper(knows{}).Lookup(context.Background(), tt.q); n.TLS != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, n.TLS, tt.want)
		}
	}
	begin(p, client(1), mx, 3*second) // the same ends once more
	if n := known(r, stream.Key{Client: client(1), Server: mx}); n.TLS != tlsReading {
		t.Errorf("a new connection has the TLS of the one before: %+v", n.TLS)
	}
}

// TestServers: of one end of a client mostServers connections are read, and the
// oldest gives way to a newer one.
func TestServers(t *testing.T) {
	r := New(Config{})
	p := r.part(nil)
	for n := range byte(mostServers + 3) {
		begin(p, client(1), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 25), second)
	}
	if got := r.Stats(); got.Reading != mostServers || got.Kept != mostServers || got.Read != 3 {
		t.Errorf("Stats = %+v, want %d read", got, mostServers)
	}
}

// TestForged: segments without a handshake leave nothing behind.
func TestForged(t *testing.T) {
	r := New(Config{})
	p := r.part(func(o *event.Observation) { t.Errorf("observed %+v", o) })
	s := packet.Segment{Dst: mx, Type: packet.ACK, Flags: packet.FlagACK, PayloadLen: 6}
	for n := range 100_000 {
		s.Src = client(n)
		p.Segment(&s, []byte("EHLO a"), int64(n))
	}
	s.Dst = netip.MustParseAddrPort("192.0.2.25:80") // a handshake that is no mail
	p.Open(&s, 0, 0, 1)
	if got := r.Stats(); got != (Stats{}) || len(p.kept.newest) != 0 {
		t.Errorf("Stats = %+v", got)
	}
	if allocs := testing.AllocsPerRun(100, func() { p.Segment(&s, nil, 1) }); allocs > 0 {
		t.Errorf("%v allocations a forged segment", allocs)
	}
}

// TestBounds: what ended is forgotten in time, and one source cannot have others
// forgotten.
func TestBounds(t *testing.T) {
	r := New(Config{Kept: 32, Keep: time.Minute})
	p := r.part(nil)
	session := func(c netip.AddrPort, at int64) {
		begin(p, c, mx, at).S("220 mx").C("QUIT").end()
	}
	session(client(1), second)
	for port := range 1000 { // one source
		session(netip.AddrPortFrom(client(2).Addr(), uint16(1024+port)), second)
	}
	if got := r.Stats(); got.Kept != 3 || got.Read != 1001 || known(r, stream.Key{Client: client(1), Server: mx}).TLS == nil {
		t.Errorf("one source of 1,000 connections: %+v, want 2 of them and the other's one", got)
	}
	for n := range 1000 { // many
		session(client(10+n), 2*second)
	}
	if got := r.Stats(); got.Kept != 32 || len(p.kept.newest) != 32 || len(p.kept.sources) != 32 {
		t.Errorf("1,000 sources: %+v, want 32 kept", got)
	}
	begin(p, client(5000), mx, 100*second)
	if got := r.Stats(); got.Kept != 1 || got.Reading != 1 || p.kept.over.Len() != 0 {
		t.Errorf("a minute later: %+v, want the open one alone", got)
	}
	p.Segment(&packet.Segment{Src: mx, Dst: client(1), Type: packet.ACK}, nil, 1000*second)
	if got := r.Stats(); got.Reading != 0 || got.Kept != 1 {
		t.Errorf("a quarter of an hour later: %+v, want no connection being read", got)
	}
}

// TestRefused: a source that has too many connections open is not read further,
// and knows so.
func TestRefused(t *testing.T) {
	r := New(Config{Stream: stream.Config{MaxSource: 2, MaxConns: 3}})
	p := r.part(nil)
	for port := range 5 {
		begin(p, netip.AddrPortFrom(client(1).Addr(), uint16(1024+port)), mx, second)
	}
	if got := r.Stats(); got.Reading != 2 || got.Refused != 3 || got.Kept != 2 {
		t.Errorf("Stats = %+v", got)
	}
	for n := range 5 {
		begin(p, client(10+n), mx, second)
	}
	if got := r.Stats(); got.Reading != 3 || got.Evicted != 4 {
		t.Errorf("Stats = %+v", got)
	}
	if n := known(r, stream.Key{Client: client(10), Server: mx}); n.TLS != tlsNotKnown {
		t.Errorf("of an evicted connection TLS is %+v, want that it is not known", n.TLS)
	}
}

// TestFeed: a program that bytes pass through hands them over.
func TestFeed(t *testing.T) {
	var seen []event.Observation
	r := New(Config{})
	feed := r.Feeds(func(o *event.Observation) { seen = append(seen, *o) })
	f := feed(client(1), mx)
	f.Observe(false, []byte("220 mx\r\n"))
	f.Observe(true, []byte("EHLO a\r\n"))
	f.Observe(false, []byte("250 mx\r\n"))
	if more := f.Observe(true, []byte("MAIL FROM:<>\r\nQUIT\r\n")); !more {
		t.Error("no more is wanted in the middle of a session")
	}
	if n := known(r, f.e.key()); n.TLS != tlsNone || !n.Conduct.Has("pipelining") {
		t.Errorf("known in the middle: %+v %+v", n.TLS, n.Conduct)
	}
	f.End(true)
	f.End(false)
	if f.Observe(true, []byte("x")) {
		t.Error("more is wanted after the end")
	}
	f.Close()
	if flow, conduct := seen[0].Sender.Flow, seen[0].Sender.Conduct; flow.Counted || conduct.State != note.NotKnown || !conduct.Has("pipelining") {
		t.Errorf("of bytes, %+v and %+v are known", flow, conduct)
	}
	cut := feed(client(2), mx)
	cut.Observe(false, []byte("220 mx\r\n"))
	cut.Close()
	if len(seen) != 2 || seen[0].Sender.TLS != tlsNone || seen[0].Sender.Flow.ClosedBy != "client" || seen[1].Sender.TLS != tlsNotKnown {
		t.Errorf("observed %+v", seen)
	}
	implicit := feed(client(3), netip.MustParseAddrPort("192.0.2.25:465"))
	if more := implicit.Observe(true, []byte("EHLO a\r\n")); more {
		t.Error("a client that does not speak TLS on port 465 is read further")
	}
}

// TestClose ends what is open, as at the end of a file.
func TestClose(t *testing.T) {
	var seen []string
	r := New(Config{})
	p := r.part(func(o *event.Observation) { seen = append(seen, fmt.Sprint(o.Module, o.Sender.TLS.State)) })
	begin(p, client(1), mx, second).S("220 mx")
	begin(p, client(2), mx, second) // has said nothing
	p.Close()
	if len(seen) != 1 || seen[0] != "smtp not known" {
		t.Errorf("observed %q", seen)
	}
}
