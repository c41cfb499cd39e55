package engine

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// session is what a capture sees of connections to a mail server.
type session struct {
	e   *Engine
	at  int64 // microseconds
	ctx context.Context
}

func newSession(t *testing.T) *session { return newSessionOf(t, false) }

// newKeptSession is for SYNs that the kernel kept.
func newKeptSession(t *testing.T) *session { return newSessionOf(t, true) }

func newSessionOf(t *testing.T, trusted bool) *session {
	e := made(New(silent(t, Config{Hosts: Hosts{MaxHosts: 1000, Unverified: 500, Recent: 100, Trusted: trusted}})))
	return &session{e, 1e15, t.Context()}
}

func (c *session) send(segments ...packet.Segment) {
	for _, s := range segments {
		c.at += 1000
		in := []host.Input{{At: c.at, Decoded: true, Segment: s}}
		c.e.update(c.e.shards[0], in, false)
	}
}

// machine is the SYN of one of two machines with one address, which differ in
// their windows.
func machine(window uint16, seq uint32) packet.Segment {
	s := synSegment
	s.Src, s.Window, s.Seq = netip.MustParseAddrPort("192.0.2.1:40000"), window, seq
	return s
}

// opens are the rest of a handshake, and closes the end of the connection.
func opens(syn packet.Segment) []packet.Segment {
	answer := packet.Segment{
		Src: syn.Dst, Dst: syn.Src, Version: 4, Type: packet.SYNACK, Flags: packet.FlagSYN | packet.FlagACK, Seq: 500, Ack: syn.Seq + 1,
	}
	ack := packet.Segment{
		Src: syn.Src, Dst: syn.Dst, Version: 4, Type: packet.ACK, Flags: packet.FlagACK, Seq: syn.Seq + 1, Ack: 501,
	}
	return []packet.Segment{answer, ack}
}

func closes(syn packet.Segment) packet.Segment {
	s := opens(syn)[1]
	s.Type, s.Flags = packet.FINACK, packet.FlagFIN|packet.FlagACK
	s.Seq, s.Ack = s.Seq+2000, s.Ack+200
	return s
}

// TestFinding04PortReuse: two machines with one address use one port in turn, and the mail
// server asks before the sensor has seen the SYN: no answer is about the machine
// before (security, finding 4).
func TestFinding04PortReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSession(t)
		windows := []uint16{1111, 2222}
		raw := []string{":1111,0:", ":2222,0:"}
		wrong := 0
		for i := range 1000 {
			syn := machine(windows[i%2], uint32(i)*100_000)
			go func() { // the capture is behind
				time.Sleep(time.Duration(i%3) * 500 * time.Microsecond)
				c.send(syn)
				c.send(opens(syn)...)
			}()
			n, err := c.e.Lookup(t.Context(), note.Query{Client: syn.Src, Server: syn.Dst, Wait: 50 * time.Millisecond})
			if err != nil || !n.ByConnection || !strings.Contains(n.RawSig, raw[i%2]) {
				wrong++
			}
			synctest.Wait()
			time.Sleep(2 * time.Millisecond)
			if i%5 != 0 { // the end of some is behind, too
				c.send(closes(syn))
			}
		}
		if t.Logf("%d of 1000 answers are not about the connection", wrong); wrong != 0 {
			t.Error("want none")
		}
	})
}

// TestFinding04OtherServer: a connection to an address of the server for which no SYN came
// is waited for, and what is known of another one is marked (security, finding 4).
func TestFinding04OtherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSession(t)
		syn := machine(1111, 1)
		c.send(syn)
		c.send(opens(syn)...)
		start := time.Now()
		q := note.Query{Client: syn.Src, Server: netip.MustParseAddrPort("198.18.0.3:587"), Wait: 500 * time.Millisecond}
		n, err := c.e.Lookup(t.Context(), q)
		took := time.Since(start)
		t.Logf("by connection %v, ambiguous %v, after %v of %v", n.ByConnection, n.Ambiguous, took, q.Wait)
		if err != nil || n.ByConnection || !n.Ambiguous || took != q.Wait {
			t.Errorf("Lookup = %+v, %v after %v; want an ambiguous one after %v", n, err, took, q.Wait)
		}
	})
}

// TestFinding05ForgedAnswer: the answer of a connection stays what it is, however many SYNs
// are forged with its ends (security, finding 5).
func TestFinding05ForgedAnswer(t *testing.T) {
	c := newSession(t)
	syn := machine(1111, 1)
	c.send(syn)
	c.send(opens(syn)...)
	changed := 0
	for i := range 150 {
		c.send(machine(2222, uint32(i)*31337+2))
		n, err := c.e.Lookup(context.Background(), note.Query{Client: syn.Src, Server: syn.Dst, Wait: time.Millisecond})
		if err != nil || !n.ByConnection && !n.Ambiguous || n.ByConnection && !strings.Contains(n.RawSig, ":1111,0:") {
			changed++
		}
	}
	if t.Logf("%d of 150 answers changed", changed); changed != 0 {
		t.Error("want none")
	}
	n, _ := c.e.Lookup(context.Background(), note.Query{Client: syn.Src, Server: syn.Dst})
	if !n.ByConnection {
		t.Errorf("the answer is %+v, want that of the connection", n)
	}
}

// TestHandshakeDecides: of two SYNs with the same ends neither is an answer until
// the handshake shows which is the client's.
func TestHandshakeDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSession(t)
		syn, other := machine(1111, 1), machine(2222, 70_000)
		q := note.Query{Client: syn.Src, Server: syn.Dst, Wait: 20 * time.Millisecond}
		c.send(other, syn)
		if n, err := c.e.Lookup(t.Context(), q); err != nil || n.ByConnection || !n.Ambiguous {
			t.Errorf("of two SYNs: %+v, %v; want an ambiguous answer", n, err)
		}
		go func() {
			time.Sleep(5 * time.Millisecond)
			c.send(opens(syn)...)
		}()
		start := time.Now()
		n, err := c.e.Lookup(t.Context(), q)
		t.Logf("with the handshake the answer is of the connection: %v", n.ByConnection)
		if took := time.Since(start); err != nil || !n.ByConnection || !strings.Contains(n.RawSig, ":1111,0:") || took != 5*time.Millisecond {
			t.Errorf("after the handshake: %+v, %v, %v", n, err, took)
		}
	})
}
