package amavis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
)

// linux is what the tests know about 198.18.0.1:39435 and 2001:db8::1.
var linux = note.Note{
	State: note.Matched, OSName: "Linux", OSFlavor: "6.16 and newer", Distance: note.Hops(7), LinkType: "DSL",
	ByConnection: true, RawSig: "4:57+7:0:1452:mss*44,10:mss,sok,ts,nop,ws:df,id+:0",
}

const (
	linuxV2 = "Linux 6.16 and newer, (distance 7, link: DSL)"
	linuxV3 = "Linux 6.16 and newer; dist: 7; link: DSL; params: none; raw_sig: 4:57+7:0:1452:mss*44,10:mss,sok,ts,nop,ws:df,id+:0"
)

func known() *fronttest.Lookuper {
	return &fronttest.Lookuper{Notes: map[netip.AddrPort]note.Note{
		netip.MustParseAddrPort("198.18.0.1:39435"):    linux,
		netip.MustParseAddrPort("[2001:db8::1]:39435"): linux,
		netip.MustParseAddrPort("198.18.0.1:0"):        {State: note.Unknown, Distance: note.Hops(3)},
	}}
}

// udp opens a socket on an address of loopback.
func udp(t testing.TB, addr string) net.PacketConn {
	t.Helper()
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc
}

// start serves a socket and returns its address, and a function that ends the
// server and returns what Serve did.
func start(t testing.TB, s *Server, pc net.PacketConn) (addr net.Addr, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, pc) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return pc.LocalAddr(), stop
}

// ask sends a datagram and returns the answer; empty if absent.
func ask(t testing.TB, pc net.PacketConn, to net.Addr, q string, patience time.Duration) string {
	t.Helper()
	if _, err := pc.WriteTo([]byte(q), to); err != nil {
		t.Fatal(err)
	}
	return answer(t, pc, patience)
}

func answer(t testing.TB, pc net.PacketConn, patience time.Duration) string {
	t.Helper()
	pc.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 2048)
	n, _, err := pc.ReadFrom(buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

const (
	patience = 30 * time.Second // for an answer that comes
	silence  = 60 * time.Millisecond
)

// waitStats waits until the counters are these.
func waitStats(t testing.TB, s *Server, want serve.Stats) {
	t.Helper()
	for end := time.Now().Add(patience); s.Stats() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("Stats = %+v, want %+v", s.Stats(), want)
		}
	}
}

func TestAnswers(t *testing.T) {
	fronttest.Leaks(t)
	for _, network := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, v3 := range []bool{false, true} {
			s := &Server{Lookuper: known(), V3: v3}
			addr, _ := start(t, s, udp(t, network))
			client := udp(t, network)
			text, unknown := linuxV2, "UNKNOWN, (distance 3, link: unknown)"
			if v3 {
				text, unknown = linuxV3, "???; dist: 3; params: none"
			}
			for _, tt := range []struct{ question, text string }{
				{"[198.18.0.1]:39435 sHrsEzXDnFbm", text},
				{"[2001:db8:0:0:0:0:0:1]:39435 sHrsEzXDnFbm", text},
				{"[2001:0DB8::1]:39435 n", text},
				{"[198.18.0.1] n", unknown},
				{"[198.18.0.1]:39436 ", ""},
				{"[198.18.9.9]:39435 n", ""},
			} {
				got := ask(t, client, addr, tt.question, patience)
				if want := tt.question + " " + tt.text + "\r\n"; got != want {
					t.Errorf("v3 %v: %q is answered with %q, want %q", v3, tt.question, got, want)
				}
			}
			waitStats(t, s, serve.Stats{Requests: 6})
		}
	}
}

