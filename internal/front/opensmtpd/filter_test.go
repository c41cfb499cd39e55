package opensmtpd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/note"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// byPort names each client after its port, and knows none with port 9.
type byPort struct{}

func (byPort) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	if q.Client.Port() == 9 {
		return note.Note{State: note.NotSeen}, nil
	}
	return note.Note{
		State: note.Matched, OSName: "Linux", OSFlavor: fmt.Sprint("of ", q.Client), LinkType: "Ethernet",
		Distance: note.Hops(1), TotalConn: 1, ByConnection: true,
	}, nil
}

// after answers as byPort, later.
type after struct{ time.Duration }

func (a after) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	select {
	case <-time.After(a.Duration):
		return byPort{}.Lookup(ctx, q)
	case <-ctx.Done():
		return note.Note{}, ctx.Err()
	}
}

const hello = "config|smtpd-version|6.8.0p2\nconfig|smtp-session-timeout|300\nconfig|subsystem|smtp-in\nconfig|admd|mx\nconfig|ready\n"

const registers = "register|report|smtp-in|link-connect\nregister|report|smtp-in|link-disconnect\n" +
	"register|report|smtp-in|tx-begin\nregister|filter|smtp-in|data-line\nregister|ready\n"

// TestDialogues: testdata/*.in is what smtpd writes, in recorded.in that of
// OpenSMTPD 6.8 with other names and addresses; .out is what the filter writes.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := dialogue(t, &Filter{Lookuper: byPort{}}, string(in))
			golden := strings.TrimSuffix(file, "in") + "out"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// dialogue writes the lines to the filter one by one, each when the one before
// has been dealt with, and returns what the filter wrote.
func dialogue(t *testing.T, f *Filter, in string) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		near, far := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- f.Run(t.Context(), near, &out) }()
		for line := range strings.Lines(in) {
			io.WriteString(far, line)
			synctest.Wait()
		}
		far.Close()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil at the end of the input", err)
		}
	})
	return out.String()
}

// mail is what smtpd writes for one mail.
func mail(session string, lines ...string) string {
	var b strings.Builder
	for _, l := range append(lines, ".") {
		fmt.Fprintf(&b, "filter|0.7|1576146008.006099|smtp-in|data-line|%s|7641dfb3798eb5bf|%s\n", session, l)
	}
	return b.String()
}

// answer is what the filter writes for one mail.
func answer(session string, lines ...string) string {
	var b strings.Builder
	for _, l := range append(lines, ".") {
		fmt.Fprintf(&b, "filter-dataline|%s|7641dfb3798eb5bf|%s\n", session, l)
	}
	return b.String()
}

func report(session, event string) string {
	return "report|0.7|1576146008.006099|smtp-in|" + strings.Replace(event, "|", "|"+session+"|", 1) + "\n"
}

func connect(session, src string) string {
	return report(session, "link-connect|mail.example|pass|"+src+"|198.18.0.2:25")
}

const header = `X-p0f-Result: os="Linux of 198.18.0.1:1" link_type="Ethernet" distance=1 total_conn=1 shared_ip=N`

