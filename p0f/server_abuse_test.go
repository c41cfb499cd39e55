package p0f

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
)

// What clients did to p0f's socket, or do to it every day: p0f-v3.md §9.3, and
// what is known of the programs that ask.

func TestUnlimitedQueries(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	nc := dial(t, path)
	addrs, b := queries(5000)
	for i, a := range addrs {
		send(t, nc, b[i*QuerySize:][:QuerySize])
		wantNote(t, nc, a)
	}
	if got := s.Stats(); got.Requests != 5000 || got.Total != 1 {
		t.Errorf("Stats = %+v, want 5000 queries of one connection", got)
	}
}

// TestPipelinedQueries: answers come in order and in whole, however many.
func TestPipelinedQueries(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	for _, n := range []int{2, batchSize - 1, batchSize, batchSize + 1, 10000} {
		nc := dial(t, path)
		addrs, b := queries(n)
		sent := make(chan error, 1)
		go func() { _, err := nc.Write(b); sent <- err }()
		in := make([]byte, 0, n*ResponseSize)
		for len(in) < cap(in) {
			got, err := nc.Read(in[len(in):cap(in)])
			if err != nil {
				t.Fatal(err)
			}
			if got%ResponseSize != 0 {
				t.Fatalf("one read got %d bytes, want whole replies of %d", got, ResponseSize)
			}
			in = in[:len(in)+got]
		}
		for i, a := range addrs {
			wantNote(t, bytes.NewReader(in[i*ResponseSize:]), a)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}

func TestByteAtATime(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	nc := dial(t, path)
	addrs, b := queries(20)
	for i := range b {
		send(t, nc, b[i:i+1])
		if (i+1)%QuerySize == 0 {
			wantNote(t, nc, addrs[i/QuerySize])
		}
	}
}

// TestQueryAcrossReads: queries in portions that fit neither them nor the
// server's buffer.
func TestQueryAcrossReads(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	for _, portion := range []int{20, 22, batchSize*QuerySize - 1, batchSize*QuerySize + 1} {
		nc := dial(t, path)
		addrs, b := queries(100)
		go func() {
			for part := range slices.Chunk(b, portion) {
				nc.Write(part)
				time.Sleep(100 * time.Microsecond)
			}
		}()
		for _, a := range addrs {
			wantNote(t, nc, a)
		}
	}
}

// TestBadQueries: each gets status 0, and the next 21 bytes are the next query.
func TestBadQueries(t *testing.T) {
	swapped := query("198.18.0.1")
	slices.Reverse(swapped[:4])
	badType := query("198.18.0.1")
	badType[4] = 7
	for _, tt := range []struct {
		name string
		q    []byte
	}{
		{"magic in the other byte order", swapped},
		{"wrong magic", bytes.Repeat([]byte{0xff}, QuerySize)},
		{"zeroes", make([]byte, QuerySize)},
		{"wrong address type", badType},
		{"text", []byte("GET / HTTP/1.0\r\n\r\n   ")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaks(t)
			s := &Server{Lookuper: everything{}}
			path, _ := start(t, s)
			nc := dial(t, path)
			for range 3 {
				send(t, nc, tt.q)
				var r [ResponseSize]byte
				if _, err := io.ReadFull(nc, r[:]); err != nil {
					t.Fatal(err)
				}
				if want := appendStatus(nil, statusBadQuery); !bytes.Equal(r[:], want) {
					t.Errorf("answer %x, want %x", r, want)
				}
				wantAnswered(t, nc, "198.18.0.1")
			}
			// Good and bad in one write.
			send(t, nc, slices.Concat(query("198.18.0.1"), tt.q, query("198.18.0.2")))
			wantNote(t, nc, netip.MustParseAddr("198.18.0.1"))
			if _, err := receive(t, nc); !errors.Is(err, ErrBadQuery) {
				t.Errorf("between good ones: %v, want %v", err, ErrBadQuery)
			}
			wantNote(t, nc, netip.MustParseAddr("198.18.0.2"))
			if got := s.Stats().Bad; got != 4 {
				t.Errorf("%d bad queries counted, want 4", got)
			}
		})
	}
}

// TestBadQueriesDoNotFloodTheLog: p0f wrote 204,000 lines in 1.5 s.
func TestBadQueriesDoNotFloodTheLog(t *testing.T) {
	leaks(t)
	var log logLines
	s := &Server{Lookuper: everything{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	path, stop := start(t, s)
	begin := time.Now()
	for range 50 {
		nc := dial(t, path)
		send(t, nc, make([]byte, 100*QuerySize))
		if _, err := io.ReadFull(nc, make([]byte, 100*ResponseSize)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	lines, most := log.all(), int(time.Since(begin)/time.Second)+1
	if len(lines) < 1 || len(lines) > most || !strings.Contains(lines[0], "bad query") {
		t.Errorf("%d lines, want 1 to %d: %q", len(lines), most, lines)
	}
	if got := s.Stats().Bad; got != 5000 {
		t.Errorf("%d bad queries counted, want 5000", got)
	}
}

// TestHalfClose: what was asked before the client closed its direction is
// answered, then the connection ends; p0f spins instead.
func TestHalfClose(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	addrs, b := queries(1000)
	for _, tail := range []int{0, 3, 20} {
		nc := dial(t, path)
		go func() {
			nc.Write(b)
			nc.Write(make([]byte, tail))
			nc.CloseWrite()
		}()
		in, err := io.ReadAll(nc)
		if err != nil || len(in) != len(addrs)*ResponseSize {
			t.Fatalf("read %d bytes, %v, want %d and EOF", len(in), err, len(addrs)*ResponseSize)
		}
		for i, a := range addrs {
			wantNote(t, bytes.NewReader(in[i*ResponseSize:]), a)
		}
	}
}

// TestSilentClients: nothing is sent to a client that has not asked, nor to one
// that has asked half a query, and neither holds up another.
func TestSilentClients(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	silent, half, after := dial(t, path), dial(t, path), dial(t, path)
	send(t, half, query("198.18.0.1")[:10])
	wantAnswered(t, after, "198.18.0.1")
	for range 100 {
		wantAnswered(t, dial(t, path), "198.18.0.1")
	}
	for name, nc := range map[string]net.Conn{"silent": silent, "half a query": half, "after an answer": after} {
		nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := nc.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: read %d bytes, %v, want none and the connection open", name, n, err)
		}
		nc.SetReadDeadline(time.Now().Add(patience))
	}
	send(t, half, query("198.18.0.1")[10:])
	wantNote(t, half, netip.MustParseAddr("198.18.0.1"))
}

// TestNeverReadingClient asks without end and reads nothing. Others get their
// answers meanwhile: who waited for it here would wait for an hour. When it is
// dropped is tested in synthetic time.
func TestNeverReadingClient(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}, WriteTimeout: time.Hour}
	path, stop := start(t, s)
	_, b := queries(1000)
	const deaf = 5
	var wg sync.WaitGroup
	for range deaf {
		nc := dial(t, path)
		wg.Go(func() {
			for {
				if _, err := nc.Write(b); err != nil {
					return // the server has closed
				}
			}
		})
	}
	other := dial(t, path)
	for range 20 {
		wantAnswered(t, other, "198.18.0.1")
		time.Sleep(10 * time.Millisecond) // the others fill what the kernel holds
	}
	if got := s.Stats().Open; got != deaf+1 {
		t.Errorf("%d connections are open, want %d", got, deaf+1)
	}
	stop()
	wg.Wait()
}

// TestHangUps: 2,081 clients that connected, asked and closed at once have
// killed p0f.
func TestHangUps(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	const clients = 4000
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range clients / 4 {
				nc := dial(t, path)
				nc.Write(bytes.Repeat(query("198.18.0.1"), 1+(i+w)%40))
				nc.Close()
			}
		})
	}
	wg.Wait()
	wantAnswered(t, dial(t, path), "198.18.0.1")
	for end := time.Now().Add(patience); s.Stats().Open > 1 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := s.Stats(); got.Total != clients+1 || got.Open != 1 || got.Dropped != 0 {
		t.Errorf("Stats = %+v, want %d connections and one open", got, clients+1)
	}
}

