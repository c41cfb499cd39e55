package conduct

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
)

const (
	clientISN = 0xfffffff0 // so that positions wrap
	serverISN = 12345
)

// segments makes a segment of each line of a script. "C:" and "S:" have received
// all that stands above them, "C@37:" no more than 37 bytes. \r and \n are
// escaped; FIN and RST stand for themselves, and "RST alone" for one without ACK.
func segments(script string, mss int) []stream.Segment {
	var out []stream.Segment
	next := [2]uint32{clientISN + 1, serverISN + 1}
	now := time.Duration(0)
	for line := range strings.Lines(strings.TrimSpace(script)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		who, text, _ := strings.Cut(line, ": ")
		text = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00", `\x16`, "\x16\x03\x01").Replace(text)
		side := stream.Client
		if who[0] == 'S' {
			side = stream.Server
		}
		ack := next[side^1]
		if _, at, ok := strings.Cut(who, "@"); ok {
			n, err := strconv.Atoi(at)
			if err != nil {
				panic(err)
			}
			ack = serverISN + 1 + uint32(n)
		}
		now += time.Millisecond
		if text == "RST alone" {
			out = append(out, stream.Segment{Side: side, Seq: next[side], RST: true, Time: now})
			continue
		}
		if text == "FIN" || text == "RST" {
			out = append(out, stream.Segment{Side: side, Seq: next[side], Ack: ack, ACK: true, FIN: text == "FIN", RST: text == "RST", Time: now})
			if text == "FIN" {
				next[side]++
			}
			continue
		}
		for data := []byte(text); len(data) > 0; {
			part := data[:min(mss, len(data))]
			data = data[len(part):]
			out = append(out, stream.Segment{Side: side, Seq: next[side], Ack: ack, ACK: true, Data: part, Time: now})
			next[side] += uint32(len(part))
		}
	}
	return out
}

func read(all []stream.Segment) *stream.Session {
	c := stream.NewConn(clientISN, serverISN, false, nil)
	for i := range all {
		c.Segment(&all[i])
	}
	return c.Session()
}

func ids(f note.Findings) string {
	var list []string
	for _, x := range f.List {
		list = append(list, x.ID)
	}
	return strings.Join(list, " ")
}

// with is a dialogue that goes on after EHLO was answered with an offer.
func with(offer, rest string) string {
	return `S: 220 mx.example.net ESMTP\r\n
		C: EHLO client.example.org\r\n
		S: 250-mx.example.net\r\n` + offer + `250 HELP\r\n
		` + rest
}

const pipe = `250-PIPELINING\r\n`

func bye(rest string) string {
	return rest + "\nC: QUIT\\r\\n\nS: 221 bye\\r\\n\nS: FIN\nC: FIN\n"
}

// mailAndRcpt are what groups of commands begin with.
const mailAndRcpt = `MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n`

