package stream

import (
	"strings"
	"testing"
	"time"
)

// TestFlow has a session whose numbers are known.
func TestFlow(t *testing.T) {
	const ms = time.Millisecond
	c := NewConn(99, 499, false, nil)
	for _, s := range []Segment{
		{Side: Server, Seq: 500, Ack: 100, ACK: true, Data: []byte("220 mx\r\n"), Time: 10 * ms},
		{Side: Client, Seq: 100, Ack: 508, ACK: true, Window: 8, Time: 30 * ms},                             // TCP 20
		{Side: Client, Seq: 100, Ack: 508, ACK: true, Window: 8, Data: []byte("EHLO a\r\n"), Time: 35 * ms}, // SMTP 25
		{Side: Client, Seq: 100, Ack: 508, ACK: true, Window: 8, Data: []byte("EHLO a\r\n"), Time: 36 * ms}, // again
		{Side: Server, Seq: 508, Ack: 108, ACK: true, Data: []byte("250 mx\r\n"), Time: 40 * ms},
		{Side: Server, Seq: 508, Ack: 108, ACK: true, Data: []byte("250 mx\r\n"), Time: 45 * ms}, // again: whose ACK comes?
		{Side: Client, Seq: 108, Ack: 516, ACK: true, Window: 0, Time: 46 * ms},
		{Side: Client, Seq: 108, Ack: 516, ACK: true, Window: 0, Time: 47 * ms},
		{Side: Client, Seq: 107, Ack: 516, ACK: true, Window: 8, Data: []byte("\n"), Time: 48 * ms},       // a keep-alive
		{Side: Client, Seq: 108, Ack: 516, ACK: true, Window: 8, Data: []byte("QUIT\r\n"), Time: 52 * ms}, // SMTP 12
		{Side: Client, Seq: 114, Ack: 516, ACK: true, Window: 8, FIN: true, Time: 53 * ms},
		{Side: Server, Seq: 516, Ack: 115, ACK: true, Data: []byte("221 mx\r\n"), FIN: true, Time: 54 * ms},
	} {
		c.Segment(&s)
	}
	f := c.Session().Flow
	if f.TCPRTT != 20*ms || f.SMTPRTT != 12*ms || f.Resent != [2]uint16{1, 1} || f.ZeroWindows != 1 || !f.Ended || f.By != Client || f.Reset {
		t.Errorf("Flow = %+v", f)
	}
	if c = NewConn(99, 499, false, nil); c.Session().Flow != (Flow{}) {
		t.Error("the numbers of a connection without segments are not zero")
	}
	c.Segment(&Segment{Side: Server, Seq: 500, RST: true})
	if f = c.Session().Flow; !f.Ended || f.By != Server || !f.Reset {
		t.Errorf("Flow = %+v after a reset", f)
	}
}

// TestCopies has each segment twice, as a capture on a bridge and its ports: the
// numbers are those of a capture that has each once.
func TestCopies(t *testing.T) {
	once, twice := NewConn(99, 499, false, nil), NewConn(99, 499, false, nil)
	next := [2]uint32{100, 500}
	for i, say := range []struct {
		side Side
		text string
		fin  bool
	}{
		{Server, "220 mx\r\n", false}, {Client, "", false}, {Client, "EHLO a\r\n", false}, {Server, "250 mx\r\n", false},
		{Client, "", false}, {Client, "QUIT\r\n", false}, {Server, "221 mx\r\n", true}, {Client, "", true},
	} {
		s := Segment{Side: say.side, Seq: next[say.side], Ack: next[say.side^1], ACK: true, FIN: say.fin, Window: 8,
			Data: []byte(say.text), Time: time.Duration(i+1) * 5 * time.Millisecond}
		next[say.side] += uint32(len(say.text))
		once.Segment(&s)
		twice.Segment(&s)
		s.Time += 20 * time.Microsecond
		twice.Segment(&s)
	}
	got, want := twice.Session().Flow, once.Session().Flow
	if got != want || want.TCPRTT != 5*time.Millisecond || want.SMTPRTT != 10*time.Millisecond || want.Resent != [2]uint16{} {
		t.Errorf("Flow of copies = %+v, want %+v", got, want)
	}
}

// TestCut has captures that kept the beginning of each segment. What is missing
// of a message does no harm, and of anything else it is said.
func TestCut(t *testing.T) {
	cut := func(all []Segment, keep int) {
		for i, s := range all {
			if len(s.Data) > keep {
				all[i].Data, all[i].Cut = s.Data[:keep], len(s.Data)-keep
			}
		}
	}
	long := strings.Replace(mail, "..\\r", strings.Repeat("x", 3000)+"\\r", 1)
	want := strings.ReplaceAll(readAll(segments(talk(long), 1<<15)), "QUIT", "")
	all := segments(talk(long), 1<<15)
	cut(all, 200)
	got := readAll(all)
	if !strings.HasPrefix(got, "closed") || !strings.Contains(got, "C 2 verb=0 code=0 lines=0 offer=0 len=3") || !strings.Contains(got, "verb=21 code=250") {
		t.Errorf("got:\n%s\nwant something like\n%s", got, want)
	}
	all = segments(talk(mail), 1<<15)
	cut(all, 20)
	if got := readAll(all); !strings.HasPrefix(got, "lost") {
		t.Errorf("lines were cut, got:\n%s", got)
	}
}

// TestCrossed: what the client sends again before the server's reply has come to it is
// no copy of a segment.
func TestCrossed(t *testing.T) {
	c := NewConn(99, 499, false, nil)
	put := func(side Side, seq, ack uint32, text string, at time.Duration) {
		c.Segment(&Segment{Side: side, Seq: seq, Ack: ack, ACK: true, Window: 8, Data: []byte(text), Time: at})
	}
	put(Server, 500, 100, "220 mx\r\n", 5*time.Millisecond)
	put(Client, 100, 508, "EHLO a\r\n", 10*time.Millisecond)
	put(Server, 508, 108, "250 mx\r\n", 210*time.Millisecond)
	put(Client, 100, 508, "EHLO a\r\n", 210*time.Millisecond+500*time.Microsecond)
	if got := c.Session().Flow.Resent; got != [2]uint16{Client: 1} {
		t.Errorf("Resent = %v, want one segment of the client", got)
	}
}
