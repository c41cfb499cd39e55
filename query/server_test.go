package query

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/note"
)

// noteOf is what the Lookupers of these tests say about a connection: enough to
// notice an answer that belongs to another question.
func noteOf(client netip.AddrPort) note.Note {
	h := fnv.New32a()
	h.Write([]byte(client.String()))
	return note.Note{State: note.Matched, OSName: "Linux", OSFlavor: "of " + client.String(), TotalConn: h.Sum32(),
		ByConnection: client.Port() != 0}
}

func textOf(client string) string {
	n := noteOf(end(client))
	return n.Header()
}

// everything has seen every connection.
type everything struct{}

func (everything) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	return noteOf(q.Client), nil
}

// asked answers nothing, in the whole time it is given, and keeps the
// questions.
type asked struct {
	mu      sync.Mutex
	queries []note.Query
}

func (a *asked) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	a.mu.Lock()
	a.queries = append(a.queries, q)
	a.mu.Unlock()
	select {
	case <-time.After(q.Wait):
	case <-ctx.Done():
	}
	return notSeen, nil
}

type failing struct{}

func (failing) Lookup(context.Context, note.Query) (note.Note, error) {
	return note.Note{}, errors.New("no sensor")
}

// leaks fails the test when it ends with more goroutines or descriptors than
// now. Call it first.
func leaks(t testing.TB) {
	t.Helper()
	files := func() int {
		d, _ := os.ReadDir("/proc/self/fd")
		return len(d)
	}
	goroutines, open := runtime.NumGoroutine(), files()
	t.Cleanup(func() {
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			g, f := runtime.NumGoroutine(), files()
			if g <= goroutines && f <= open {
				return
			}
			if time.Now().After(end) {
				t.Errorf("%d goroutines and %d descriptors at the end, %d and %d at the start", g, f, goroutines, open)
				return
			}
		}
	})
}

// logLines counts what a Server logs.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSpace(string(b)))
	return len(b), nil
}

func (l *logLines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

// start runs s on a unix socket until stop is called or the test ends, which
// Serve must outlive by a second at most.
func start(t testing.TB, s *Server) (path string, stop func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "query") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	return path, startAt(t, s, "unix", path)
}

func startAt(t testing.TB, s *Server, network, addr string) (stop func()) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, s, ln)
}

func startOn(t testing.TB, s *Server, ln net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
		case <-time.After(patience):
			t.Error("Serve did not return")
		}
	})
	t.Cleanup(stop)
	return stop
}

// peer is the client's end of a connection.
type peer struct {
	net.Conn
	in *bufio.Reader
}

// patience is for what comes within milliseconds. A busy machine takes longer.
const patience = 30 * time.Second

