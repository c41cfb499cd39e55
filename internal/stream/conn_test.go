package stream

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/clienthello"
)

// turn is what one side sends in one segment, once it has seen all before.
type turn struct {
	side Side
	data string
}

// talk makes a dialogue of lines that begin with C: or S:.
func talk(script string) []turn {
	var turns []turn
	for _, l := range strings.Split(strings.TrimSpace(script), "\n") {
		side, text, _ := strings.Cut(strings.TrimSpace(l), ": ")
		text = strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(text)
		turns = append(turns, turn{map[string]Side{"C": Client, "S": Server}[side], text})
	}
	return turns
}

const (
	clientISN = 0xfffffff0 // so that positions wrap
	serverISN = 12345
)

// segments makes one segment of each turn, of at most mss bytes.
func segments(turns []turn, mss int) []Segment {
	var all []Segment
	next := [2]uint32{clientISN + 1, serverISN + 1}
	var now time.Duration
	for _, t := range turns {
		for data := []byte(t.data); len(data) > 0; {
			part := data[:min(mss, len(data))]
			data = data[len(part):]
			now += time.Millisecond
			all = append(all, Segment{Side: t.side, Seq: next[t.side], Ack: next[t.side^1], ACK: true, Data: part, Time: now})
			next[t.side] += uint32(len(part))
		}
	}
	for _, side := range []Side{Client, Server} {
		all = append(all, Segment{Side: side, Seq: next[side], Ack: next[side^1], ACK: true, FIN: true, Time: now})
	}
	return all
}

// readAll reads segments and prints what came of them.
func readAll(all []Segment) string {
	var hello string
	c := NewConn(clientISN, serverISN, false, func(h *clienthello.Hello) { hello = h.JA4Raw() })
	for i := range all {
		c.Segment(&all[i])
	}
	return dump(c.Session()) + hello
}

// dump prints a session without what depends on how it was cut into segments. The
// header of a message is among that: it is not read where segments are missing.
func dump(s *Session) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v tls=%d err=%v\n", s.State, s.TLS, s.HelloErr)
	for i := range s.Events {
		e := &s.Events[i]
		text := s.Text(e)
		if e.Kind == Message {
			text = ""
		}
		fmt.Fprintf(&b, "%c %d verb=%d code=%d lines=%d offer=%x len=%d at=%d flags=%x %q\n",
			"CS"[e.Side], e.Kind, e.Verb, e.Code, e.Lines, e.Offer, e.Len, e.At, e.Flags&^(DotAlone|WithData|Gap|HeaderRead), text)
	}
	return b.String()
}

const mail = `
S: 220-mx.example.net ESMTP\r\n220 hello\r\n
C: EHLO client.example.org\r\n
S: 250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250 X-OWN\r\n
C: MAIL FROM:<someone@example.org> SIZE=123 BODY=8BITMIME\r\nRCPT TO:<a@example.net> ORCPT=rfc822;a@example.net\r\nDATA\r\n
S: 250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n
S: 354 go on\r\n
C: Subject: secret\r\n\r\nA secret text of some length, so that it is cut in two or more.\r\n
C: ..\r\n.\r\nQUIT\r\n
S: 250 2.0.0 Ok\r\n
S: 221 Bye\r\n
`

const refused = `
S: 220 mx.example.net ESMTP\r\n
C: EHLO client\r\n
S: 250-mx.example.net\r\n250 STARTTLS\r\n
C: STARTTLS\r\n
S: 454 4.7.0 TLS not available\r\n
C: mail from: <>\r\n
S: 250 Ok\r\n
C: AUTH PLAIN AGFsYWRkaW4Ac2VzYW1l\r\n
S: 235 welcome\r\n
C: AUTH LOGIN\r\n
S: 334 VXNlcm5hbWU6\r\n
C: YWxhZGRpbg==\r\n
S: 334 UGFzc3dvcmQ6\r\n
C: c2VzYW1l\r\n
S: 535 no\r\n
C: c2VzYW1lIG9wZW4=\r\n
S: 500 what\r\n
C: QUIT\r\n
S: 221 Bye\r\n
`