// TestForgedHeaders: no form of our header that a mail brings passes, nothing
// else is lost.
func TestForgedHeaders(t *testing.T) {
	for _, tt := range []struct {
		name     string
		in, want []string
	}{
		{"plain", []string{"A: b", `X-p0f-Result: os="Linux"`, "C: d", ""}, []string{"A: b", "C: d", ""}},
		{"first", []string{"X-p0f-Result: x", "A: b", ""}, []string{"A: b", ""}},
		{"any case", []string{"x-P0F-rEsUlT: x", "X-P0F-RESULT:", "A: b", ""}, []string{"A: b", ""}},
		{"folded", []string{"X-p0f-Result: x", " y", "\tz", "A: b", " c", ""}, []string{"A: b", " c", ""}},
		{"space before the colon", []string{"X-p0f-Result : x", "X-p0f-Result\t :x", "A: b", ""}, []string{"A: b", ""}},
		{"after a bare CR", []string{"A: b\rX-p0f-Result: x", " y", "C: d\re\rf", " g\r\rX-p0f-Result : x", "\ty", ""}, []string{"A: b", "C: d\re\rf", " g\r", ""}},
		{"several", []string{"X-p0f-Result: x", "A: b", "X-p0f-Result: y", "X-p0f-Result: z", ""}, []string{"A: b", ""}},
		{"in the body", []string{"A: b", "", "X-p0f-Result: x", " y"}, []string{"A: b", "", "X-p0f-Result: x", " y"}},
		{"another name", []string{"X-p0f-Result-2: x", "X-p0f: y", "X-p0f-Resul: z", ""}, []string{"X-p0f-Result-2: x", "X-p0f: y", "X-p0f-Resul: z", ""}},
		{"folded into another", []string{"A: b", " X-p0f-Result: x", ""}, []string{"A: b", " X-p0f-Result: x", ""}},
		{"never a body", []string{"A: b", "X-p0f-Result: x"}, []string{"A: b"}},
		{"bars and dots", []string{"A: b|c|", "", "|", "..", "..x", ". "}, []string{"A: b|c|", "", "|", "..", "..x", ". "}},
		{"empty mail", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Twice in one session: the second mail starts afresh.
			in := hello + connect("s1", "198.18.0.1:1") + mail("s1", tt.in...) + mail("s1", tt.in...)
			want := answer("s1", append([]string{header}, tt.want...)...)
			if got := dialogue(t, &Filter{Lookuper: byPort{}}, in); got != registers+want+want {
				t.Errorf("got\n%s\nwant\n%s", got, registers+want+want)
			}
			// Without an answer forged headers go all the same.
			in = hello + connect("s1", "198.18.0.1:9") + mail("s1", tt.in...)
			want = answer("s1", tt.want...)
			if got := dialogue(t, &Filter{Lookuper: byPort{}}, in); got != registers+want {
				t.Errorf("not seen: got\n%s\nwant\n%s", got, registers+want)
			}
		})
	}
}

// TestClients: which connection is asked about.
func TestClients(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"198.18.0.1:1", "198.18.0.1:1"},
		{"[2001:db8::1]:1", "[2001:db8::1]:1"},
		{"[::ffff:198.18.0.1]:1", "198.18.0.1:1"},
		{"[IPv6:2001:db8::1]:1", "[2001:db8::1]:1"},
		{"198.18.0.1:9", ""}, // not seen
		{"unix:/var/run/smtpd.sock", ""},
		{"local:0", ""},
		{"local", ""},
		{"", ""},
		{":", ""},
		{"[]:25", ""},
	} {
		want := answer("s1", "A: b")
		if tt.want != "" {
			want = answer("s1", strings.Replace(header, "198.18.0.1:1", tt.want, 1), "A: b")
		}
		in := hello + connect("s1", tt.src) + mail("s1", "A: b")
		if got := dialogue(t, &Filter{Lookuper: byPort{}}, in); got != registers+want {
			t.Errorf("%q: got\n%s\nwant\n%s", tt.src, got, registers+want)
		}
	}
}

// TestQuery: both ends reach the Lookuper, with the whole time to wait.
func TestQuery(t *testing.T) {
	var got []note.Query
	var mu sync.Mutex
	f := &Filter{Deadline: 70 * time.Millisecond, Lookuper: lookup(func(ctx context.Context, q note.Query) (note.Note, error) {
		mu.Lock()
		defer mu.Unlock()
		if d, ok := ctx.Deadline(); !ok || time.Until(d) != 70*time.Millisecond {
			t.Errorf("deadline %v, %v", d, ok)
		}
		got = append(got, q)
		return note.Note{}, errors.New("no sensor")
	})}
	dialogue(t, f, hello+connect("s1", "198.18.0.1:1"))
	want := []note.Query{{Client: netip.MustParseAddrPort("198.18.0.1:1"), Server: netip.MustParseAddrPort("198.18.0.2:25"), Wait: 70 * time.Millisecond}}
	if !slices.Equal(got, want) {
		t.Errorf("asked %+v, want %+v", got, want)
	}
}

type lookup func(context.Context, note.Query) (note.Note, error)

func (l lookup) Lookup(ctx context.Context, q note.Query) (note.Note, error) { return l(ctx, q) }