// TestWait: the look-up may wait for a SYN, within what amavis itself waits.
func TestWait(t *testing.T) {
	for _, tt := range []struct{ set, want time.Duration }{
		{0, 10 * time.Millisecond}, {-1, 0}, {time.Millisecond, time.Millisecond}, {time.Hour, 40 * time.Millisecond},
	} {
		who := known()
		addr, _ := start(t, &Server{Lookuper: who, Wait: tt.set}, udp(t, "127.0.0.1:0"))
		ask(t, udp(t, "127.0.0.1:0"), addr, "[198.18.0.1]:39435 n", patience)
		want := note.Query{Client: netip.MustParseAddrPort("198.18.0.1:39435"), Wait: tt.want}
		if q := who.Queries(); len(q) != 1 || q[0] != want {
			t.Errorf("Wait %v: asked %+v, want %+v", tt.set, q, want)
		}
	}
}

// TestWithoutAnswer: amavis need not wait for its time limit of 50 ms where the
// sensor is gone, and has the empty text where the sensor is slow.
func TestWithoutAnswer(t *testing.T) {
	fronttest.Leaks(t)
	for _, tt := range []struct {
		name  string
		who   *fronttest.Lookuper
		least time.Duration
	}{
		{"no sensor", &fronttest.Lookuper{Err: fronttest.ErrNoSensor}, 0},
		{"slow sensor", &fronttest.Lookuper{Delay: time.Hour}, deadline},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &Server{Lookuper: tt.who}
			addr, _ := start(t, s, udp(t, "127.0.0.1:0"))
			begin := time.Now()
			got := ask(t, udp(t, "127.0.0.1:0"), addr, "[198.18.0.1]:39435 n", patience)
			took := time.Since(begin)
			if want := "[198.18.0.1]:39435 n \r\n"; got != want {
				t.Errorf("answer %q, want %q", got, want)
			}
			if took < tt.least {
				t.Errorf("answered after %v, want %v at the least", took, tt.least)
			}
			waitStats(t, s, serve.Stats{Requests: 1, Missed: 1})
		})
	}
}

func TestAllowed(t *testing.T) {
	other := []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("fe80::/10")}
	for _, tt := range []struct {
		from  string
		allow []netip.Prefix
		want  bool
	}{
		{"127.0.0.1:1024", nil, true},
		{"127.255.255.254:65535", nil, true},
		{"[::1]:40000", nil, true},
		{"[::ffff:127.0.0.1]:40000", nil, true},
		{"127.0.0.1:1023", nil, false},
		{"127.0.0.1:1", nil, false},
		{"127.0.0.1:0", nil, false},
		{"[::1]:53", nil, false},
		{"127.0.0.1:2048", nil, true},
		{"127.0.0.1:2049", nil, false},
		{"[::1]:2049", nil, false},
		{"127.0.0.1:2050", nil, true},
		{"128.0.0.1:40000", nil, false},
		{"[::2]:40000", nil, false},
		{"[::7f00:1]:40000", nil, false},
		{"198.18.0.1:40000", nil, false},
		{"127.0.0.1:40000", []netip.Prefix{}, false},
		{"127.0.0.1:40000", other, false},
		{"198.19.0.1:40000", other, true},
		{"198.19.0.1:2049", other, false},
		{"[fe80::1%eth0]:40000", other, true},
	} {
		v := serving{allow: tt.allow}
		if tt.allow == nil {
			v.allow = loopback[:]
		}
		from := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(tt.from))
		if got := v.allowed(from); got != tt.want {
			t.Errorf("allowed(%s) of %v = %v, want %v", tt.from, tt.allow, got, tt.want)
		}
	}
	if v := (serving{allow: loopback[:]}); v.allowed(&net.UnixAddr{}) || v.allowed(nil) {
		t.Error("a datagram that is not of UDP is allowed")
	}
}