// TestHangUpWhileLookingUp closes between the query and the answer for sure.
func TestHangUpWhileLookingUp(t *testing.T) {
	leaks(t)
	var log logLines
	s := &Server{
		Lookuper: newSightings("198.18.0.1"), Wait: 20 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	path, stop := start(t, s)
	for range 100 {
		nc := dial(t, path)
		send(t, nc, query("198.18.9.9"))
		nc.Close()
	}
	for s.Stats().Requests < 100 {
		time.Sleep(time.Millisecond)
	}
	wantAnswered(t, dial(t, path), "198.18.0.1")
	stop()
	if lines := log.all(); len(lines) != 0 {
		t.Errorf("log %q, want nothing about hang-ups", lines)
	}
}

// TestSlowReaders take an answer byte by byte, and a pile of answers late.
func TestSlowReaders(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	addrs, b := queries(200)
	slow, late := dial(t, path), dial(t, path)
	send(t, late, b)
	for i, a := range addrs[:3] {
		send(t, slow, b[i*QuerySize:][:QuerySize])
		var in [ResponseSize]byte
		for j := range in {
			if _, err := slow.Read(in[j : j+1]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Microsecond)
		}
		wantNote(t, bytes.NewReader(in[:]), a)
	}
	for _, a := range addrs {
		wantNote(t, late, a)
	}
}

// TestEximQuery: the Exim dlfunc sends an unpacked struct of 24 bytes, does one
// read and closes.
func TestEximQuery(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	for range 10 {
		nc := dial(t, path)
		send(t, nc, append(query("198.18.0.1"), 0, 0, 0))
		in := make([]byte, 4096)
		n, err := nc.Read(in)
		if err != nil || n != ResponseSize {
			t.Fatalf("one read got %d bytes, %v, want %d", n, err, ResponseSize)
		}
		wantNote(t, bytes.NewReader(in), netip.MustParseAddr("198.18.0.1"))
		nc.Close()
	}
	if got := s.Stats(); got.Requests != 10 || got.Bad != 0 {
		t.Errorf("Stats = %+v, want ten queries, none bad", got)
	}
}

// TestQpsmtpdQuery: qpsmtpd sends its query twice, reads one answer and closes.
func TestQpsmtpdQuery(t *testing.T) {
	leaks(t)
	s := &Server{Lookuper: everything{}}
	path, _ := start(t, s)
	q := query("2001:db8::25")
	for i := range 100 {
		nc := dial(t, path)
		if i%2 == 0 {
			send(t, nc, append(q, q...))
		} else {
			send(t, nc, q)
			send(t, nc, q)
		}
		wantNote(t, nc, netip.MustParseAddr("2001:db8::25"))
		nc.Close()
	}
	wantAnswered(t, dial(t, path), "198.18.0.1")
}

// TestOneReadGetsOneAnswer: rspamd takes what its first read gets, and rejects
// any other length.
func TestOneReadGetsOneAnswer(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: fixed{note.Note{State: note.Unknown, Distance: note.Hops(3)}}})
	nc := dial(t, path)
	in := make([]byte, 4096)
	for range 1000 {
		send(t, nc, query("198.18.0.1"))
		if n, err := nc.Read(in); n != ResponseSize || err != nil {
			t.Fatalf("one read got %d bytes, %v, want %d", n, err, ResponseSize)
		}
	}
}

