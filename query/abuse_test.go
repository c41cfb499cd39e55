package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/fronttest"
)

// TestIdleClients: a thousand that say nothing, or half a word, hold up no one
// and are sent nothing.
func TestIdleClients(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	const clients = 1000
	idle := make([]*peer, clients)
	for i := range idle {
		idle[i] = dial(t, path)
		if i%2 == 1 {
			idle[i].send(t, "198.18.0")
		}
	}
	p := dial(t, path)
	begin := time.Now()
	for range 100 {
		p.want(t, "198.18.0.1 1\n", textOf("198.18.0.1:1"))
	}
	t.Logf("100 requests beside %d idle clients took %v", clients, time.Since(begin))
	for i := 1; i < clients; i += 2 {
		idle[i].want(t, ".1 1\n", textOf("198.18.0.1:1"))
	}
	for i := 0; i < clients; i += 2 {
		idle[i].want(t, "198.18.0.1 1\n", textOf("198.18.0.1:1"))
	}
	if got := s.Stats(); got.Open != clients+1 || got.Bad != 0 {
		t.Errorf("Stats = %+v", got)
	}
}

// TestSilent: nothing is sent unasked.
func TestSilent(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	silent, half, after := dial(t, path), dial(t, path), dial(t, path)
	half.send(t, "198.18.0.1 1")
	after.want(t, "198.18.0.1 1\n", textOf("198.18.0.1:1"))
	for name, p := range map[string]*peer{"silent": silent, "half a request": half, "after an answer": after} {
		p.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := p.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: read %d bytes, %v, want none and the connection open", name, n, err)
		}
	}
}

// TestTooLong: one error for a request that is too long, and the next line is
// the next request; one without end ends the connection.
func TestTooLong(t *testing.T) {
	leaks(t)
	const tooLong = "error: a request has 256 bytes at most"
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	for _, n := range []int{maxRequest + 1, maxRequest + 2, maxRequest + 3, bufferSize - 1, bufferSize, bufferSize + 1, 3 * bufferSize, 60000} {
		p := dial(t, path)
		for range 2 {
			p.want(t, strings.Repeat("x", n)+"\n", tooLong)
			p.want(t, "198.18.0.1 1\n", textOf("198.18.0.1:1"))
		}
	}
	p := dial(t, path)
	exactly := "198.18.0.1" + strings.Repeat(" ", maxRequest-len("198.18.0.1")-1) + "1"
	p.want(t, exactly+"\r\n", textOf("198.18.0.1:1"))

	endless := dial(t, path)
	go func() {
		for {
			if _, err := endless.Write(bytes.Repeat([]byte{'x'}, 4096)); err != nil {
				return
			}
		}
	}()
	got, err := io.ReadAll(endless.in)
	if string(got) != tooLong+"\n" || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("without end: %q, %v, want one error and the end", got, err)
	}
}

// TestBadRequestsEnd the connection, when there are too many, and do not flood
// the log.
func TestBadRequestsEnd(t *testing.T) {
	leaks(t)
	var log logLines
	s := &Server{Lookuper: everything{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	path, stop := start(t, s)
	begin := time.Now()
	for range 50 {
		p := dial(t, path)
		go func() { io.WriteString(p, strings.Repeat("x\n198.18.0.1 1\n", 2*maxBad)) }()
		got, err := io.ReadAll(p.in)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection is still open")
		}
		if n := bytes.Count(got, []byte("error: ")); n != maxBad {
			t.Fatalf("%d errors, want %d and the end", n, maxBad)
		}
	}
	stop()
	lines, most := log.all(), int(time.Since(begin)/time.Second)+1
	if len(lines) < 1 || len(lines) > most || !strings.Contains(lines[0], "bad request") {
		t.Errorf("%d lines, want 1 to %d: %q", len(lines), most, lines)
	}
}

// TestNeverReadingClient asks without end and reads nothing. Others get their
// answers meanwhile: who waited for it here would wait for an hour. When it is
// dropped is tested in synthetic time.
func TestNeverReadingClient(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}, WriteTimeout: time.Hour}
	path, stop := start(t, s)
	text, _ := requests(1000)
	const deaf = 5
	var wg sync.WaitGroup
	for range deaf {
		p := dial(t, path)
		wg.Go(func() {
			for {
				if _, err := io.WriteString(p, text); err != nil {
					return // the server has closed
				}
			}
		})
	}
	other := dial(t, path)
	for range 20 {
		other.want(t, "198.18.0.1 1\n", textOf("198.18.0.1:1"))
		time.Sleep(10 * time.Millisecond) // the others fill what the kernel holds
	}
	if got := s.Stats().Open; got != deaf+1 {
		t.Errorf("%d connections are open, want %d", got, deaf+1)
	}
	stop()
	wg.Wait()
}

// TestHangUps: clients that ask and close at once.
func TestHangUps(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	const clients = 2000
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range clients / 4 {
				p := dial(t, path)
				io.WriteString(p, strings.Repeat("json 198.18.0.1 1\n", 1+(i+w)%40))
				p.Close()
			}
		})
	}
	wg.Wait()
	dial(t, path).want(t, "198.18.0.1 1\n", textOf("198.18.0.1:1"))
	for end := time.Now().Add(patience); s.Stats().Open > 1 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := s.Stats(); got.Total != clients+1 || got.Open != 1 || got.Dropped != 0 {
		t.Errorf("Stats = %+v, want %d connections and one open", got, clients+1)
	}
}