var cases = []struct {
	name, script, want string
}{
	// What must not be found.
	{"an honest mail", bye(with(pipe, `C: `+mailAndRcpt+`DATA\r\n
		S: 250 ok\r\n250 ok\r\n354 go on\r\n
		C: Subject: x\r\n\r\nHello.\r\n.\r\n
		S: 250 queued\r\n`)), ""},
	{"one reply at a time", bye(with("", `C: MAIL FROM:<a@example.org>\r\n
		S: 250 ok\r\n
		C: RCPT TO:<b@example.net>\r\n
		S: 250 ok\r\n
		C: DATA\r\n
		S: 354 go on\r\n
		C: Subject: x\r\n\r\nHello.\r\n.\r\n
		S: 250 queued\r\n`)), ""},
	{"a greeting in two segments", "S: 220 mx.exa\nS: mple.net ESMTP\\r\\n\nC: EHLO x\\r\\n\nS: 250 ok\\r\\n\n" + bye(""), ""},
	{"a chunk in a group", bye(with(pipe+`250-CHUNKING\r\n`, `C: `+mailAndRcpt+`BDAT 4 LAST\r\na\nb\n
		S: 250 ok\r\n250 ok\r\n250 ok\r\n`)), ""},
	{"the next mail in the group of a message", bye(with(pipe, `C: `+mailAndRcpt+`DATA\r\n
		S: 250 ok\r\n250 ok\r\n354 go on\r\n
		C: Hello.\r\n.\r\n`+mailAndRcpt+`DATA\r\n
		S: 250 queued\r\n250 ok\r\n250 ok\r\n354 go on\r\n
		C: Hello.\r\n.\r\n
		S: 250 queued\r\n`)), ""},
	{"QUIT in the group of a message", with(pipe, `C: `+mailAndRcpt+`DATA\r\n
		S: 250 ok\r\n250 ok\r\n354 go on\r\n
		C: Hello.\r\n.\r\nQUIT\r\n
		C: FIN
		S: 250 queued\r\n221 bye\r\n
		S: FIN`), ""},
	{"AUTH", bye(with(`250-AUTH LOGIN\r\n`, `C: AUTH LOGIN\r\n
		S: 334 VXNlcm5hbWU6\r\n
		C: YQ==\r\n
		S: 334 UGFzc3dvcmQ6\r\n
		C: Yg==\r\n
		S: 235 ok\r\n
		C: MAIL FROM:<a@example.org> AUTH=<>\r\n
		S: 250 ok\r\n`)), ""},
	{"STARTTLS refused", bye(with(`250-STARTTLS\r\n`, `C: STARTTLS\r\n
		S: 454 not now\r\n
		C: MAIL FROM:<a@example.org>\r\n
		S: 250 ok\r\n`)), ""},
	{"DATA refused", bye(with(pipe, `C: `+mailAndRcpt+`DATA\r\n
		S: 250 ok\r\n550 no\r\n554 no\r\n
		C: RSET\r\n
		S: 250 ok\r\n`)), ""},
	{"the server hangs up", with("", "S: 421 too busy\\r\\n\nS: FIN\nC: FIN"), ""},
	{"the server ends without a word", with("", "S: FIN\nC: FIN"), ""},
	{"reset after the server's end", with("", "S: FIN\nC: RST"), ""},
	{"a load balancer, version 1", "C@0: PROXY TCP4 192.0.2.1 192.0.2.2 1 25\\r\\n\nS: 220 mx\\r\\n\n" + bye(""), ""},
	{"a load balancer, version 2", "C@0: \\r\\n\\r\\n\\0\\r\\nQUIT\\n\nS: 220 mx\\r\\n\n" + bye(""), ""},
	{"one RSET a mail", bye(with("", strings.Repeat("C: RSET\\r\\n\nS: 250 ok\\r\\n\nC: MAIL FROM:<>\\r\\n\nS: 250 ok\\r\\n\n", 6))), ""},
	{"the same name twice", bye(with("", `C: EHLO CLIENT.example.org\r\n
		S: 250 ok\r\n`)), ""},

	// What must be found.
	{"before the greeting", "C@0: EHLO x\\r\\n\nS: 220 mx\\r\\n250 ok\\r\\n\n" + bye(""), EarlyTalker},
	{"within the only line", "S: 220 mx.example.net ESMTP\\r\\n\nC@5: EHLO x\\r\\n\nS: 250 ok\\r\\n\n" + bye(""), EarlyTalker},
	{"after a teaser", "S: 220-mx ESMTP\\r\\n\nC: EHLO x\\r\\n\nS: 220 mx ESMTP\\r\\n\nS: 250 ok\\r\\n\n" + bye(""), GreetingTalker},
	{"all at once", "C@0: EHLO x\\r\\n" + mailAndRcpt + "DATA\\r\\nHello.\\r\\n.\\r\\nQUIT\\r\\n\n" + `S: 220 mx\r\n250-mx\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n221 bye\r\n
		S: FIN
		C: FIN`, EarlyTalker + " " + Pipelining + " " + DataEarly},
	{"no server in sight", "C@0: EHLO x\\r\\nMAIL FROM:<>\\r\\n\nC: FIN\n", EarlyTalker + " " + Pipelining},
	{"blind without an offer", bye(with("", `C: `+mailAndRcpt+`
		S: 250 ok\r\n250 ok\r\n`)), Pipelining},
	{"blind after EHLO", "S: 220 mx.example.net ESMTP\\r\\n\nC: EHLO x\\r\\n\nC: MAIL FROM:<>\\r\\n\nS: 250-mx\\r\\n250 PIPELINING\\r\\n\nS: 250 ok\\r\\n\n" + bye(""), Pipelining},
	{"EHLO in the middle of a group", bye(with(pipe, `C: EHLO client.example.org\r\nMAIL FROM:<>\r\n
		S: 250-mx\r\n250 PIPELINING\r\n250 ok\r\n`)), PipeliningOrder},
	{"NOOP in the middle of a group", bye(with(pipe, `C: NOOP\r\nMAIL FROM:<>\r\n
		S: 250 ok\r\n250 ok\r\n`)), PipeliningOrder},
	{"a message that waits for nothing", bye(with(pipe, `C: `+mailAndRcpt+`DATA\r\n
		S: 250 ok\r\n250 ok\r\n
		C: Hello.\r\n.\r\n
		S: 354 go on\r\n
		S: 250 queued\r\n`)), DataEarly},
	{"a command injected before TLS", with(`250-STARTTLS\r\n`, `C: STARTTLS\r\nRSET\r\n
		S: 220 go on\r\n`), StartTLSEarly},
	{"a ClientHello that does not wait", with(`250-STARTTLS\r\n`, `C: STARTTLS\r\n
		C: \x16\0\0
		S: 220 go on\r\n`), StartTLSEarly},
	{"a ClientHello on port 25", "S: 220 mx\\r\\n\nC: \\x16\\0\\0\n", SuddenTLS},
	{"a ClientHello at once", "C@0: \\x16\\0\\0\nS: 220 mx\\r\\n\n", EarlyTalker + " " + SuddenTLS},
	{"HTTP", "S: 220 mx\\r\\n\nC: GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\n", Pipelining + " " + NonSMTP},
	{"a header", bye(with("", "C: Subject: x\\r\\n\nS: 500 what\\r\\n")), NonSMTP},
	{"bytes", bye(with("", "C: \\0x\\r\\n\nS: 500 what\\r\\n")), NonSMTP},
	{"no command", bye(with("", "C: HELLO x\\r\\n\nS: 500 what\\r\\n")), UnknownCommand},
	{"STARTTLS not offered", bye(with("", "C: STARTTLS\\r\\n\nS: 500 what\\r\\n")), NotOffered},
	{"SIZE not offered", bye(with("", "C: MAIL FROM:<> size=1\\r\\n\nS: 555 what\\r\\n")), NotOffered},
	{"BODY after HELO", "S: 220 mx\\r\\n\nC: HELO x\\r\\n\nS: 250 ok\\r\\n\nC: MAIL FROM:<> BODY=7BIT\\r\\n\nS: 555 no\\r\\n\n" + bye(""), NotOffered},
	{"bare LF", bye(with("", "C: MAIL FROM:<>\\n\nS: 250 ok\\r\\n")), BareLF},
	{"bare CR", bye(with("", "C: MAIL\\r FROM:<>\\r\\n\nS: 250 ok\\r\\n")), BareCR},
	{"bare line ends in a message", bye(with(pipe, `C: `+mailAndRcpt+`DATA\r\n
		S: 250 ok\r\n250 ok\r\n354 go on\r\n
		C: a\nb\rc\r\n.\r\n
		S: 250 queued\r\n`)), BareLFInMessage + " " + BareCRInMessage},
	{"after QUIT", with("", "C: QUIT\\r\\n\nS: 221 bye\\r\\n\nC: NOOP\\r\\n\nS: FIN\nC: FIN"), AfterQuit},
	{"a FIN in the middle", with("", "C: FIN\nS: FIN"), NoQuit},
	{"a reset in the middle", with("", "C: MAIL FROM:<>\\r\\n\nS: 250 ok\\r\\n\nC: RST"), NoQuit},
	{"a port scan", "S: 220 mx\\r\\n\nC: RST", NoQuit},
	{"HELO after EHLO", "S: 220 mx\\r\\n\nC: EHLO x\\r\\n\nS: 502 no\\r\\n\nC: HELO x\\r\\n\nS: 250 ok\\r\\n\n" + bye(""), HELOAfterRefusal},
	{"another name", bye(with("", "C: EHLO other.example.org\\r\\n\nS: 250 ok\\r\\n")), HelloRenamed},
	{"RSET storm", bye(with("", strings.Repeat("C: RSET\\r\\n\nS: 250 ok\\r\\n\n", 6))), RSETStorm},
	{"NOOP storm", bye(with("", strings.Repeat("C: NOOP\\r\\n\nS: 250 ok\\r\\n\n", 20))), NOOPStorm},
}

