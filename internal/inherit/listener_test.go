package inherit

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// patience is for what comes within milliseconds. A busy machine takes longer.
const patience = 30 * time.Second

// noteOf makes a different note for each address.
func noteOf(addr netip.Addr) note.Note {
	return note.Note{State: note.Matched, OSName: "Linux", OSFlavor: addr.String()}
}

// everything has seen every address.
type everything struct{}

func (everything) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	return noteOf(q.Client.Addr()), nil
}

// served is a p0f.Server on a socket that can be handed over.
type served struct {
	p0f.Server
	ln    *Listener
	ended chan error // what Serve returned
}

// startOn serves at path, with what an earlier process left.
func startOn(t testing.TB, path string, left []Socket) *served {
	t.Helper()
	ln, err := Listen(path, 0o666, left)
	if err != nil {
		t.Fatalf("Listen = %v", err)
	}
	ln.grace = patience
	s := &served{Server: p0f.Server{Lookuper: everything{}}, ln: ln, ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		s.ended <- s.Serve(ctx, ln)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s
}

// leave hands the server over as to another process: what it returns are
// descriptors of its own, and has passed through JSON.
func leave(t testing.TB, s *served) []Socket {
	t.Helper()
	var left []Socket
	if err := s.ln.Handover(context.Background(), func(in []Socket) error {
		for i := range in {
			fd, err := unix.FcntlInt(uintptr(in[i].FD), unix.F_DUPFD_CLOEXEC, 3)
			if err != nil {
				return err
			}
			in[i].FD = fd
		}
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &left)
	}); err != nil {
		t.Fatalf("Handover = %v", err)
	}
	return left
}

func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p0f") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// dial connects as a mail server would, once somebody listens.
func dial(t testing.TB, path string) *net.UnixConn {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		nc, err := net.Dial("unix", path)
		if err == nil {
			nc.SetDeadline(time.Now().Add(patience))
			t.Cleanup(func() { nc.Close() })
			return nc.(*net.UnixConn)
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func query(addr string) []byte { return p0f.AppendQuery(nil, netip.MustParseAddr(addr)) }

// queries asks about n addresses of their own.
func queries(n int) (addrs []netip.Addr, b []byte) {
	for i := range n {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		addrs = append(addrs, a)
		b = p0f.AppendQuery(b, a)
	}
	return addrs, b
}

func send(t testing.TB, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatalf("writing a query: %v", err)
	}
}

// wantNote reads the answer about addr.
func wantNote(t testing.TB, r io.Reader, addr netip.Addr) {
	t.Helper()
	var b [p0f.ResponseSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		t.Fatalf("reading a response: %v", err)
	}
	n, err := p0f.DecodeResponse(b[:])
	if err != nil || n.OSFlavor != addr.String() {
		t.Fatalf("about %v: %+v, %v", addr, n, err)
	}
}

func wantAnswered(t testing.TB, nc net.Conn, addr string) {
	t.Helper()
	send(t, nc, query(addr))
	wantNote(t, nc, netip.MustParseAddr(addr))
}

func TestHandoverUnnoticed(t *testing.T) {
	fronttest.Leaks(t)
	path := filepath.Join(socketDir(t), "s")
	first := startOn(t, path, nil)
	file, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}

	// One client for each length of a part of a query.
	var clients []*net.UnixConn
	for i := range p0f.QuerySize {
		nc := dial(t, path)
		clients = append(clients, nc)
		wantAnswered(t, nc, "198.18.0.1")
		send(t, nc, query("198.18.0.2")[:i])
	}
	left := leave(t, first)
	select {
	case err := <-first.ended:
		if err != nil {
			t.Fatalf("Serve of the first = %v, want nil", err)
		}
	case <-time.After(patience):
		t.Fatal("Serve of the first did not return")
	}
	if got := len(left); got != 1+len(clients) {
		t.Fatalf("%d sockets are left, want the listener and %d", got, len(clients))
	}

	// Between the two: what clients send waits, and so do new ones.
	for i, nc := range clients {
		send(t, nc, query("198.18.0.2")[i:])
		send(t, nc, query("198.18.0.3"))
	}
	late := dial(t, path)
	send(t, late, query("198.18.0.4"))
	clients[3].CloseWrite()

	second := startOn(t, path, left)
	for _, nc := range clients {
		wantNote(t, nc, netip.MustParseAddr("198.18.0.2"))
		wantNote(t, nc, netip.MustParseAddr("198.18.0.3"))
	}
	wantNote(t, late, netip.MustParseAddr("198.18.0.4"))
	if n, err := clients[3].Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("a client that ended between the two: Read = %d, %v, want the end", n, err)
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(now, file) {
		t.Errorf("the socket's file is another (%v)", err)
	}
	if got, want := second.Stats().Requests, uint64(2*len(clients)+1); got != want {
		t.Errorf("the second answered %d queries, want %d", got, want)
	}
}

