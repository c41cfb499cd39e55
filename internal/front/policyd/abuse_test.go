package policyd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
)

// What clients of the socket may do to it.

// TestEndlessRequests are answered, and then closed.
func TestEndlessRequests(t *testing.T) {
	for _, tt := range []struct {
		name, part, log string
	}{
		{"no line feed", strings.Repeat("x", 1000), "more than 65536 bytes"},
		{"long lines", "sender=" + strings.Repeat("x", 1000) + "\n", "more than 65536 bytes"},
		{"many lines", "a=b\n", "more than 500 attributes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			var log fronttest.Log
			path, _ := run(t, &Server{Lookuper: seen(), Logger: log.Logger()})
			p := dial(t, path)
			go func() {
				for range 10000 {
					if _, err := io.WriteString(p, tt.part); err != nil {
						return
					}
				}
			}()
			p.want("")
			if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], tt.log) {
				t.Errorf("log %q, want one line with %s", lines, tt.log)
			}
		})
	}
}

// TestTimes: how long Postfix may be silent, and what it hears at the end.
func TestTimes(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		want       time.Duration
		answer     string
	}{
		{"says nothing", "", idleTime, ""},
		{"half a request", "request=smtpd_access_policy\n", requestTime, dunno},
		{"half a line", "requ", requestTime, dunno},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln, stop := serveIn(&Server{Lookuper: seen()})
				nc := ln.Connect()
				begin := time.Now()
				go io.WriteString(nc, tt.sent)
				got, _ := io.ReadAll(nc)
				if took := time.Since(begin); took != tt.want || string(got) != tt.answer {
					t.Errorf("%q and the end after %v, want %q after %v", got, took, tt.answer, tt.want)
				}
				stop()
			})
		})
	}
}

func TestNonReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, stop := serveIn(&Server{Lookuper: seen()})
		p := &postfix{ln.Connect(), t}
		begin := time.Now()
		for {
			if _, err := io.WriteString(p, postfixRequest()); err != nil {
				break
			}
		}
		if took := time.Since(begin); took != writeTime {
			t.Errorf("dropped after %v, want %v", took, writeTime)
		}
		stop()
	})
}

// TestEnd: a look-up under way is finished.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := seen()
		who.Delay = 40 * time.Millisecond
		ln, stop := serveIn(&Server{Lookuper: who})
		idle, p := &postfix{ln.Connect(), t}, &postfix{ln.Connect(), t}
		p.send(postfixRequest())
		synctest.Wait()
		begin := time.Now()
		go func() {
			p.want(header4)
			io.ReadAll(p)
		}()
		if err := stop(); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		if took := time.Since(begin); took != 40*time.Millisecond {
			t.Errorf("Serve took %v to end, want 40ms", took)
		}
		idle.wantClosed()
	})
}

func TestThousandIdle(t *testing.T) {
	fronttest.Leaks(t)
	const conns = 1000
	s := &Server{Lookuper: seen()}
	path, stop := run(t, s)
	before := fronttest.Memory()
	var idle []*postfix
	for i := range conns {
		p := dial(t, path)
		p.send(postfixRequest(fmt.Sprintf("instance=%d", i)))
		p.want(header4)
		idle = append(idle, p)
	}
	each := (fronttest.Memory() - before) / conns
	t.Logf("%d bytes a connection, both ends", each)
	if each > 32<<10 {
		t.Errorf("an idle connection costs %d bytes, want 32 KiB at most", each)
	}
	begin := time.Now()
	p := dial(t, path)
	p.send(postfixRequest())
	p.want(header4)
	t.Logf("a request among them took %v", time.Since(begin))
	stop()
	for _, p := range idle {
		p.wantClosed()
	}
}

func TestTooMany(t *testing.T) {
	fronttest.Leaks(t)
	s := &Server{Lookuper: seen(), MaxConns: 1}
	path, _ := run(t, s)
	p := dial(t, path)
	p.send(postfixRequest())
	p.want(header4)
	dial(t, path).wantClosed()
	if got, want := s.Stats(), (Stats{Stats: serve.Stats{Open: 1, Total: 1, Refused: 1, Requests: 1}, Prepended: 1}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

func TestRandomBytes(t *testing.T) {
	fronttest.Leaks(t)
	path, _ := run(t, &Server{Lookuper: seen()})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for end := time.Now().Add(time.Second); time.Now().Before(end); {
				nc, err := net.Dial("unix", path)
				if err != nil { // the backlog is full
					time.Sleep(time.Millisecond)
					continue
				}
				nc.SetDeadline(time.Now().Add(patience))
				b := make([]byte, r.IntN(5000))
				for i := range b {
					b[i] = "\n\n=ax\x00\xff"[r.IntN(7)]
				}
				nc.Write(b)
				nc.Close()
			}
		})
	}
	wg.Wait()
	p := dial(t, path)
	p.send(postfixRequest())
	p.want(header4)
}

// FuzzRequests: whatever comes in, in whatever portions, each request gets one
// answer, which is DUNNO or our header, and nothing else goes out.
func FuzzRequests(f *testing.F) {
	f.Add([]byte(postfixRequest()+postfixRequest("instance=2")), uint8(255))
	f.Add([]byte("a=b\n\nrequest\n\n\n\n"), uint8(1))
	f.Add([]byte(postfixRequest("client_address=unknown", "protocol_state=RCPT")+"x"), uint8(9))
	header, err := front.NewHeader("", nil)
	if err != nil {
		f.Fatal(err)
	}
	s := &Server{Lookuper: quiet{seen()}}
	f.Fuzz(func(t *testing.T, in []byte, portion uint8) {
		v := &serving{Server: s, header: header, log: slog.New(slog.DiscardHandler), deadline: time.Hour}
		c := &script{in: in, portion: max(int(portion), 1)}
		v.serve(t.Context(), c)
		v.lookups.Wait()
		got := strings.SplitAfter(c.out.String(), "\n\n")
		if last := got[len(got)-1]; last != "" {
			t.Fatalf("%q after the last answer", last)
		}
		got = got[:len(got)-1]
		if want := answers(in); len(got) != want {
			t.Fatalf("%d answers %q, want %d", len(got), got, want)
		}
		for _, a := range got {
			if a != dunno && a != "action=PREPEND "+header4+"\n\n" && a != "action=PREPEND "+header6+"\n\n" {
				t.Fatalf("answer %q", a)
			}
		}
	})
}

// script is a connection whose other end has said everything.
type script struct {
	net.Conn
	in      []byte
	portion int
	out     bytes.Buffer
}

func (s *script) Read(b []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), s.portion)], s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *script) Close() error                     { return nil }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// answers counts the requests in a stream, by the rules of the protocol: each
// ends with an empty line; one over the limits, or cut by the end of the
// stream, is answered and is the last.
func answers(in []byte) int {
	count, size, lines := 0, 0, 0
	for len(in) > 0 {
		line, rest, ended := bytes.Cut(in, []byte("\n"))
		n := len(line)
		if ended {
			n++
		}
		size += n
		switch {
		case size > maxRequest, ended && len(line) > 0 && lines == maxAttributes:
			return count + 1
		case !ended:
			return count + 1
		case len(line) == 0:
			count++
			size, lines = 0, 0
		default:
			lines++
		}
		in = rest
	}
	if size > 0 {
		count++
	}
	return count
}

// quiet keeps no questions.
type quiet struct{ l *fronttest.Lookuper }

func (q quiet) Lookup(_ context.Context, ask note.Query) (note.Note, error) {
	n, ok := q.l.Notes[ask.Client]
	if !ok {
		n.State = note.NotSeen
	}
	return n, nil
}