// TestGarbage sends random bytes, with good queries strewn in.
func TestGarbage(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	const seed = 20
	r := rand.New(rand.NewPCG(seed, seed))
	for range 20 {
		var b []byte
		for range 1 + r.IntN(500) {
			q := query("198.18.0.1")
			for i := 9; i < len(q); i++ {
				q[i] = byte(r.Uint32())
			}
			switch r.IntN(4) {
			case 0: // good: what follows an IPv4 address is ignored
			case 1:
				q[r.IntN(5)] ^= byte(1 + r.IntN(255))
			default:
				binary.NativeEndian.PutUint32(q, r.Uint32())
			}
			b = append(b, q...)
		}
		nc := dial(t, path)
		go func() {
			nc.Write(b)
			nc.Write(b[:r.IntN(QuerySize)])
			nc.CloseWrite()
		}()
		out, err := io.ReadAll(nc)
		if err != nil || len(out) != len(b)/QuerySize*ResponseSize {
			t.Fatalf("seed %d: %d bytes answered with %d, %v", seed, len(b), len(out), err)
		}
		for i := range len(b) / QuerySize {
			addr, qerr := DecodeQuery(b[i*QuerySize:][:QuerySize])
			n, err := DecodeResponse(out[i*ResponseSize:][:ResponseSize])
			if (qerr == nil) != (err == nil) || qerr == nil && !reflect.DeepEqual(n, noteOf(addr)) {
				t.Fatalf("seed %d: query %x (%v) answered with %+v, %v", seed, b[i*QuerySize:][:QuerySize], qerr, n, err)
			}
		}
	}
}