// No query is lost, doubled or answered out of order however often the server
// changes under clients that ask all the time.
func TestHandoverUnderLoad(t *testing.T) {
	fronttest.Leaks(t)
	path := filepath.Join(socketDir(t), "s")
	s := startOn(t, path, nil)
	var (
		wg    sync.WaitGroup
		stop  atomic.Bool
		asked atomic.Int64
	)
	for range 8 {
		nc := dial(t, path)
		wg.Go(func() {
			addrs, b := queries(7)
			for !stop.Load() {
				// In two portions, the second begins inside of a query.
				for _, part := range [][]byte{b[:50], b[50:]} {
					if _, err := nc.Write(part); err != nil {
						t.Errorf("writing: %v", err)
						return
					}
				}
				for _, a := range addrs {
					var r [p0f.ResponseSize]byte
					if _, err := io.ReadFull(nc, r[:]); err != nil {
						t.Errorf("reading: %v", err)
						return
					}
					if n, err := p0f.DecodeResponse(r[:]); err != nil || n.OSFlavor != a.String() {
						t.Errorf("about %v: %+v, %v", a, n, err)
						return
					}
				}
				asked.Add(int64(len(addrs)))
			}
		})
	}
	const changes = 40
	var longest time.Duration
	for i := range changes {
		time.Sleep(5 * time.Millisecond)
		begin := time.Now()
		if i%4 == 3 {
			want := errors.New("the other cannot start")
			if err := s.ln.Handover(context.Background(), func([]Socket) error { return want }); err != want {
				t.Fatalf("Handover = %v, want %v", err, want)
			}
		} else {
			s = startOn(t, path, leave(t, s))
		}
		longest = max(longest, time.Since(begin))
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d queries while the server changed %d times; longest %v", asked.Load(), changes, longest)
}

// A client that does not read cannot hold the hand-over up, nor is it served on
// in the middle of an answer.
func TestHandoverWithoutReader(t *testing.T) {
	fronttest.Leaks(t)
	path := filepath.Join(socketDir(t), "s")
	s := startOn(t, path, nil)
	s.ln.grace = 2 * time.Second
	good, stuck := dial(t, path), dial(t, path)
	wantAnswered(t, good, "198.18.0.1")
	_, many := queries(32)
	// It is stuck when nothing at all was taken from it for two seconds.
	for n := 1; n > 0; {
		stuck.SetWriteDeadline(time.Now().Add(2 * time.Second))
		n, _ = stuck.Write(many)
	}
	begin := time.Now()
	left := leave(t, s)
	if d := time.Since(begin); d > patience {
		t.Errorf("Handover took %v, want about %v", d, s.ln.grace)
	}
	if len(left) != 2 {
		t.Fatalf("%d sockets are left, want the listener and the client that reads", len(left))
	}
	startOn(t, path, left)
	wantAnswered(t, good, "198.18.0.2")
}

// Without a server, and after a hand-over, there is nothing to hand over.
func TestHandoverOfNothing(t *testing.T) {
	ln, err := Listen(filepath.Join(socketDir(t), "s"), 0o666, nil)
	if err != nil {
		t.Fatal(err)
	}
	take := func([]Socket) error { t.Error("take was called"); return nil }
	if err := ln.Handover(context.Background(), take); !errors.Is(err, ErrHandover) {
		t.Errorf("Handover without Serve = %v, want ErrHandover", err)
	}
	ln.Close()
	if err := ln.Handover(context.Background(), take); !errors.Is(err, ErrHandover) {
		t.Errorf("Handover after Close = %v, want ErrHandover", err)
	}
}

// The parts of a message that another program wrote are checked.
func TestAdoptRefuses(t *testing.T) {
	fronttest.Leaks(t)
	dir := socketDir(t)
	socket := func(domain, typ int) int {
		fd, err := syscall.Socket(domain, typ, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	inode := func(fd int) uint64 {
		var st syscall.Stat_t
		if err := syscall.Fstat(fd, &st); err != nil {
			t.Fatal(err)
		}
		return uint64(st.Ino)
	}
	for _, tt := range []struct {
		name string
		open func() Socket
		kept bool // the descriptor is nothing to be closed
	}{
		{"standard output", func() Socket { return Socket{FD: 1, Inode: inode(1)} }, true},
		{"negative", func() Socket { return Socket{FD: -1} }, true},
		{"not open", func() Socket { return Socket{FD: 1 << 29} }, true},
		{"file", func() Socket {
			fd, err := syscall.Open(filepath.Join(dir, "f"), syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			return Socket{FD: fd, Inode: inode(fd)}
		}, false},
		{"other inode", func() Socket {
			fd := socket(syscall.AF_UNIX, syscall.SOCK_STREAM)
			return Socket{FD: fd, Inode: inode(fd) + 1}
		}, false},
		{"network", func() Socket {
			fd := socket(syscall.AF_INET, syscall.SOCK_STREAM)
			return Socket{FD: fd, Inode: inode(fd)}
		}, false},
		{"datagrams", func() Socket {
			fd := socket(syscall.AF_UNIX, syscall.SOCK_DGRAM)
			return Socket{FD: fd, Inode: inode(fd)}
		}, false},
		{"listener", func() Socket {
			fd := socket(syscall.AF_UNIX, syscall.SOCK_STREAM)
			if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Join(dir, "l")}), syscall.Listen(fd, 1)); err != nil {
				t.Fatal(err)
			}
			return Socket{FD: fd, Inode: inode(fd)}
		}, false},
		{"too much of a query", func() Socket {
			fd := socket(syscall.AF_UNIX, syscall.SOCK_STREAM)
			return Socket{FD: fd, Inode: inode(fd), Part: make([]byte, maxPart+1)}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Close(pair[1])
			bad := tt.open()
			if !tt.kept {
				defer syscall.Close(bad.FD)
			}
			if _, err := Listen(filepath.Join(dir, "l"), 0o666, []Socket{{FD: pair[0], Inode: inode(pair[0])}, bad}); !errors.Is(err, ErrInherited) {
				t.Errorf("Listen = %v, want ErrInherited", err)
			}
			if n, err := syscall.Read(pair[1], make([]byte, 1)); n != 0 || err != nil {
				t.Errorf("the good connection was not closed: Read = %d, %v", n, err)
			}
			bad.Path = filepath.Join(dir, "l")
			if tt.name == "listener" {
				return
			}
			if _, err := Listen(filepath.Join(dir, "l"), 0o666, []Socket{bad}); !errors.Is(err, ErrInherited) && tt.name != "too much of a query" {
				t.Errorf("Listen = %v, want ErrInherited", err)
			}
		})
	}
}

// The listener that was left is used only if clients still reach it.
func TestListenInherited(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, old, new string)
		path   string
		same   bool
		oldNow bool // the old path exists afterwards
	}{
		{"as it was", func(*testing.T, string, string) {}, "old", true, true},
		{"other path", func(*testing.T, string, string) {}, "new", false, false},
		{"file removed", func(t *testing.T, old, _ string) { os.Remove(old) }, "old", false, true},
		{"other path, file replaced", func(t *testing.T, old, _ string) {
			os.Remove(old)
			if err := os.WriteFile(old, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "new", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			dir := socketDir(t)
			old := filepath.Join(dir, "old")
			s := startOn(t, old, nil)
			client := dial(t, old)
			wantAnswered(t, client, "198.18.0.1")
			before, err := os.Lstat(old)
			if err != nil {
				t.Fatal(err)
			}
			left := leave(t, s)
			path := filepath.Join(dir, tt.path)
			tt.change(t, old, path)
			startOn(t, path, left)
			wantAnswered(t, client, "198.18.0.2")
			wantAnswered(t, dial(t, path), "198.18.0.3")
			after, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := os.SameFile(before, after); got != tt.same {
				t.Errorf("the same file: %v, want %v", got, tt.same)
			}
			if _, err := os.Lstat(old); (err == nil) != tt.oldNow {
				t.Errorf("the old path: %v, want it there: %v", err, tt.oldNow)
			}
		})
	}
}

func TestInheritedJSON(t *testing.T) {
	want := []Socket{
		{FD: 7, Inode: 1 << 60, Path: "/run/p0f \"x\".sock", Dev: 5, Ino: 1 << 63},
		{FD: 8, Inode: 2, Part: []byte{0, 1, 255}},
		{FD: 9, Inode: 3},
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got []Socket
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s reads as %+v, %v, want %+v", text, got, err, want)
	}
}
