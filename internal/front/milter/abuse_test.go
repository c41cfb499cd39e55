package milter

import (
	"bytes"
	"context"
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

// What mail servers, and others who reach the port, may do to a milter.

// options are a good beginning.
var options = packetOf('O', numbers(postfixOffer.version, postfixOffer.actions, postfixOffer.protocol))

// TestBadPackets: the connection is closed, with one line in the log; others
// are served on. Most of them end a process that gives them to the library.
func TestBadPackets(t *testing.T) {
	for _, tt := range []struct {
		name   string
		first  bool // instead of the options
		packet []byte
		log    string
	}{
		{"empty packet first", true, []byte{0, 0, 0, 0, 0}, "length 0"},
		{"empty packet", false, []byte{0, 0, 0, 0, 'M'}, "length 0"},
		{"4 GB", false, []byte{0xff, 0xff, 0xff, 0xff, 'L'}, "length 4294967295"},
		{"17 MB", false, []byte{1, 0, 0, 1, 'L'}, "length 16777217"},
		{"unknown command", false, packetOf('z', "x"), "command 'z'"},
		{"options twice", false, options, "command 'O' at the wrong time"},
		{"mail first", true, packetOf('M', "<>\x00"), "command 'M' at the wrong time"},
		{"short options", true, packetOf('O', "\x00\x00\x00\x06"), "options of 4 bytes"},
		{"long options", true, packetOf('O', strings.Repeat("\x00", maxKept+1)), "options of 1025 bytes"},
		{"protocol 1", true, packetOf('O', numbers(1, 0x1ff, 0x1ff)), "version 1 of the protocol"},
		{"no changes of headers", true, packetOf('O', numbers(6, 0x1, 0x1fffff)), "does not let headers be changed, but OptAddHeader"},
		{"long connect", false, packetOf('C', strings.Repeat("x", maxKept+1)), "connect of 1025 bytes"},
		{"HTTP", true, []byte("GET / HTTP/1.0\r\n\r\n"), "length 1195725856"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			var log fronttest.Log
			s := &Server{Lookuper: seen(), Logger: log.Logger()}
			path, _ := run(t, s)
			m, other := dial(t, path), dial(t, path)
			other.begin(postfixOffer)
			if !tt.first {
				m.begin(postfixOffer)
			}
			m.Write(tt.packet)
			// Unread input makes the end a reset.
			if rest, _ := io.ReadAll(m); len(rest) > 0 {
				t.Errorf("answered with %q", rest)
			}
			if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], tt.log) {
				t.Errorf("log %q, want one line with %q", lines, tt.log)
			}
			other.connect(client4)
			other.mail()
			other.want(added("X-p0f-Result", header4), "a")
			if got := s.Stats(); got.Bad != 1 || got.Requests != 1 {
				t.Errorf("Stats = %+v, want one broken, one mail", got)
			}
		})
	}
}

// TestCutPackets: the mail server goes away in the middle.
func TestCutPackets(t *testing.T) {
	whole := bytes.Join([][]byte{options,
		packetOf('D', "C{daemon_addr}\x00198.18.0.2\x00"), packetOf('C', "h\x004\x04\x57198.18.0.1\x00"),
		packetOf('M', "<>\x00"), packetOf('L', "Subject\x00x\x00"), packetOf('E')}, nil)
	fronttest.Leaks(t)
	s := &Server{Lookuper: seen()}
	path, _ := run(t, s)
	for n := range whole {
		m := dial(t, path)
		m.Write(whole[:n])
		m.Close()
	}
	m := dial(t, path)
	m.Write(whole)
	m.want("O"+numbers(6, 0x11, 0x73d8), added("X-p0f-Result", header4), "a")
}

// TestByteAtATime: packets in any portions.
func TestByteAtATime(t *testing.T) {
	fronttest.Leaks(t)
	path, _ := run(t, &Server{Lookuper: seen()})
	m := dial(t, path)
	for _, b := range bytes.Join([][]byte{options, packetOf('C', "h\x004\x04\x57198.18.0.1\x00"),
		packetOf('M', "<>\x00"), packetOf('L', "X-p0f-Result\x00x\x00"), packetOf('E')}, nil) {
		m.Write([]byte{b})
	}
	m.want("O"+numbers(6, 0x11, 0x73d8), removed(1, "X-p0f-Result"), added("X-p0f-Result", header4), "a")
}

// serveIn starts s in the bubble of a synctest.
func serveIn(s *Server) (ln *fronttest.Pipes, stop func() error) {
	ln = fronttest.NewPipes()
	return ln, fronttest.Start(s.Serve, ln)
}

// TestTimes: how long a mail server may be silent.
func TestTimes(t *testing.T) {
	for _, tt := range []struct {
		name string
		sent []byte
		want time.Duration // until the connection is closed
	}{
		{"says nothing", nil, firstTime},
		{"half of the options", options[:7], packetTime},
		{"no client", options, idleTime},
		{"half a packet", append(bytes.Clone(options), 0, 0, 0, 9, 'L', 'x'), packetTime},
		{"half a length", append(bytes.Clone(options), 0, 0), packetTime},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln, stop := serveIn(&Server{Lookuper: seen()})
				nc := ln.Connect()
				begin := time.Now()
				go nc.Write(tt.sent)
				io.ReadAll(nc)
				if took := time.Since(begin); took != tt.want {
					t.Errorf("closed after %v, want %v", took, tt.want)
				}
				stop()
			})
		})
	}
}