// dial connects as a mail server would, and gives up on everything when the
// patience is over.
func dial(t testing.TB, addr string) *peer {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	var nc net.Conn
	var err error
	for range 1000 {
		// EAGAIN: the backlog is full for the moment.
		if nc, err = net.Dial(network, addr); !errors.Is(err, syscall.EAGAIN) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &peer{nc, bufio.NewReader(nc)}
}

func (p *peer) closeWrite() { p.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// line reads one answer.
func (p *peer) line(t testing.TB) string {
	t.Helper()
	s, err := p.in.ReadString('\n')
	if err != nil {
		t.Fatalf("reading an answer: %q, %v", s, err)
	}
	return strings.TrimSuffix(s, "\n")
}

func (p *peer) send(t testing.TB, s string) {
	t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		t.Fatalf("writing a request: %v", err)
	}
}

// want asks, and wants one answer.
func (p *peer) want(t testing.TB, request, answer string) {
	t.Helper()
	p.send(t, request)
	if got := p.line(t); got != answer {
		t.Fatalf("%q is answered %q, want %q", request, got, answer)
	}
}

// requests asks about n connections of their own.
func requests(n int) (text string, answers []string) {
	var b strings.Builder
	for i := range n {
		client := fmt.Sprintf("198.18.%d.%d:%d", i>>8&255, i&255, 1024+i%60000)
		b.WriteString(client + "\n")
		answers = append(answers, textOf(client))
	}
	return b.String(), answers
}

func TestAsk(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	startOn(t, s, tcp)
	for _, addr := range []string{path, tcp.Addr().String()} {
		p := dial(t, addr)
		v2 := noteOf(end("198.18.0.1:1"))
		p.want(t, "198.18.0.1 1\n", textOf("198.18.0.1:1"))
		p.want(t, "text 198.18.0.1:1\r\n", textOf("198.18.0.1:1"))
		p.want(t, "v2 [::ffff:198.18.0.1]:1\n", front.V2Text(&v2))
		p.want(t, "2001:db8::1\n", textOf("[2001:db8::1]:0"))
		p.want(t, "json 198.18.0.1 1\n", strings.TrimSpace(string(appendAnswer(nil, formJSON, &v2))))
		p.want(t, "hello\n", `error: not an address: "hello"`)
		p.want(t, "\n", "error: no address")
		p.want(t, "198.18.0.1 1\n", textOf("198.18.0.1:1"))
	}
	if got, want := s.Stats(), (Stats{Open: 2, Total: 2, Requests: 16, Bad: 4}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

func TestUnavailable(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: failing{}}
	path, _ := start(t, s)
	p := dial(t, path)
	p.want(t, "198.18.0.1 1\n", "unavailable")
	p.want(t, "json 198.18.0.1 1\n", `{"state":"unavailable","os_match_q":0,"total_conn":0,"bad_sw":0}`)
	if got := s.Stats(); got.Missed != 2 || got.Requests != 2 {
		t.Errorf("Stats = %+v, want two queries, which failed", got)
	}
}

// TestQueryIsPassedOn: both ends and the waiting time reach the Lookuper.
func TestQueryIsPassedOn(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    *Server
		line string
		want note.Query
	}{
		{"default", &Server{}, "198.18.0.1 1", note.Query{Client: end("198.18.0.1:1"), Wait: serverWait}},
		{"set", &Server{Wait: 7 * time.Millisecond}, "198.18.0.1", note.Query{Client: end("198.18.0.1:0"), Wait: 7 * time.Millisecond}},
		{"none", &Server{Wait: -1}, "198.18.0.1", note.Query{Client: end("198.18.0.1:0")}},
		{"asked for", &Server{}, "wait=30 198.18.0.1 1 198.18.0.2 25",
			note.Query{Client: end("198.18.0.1:1"), Server: end("198.18.0.2:25"), Wait: 30 * time.Millisecond}},
		{"bound", &Server{}, "wait=30000 198.18.0.1", note.Query{Client: end("198.18.0.1:0"), Wait: time.Second}},
		{"bound set", &Server{MaxWait: 9 * time.Millisecond}, "wait=30 198.18.0.1", note.Query{Client: end("198.18.0.1:0"), Wait: 9 * time.Millisecond}},
		{"at once", &Server{}, "wait=0 198.18.0.1", note.Query{Client: end("198.18.0.1:0")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen asked
				tt.s.Lookuper = &seen
				begin := time.Now()
				if got := converse(tt.s, tt.line+"\n", 1); got != "not seen\n" {
					t.Errorf("%q is answered %q", tt.line, got)
				}
				if took := time.Since(begin); took != tt.want.Wait {
					t.Errorf("%q took %v, want %v", tt.line, took, tt.want.Wait)
				}
				if len(seen.queries) != 1 || seen.queries[0] != tt.want {
					t.Errorf("%q asks for %+v, want %+v", tt.line, seen.queries, tt.want)
				}
			})
		})
	}
}

// converse has s serve one connection, on which the text is written at once,
// and returns that many answers.
func converse(s *Server, text string, answers int) string {
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() { s.conn(context.Background(), server, slog.New(slog.DiscardHandler)).serve(); close(done) }()
	go io.WriteString(client, text)
	in := bufio.NewReader(client)
	var got strings.Builder
	for range answers {
		line, err := in.ReadString('\n')
		got.WriteString(line)
		if err != nil {
			break
		}
	}
	client.Close()
	<-done
	return got.String()
}

// TestRequestsOfOneReadWaitTogether: a crowd of clients not seen yet does not
// add up.
func TestRequestsOfOneReadWaitTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen asked
		begin := time.Now()
		converse(&Server{Lookuper: &seen}, strings.Repeat("198.18.0.1 1\n", 9)+"wait=13 198.18.0.1 1\n", 10)
		if took := time.Since(begin); took != 13*time.Millisecond {
			t.Errorf("ten requests took %v, want 13ms", took)
		}
		if seen.queries[0].Wait != 10*time.Millisecond || seen.queries[8].Wait != 0 || seen.queries[9].Wait != 3*time.Millisecond {
			t.Errorf("asked for %+v", seen.queries)
		}
	})
}