// TestOverTheLimit: one connection too many is closed at once.
func TestOverTheLimit(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}, MaxConns: 20, Logger: discard()}
	path, _ := start(t, s)
	var open []*peer
	for range s.MaxConns {
		p := dial(t, path)
		p.want(t, "198.18.0.1 1\n", textOf("198.18.0.1:1"))
		open = append(open, p)
	}
	for range 100 {
		p := dial(t, path)
		io.WriteString(p, "198.18.0.1 1\n")
		if n, err := p.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("one connection too many: read %d bytes, %v, want it closed", n, err)
		}
	}
	for _, p := range open {
		p.want(t, "198.18.0.2 1\n", textOf("198.18.0.2:1"))
	}
	if got := s.Stats(); got.Refused != 100 || got.Open != 20 {
		t.Errorf("Stats = %+v, want 100 rejected and 20 open", got)
	}
}

// TestGarbage sends random bytes with good requests strewn in, and looks for
// their answers.
func TestGarbage(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	const seed = 3
	r := rand.New(rand.NewPCG(seed, seed))
	for range 50 {
		var in, want []byte
		for range r.IntN(maxBad - 1) {
			bad := make([]byte, 1+r.IntN(2*bufferSize))
			for i := range bad {
				if bad[i] = byte(r.Uint32()); bad[i] == '\n' {
					bad[i] = 0
				}
			}
			in = append(append(in, bad...), '\n')
			client := fmt.Sprintf("198.18.0.%d:%d", r.IntN(256), r.IntN(65536))
			in = append(append(in, client...), '\n')
			want = append(append(want, textOf(client)...), '\n')
		}
		p := dial(t, path)
		go func() {
			p.Write(in)
			p.closeWrite()
		}()
		out, err := io.ReadAll(p.in)
		var got []byte
		for line := range bytes.Lines(out) {
			if !bytes.HasPrefix(line, []byte("error: ")) {
				got = append(got, line...)
			}
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("seed %d: %d bytes answered with %q, %v, want %q", seed, len(in), got, err, want)
		}
	}
}

// FuzzServer: whatever comes in, in whatever portions, each line gets one line
// of printable ASCII, and nothing else is sent.
func FuzzServer(f *testing.F) {
	f.Add([]byte("198.18.0.1 1\nv2 198.18.0.1\r\njson 2001:db8::1"), uint8(1))
	f.Add(bytes.Repeat([]byte("198.18.0.1 1\n"), 100), uint8(255))
	f.Add(append(bytes.Repeat([]byte{'x'}, 3000), "\n198.18.0.1\n"...), uint8(7))
	f.Add(bytes.Repeat([]byte("GET / HTTP/1.0\r\n\r\n"), 20), uint8(0))
	f.Fuzz(func(t *testing.T, in []byte, portion uint8) {
		s := &Server{Lookuper: everything{}, Wait: -1}
		nc := &fronttest.Script{In: in, Portion: int(portion) + 1}
		s.conn(t.Context(), nc, slog.New(slog.DiscardHandler)).serve()
		out := nc.Out.Bytes()
		want := bytes.Count(in, []byte{'\n'})
		if len(in) > 0 && in[len(in)-1] != '\n' {
			want++
		}
		got, bad := bytes.Count(out, []byte{'\n'}), bytes.Count(out, []byte("error: "))
		if got > want || got < want && bad < maxBad && len(in) <= maxSkip {
			t.Fatalf("%d answers, %d of them errors, want %d: %q is answered %q", got, bad, want, in, out)
		}
		for line := range bytes.Lines(out) {
			for _, c := range line[:len(line)-1] {
				if c < ' ' || c > '~' {
					t.Fatalf("byte %#02x in the answer %q", c, line)
				}
			}
		}
	})
}

// TestFinding14Reload: a stranger who asks for a reload again and again writes
// one line a second, and is hung up on.
func TestFinding14Reload(t *testing.T) {
	log := &fronttest.Log{}
	s := &Server{
		Lookuper: everything{}, Logger: log.Logger(),
		Command: func(context.Context, string) ([]byte, string, error) { t.Error("it was obeyed"); return nil, "", nil },
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	startOn(t, s, ln)
	begin := time.Now()
	sent, hungUp := 0, 0
	for time.Since(begin) < time.Second {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(patience))
		go io.Copy(io.Discard, nc)
		for {
			if _, err := io.WriteString(nc, strings.Repeat("reload\n", 50)); err != nil {
				break
			}
			sent += 50
		}
		nc.Close()
		hungUp++
	}
	seconds := int(time.Since(begin)/time.Second) + 1
	if lines := log.Lines(); len(lines) == 0 || len(lines) > seconds+1 {
		t.Errorf("%d log lines in %d s", len(lines), seconds)
	}
	if hungUp < 2 || sent < 1000 {
		t.Errorf("%d commands, hung up on %d times", sent, hungUp)
	}
}