// TestSlowPacket: a byte now and then does not make a packet longer.
func TestSlowPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, stop := serveIn(&Server{Lookuper: seen()})
		m := &mta{ln.Connect(), t}
		m.begin(postfixOffer)
		begin := time.Now()
		m.Write([]byte{0, 0xff, 0xff, 0xff, 'L'})
		for {
			if _, err := m.Write([]byte{'x'}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(begin); took > packetTime+time.Second {
			t.Errorf("closed after %v, want %v", took, packetTime)
		}
		stop()
	})
}

// TestNonReader: who does not read the answers is dropped, and costs no memory
// meanwhile.
func TestNonReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		ln, stop := serveIn(&Server{Lookuper: seen(), Logger: log.Logger()})
		m := &mta{ln.Connect(), t}
		m.begin(postfixOffer)
		m.connect(client4)
		begin := time.Now()
		for {
			if _, err := m.Write(packetOf('E')); err != nil {
				break
			}
		}
		if took := time.Since(begin); took != writeTime {
			t.Errorf("closed after %v, want %v", took, writeTime)
		}
		if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "timeout") {
			t.Errorf("log %q, want one line", lines)
		}
		stop()
	})
}

// TestEnd: idle connections end with the server, sessions have a second.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Lookuper: seen()}
		ln, stop := serveIn(s)
		silent, idle, busy, quitter := ln.Connect(), &mta{ln.Connect(), t}, &mta{ln.Connect(), t}, &mta{ln.Connect(), t}
		for _, m := range []*mta{idle, busy, quitter} {
			m.begin(postfixOffer)
		}
		busy.connect(client4)
		busy.send('M', "<>\x00")
		quitter.connect(client6)
		synctest.Wait()
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := stop(); err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
			if took := time.Since(begin); took != drainTime {
				t.Errorf("Serve took %v to end, want %v", took, drainTime)
			}
		})
		io.ReadAll(silent)
		io.ReadAll(idle)
		if took := time.Since(begin); took != 0 {
			t.Errorf("idle connections ended after %v, want at once", took)
		}
		time.Sleep(drainTime / 2)
		busy.send('L', "Subject\x00x\x00")
		busy.send('E')
		busy.want(added("X-p0f-Result", header4), "a")
		quitter.send('K') // its client has gone
		quitter.wantClosed()
		if took := time.Since(begin); took != drainTime/2 {
			t.Errorf("without a client a connection ended after %v, want %v", took, drainTime/2)
		}
		io.ReadAll(busy)
		wg.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		ln, stop := serveIn(&Server{Lookuper: seen()})
		m := &mta{ln.Connect(), t}
		m.begin(postfixOffer)
		m.connect(client4)
		m.mail()
		m.want(added("X-p0f-Result", header4), "a")
		begin := time.Now()
		go func() {
			time.Sleep(100 * time.Millisecond)
			m.send('Q')
		}()
		stop()
		if took := time.Since(begin); took != 100*time.Millisecond {
			t.Errorf("Serve ended %v after the signal, want with the last session after 100ms", took)
		}
	})
}

// TestThousandIdle: a thousand connections that say nothing more are kept, at
// little cost, and do not disturb the one that brings a mail.
func TestThousandIdle(t *testing.T) {
	fronttest.Leaks(t)
	const conns = 1000
	s := &Server{Lookuper: seen()}
	path, stop := run(t, s)
	before := fronttest.Memory()
	var idle []*mta
	for range conns {
		m := dial(t, path)
		m.begin(postfixOffer)
		idle = append(idle, m)
	}
	each := (fronttest.Memory() - before) / conns
	t.Logf("%d bytes a connection, both ends", each)
	if each > 32<<10 {
		t.Errorf("an idle connection costs %d bytes, want 32 KiB at most", each)
	}
	begin := time.Now()
	m := dial(t, path)
	m.begin(postfixOffer)
	m.connect(client4)
	m.mail()
	m.want(added("X-p0f-Result", header4), "a")
	t.Logf("a mail among them took %v", time.Since(begin))
	if got := s.Stats().Open; got != conns+1 {
		t.Errorf("%d connections open, want %d", got, conns+1)
	}
	m.send('Q')
	m.wantClosed()
	stop()
	for _, m := range idle {
		m.wantClosed()
	}
}