// TestDeadline: a mail waits for its own answer only, and not for long.
func TestDeadline(t *testing.T) {
	for _, tt := range []struct {
		name   string
		sensor time.Duration
		took   time.Duration
		header bool
	}{
		{"at once", 0, 0, true},
		{"in time", 30 * time.Millisecond, 30 * time.Millisecond, true},
		{"late", time.Hour, 50 * time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := run1(t, &Filter{Lookuper: after{tt.sensor}})
				begin := time.Now()
				p.send(connect("s1", "198.18.0.1:1") + mail("s1", "A: b", "", "c"))
				want := []string{"A: b", "", "c"}
				if tt.header {
					want = append([]string{header}, want...)
				}
				p.want(t, answer("s1", want...))
				if took := time.Since(begin); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				// What comes later in the session waits for nothing.
				begin = time.Now()
				p.send(mail("s1", "D: e"))
				if tt.header {
					p.want(t, answer("s1", header, "D: e"))
				} else {
					p.want(t, answer("s1", "D: e"))
				}
				if took := time.Since(begin); took != 0 {
					t.Errorf("the second mail took %v", took)
				}
				p.end(t)
			})
		})
	}
}

// TestOneDoesNotWaitForAnother: with the sensor stalled, other sessions go on.
func TestOneDoesNotWaitForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := run1(t, &Filter{Lookuper: lookup(func(ctx context.Context, q note.Query) (note.Note, error) {
			if q.Client.Port() == 2 {
				<-ctx.Done()
				return note.Note{}, ctx.Err()
			}
			return byPort{}.Lookup(ctx, q)
		})})
		begin := time.Now()
		p.send(connect("slow", "198.18.0.1:2") + mail("slow", "A: slow"))
		p.send(connect("s1", "198.18.0.1:1") + mail("s1", "A: b"))
		p.want(t, answer("s1", header, "A: b"))
		if took := time.Since(begin); took != 0 {
			t.Errorf("took %v beside a session that waits", took)
		}
		p.want(t, answer("slow", "A: slow"))
		if took := time.Since(begin); took != defaultDeadline {
			t.Errorf("the other took %v, want %v", took, defaultDeadline)
		}
		p.end(t)
	})
}

// TestBigMailDoesNotWait: what may wait has a bound.
func TestBigMailDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := run1(t, &Filter{Lookuper: after{40 * time.Millisecond}})
		begin := time.Now()
		lines := []string{"A: b", ""}
		for range maxHeld / 1000 {
			lines = append(lines, strings.Repeat("x", 1000))
		}
		p.send(connect("s1", "198.18.0.1:1"))
		go p.send(mail("s1", lines...))
		p.want(t, answer("s1", lines...))
		if took := time.Since(begin); took != 0 {
			t.Errorf("took %v", took)
		}
		time.Sleep(time.Second)
		p.send(mail("s1", "A: b"))
		p.want(t, answer("s1", header, "A: b"))
		p.end(t)
	})
}

// TestAbandonedMail: a mail that ends in its middle leaves nothing behind.
func TestAbandonedMail(t *testing.T) {
	half := strings.TrimSuffix(mail("s1", "A: b", "", "body"), mail("s1"))
	in := hello + connect("s1", "198.18.0.1:1") + half + report("s1", "tx-begin|01234567") + mail("s1", "X-p0f-Result: x", "C: d")
	want := registers + strings.TrimSuffix(answer("s1", header, "A: b", "", "body"), answer("s1")) + answer("s1", header, "C: d")
	if got := dialogue(t, &Filter{Lookuper: byPort{}}, in); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// The client has gone before the answer: nothing is written.
	synctest.Test(t, func(t *testing.T) {
		p := run1(t, &Filter{Lookuper: after{30 * time.Millisecond}})
		p.send(connect("s1", "198.18.0.1:1") + half + report("s1", "link-disconnect|"))
		time.Sleep(time.Second)
		p.send(connect("s2", "198.18.0.1:1"))
		time.Sleep(time.Second)
		p.send(mail("s2", "C: d"))
		p.want(t, answer("s2", header, "C: d"))
		p.end(t)
	})
}