func TestRead(t *testing.T) {
	for _, tt := range cases {
		for _, mss := range []int{1 << 15, 7, 1} {
			got := Read(read(segments(tt.script, mss)))
			if ids(got) != tt.want {
				t.Errorf("%s, %d bytes a segment: %+v, want %q", tt.name, mss, got, tt.want)
			}
		}
	}
}

// TestResetAlone: a reset without acknowledgement comes from a host that has no
// such socket any more. How that was closed is not known, after QUIT of no matter.
func TestResetAlone(t *testing.T) {
	for script, want := range map[string]note.Progress{
		with("", "C: RST alone"):                                  note.NotKnown,
		with("", "C: QUIT\\r\\n\nS: 221 bye\\r\\n\nC: RST alone"): note.Complete,
	} {
		if got := Read(read(segments(script, 1<<15))); got.State != want || len(got.List) > 0 {
			t.Errorf("%q: %+v, want nothing found and %v", script, got, want)
		}
	}
}

// TestKinds: each finding there may be is one of the cases.
func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		if !slices.ContainsFunc(cases, func(c struct{ name, script, want string }) bool {
			return slices.Contains(strings.Fields(c.want), k.ID)
		}) {
			t.Errorf("no case finds %s", k.ID)
		}
	}
}

// ways are how segments may come otherwise than sent.
var ways = map[string]func(*rand.Rand, []stream.Segment) []stream.Segment{
	"duplicated": func(r *rand.Rand, all []stream.Segment) []stream.Segment {
		var out []stream.Segment
		for _, s := range all {
			out = append(out, s)
			if len(s.Data) > 0 && r.IntN(2) == 0 {
				out = append(out, s)
			}
		}
		return out
	},
	"sent again later, with what was received by then": func(r *rand.Rand, all []stream.Segment) []stream.Segment {
		var acked [2]uint32
		var out []stream.Segment
		for i, s := range all {
			acked[s.Side] = s.Ack
			out = append(out, s)
			if i >= 3 && !s.RST {
				if old := all[i-r.IntN(3)]; len(old.Data) > 0 && acked[old.Side] != 0 {
					old.Ack = acked[old.Side]
					out = append(out, old)
				}
			}
		}
		return out
	},
	"delayed and reordered": func(r *rand.Rand, all []stream.Segment) []stream.Segment {
		out := slices.Clone(all)
		for i := 1; i < len(out); i++ {
			if out[i].Side == out[i-1].Side && !out[i].FIN && !out[i].RST && r.IntN(2) == 0 {
				out[i], out[i-1] = out[i-1], out[i]
				i++
			}
		}
		return out
	},
	"joined": func(_ *rand.Rand, all []stream.Segment) []stream.Segment {
		var out []stream.Segment
		for _, s := range all {
			if n := len(out); n > 0 && out[n-1].Side == s.Side && out[n-1].Ack == s.Ack && !s.FIN && !s.RST {
				out[n-1].Data = append(slices.Clone(out[n-1].Data), s.Data...)
				continue
			}
			out = append(out, s)
		}
		return out
	},
}