// TestNonReaderIsDroppedInTime: who does not read does not keep its connection.
func TestNonReaderIsDroppedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Lookuper: everything{}}
		client, server := net.Pipe()
		begin := time.Now()
		go io.WriteString(client, "198.18.0.1 1\n")
		s.conn(context.Background(), server, slog.New(slog.DiscardHandler)).serve()
		if took := time.Since(begin); took != serverWriteTimeout {
			t.Errorf("dropped after %v, want %v", took, serverWriteTimeout)
		}
		if got := s.Stats().Dropped; got != 1 {
			t.Errorf("%d dropped, want 1", got)
		}
		client.Close()
	})
}

// TestPipelined: answers come in order, however many and in whatever portions.
func TestPipelined(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	for _, portion := range []int{1, 7, bufferSize - 1, bufferSize, bufferSize + 1, 1 << 20} {
		text, answers := requests(min(5000, 200*portion))
		p := dial(t, path)
		go func() {
			for rest := text; rest != ""; {
				n := min(portion, len(rest))
				if _, err := io.WriteString(p, rest[:n]); err != nil {
					t.Error(err)
				}
				rest = rest[n:]
			}
		}()
		for i, want := range answers {
			if got := p.line(t); got != want {
				t.Fatalf("portions of %d: answer %d is %q, want %q", portion, i, got, want)
			}
		}
	}
}

// TestHalfClose: what was asked before the client closed its direction is
// answered, then the connection ends. The last request needs no line end.
func TestHalfClose(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	text, answers := requests(1000)
	want := strings.Join(answers, "\n") + "\n"
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"one", "198.18.0.1 1\n", textOf("198.18.0.1:1") + "\n"},
		{"one without line end", "198.18.0.1 1", textOf("198.18.0.1:1") + "\n"},
		{"one with half a line end", "198.18.0.1 1\r", textOf("198.18.0.1:1") + "\n"},
		{"many", text, want},
		{"many without the last line end", strings.TrimSuffix(text, "\n"), want},
		{"half a request", text + "198.18.", want + "error: not an address: \"198.18.\"\n"},
	} {
		p := dial(t, path)
		go func() {
			io.WriteString(p, tt.text)
			p.closeWrite()
		}()
		if got, err := io.ReadAll(p.in); err != nil || string(got) != tt.want {
			t.Errorf("%s: %d bytes, %v, want %d and EOF", tt.name, len(got), err, len(tt.want))
		}
	}
}

// TestServeEndsPromptly: a look-up that waits is finished, and a client that
// does not read is not waited for long.
func TestServeEndsPromptly(t *testing.T) {
	leaks(t)
	var seen asked
	path, stop := start(t, &Server{Lookuper: &seen, Wait: time.Hour, MaxWait: time.Hour})
	idle, waiting := dial(t, path), dial(t, path)
	waiting.send(t, "198.18.0.1 1\n")
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		seen.mu.Lock()
		n := len(seen.queries)
		seen.mu.Unlock()
		if n > 0 {
			break
		}
	}
	stop() // the look-up would take an hour
	if got := waiting.line(t); got != "not seen" {
		t.Errorf("answer at the end: %q, want not seen", got)
	}
	if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("reading after the end: %v, want EOF", err)
	}
}

func TestServeReturnsTheErrorOfTheListener(t *testing.T) {
	leaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	broken := errors.New("broken listener")
	if err := (&Server{Lookuper: everything{}}).Serve(context.Background(), brokenListener{ln, broken}); !errors.Is(err, broken) {
		t.Errorf("Serve = %v, want %v", err, broken)
	}
}

type brokenListener struct {
	net.Listener
	err error
}

func (l brokenListener) Accept() (net.Conn, error) { return nil, l.err }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func BenchmarkServer(b *testing.B) {
	for _, form := range []string{"", "json "} {
		b.Run("form="+strings.TrimSpace(form), func(b *testing.B) {
			path, _ := start(b, &Server{Lookuper: everything{}})
			p := dial(b, path)
			p.SetDeadline(time.Time{})
			b.ReportAllocs()
			for range b.N {
				io.WriteString(p, form+"198.18.0.1 1025\n")
				if _, err := p.in.ReadSlice('\n'); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
