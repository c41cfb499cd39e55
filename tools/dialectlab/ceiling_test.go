package main

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/clienthello"
	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/stream"
)

// TestCeiling counts the sessions that any reader could name alone: those of
// which no session of another engine looks the same. Where it may name one of a
// hundred sessions wrong, it also names those that mostly one engine has.
// docs/score.md has the figures.
func TestCeiling(t *testing.T) {
	var all [2][]seen
	for _, s := range look(t) {
		i := 0
		if s.print.TLSUsed {
			i = 1
		}
		all[i] = append(all[i], s)
	}
	for _, test := range []struct {
		name  string
		views []func(*seen) string
		want  [2][2]float64 // clear and TLS: alone, and with 1 % wrong
	}{
		{"dialect before the message", []func(*seen) string{noHeader}, [2][2]float64{{57.9, 63.1}, {84.1, 88.4}}},
		{"dialect", []func(*seen) string{fields}, [2][2]float64{{81.0, 84.4}, {84.1, 88.4}}},
		{"conversation", []func(*seen) string{noHeader, conversation}, [2][2]float64{{63.3, 68.0}, {93.0, 96.3}}},
		{"and packets", []func(*seen) string{noHeader, conversation, packets}, [2][2]float64{{67.4, 71.8}, {95.4, 97.4}}},
		{"dialect, message length", []func(*seen) string{fields, length}, [2][2]float64{{84.9, 87.1}, {84.1, 88.4}}},
	} {
		for i, kind := range []string{"clear", "TLS"} {
			c := ceiling(all[i], test.views)
			t.Logf("%-5s %-26s %v", kind, test.name, c)
			if got, want := [2]float64{c.percent(c.n - c.shared), c.percent(c.guessed)}, test.want[i]; math.Abs(got[0]-want[0]) > 0.051 || math.Abs(got[1]-want[1]) > 0.051 {
				t.Errorf("%s, %s: %.1f %% alone, %.1f %% with 1 %% wrong; docs/score.md has %v", kind, test.name, got[0], got[1], want)
			}
		}
	}
}

// seen is a session with all that its packets show.
type seen struct {
	*spoken
	session *stream.Session
	hello   *clienthello.Hello
	frames  []*frame // of both sides
}