// TestStrangers get no answer, from whatever socket, and one line in the log.
func TestStrangers(t *testing.T) {
	fronttest.Leaks(t)
	var log fronttest.Log
	s := &Server{Lookuper: known(), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, Logger: log.Logger()}
	addr, _ := start(t, s, udp(t, "127.0.0.1:0"))
	begin := time.Now()
	stranger, friend := udp(t, "127.0.0.3:0"), udp(t, "127.0.0.2:0")
	for range 50 {
		if _, err := stranger.WriteTo([]byte("[198.18.0.1]:39435 n"), addr); err != nil {
			t.Fatal(err)
		}
	}
	if got := answer(t, stranger, silence); got != "" {
		t.Errorf("a stranger gets %q", got)
	}
	if got := ask(t, friend, addr, "[198.18.0.1]:39435 n", patience); got == "" {
		t.Error("a client of Allow gets no answer")
	}
	waitStats(t, s, serve.Stats{Requests: 1, Refused: 50})
	if lines, most := log.Lines(), int(time.Since(begin)/time.Second)+1; len(lines) == 0 || len(lines) > most {
		t.Errorf("log %q, want 1 to %d lines", lines, most)
	}
}

// TestPortOfNFS is a server's: what comes from it is no client's question.
func TestPortOfNFS(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.9:2049")
	if err != nil {
		t.Fatal(err) // of an unused address
	}
	defer pc.Close()
	s := &Server{Lookuper: known()}
	addr, _ := start(t, s, udp(t, "127.0.0.1:0"))
	if got := ask(t, pc, addr, "[198.18.0.1]:39435 n", silence); got != "" {
		t.Errorf("port 2049 gets %q", got)
	}
	waitStats(t, s, serve.Stats{Refused: 1})
}

// TestDeviationServersDoNotTalkToEachOther: a datagram whose sender is another server,
// or the server itself, begins no conversation without end.
func TestDeviationServersDoNotTalkToEachOther(t *testing.T) {
	fronttest.Leaks(t)
	full := "[198.18.0.1]:39435 " + strings.Repeat("x", maxRequest-len("[198.18.0.1]:39435 "))
	for _, q := range []string{"[198.18.0.1]:39435 n", "[198.18.0.1]:39435 ", "[198.18.9.9]:1 n", full, full[:63]} {
		a, b := &Server{Lookuper: known()}, &Server{Lookuper: known()}
		pcA, pcB := udp(t, "127.0.0.1:0"), udp(t, "127.0.0.1:0")
		addrA, stopA := start(t, a, pcA)
		addrB, stopB := start(t, b, pcB)
		pcA.WriteTo([]byte(q), addrB)
		waitStats(t, b, serve.Stats{Requests: 1})
		waitStats(t, a, serve.Stats{Bad: 1})
		pcA.WriteTo([]byte(q), addrA)
		waitStats(t, a, serve.Stats{Requests: 1, Bad: 2})
		stopA()
		stopB()
		if got := a.Stats(); got != (serve.Stats{Requests: 1, Bad: 2}) {
			t.Errorf("%q: Stats at the end = %+v", q, got)
		}
	}
}