// TestWays: however the segments come, the findings are the same.
func TestWays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, tt := range cases {
		for name, way := range ways {
			for _, mss := range []int{1, 5, 1460} {
				got := Read(read(way(r, segments(tt.script, mss))))
				if ids(got) != tt.want {
					t.Errorf("%s, %s, %d bytes a segment: %+v, want %q", tt.name, name, mss, got, tt.want)
				}
			}
		}
	}
}

// TestOutOfStep: the two directions of a capture may be out of step with each
// other by a segment. Less may be known then, and nothing is made up.
func TestOutOfStep(t *testing.T) {
	for _, tt := range cases {
		for _, mss := range []int{7, 1460} {
			all := segments(tt.script, mss)
			for i := 1; i < len(all); i++ {
				swapped := slices.Clone(all)
				swapped[i], swapped[i-1] = swapped[i-1], swapped[i]
				subset(t, tt.name+" out of step", tt.want, Read(read(swapped)), mss)
			}
		}
	}
}

// TestLost drops each segment, and each direction: what is found is a part of
// what was there, and Complete is not said of the incomplete.
func TestLost(t *testing.T) {
	for _, tt := range cases {
		for _, mss := range []int{7, 1460} {
			all := segments(tt.script, mss)
			for i := range all {
				if len(all[i].Data) == 0 {
					continue
				}
				got := Read(read(slices.Delete(slices.Clone(all), i, i+1)))
				subset(t, tt.name+" with a loss", tt.want, got, mss)
				if got.State == note.Complete && ids(got) != tt.want {
					t.Errorf("%s, segment %d lost: complete with %q, want %q", tt.name, i, ids(got), tt.want)
				}
			}
			for _, side := range []stream.Side{stream.Client, stream.Server} {
				got := Read(read(slices.DeleteFunc(slices.Clone(all), func(s stream.Segment) bool { return s.Side == side })))
				subset(t, tt.name+" with one direction", tt.want, got, mss)
			}
		}
	}
}