// TestHandshake: what the filter says to which smtpd.
func TestHandshake(t *testing.T) {
	for _, tt := range []struct {
		name, in, out string
		err           error
	}{
		{"6.8", hello, registers, nil},
		{"7.8", "config|smtpd-version|7.8.0\nconfig|protocol|0.7\nconfig|subsystem|smtp-in\nconfig|subsystem|smtp-out\nconfig|ready\n", registers, nil},
		{"outgoing mail only", "config|smtpd-version|7.8.0\nconfig|subsystem|smtp-out\nconfig|ready\n", "register|ready\n", nil},
		{"6.6", "config|smtpd-version|6.6.4\nconfig|subsystem|smtp-in\nconfig|ready\n", "", ErrVersion},
		{"no version", "config|subsystem|smtp-in\nconfig|smtpd-version|current\nconfig|ready\n", registers, nil},
		{"ends early", "config|smtpd-version|6.8.0\n", "", io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			err := (&Filter{Lookuper: byPort{}}).Run(context.Background(), strings.NewReader(tt.in), &out)
			if !errors.Is(err, tt.err) || out.String() != tt.out {
				t.Errorf("Run = %v, %q, want %v, %q", err, out.String(), tt.err, tt.out)
			}
		})
	}
}

func TestHeaderName(t *testing.T) {
	form := func(n *note.Note) string { return front.V2Text(n) }
	in := hello + connect("s1", "198.18.0.1:1") + mail("s1", "X-P0F-OS: forged", "X-p0f-Result: another's")
	want := registers + answer("s1", "X-P0F-OS: Linux of 198.18.0.1:1, (distance 1, link: Ethernet)", "X-p0f-Result: another's")
	if got := dialogue(t, &Filter{Lookuper: byPort{}, Header: "X-P0F-OS", Form: form}, in); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := (&Filter{Lookuper: byPort{}, Header: "X P0F"}).Run(context.Background(), strings.NewReader(hello), io.Discard); err == nil {
		t.Error("a name with a space is taken")
	}
}

// TestErrors: Run ends when its output is not read, or a line has no end; not before.
func TestErrors(t *testing.T) {
	broken := errors.New("broken pipe")
	if err := (&Filter{Lookuper: byPort{}}).Run(context.Background(), strings.NewReader(hello), failingWriter{broken}); !errors.Is(err, broken) {
		t.Errorf("output not read: %v, want %v", err, broken)
	}
	endless := io.MultiReader(strings.NewReader(hello+"filter|"), strings.NewReader(strings.Repeat("x", 2*maxLine)))
	if err := (&Filter{Lookuper: byPort{}}).Run(context.Background(), endless, io.Discard); err == nil {
		t.Error("a line without end is taken")
	}
	odd := hello + "\n|\n|||||||\nfilter\nfilter|0.7|1|smtp-in|data-line\nfilter|0.7|1|smtp-in|data-line|s1\nfilter|0.7|1|smtp-in|data-line|s1|t\n" +
		"report|0.7|1|smtp-in|link-connect\nreport|0.7|1|smtp-in|link-connect|s1\nreport|0.7|1|smtp-in|link-connect|s1|a|b|c|d|e\n" +
		"report|0.7|1|smtp-out|link-connect|s1|a|b|c|d\nfilter|0.7|1|smtp-in|connect|s1|t|x|y\nquery|x\n" + mail("s1", "A: b")
	if got := dialogue(t, &Filter{Lookuper: byPort{}}, odd); got != registers+answer("s1", "A: b") {
		t.Errorf("odd lines: %s", got)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestLog: a sensor that is away is logged at most once a second.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	f := &Filter{Logger: slog.New(slog.NewTextHandler(&log, nil)), Lookuper: lookup(func(context.Context, note.Query) (note.Note, error) {
		return note.Note{}, errors.New("no sensor")
	})}
	in := hello
	for i := range 100 {
		in += connect(fmt.Sprint("s", i), "198.18.0.1:1")
	}
	dialogue(t, f, in)
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "no sensor") {
		t.Errorf("log %q, want one line", log.String())
	}
}

// peer is smtpd's end.
type peer struct {
	in   *io.PipeWriter
	out  *bufio.Reader
	done chan error
}

// run1 runs the filter in a bubble and shakes hands.
func run1(t *testing.T, f *Filter) *peer {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	p := &peer{in: inW, out: bufio.NewReader(outR), done: make(chan error, 1)}
	go func() { p.done <- f.Run(t.Context(), inR, outW) }()
	go p.send(hello)
	p.want(t, registers)
	return p
}

func (p *peer) send(lines string) { io.WriteString(p.in, lines) }