// TestGarbage sends what no asker does; a question between it is answered.
func TestGarbage(t *testing.T) {
	fronttest.Leaks(t)
	var log fronttest.Log
	s := &Server{Lookuper: known(), Logger: log.Logger()}
	addr, _ := start(t, s, udp(t, "127.0.0.1:0"))
	client, noise := udp(t, "127.0.0.1:0"), udp(t, "127.0.0.1:0")
	const seed = 6
	r := rand.New(rand.NewPCG(seed, seed))
	begin := time.Now()
	const rounds = 200
	sent := 0
	for i := range rounds {
		for range 20 {
			b := make([]byte, r.IntN(1500))
			for j := range b {
				b[j] = byte(r.Uint32())
			}
			copy(b, "[198.18.0.1]:39435 "[:r.IntN(20)])
			if _, err := parseRequest(b); err == nil {
				continue
			}
			if _, err := noise.WriteTo(b, addr); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		q := fmt.Sprintf("[198.18.0.1]:39435 %d", i)
		if got, want := ask(t, client, addr, q, patience), q+" "+linuxV2+"\r\n"; got != want {
			t.Fatalf("seed %d: question %d is answered with %q, want %q", seed, i, got, want)
		}
	}
	if got := answer(t, noise, silence); got != "" {
		t.Errorf("seed %d: garbage is answered with %q", seed, got)
	}
	waitStats(t, s, serve.Stats{Requests: rounds, Bad: uint64(sent)})
	if lines, most := log.Lines(), int(time.Since(begin)/time.Second)+1; len(lines) == 0 || len(lines) > most {
		t.Errorf("%d lines in the log, want 1 to %d", len(lines), most)
	}
}

// TestOversized datagrams are dropped, up to the longest there are.
func TestOversized(t *testing.T) {
	s := &Server{Lookuper: known()}
	addr, _ := start(t, s, udp(t, "127.0.0.1:0"))
	client := udp(t, "127.0.0.1:0")
	for _, n := range []int{maxRequest + 1, maxRequest + 2, 1500, 9000, 65507} {
		q := "[198.18.0.1]:39435 " + strings.Repeat("x", n-len("[198.18.0.1]:39435 "))
		if _, err := client.WriteTo([]byte(q), addr); err != nil {
			t.Fatal(err)
		}
	}
	waitStats(t, s, serve.Stats{Bad: 5})
	q := "[198.18.0.1]:39435 n"
	if got, want := ask(t, client, addr, q, patience), q+" "+linuxV2+"\r\n"; got != want {
		t.Errorf("after them: %q, want %q", got, want)
	}
}

// TestFloodWithASlowSensor: more questions than look-ups can be under way are
// dropped, nothing grows, and the server answers when the sensor does.
func TestFloodWithASlowSensor(t *testing.T) {
	fronttest.Leaks(t)
	var log fronttest.Log
	who := &stalling{Lookuper: known(), gate: make(chan struct{})}
	s := &Server{Lookuper: who, Logger: log.Logger()}
	addr, _ := start(t, s, udp(t, "127.0.0.1:0"))
	client := udp(t, "127.0.0.1:0")
	const flood = 1000
	begin := time.Now()
	// The reader is not held up: all are read, and all but those that wait are
	// dropped. The socket holds about 250.
	for sent := 1; sent <= flood; sent++ {
		if _, err := client.WriteTo([]byte("[198.18.0.1]:39435 n"), addr); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); sent%50 == 0 && int(s.Stats().Dropped) < sent-workers-pending; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("Stats = %+v, want %d dropped", s.Stats(), sent-workers-pending)
			}
		}
	}
	close(who.gate)
	waitStats(t, s, serve.Stats{Requests: workers + pending, Dropped: flood - workers - pending})
	for range workers + pending {
		if got := answer(t, client, patience); got == "" {
			t.Fatal("a question that was taken has no answer")
		}
	}
	q := "[198.18.0.1]:39435 last"
	if got, want := ask(t, client, addr, q, patience), q+" "+linuxV2+"\r\n"; got != want {
		t.Errorf("after the flood: %q, want %q", got, want)
	}
	if lines, most := log.Lines(), int(time.Since(begin)/time.Second)+1; len(lines) == 0 || len(lines) > most {
		t.Errorf("%d lines in the log, want 1 to %d", len(lines), most)
	}
}

// stalling holds look-ups up until the gate is open, whatever their context
// says: no Lookuper should.
type stalling struct {
	*fronttest.Lookuper
	gate  chan struct{}
	asked chan struct{} // gets one for each question, unless nil or full
}

func (l *stalling) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	select {
	case l.asked <- struct{}{}:
	default:
	}
	<-l.gate
	return l.Lookuper.Lookup(context.Background(), q)
}