// TestDeviationClosesConnectionsOverTheLimit: p0f leaves them unanswered, and
// writes lines without end meanwhile.
func TestDeviationClosesConnectionsOverTheLimit(t *testing.T) {
	leaks(t)
	var log logLines
	s := &Server{Lookuper: everything{}, MaxConns: 20, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	path, _ := start(t, s)
	var open []net.Conn
	for range s.MaxConns {
		nc := dial(t, path)
		wantAnswered(t, nc, "198.18.0.1")
		open = append(open, nc)
	}
	begin := time.Now()
	for range 200 {
		nc := dial(t, path)
		nc.Write(query("198.18.0.1"))
		if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("one connection too many: read %d bytes, %v, want it closed", n, err)
		}
	}
	for _, nc := range open {
		wantAnswered(t, nc, "198.18.0.2")
	}
	if got := s.Stats(); got.Refused != 200 || got.Open != 20 {
		t.Errorf("Stats = %+v, want 200 rejected and 20 open", got)
	}
	if lines, most := log.all(), int(time.Since(begin)/time.Second)+1; len(lines) > most || len(lines) == 0 {
		t.Errorf("%d lines in the log, want 1 to %d", len(lines), most)
	}
	open[0].Close()
	for end := time.Now().Add(patience); s.Stats().Open == 20 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	wantAnswered(t, dial(t, path), "198.18.0.1")
}

// setFiles sets the limit of open files until the test ends.
func setFiles(t *testing.T, n int) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Errorf("setting the limit of open files back: %v", err)
		}
	})
	limit := old
	setNumber(&limit.Cur, n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

// setNumber is for a field that has a sign on some systems.
func setNumber[T int64 | uint64](field *T, n int) { *field = T(n) }

// crowdEnv makes this test binary the clients of TestTenThousandConnections:
// each process has room for one end of the connections only.
const crowdEnv = "P0F_TEST_CROWD"

// TestTenThousandConnections has them all ask, keeps them, has them all ask
// again, and measures an idle one. One more is closed.
func TestTenThousandConnections(t *testing.T) {
	if path := os.Getenv(crowdEnv); path != "" {
		crowd(t, path)
		return
	}
	leaks(t)
	const conns = serve.DefaultMaxConns
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < conns+200 {
		lab.Skip(t, "needs a hard limit of 10,200 open files")
	}
	setFiles(t, conns+200)
	s := &Server{Lookuper: fixed{full}}
	path, _ := start(t, s)
	before := memory()

	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), crowdEnv+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	expect := func(word string) {
		for lines.Scan() {
			if lines.Text() == word {
				return
			}
			t.Log(lines.Text())
		}
		t.Fatalf("the clients ended before %q", word)
	}
	expect("connected")
	if got := s.Stats(); got.Open != conns || got.Requests != conns {
		t.Errorf("Stats = %+v, want %d open", got, conns)
	}
	each := (memory() - before) / conns
	t.Logf("%d connections, %d bytes each while idle", conns, each)
	if each > 16<<10 {
		t.Errorf("an idle connection costs %d bytes, want 16 KiB at most", each)
	}
	in.Write([]byte{'\n'})
	expect("asked again")
	in.Close()
	expect("PASS")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got := s.Stats(); got.Refused != 1 || got.Requests != 2*conns {
		t.Errorf("Stats = %+v, want one rejected and %d queries", got, 2*conns)
	}
}