// TestTooMany: one connection over the limit is closed at once.
func TestTooMany(t *testing.T) {
	fronttest.Leaks(t)
	s := &Server{Lookuper: seen(), MaxConns: 2}
	path, _ := run(t, s)
	a, b := dial(t, path), dial(t, path)
	a.begin(postfixOffer)
	b.begin(postfixOffer)
	dial(t, path).wantClosed()
	a.send('Q')
	a.wantClosed()
	for end := time.Now().Add(patience); s.Stats().Open > 1 && time.Now().Before(end); { // the place is free after the end
		time.Sleep(time.Millisecond)
	}
	dial(t, path).begin(postfixOffer)
	if got, want := s.Stats(), (Stats{Stats: serve.Stats{Open: 2, Total: 3, Refused: 1}}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

// TestRandomBytes: noise for a second, from eight at a time.
func TestRandomBytes(t *testing.T) {
	fronttest.Leaks(t)
	s := &Server{Lookuper: seen()}
	path, _ := run(t, s)
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
				nc.Write(options)
				for range r.IntN(20) {
					nc.Write(noise(r))
				}
				nc.Close()
			}
		})
	}
	wg.Wait()
	m := dial(t, path)
	m.begin(postfixOffer)
	m.connect(client4)
	m.mail()
	m.want(added("X-p0f-Result", header4), "a")
}

// noise is a packet with a command that exists and bytes that make no sense.
func noise(r *rand.Rand) []byte {
	const commands = "ABCDEHKLMNRTU"
	data := make([]byte, r.IntN(200))
	for i := range data {
		if r.IntN(4) > 0 { // NULs in between
			data[i] = byte(r.IntN(256))
		}
	}
	return packetOf(commands[r.IntN(len(commands))], string(data))
}

// TestEndlessMail: headers without end cost no memory.
func TestEndlessMail(t *testing.T) {
	fronttest.Leaks(t)
	path, _ := run(t, &Server{Lookuper: seen()})
	m := dial(t, path)
	m.begin(postfixOffer)
	m.connect(client4)
	part := bytes.Repeat(packetOf('L', "X-Other\x00", strings.Repeat("x", 900), "\x00"), 1000)
	m.Write(part)
	before := fronttest.Memory()
	for range 50 {
		if _, err := m.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if more := fronttest.Memory() - before; more > 4<<20 {
		t.Errorf("%d bytes more after 45 MB of headers", more)
	}
	m.mail()
	m.want(added("X-p0f-Result", header4), "a")
}

// FuzzConn: whatever comes in, in whatever portions, what goes out is packets
// of ours; headers are changed at the end of a mail only, and all is over when
// the mail server has gone.
func FuzzConn(f *testing.F) {
	connect := packetOf('C', "h\x004\x04\x57198.18.0.1\x00")
	f.Add(bytes.Join([][]byte{options, connect, packetOf('M', "<>\x00"), packetOf('L', "X-p0f-Result\x00x\x00"), packetOf('E')}, nil), uint8(255))
	f.Add(bytes.Join([][]byte{packetOf('O', numbers(2, 0x3f, 0x7f)), connect, packetOf('R'), packetOf('U', "x"), packetOf('B', "body"), packetOf('E'), packetOf('K'), packetOf('Q')}, nil), uint8(7))
	f.Add(bytes.Join([][]byte{options, packetOf('D', "C{daemon_addr}"), packetOf('D', "Mi\x00"), connect, packetOf('A'), {0, 0, 0, 0}}, nil), uint8(1))
	who := seen()
	header, err := front.NewHeader("", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte, portion uint8) {
		v := &serving{
			Server: &Server{Lookuper: quiet{who}, Again: portion%2 == 0}, header: header, log: slog.New(slog.DiscardHandler), deadline: time.Hour,
			Handoff: serve.NewHandoff(nil),
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		pipes := fronttest.NewPipes()
		served := make(chan error, 1)
		go func() { served <- v.group.Serve(ctx, pipes, serve.Config{Grace: 10 * time.Second}, v.hand) }()
		ended := make(chan error, 1)
		go func() { ended <- v.run() }()
		nc := pipes.Connect()
		go func() {
			for rest := in; len(rest) > 0; {
				n := min(max(int(portion), 1), len(rest))
				if _, err := nc.Write(rest[:n]); err != nil {
					break // hung up on
				}
				rest = rest[n:]
			}
			nc.Close()
		}()
		m := &mta{nc, t}
		nc.SetReadDeadline(time.Now().Add(patience))
		var changes int
		for first := true; ; first = false {
			cmd, data, err := m.receive()
			if err != nil {
				if err != io.EOF && err != io.ErrClosedPipe && err != io.ErrUnexpectedEOF {
					t.Fatalf("reading: %v", err)
				}
				break
			}
			if first != (cmd == 'O') {
				t.Fatalf("answer %q %q", cmd, data)
			}
			switch cmd {
			case 'm', 'i':
				changes++
				if !strings.Contains(data, "X-p0f-Result\x00") {
					t.Fatalf("change of another header: %q", data)
				}
			case 'a', 'y':
				changes = 0
			case 'c', 's', 'O':
				if changes > 0 {
					t.Fatalf("answer %q after %d changes", cmd, changes)
				}
			default:
				t.Fatalf("answer %q %q", cmd, data)
			}
		}
		cancel()
		if err := <-served; err != nil {
			t.Fatalf("Serve = %v", err)
		}
		v.Close()
		if err := <-ended; err != net.ErrClosed {
			t.Fatalf("run = %v", err)
		}
		v.lookups.Wait()
	})
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