// TestEndAnswers: what was asked before the end is answered.
func TestEndAnswers(t *testing.T) {
	fronttest.Leaks(t)
	who := &stalling{Lookuper: known(), gate: make(chan struct{}), asked: make(chan struct{}, 1)}
	s := &Server{Lookuper: who}
	addr, stop := start(t, s, udp(t, "127.0.0.1:0"))
	client := udp(t, "127.0.0.1:0")
	client.WriteTo([]byte("[198.18.0.1]:39435 n"), addr)
	<-who.asked
	time.AfterFunc(20*time.Millisecond, func() { close(who.gate) })
	if err := stop(); err != nil {
		t.Errorf("Serve = %v", err)
	}
	if got, want := answer(t, client, patience), "[198.18.0.1]:39435 n "+linuxV2+"\r\n"; got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
}

// failing is a socket whose reads fail.
type failing struct {
	net.PacketConn
	errs []error
}

func (f *failing) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return 0, nil, err
	}
	return f.PacketConn.ReadFrom(b)
}

func TestSocketThatFails(t *testing.T) {
	fronttest.Leaks(t)
	broken := errors.New("broken")
	pc := udp(t, "127.0.0.1:0")
	err := (&Server{Lookuper: known()}).Serve(t.Context(), &failing{pc, []error{broken}})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "amavis: ") {
		t.Errorf("Serve = %v, want %v", err, broken)
	}
	if _, err := pc.WriteTo([]byte("x"), pc.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket is open after Serve: %v", err)
	}
}

// passing are errors that pass.
func passing() (errs []error) {
	for _, e := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EMSGSIZE, syscall.ENOBUFS, syscall.EINTR} {
		errs = append(errs, &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("recvfrom", e)})
	}
	return errs
}

// TestSocketThatRecovers: errors that pass, as those of answers to a closed port, do
// not end the server.
func TestSocketThatRecovers(t *testing.T) {
	fronttest.Leaks(t)
	pc := udp(t, "127.0.0.1:0")
	s := &Server{Lookuper: known(), Logger: slog.New(slog.DiscardHandler)}
	start(t, s, &failing{pc, passing()})
	client := udp(t, "127.0.0.1:0")
	q := "[198.18.0.1]:39435 n"
	if got, want := ask(t, client, pc.LocalAddr(), q, patience), q+" "+linuxV2+"\r\n"; got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
}

// TestClientThatIsGone asks and closes its socket before the answer.
func TestClientThatIsGone(t *testing.T) {
	fronttest.Leaks(t)
	who := &stalling{Lookuper: known(), gate: make(chan struct{})}
	s := &Server{Lookuper: who}
	addr, _ := start(t, s, udp(t, "127.0.0.1:0"))
	for range 50 {
		pc := udp(t, "127.0.0.1:0")
		pc.WriteTo([]byte("[198.18.0.1]:39435 n"), addr)
		pc.Close()
	}
	close(who.gate)
	waitStats(t, s, serve.Stats{Requests: 50})
	q := "[198.18.0.1]:39435 n"
	if got := ask(t, udp(t, "127.0.0.1:0"), addr, q, patience); got == "" {
		t.Error("no answer after clients that are gone")
	}
}

// BenchmarkQuestion is one client that asks one question after the other.
func BenchmarkQuestion(b *testing.B) {
	addr, _ := start(b, &Server{Lookuper: fixed{linux}}, udp(b, "127.0.0.1:0"))
	client := udp(b, "127.0.0.1:0")
	q := []byte("[198.18.0.1]:39435 sHrsEzXDnFbm")
	buf := make([]byte, 2048)
	for b.Loop() {
		client.WriteTo(q, addr)
		client.SetReadDeadline(time.Now().Add(patience))
		if _, _, err := client.ReadFrom(buf); err != nil {
			b.Fatal(err)
		}
	}
}

type fixed struct{ n note.Note }

func (f fixed) Lookup(context.Context, note.Query) (note.Note, error) { return f.n, nil }