// optional are the findings that say what was not seen as well.
func subset(t *testing.T, what, want string, got note.Findings, mss int) {
	t.Helper()
	for _, f := range got.List {
		if !slices.Contains(strings.Fields(want), f.ID) {
			t.Errorf("%s, %d bytes a segment: %+v, want no more than %q", what, mss, f, want)
		}
	}
}

// TestReading: while a session is read, what is found so far is listed.
func TestReading(t *testing.T) {
	all := segments("C@0: EHLO x\\r\\n\nS: 220 mx\\r\\n250 ok\\r\\n\nC: MAI\n", 1460)
	got := Read(read(all))
	if got.State != note.Reading || ids(got) != EarlyTalker {
		t.Errorf("Read = %+v, want reading and %s alone", got, EarlyTalker)
	}
}

// TestEvidence: evidence is short and printable, whatever a client sends.
func TestEvidence(t *testing.T) {
	all := segments(`C@0: EHLO a"b\r`+strings.Repeat("x", 300)+"\x01\xff\\r\\n\nS: 220 mx\\r\\n250 ok\\r\\n\n", 1460)
	got := Read(read(all))
	if len(got.List) != 2 {
		t.Fatalf("Read = %+v, want %s and %s", got, EarlyTalker, BareCR)
	}
	for _, f := range got.List {
		if len(f.Evidence) > 120 || strings.Count(f.Evidence, `"`) != 2 || strings.ContainsFunc(f.Evidence, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("evidence %q: want it short, printable, and its quotes in pairs", f.Evidence)
		}
	}
	if want := `, acknowledged 0 of 8`; !strings.Contains(got.List[0].Evidence, want) {
		t.Errorf("evidence %q, want %q in it", got.List[0].Evidence, want)
	}
}

// TestAllocations: a session without a finding costs no memory.
func TestAllocations(t *testing.T) {
	s := read(segments(cases[0].script, 1460))
	if n := testing.AllocsPerRun(100, func() { Read(s) }); n > 0 {
		t.Errorf("%v allocations a session, want none", n)
	}
}

func BenchmarkRead(b *testing.B) {
	s := read(segments(cases[0].script, 1460))
	b.ReportAllocs()
	for b.Loop() {
		Read(s)
	}
}

// FuzzRead: whatever the segments are, Read returns, and its evidence is
// printable.
func FuzzRead(f *testing.F) {
	for _, tt := range cases {
		f.Add(tt.script, uint8(5))
	}
	f.Fuzz(func(t *testing.T, script string, mss uint8) {
		var lines []string
		for _, l := range strings.Split(script, "\n") {
			if l = strings.TrimSpace(l); strings.HasPrefix(l, "C: ") || strings.HasPrefix(l, "S: ") {
				lines = append(lines, l)
			}
		}
		if len(lines) == 0 || len(script) > 1<<14 {
			return
		}
		for _, x := range Read(read(segments(strings.Join(lines, "\n"), int(mss)+1))).List {
			if len(x.Evidence) > 200 || strings.ContainsFunc(x.Evidence, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("evidence %q", x.Evidence)
			}
		}
	})
}