func (p *peer) want(t *testing.T, lines string) {
	t.Helper()
	for want := range strings.Lines(lines) {
		if got, err := p.out.ReadString('\n'); err != nil || got != want {
			t.Fatalf("the filter writes %.200q, %v, want %.200q", got, err, want)
		}
	}
}

func (p *peer) end(t *testing.T) {
	t.Helper()
	p.in.Close()
	if err := <-p.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

// FuzzRun: whatever comes, the filter answers each line of a mail with that
// line, but for our header.
func FuzzRun(f *testing.F) {
	f.Add([]byte("A: b\nX-p0f-Result: x\n y\n\n.\nX-p0f-Result: in\n"), true)
	f.Add([]byte("\n|\n..\n\t\n:\n"), false)
	f.Fuzz(func(t *testing.T, text []byte, seen bool) {
		if bytes.ContainsAny(text, "\r") || len(text) > 1<<16 {
			return
		}
		src := "198.18.0.1:9"
		if seen {
			src = "198.18.0.1:1"
		}
		var lines []string
		for l := range strings.Lines(string(text) + "\n") {
			lines = append(lines, strings.TrimSuffix(l, "\n"))
		}
		var out bytes.Buffer
		in := hello + connect("s1", src) + mail("s1", lines...)
		gate := &gated{r: strings.NewReader(in)}
		if err := (&Filter{Lookuper: byPort{}}).Run(context.Background(), gate, &out); err != nil {
			t.Fatal(err)
		}
		var passed []string
		for l := range strings.Lines(strings.TrimPrefix(out.String(), registers)) {
			l, ok := strings.CutPrefix(strings.TrimSuffix(l, "\n"), "filter-dataline|s1|7641dfb3798eb5bf|")
			if !ok {
				t.Fatalf("the filter writes %q", l)
			}
			if l != header {
				passed = append(passed, l)
			}
		}
		// A look-up that had not ended at the end of the input holds the
		// mail back; smtpd has gone.
		if len(passed) == 0 {
			return
		}
		i := 0
		for _, l := range append(lines, ".") {
			if i < len(passed) && passed[i] == l {
				i++
			} else if !strings.HasPrefix(strings.ToLower(l), "x-p0f-result") && !strings.HasPrefix(l, " ") && !strings.HasPrefix(l, "\t") {
				t.Fatalf("the line %q is lost: %q became %q", l, lines, passed)
			}
		}
		if i != len(passed) {
			t.Fatalf("%q became %q", lines, passed)
		}
	})
}

// gated is a reader that is slow enough for a look-up to end.
type gated struct{ r io.Reader }

func (g *gated) Read(b []byte) (int, error) {
	n, err := g.r.Read(b)
	if err != nil {
		time.Sleep(time.Millisecond)
	}
	return n, err
}

// BenchmarkPass is a mail of 10 MB in lines of 76 bytes.
func BenchmarkPass(b *testing.B) {
	line := strings.Repeat("x", 76)
	lines := []string{"A: b", ""}
	for range 10_000_000 / 78 {
		lines = append(lines, line)
	}
	in := hello + mail("s1", lines...)
	b.SetBytes(10_000_000)
	for range b.N {
		if err := (&Filter{Lookuper: byPort{}}).Run(context.Background(), strings.NewReader(in), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAgain: with Again the header of a mail has what is known when it begins.
func TestAgain(t *testing.T) {
	for _, asks := range []bool{false, true} {
		f := &Filter{Header: front.FullHeader, Form: (*note.Note).Full, Again: asks, Lookuper: lookup(func(_ context.Context, q note.Query) (note.Note, error) {
			n := note.Note{State: note.Matched, OSName: "Linux"}
			if q.Wait == 0 {
				n.TLS = &note.TLS{State: note.Complete, Library: "Go"}
			}
			return n, nil
		})}
		want := `X-Mxprint: os="Linux" os_quality=exact`
		if asks {
			want += ` tls="Go"`
		}
		begin := "report|0.6|1795432733.902418|smtp-in|tx-begin|s1|0a0b0c0d\n"
		got := dialogue(t, f, hello+connect("s1", "198.18.0.1:1")+begin+mail("s1", "X-Mxprint: forged", "Subject: x", "")+
			begin+mail("s1", ""))
		if strings.Count(got, "|"+want+"\n") != 2 || strings.Contains(got, "forged") {
			t.Errorf("again %v: got\n%s, want twice %s", asks, got, want)
		}
	}
}