func TestMail(t *testing.T) {
	const want = `closed tls=0 err=<nil>
S 3 verb=20 code=220 lines=2 offer=0 len=37 at=0 flags=400 ""
C 0 verb=2 code=0 lines=0 offer=0 len=23 at=0 flags=0 "EHLO client.example.org"
S 3 verb=2 code=250 lines=5 offer=8007 len=80 at=37 flags=400 ""
C 0 verb=4 code=0 lines=0 offer=0 len=54 at=25 flags=0 "MAIL FROM:<a> SIZE=* BODY=8BITMIME"
C 0 verb=5 code=0 lines=0 offer=0 len=50 at=81 flags=0 "RCPT TO:<a> ORCPT=*"
C 0 verb=6 code=0 lines=0 offer=0 len=4 at=133 flags=0 "DATA"
S 3 verb=4 code=250 lines=1 offer=0 len=14 at=117 flags=400 ""
S 3 verb=5 code=250 lines=1 offer=0 len=14 at=131 flags=400 ""
S 3 verb=6 code=354 lines=1 offer=0 len=11 at=145 flags=400 ""
C 2 verb=0 code=0 lines=0 offer=0 len=91 at=139 flags=400 ""
C 0 verb=10 code=0 lines=0 offer=0 len=4 at=230 flags=0 "QUIT"
S 3 verb=21 code=250 lines=1 offer=0 len=14 at=156 flags=400 ""
S 3 verb=10 code=221 lines=1 offer=0 len=9 at=170 flags=400 ""
C 5 verb=0 code=0 lines=0 offer=0 len=0 at=236 flags=20 ""
S 5 verb=0 code=0 lines=0 offer=0 len=0 at=179 flags=20 ""
`
	if got := readAll(segments(talk(mail), 1460)); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestSTARTTLSRefused goes on in clear, and keeps nothing of passwords.
func TestSTARTTLSRefused(t *testing.T) {
	got := readAll(segments(talk(refused), 1460))
	for _, want := range []string{`"STARTTLS"`, `"mail from: <>"`, `"AUTH PLAIN"`, `"AUTH LOGIN"`, `verb=15 code=535`, `"?"`, `"QUIT"`, "closed tls=0"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
	c := NewConn(clientISN, serverISN, false, nil)
	for _, s := range segments(talk(refused), 3) {
		c.Segment(&s)
	}
	for _, secret := range []string{"AGFs", "YWxh", "c2Vz", "XNlcm"} {
		if strings.Contains(fmt.Sprintf("%+v", c.session), secret) || bytes.Contains(c.session.text, []byte(secret)) {
			t.Errorf("%s is kept", secret)
		}
	}
}

// handshake records what crypto/tls sends in an SMTP session with STARTTLS, or
// with TLS from the first byte.
func handshake(t testing.TB, implicit bool, config *tls.Config) []turn {
	t.Helper()
	var turns []turn
	if !implicit {
		turns = talk(`
S: 220 mx.example.net ESMTP\r\n
C: EHLO client\r\n
S: 250-mx.example.net\r\n250 STARTTLS\r\n
C: STARTTLS\r\n
S: 220 go on\r\n`)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	recorded := func(side Side, c net.Conn) net.Conn { return &recorder{Conn: c, side: side, turns: &turns} }
	cert := certificate(t)
	done := make(chan error, 1)
	go func() {
		s := tls.Server(recorded(Server, b), &tls.Config{Certificates: []tls.Certificate{cert}, CurvePreferences: config.CurvePreferences, MaxVersion: config.MaxVersion})
		_, err := io.Copy(io.Discard, s)
		done <- err
	}()
	c := tls.Client(recorded(Client, a), &tls.Config{InsecureSkipVerify: true, ServerName: "mx.example.net", MaxVersion: config.MaxVersion})
	for _, text := range []string{"EHLO client\r\n", "DATA\r\n", strings.Repeat("x", 3000), "QUIT\r\n"} {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	a.Close()
	<-done
	return turns
}

// recorder keeps what is written, before the other side can read it.
type recorder struct {
	net.Conn
	side  Side
	turns *[]turn
}

func (r *recorder) Write(p []byte) (int, error) {
	lock <- struct{}{}
	*r.turns = append(*r.turns, turn{r.side, string(p)})
	<-lock
	return r.Conn.Write(p)
}

var lock = make(chan struct{}, 1)

// traps are ways in which segments come otherwise than sent.
var traps = map[string]func([]Segment) []Segment{
	"retransmission": func(all []Segment) []Segment {
		var out []Segment
		for i, s := range all {
			out = append(out, s)
			if i%2 == 0 {
				out = append(out, s)
			}
			if i > 3 {
				again := all[i-3]
				again.FIN = false
				out = append(out, again)
			}
		}
		return out
	},
	"overlap": func(all []Segment) []Segment {
		var out []Segment
		for i, s := range all {
			if i > 0 && all[i-1].Side == s.Side && len(s.Data) > 0 { // with the end of the one before
				back := min(len(all[i-1].Data), 7)
				s.Data = append(slices.Clone(all[i-1].Data[len(all[i-1].Data)-back:]), s.Data...)
				s.Seq -= uint32(back)
			}
			out = append(out, s)
		}
		return out
	},
	"reorder": func(all []Segment) []Segment {
		out := slices.Clone(all)
		for i := 1; i < len(out); i++ {
			if out[i].Side == out[i-1].Side && !out[i].FIN {
				out[i], out[i-1] = out[i-1], out[i]
				i++
			}
		}
		return out
	},
	"offloaded": func(all []Segment) []Segment {
		var out []Segment
		for _, s := range all {
			if n := len(out); n > 0 && out[n-1].Side == s.Side && out[n-1].Ack == s.Ack && !s.FIN {
				out[n-1].Data = append(slices.Clone(out[n-1].Data), s.Data...)
				continue
			}
			out = append(out, s)
		}
		return out
	},
	"FIN on the last segment": func(all []Segment) []Segment {
		last := len(all) - 1
		for last >= 0 && !(all[last].Side == Client && len(all[last].Data) > 0) {
			last--
		}
		var out []Segment
		for i, s := range all {
			if s.Side == Client && s.FIN {
				continue
			}
			s.FIN = s.FIN || i == last
			out = append(out, s)
		}
		return out
	},
}

// TestTraps says that a session reads the same however its segments come.
func TestTraps(t *testing.T) {
	for name, turns := range dialogues(t) {
		want := readAll(segments(turns, 1<<15))
		for _, mss := range []int{1, 2, 7, 536, 1460} {
			all := segments(turns, mss)
			if got := readAll(all); got != want {
				t.Errorf("%s: MSS %d: got:\n%s\nwant:\n%s", name, mss, got, want)
			}
			for trap, change := range traps {
				got := readAll(change(slices.Clone(all)))
				if trap == "FIN on the last segment" { // it comes before the server's last word
					got, want := sorted(got), sorted(want)
					if got != want {
						t.Errorf("%s: MSS %d, %s: got:\n%s\nwant:\n%s", name, mss, trap, got, want)
					}
					continue
				}
				if got != want {
					t.Errorf("%s: MSS %d, %s: got:\n%s\nwant:\n%s", name, mss, trap, got, want)
				}
			}
		}
	}
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func dialogues(t testing.TB) map[string][]turn {
	return map[string][]turn{
		"mail":              talk(mail),
		"STARTTLS refused":  talk(refused),
		"STARTTLS":          handshake(t, false, &tls.Config{}),
		"TLS 1.2":           handshake(t, false, &tls.Config{MaxVersion: tls.VersionTLS12}),
		"HelloRetryRequest": handshake(t, false, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}),
		"TLS at once":       handshake(t, true, &tls.Config{}),
	}
}

// TestTLS says what is read once TLS begins.
func TestTLS(t *testing.T) {
	for name, test := range map[string]struct {
		want TLS
	}{"STARTTLS": {StartTLS}, "TLS 1.2": {StartTLS}, "HelloRetryRequest": {StartTLS}, "TLS at once": {SuddenTLS}} {
		var hellos int
		c := NewConn(clientISN, serverISN, false, func(h *clienthello.Hello) {
			hellos++
			if h.ServerName != "mx.example.net" || h.Library().Name != "Go" {
				t.Errorf("%s: hello of %q by %s", name, h.ServerName, h.Library())
			}
		})
		for _, s := range segments(dialogues(t)[name], 536) {
			c.Segment(&s)
		}
		s := c.Session()
		if s.TLS != test.want || hellos != 1 || s.State != Closed {
			t.Errorf("%s: TLS %d, %d hellos, %v", name, s.TLS, hellos, s.State)
		}
		var sizes []uint32
		for _, e := range s.Events {
			if e.Kind == Record && e.Side == Client && e.Code == 23 {
				sizes = append(sizes, e.Len)
			}
		}
		// EHLO, DATA, 3,000 bytes, QUIT, and in TLS 1.3 the Finished before them.
		want := []uint32{13, 6, 3000, 6}
		over := uint32(17)
		if name == "TLS 1.2" {
			over = 24
			if len(sizes) == 4 && sizes[0] == 13+16 {
				over = 16
			}
		} else if len(sizes) > 0 {
			sizes = sizes[1:]
		}
		for i := range want {
			want[i] += over
		}
		if !slices.Equal(sizes, want) {
			t.Errorf("%s: records %d, want %d", name, sizes, want)
		}
	}
}

// TestBlind is a program that waits for nothing: what follows DATA is a message
// to its dot, and commands after it.
func TestBlind(t *testing.T) {
	got := readAll(segments(talk(`
C: HELO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n
S: 220 mx.example.net\r\n250 mx\r\n250 Ok\r\n550 no\r\n503 no\r\n500 what\r\n`), 1460))
	for _, want := range []string{`verb=6 code=503`, `verb=21 code=500`, `"QUIT"`, fmt.Sprintf("C 2 verb=0 code=0 lines=0 offer=0 len=20 at=66 flags=%x", Early|ended)} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
}

// TestLoss says what is lost, and where it does no harm.
func TestLoss(t *testing.T) {
	all := segments(talk(mail), 20)
	whole := readAll(all)
	for i := range all {
		if len(all[i].Data) == 0 {
			continue
		}
		got := readAll(slices.Delete(slices.Clone(all), i, i+1))
		inMessage := all[i].Side == Client && all[i].Seq-clientISN-1 >= 140 && all[i].Seq-clientISN-1 <= 190
		if inMessage && got != whole {
			t.Errorf("segment %d, of the message, is lost: got:\n%s", i, got)
		}
		if !inMessage && !strings.HasPrefix(got, "lost") && !strings.HasPrefix(got, "reading") && got != whole {
			t.Errorf("segment %d is lost: got:\n%s", i, got)
		}
	}
}

// TestAcknowledged says what a client had heard when it spoke.
func TestAcknowledged(t *testing.T) {
	all := segments(talk(mail), 1460)
	// The client says MAIL before it has heard the reply to EHLO, and says so
	// again later with a newer acknowledgment: the first counts.
	for i := range all {
		if bytes.HasPrefix(all[i].Data, []byte("MAIL")) {
			again := all[i]
			all[i].Ack = all[i-2].Ack
			all = slices.Insert(all, i+1, again)
			break
		}
	}
	c := NewConn(clientISN, serverISN, false, nil)
	for i := range all {
		c.Segment(&all[i])
	}
	for i := range c.session.Events {
		if e := &c.session.Events[i]; e.Verb == MAIL && e.Kind == Command && e.Ack != 37 {
			t.Errorf("MAIL acknowledges %d bytes, want the 37 of the greeting", e.Ack)
		}
	}
}

// pieces is a parser that keeps what it gets.
type pieces struct {
	data [2][]byte
	lost [2]int
	end  bool
}

func (p *pieces) read(piece *piece) {
	if piece.lost > 0 {
		p.lost[piece.side] += int(piece.lost)
	}
	p.data[piece.side] = append(p.data[piece.side], piece.data...)
}
func (p *pieces) slack(Side) uint32                  { return 0 }
func (p *pieces) fin(*Segment, uint32, uint32, bool) {}
func (p *pieces) reset(*Segment, uint32, uint32)     {}
func (p *pieces) stop(State)                         { p.end = true }
func (p *pieces) done() bool                         { return p.end }
func (p *pieces) bytes() int                         { return 0 }

// TestDifferential compares the reassembly with a model: an array in which each
// segment writes what no other has written. Segments are cut, doubled, joined,
// shuffled within a window, and differ where they overlap.
func TestDifferential(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 23))
		size := 1 + r.IntN(400)
		model := make([]int16, size)
		for i := range model {
			model[i] = -1
		}
		var all []Segment
		for at := 0; at < size; {
			n := min(1+r.IntN(60), size-at)
			all = append(all, Segment{Side: Client, Seq: clientISN + 1 + uint32(at), ACK: true, Data: random(r, n)})
			if r.IntN(3) == 0 { // again, from elsewhere, to elsewhere, of other bytes
				from := r.IntN(at + 1)
				all = append(all, Segment{Side: Client, Seq: clientISN + 1 + uint32(from), ACK: true, Data: random(r, min(size-from, 1+r.IntN(80)))})
			}
			at += n
		}
		for i := range all { // by at most three places
			j := min(len(all)-1, i+r.IntN(4))
			all[i], all[j] = all[j], all[i]
		}
		p := new(pieces)
		c := NewConn(clientISN, serverISN, false, nil)
		c.parser = p
		for i := range all {
			at := int(all[i].Seq - clientISN - 1)
			for j, b := range all[i].Data {
				if model[at+j] < 0 {
					model[at+j] = int16(b)
				}
			}
			c.Segment(&all[i])
		}
		var want []byte
		for _, b := range model {
			want = append(want, byte(b))
		}
		if p.lost[Client] == 0 && !bytes.Equal(p.data[Client], want) {
			t.Fatalf("seed %d: got\n% x\nwant\n% x", seed, p.data[Client], want)
		}
		if p.lost[Client] != 0 {
			t.Fatalf("seed %d: %d bytes lost", seed, p.lost[Client])
		}
	}
}

func random(r *rand.Rand, n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

func FuzzConn(f *testing.F) {
	for _, turns := range dialogues(f) {
		var text []byte
		for _, s := range segments(turns, 300) {
			text = append(text, byte(s.Side), byte(s.Seq-clientISN), byte(len(s.Data)>>8), byte(len(s.Data)))
			text = append(text, s.Data...)
		}
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text []byte, implicit bool) {
		c := NewConn(clientISN, serverISN, implicit, func(h *clienthello.Hello) { h.JA4() })
		next := [2]uint32{clientISN + 1, serverISN + 1}
		for len(text) > 4 {
			side := Side(text[0] & 1)
			n := min(int(text[2]&7)<<8|int(text[3]), len(text)-4)
			s := Segment{Side: side, Seq: next[side] + uint32(int8(text[1])&int8(text[0]>>1|1)), Ack: next[side^1], ACK: text[0]&64 == 0,
				FIN: text[0]&128 != 0, Data: text[4 : 4+n]}
			next[side] = s.Seq + uint32(n)
			c.Segment(&s)
			if b := c.Bytes(); b > MaxConnBytes+growEvents*eventBytes {
				t.Fatalf("%d bytes", b)
			}
			text = text[4+n:]
		}
		dump(c.Session())
	})
}