// crowd is the other end, in a process of its own.
func crowd(t *testing.T, path string) {
	q := query("198.18.0.1")
	ask := func(fd int) {
		if _, err := syscall.Write(fd, q); err != nil {
			t.Fatal(err)
		}
		var r [ResponseSize + 1]byte
		n, err := rawRead(fd, r[:])
		if err != nil || n != ResponseSize {
			t.Fatalf("read %d bytes, %v, want %d", n, err, ResponseSize)
		}
		if n, err := DecodeResponse(r[:n]); err != nil || !reflect.DeepEqual(n, full) {
			t.Fatalf("answer %+v, %v, want %+v", n, err, full)
		}
	}
	var fds []int
	for range serve.DefaultMaxConns {
		fds = append(fds, rawDial(t, path))
		ask(fds[len(fds)-1])
	}
	fmt.Println("connected")
	os.Stdin.Read(make([]byte, 1))
	for _, fd := range fds {
		ask(fd)
	}
	if n, err := rawRead(rawDial(t, path), make([]byte, 1)); n != 0 || err != nil {
		t.Fatalf("connection %d: read %d, %v, want it closed", len(fds)+1, n, err)
	}
	fmt.Println("asked again")
	os.Stdin.Read(make([]byte, 1))
}

// rawRead is read(2); a signal of the Go runtime may interrupt it.
func rawRead(fd int, b []byte) (n int, err error) {
	for {
		if n, err = syscall.Read(fd, b); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// rawDial connects, and gives up on answers when the patience is over.
func rawDial(t *testing.T, path string) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	tv := syscall.NsecToTimeval(int64(patience))
	syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv)
	for range 1000 {
		if err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err != syscall.EAGAIN && err != syscall.EINTR {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		syscall.Close(fd)
		t.Fatal(err)
	}
	return fd
}

// memory is what Go has in use, heap and stacks, in bytes.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// TestOutOfDescriptors: the server goes on when the process has no descriptor
// left for a connection, as soon as it has one again.
func TestOutOfDescriptors(t *testing.T) {
	leaks(t)
	var log logLines
	s := &Server{Lookuper: everything{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	path, _ := start(t, s)
	old := dial(t, path)
	wantAnswered(t, old, "198.18.0.1")
	setFiles(t, 256)
	var fill []*os.File
	release := func() {
		for _, f := range fill {
			f.Close()
		}
		fill = nil
	}
	defer release()
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			if !errors.Is(err, syscall.EMFILE) {
				t.Fatal(err)
			}
			break
		}
		fill = append(fill, f)
	}
	last := len(fill) - 1
	fill[last].Close()
	fill = fill[:last]
	begin := time.Now()
	nc := dial(t, path) // takes the last descriptor
	send(t, nc, query("198.18.0.2"))
	for end := time.Now().Add(patience); len(log.all()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server noticed nothing")
		}
	}
	wantAnswered(t, old, "198.18.0.1")
	release()
	wantNote(t, nc, netip.MustParseAddr("198.18.0.2"))
	if lines, most := log.all(), int(time.Since(begin)/time.Second)+1; len(lines) < 1 || len(lines) > most || !strings.Contains(lines[0], "too many open files") {
		t.Errorf("log %q, want 1 to %d lines", lines, most)
	}
}