// look reads the sessions of programs again, with their packets.
func look(t *testing.T) []seen {
	t.Helper()
	byFile := make(map[string]map[string]*spoken)
	for _, s := range where(sessions(t), (*spoken).named) {
		if byFile[s.File] == nil {
			byFile[s.File] = make(map[string]*spoken)
		}
		byFile[s.File][s.Client+">"+s.Server] = s
	}
	var all []seen
	for file, of := range byFile {
		byKey := make(map[string]*seen)
		frames, err := readConnections(filepath.Join("data", file), func(key string, s *stream.Session, h *clienthello.Hello) {
			if of[key] != nil {
				byKey[key] = &seen{spoken: of[key], session: s, hello: h}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			for _, key := range []string{f.src.String() + ">" + f.dst.String(), f.dst.String() + ">" + f.src.String()} {
				if byKey[key] != nil {
					byKey[key].frames = append(byKey[key].frames, f)
				}
			}
		}
		for _, s := range byKey {
			all = append(all, *s)
		}
	}
	return all
}

// limits are how many sessions can be named, of n.
type limits struct {
	n, shared, guessed int
	twice              int            // not shared, and met in two sessions of the engine
	ends               map[string]int // shared, by where the session ends
}

func (l *limits) percent(n int) float64 { return 100 * float64(n) / float64(max(1, l.n)) }

func (l *limits) String() string {
	return fmt.Sprintf("%d sessions: alone %.1f %%, of these met twice %.1f %%; with 1 %% wrong %.1f %%; shared by end %v",
		l.n, l.percent(l.n-l.shared), l.percent(l.twice), l.percent(l.guessed), l.ends)
}

// ceiling compares sessions by what some views show together.
func ceiling(all []seen, views []func(*seen) string) *limits {
	keys := make([]string, len(all))
	engines := make(map[string]map[string]int) // by key
	for i := range all {
		for _, view := range views {
			keys[i] += view(&all[i]) + "\n"
		}
		if engines[keys[i]] == nil {
			engines[keys[i]] = make(map[string]int)
		}
		engines[keys[i]][all[i].Engine]++
	}
	l := &limits{n: len(all), ends: make(map[string]int)}
	for i := range all {
		switch of := engines[keys[i]]; {
		case len(of) > 1:
			l.shared++
			l.ends[ends(&all[i])]++
		case of[all[i].Engine] > 1:
			l.twice++
		}
	}
	type guess struct{ right, wrong int }
	var guesses []guess
	for _, of := range engines {
		g := guess{}
		for _, n := range of {
			g.right, g.wrong = max(g.right, n), g.wrong+n
		}
		g.wrong -= g.right
		guesses = append(guesses, g)
	}
	slices.SortFunc(guesses, func(a, b guess) int {
		return cmp.Or(cmp.Compare(a.wrong*b.right, b.wrong*a.right), cmp.Compare(a.right, b.right))
	})
	wrong := 0
	for _, g := range guesses {
		if wrong += g.wrong; wrong*100 > l.n {
			break
		}
		l.guessed += g.right
	}
	return l
}

// ends says how far a session came.
func ends(s *seen) string {
	answered, refused, end := false, false, "before MAIL"
	for i := range s.session.Events {
		switch e := &s.session.Events[i]; {
		case e.Kind == stream.Message:
			return "message"
		case e.Kind == stream.Command && e.Verb == stream.MAIL:
			end = "MAIL"
		case e.Kind == stream.Command && e.Verb == stream.RCPT:
			end, answered = "RCPT", true
		case e.Kind == stream.Reply && e.Code >= 400 && answered:
			refused = true
		}
	}
	if refused {
		return "recipient refused"
	}
	return end
}

// fields is the dialect, of the names of hosts their being one. A header that the
// lab wrote is left out.
func fields(s *seen) string {
	if s.Given {
		return noHeader(s)
	}
	return helloForm(s)
}

func helloForm(s *seen) string {
	hello := string(s.print.Get(dialect.Hello))
	return strings.Replace(s.print.String(), "hello="+hello+";", "hello="+helloTerm(hello)+";", 1)
}

// noHeader is the dialect of what comes before the message, and after it.
func noHeader(s *seen) string {
	text := helloForm(s)
	if header := string(s.print.Get(dialect.Header)); header != "" {
		text = strings.Replace(text, ";header="+header, "", 1)
	}
	return text
}

// conversation is all that a client said but for the message: each word, without
// addresses, names and numbers. With it are what the server said before, which
// lines came in one segment, what the client had received, a class of its
// silence, how it ended, and all of its ClientHello but names and random bytes.
func conversation(s *seen) string {
	var b strings.Builder
	var last *stream.Event // of the client
	var replies []uint32   // where they end
	replied := uint32(0)
	for i := range s.session.Events {
		e := &s.session.Events[i]
		if e.Side == stream.Server {
			fmt.Fprintf(&b, "\n%d %d", e.Kind, e.Code)
			replies, replied = append(replies, e.At+e.Len), e.Millis
			continue
		}
		waiting := len(replies)
		for _, end := range replies {
			if int32(e.Ack-end) >= 0 {
				waiting--
			}
		}
		fmt.Fprintf(&b, "\n%v %d %x", last != nil && e.Segment == last.EndSegment && e.Kind < stream.Record, waiting, e.Flags&^(stream.EightBit|stream.HeaderRead))
		switch e.Kind {
		case stream.Command, stream.AuthLine:
			silence := e.Millis - replied
			fmt.Fprint(&b, silence >= 100, silence >= 1000, silence >= 10000, greetingLine(s.session.Text(e)))
		case stream.Record:
			fmt.Fprint(&b, e.Code)
		}
		last = e
	}
	if h := s.hello; h != nil {
		fmt.Fprint(&b, h.RecordVersion, h.Version, h.SessionID, h.Ciphers, h.Compression, h.Extensions, h.Versions, h.Groups, h.KeyShares,
			h.SignatureAlgorithms, h.PointFormats, h.ALPN)
	}
	return b.String()
}

// greetingLine is a line without the name of a host after EHLO.
func greetingLine(line string) string {
	f := dialect.OfLines([]string{line}, false)
	if v := f.Get(dialect.Hello); v != nil {
		return helloTerm(string(v))
	}
	return line
}

// packets is how the client's packets look: the SYN, the flags of those with
// data, and on both sides FIN and RST.
func packets(s *seen) string {
	var b strings.Builder
	for _, f := range s.frames {
		mine := f.src.String() == s.Client
		switch {
		case mine && f.flags&0x12 == 2:
			b.WriteString(opening(f))
		case f.flags&5 != 0, mine && len(f.payload) > 0:
			fmt.Fprint(&b, " ", mine, f.flags, len(f.payload) > 0)
		}
	}
	return b.String()
}

// opening is a SYN: TOS, TTL, window, and the options without times.
func opening(f *frame) string {
	ip, ttl, tcp := f.data[14:], f.data[21], f.data[54:] // IPv6
	if ip[0]>>4 == 4 {
		ttl, tcp = ip[8], ip[int(ip[0]&15)*4:]
	}
	options := slices.Clone(tcp[20 : int(tcp[12]>>4)*4])
	for i := 0; i+1 < len(options); {
		switch kind := options[i]; {
		case kind <= 1:
			i++
			continue
		case kind == 8 && i+10 <= len(options): // RFC 7323 §3.2
			clear(options[i+2 : i+10])
		}
		i += max(2, int(options[i+1]))
	}
	return fmt.Sprintf("%x %d %x %x", ip[1], ttl, tcp[14:16], options)
}

// length is that of each message in clear: it stands for what a message's own
// words could show.
func length(s *seen) string {
	var b strings.Builder
	for i := range s.session.Events {
		if e := &s.session.Events[i]; e.Kind == stream.Message {
			fmt.Fprint(&b, " ", e.Len)
		}
	}
	return b.String()
}
