package stream

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// TestMarks: where the first line of a reply and the first bare line end of a
// message are, and what kind of line is not SMTP.
func TestMarks(t *testing.T) {
	for _, mss := range []int{1, 3, 1460} {
		c := NewConn(clientISN, serverISN, false, nil)
		for _, s := range segments(talk(`
S: 220-mx\r\n220-two\r\n220 three\r\n
C: EHLO x\r\n
S: 250 ok\r\n
C: Subject: x\r\n
S: 500 what\r\n
C: x y: z\r\n
S: 500 what\r\n
C: {"a" 1}\r\n
S: 500 what\r\n
C: MAIL From:<a>\r\n
S: 250 ok\r\n
C: DATA\r\n
S: 354 ok\r\n
C: ab\r\ncd\nef\rgh\n.\r\n.\r\n
`), mss) {
			c.Segment(&s)
		}
		var flags []Flags
		for i := range c.session.Events {
			switch e := &c.session.Events[i]; {
			case e.Kind == Reply && i == 0:
				if e.Mark != 8 || e.Lines != 3 {
					t.Errorf("%+v: want the first line to end after 8 bytes", e)
				}
			case e.Kind == Command:
				flags = append(flags, e.Flags&(HeaderLike|NoLetter))
			case e.Kind == Message:
				if e.Mark != 6 || e.Code != 3 || e.Flags&(BareLF|BareCR) != BareLF|BareCR || !e.Whole() {
					t.Errorf("%+v: want three bare line ends, the first after 6 bytes", e)
				}
			}
		}
		want := []Flags{0, HeaderLike, 0, NoLetter, 0, 0}
		for i := range want {
			if len(flags) != len(want) || flags[i] != want[i] {
				t.Fatalf("flags %v, want %v", flags, want)
			}
		}
	}
}

// TestLostCR: a CR that was lost makes no bare LF.
func TestLostCR(t *testing.T) {
	all := segments(talk(`
S: 220 mx\r\n
C: DATA\r\n
S: 354 ok\r\n
C: ab\r
C: \ncd\r\n.\r\n
`), 1460)
	c := NewConn(clientISN, serverISN, false, nil)
	for i, s := range all {
		if i == 3 {
			s.Data = s.Data[:2] // what the capture lost of it
		}
		c.Segment(&s)
	}
	for _, e := range c.session.Events {
		if e.Flags&BareLF != 0 {
			t.Errorf("%+v: the CR before the LF was lost", e)
		}
	}
}

// TestForged: what the receiver drops says nothing of the client: data that
// acknowledges nothing, and a reset far from the window.
func TestForged(t *testing.T) {
	c := NewConn(clientISN, serverISN, false, nil)
	c.Segment(&Segment{Side: Client, Seq: clientISN + 1, Data: []byte("GET / HTTP/1.1\r\n")})
	c.Segment(&Segment{Side: Client, Seq: 1 << 20, RST: true})
	if s := c.Session(); len(s.Events) != 0 || s.State != Reading {
		t.Errorf("events %+v, state %v, want none and reading", s.Events, s.State)
	}
}

func TestEventBytes(t *testing.T) {
	if n := unsafe.Sizeof(Event{}); n > eventBytes {
		t.Errorf("an Event takes %d bytes, and is counted as %d", n, eventBytes)
	}
}

// TestForgedAck: a segment that guesses where a client is in its bytes, but not
// what it has acknowledged, does not change the session. One whose acknowledgment
// is ahead of what the capture has, or old, does.
func TestForgedAck(t *testing.T) {
	const heard = 37 + 80 // bytes of the server, up to the MAIL of the dialogue
	const oldest = 1<<32 + heard - maxFlight
	all := segments(talk(mail), 1460)
	at := slices.IndexFunc(all, func(s Segment) bool { return bytes.HasPrefix(s.Data, []byte("MAIL")) })
	forged := func(ack uint32) (before, after string) {
		c := NewConn(clientISN, serverISN, false, nil)
		for i := range all[:at] {
			c.Segment(&all[i])
		}
		before = dump(c.Session())
		c.Segment(&Segment{Side: Client, Seq: all[at].Seq, Ack: serverISN + 1 + ack, ACK: true, FIN: true, Data: []byte("AUTH PLAIN eA==\r\n")})
		return before, dump(c.Session())
	}
	r := rand.New(rand.NewPCG(1, 5961))
	acks := []uint32{heard + maxAhead + 1, oldest - 1, 1 << 31}
	for range 100 { // of which none is plausible by chance
		acks = append(acks, r.Uint32())
	}
	for _, ack := range acks {
		if before, after := forged(ack); after != before {
			t.Errorf("acknowledging %d: got:\n%s\nwant:\n%s", int32(ack), after, before)
		}
	}
	for _, ack := range []uint32{heard, heard + maxAhead, 0, oldest} {
		if before, after := forged(ack); after == before {
			t.Errorf("acknowledging %d: not read", int32(ack))
		}
	}
}

// TestForgedReset: a reset that acknowledges nothing has to be of the very position
// that is next, and another has to acknowledge what is plausible (RFC 5961 §3.2), so
// that a guess of the window does not end the reading of a connection.
func TestForgedReset(t *testing.T) {
	all := segments(talk(mail), 1460)
	at := slices.IndexFunc(all, func(s Segment) bool { return bytes.HasPrefix(s.Data, []byte("MAIL")) })
	for _, tt := range []struct {
		name  string
		reset Segment // its numbers are added to those of the segment that is next
		ends  bool
	}{
		{"next", Segment{RST: true}, true},
		{"next, with an acknowledgment", Segment{RST: true, ACK: true}, true},
		{"what the capture missed, with an acknowledgment", Segment{RST: true, ACK: true, Seq: 1000}, true},
		{"in the window", Segment{RST: true, Seq: 1}, false},
		{"in the window, behind", Segment{RST: true, Seq: 1<<32 - 1}, false},
		{"far", Segment{RST: true, ACK: true, Seq: maxAhead + 1}, false},
		{"of what was never sent", Segment{RST: true, ACK: true, Ack: maxAhead + 1}, false},
		{"of long ago", Segment{RST: true, ACK: true, Ack: 1<<32 - maxFlight - 1}, false},
	} {
		c := NewConn(clientISN, serverISN, false, nil)
		for i := range all[:at] {
			c.Segment(&all[i])
		}
		tt.reset.Side = Client
		tt.reset.Seq += all[at].Seq
		tt.reset.Ack += all[at].Ack
		c.Segment(&tt.reset)
		if c.Done() != tt.ends {
			t.Errorf("%s: ends the reading: %t, want %t", tt.name, c.Done(), tt.ends)
		}
	}
}

// TestLostMessage: what a server acknowledges of a message is plausible also
// where the capture lost much of that.
func TestLostMessage(t *testing.T) {
	all := segments(talk(mail), 1460)
	var got string
	c := NewConn(clientISN, serverISN, false, nil)
	for _, s := range all {
		if bytes.HasPrefix(s.Data, []byte("..")) {
			continue // its end, and 200 kB before it
		}
		if bytes.HasPrefix(s.Data, []byte("250 2.0.0")) {
			s.Ack += 200_000
		}
		c.Segment(&s)
		got = dump(c.Session())
	}
	if !strings.Contains(got, "code=250 lines=1 offer=0 len=14 at=156") {
		t.Errorf("the reply to the message is not read:\n%s", got)
	}
}
