package p0f

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
)

// serveOn runs s on ln; ended has what Serve returned.
func serveOn(t testing.TB, s *Server, ln net.Listener) (ended chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended = make(chan error, 1)
	done := make(chan struct{})
	go func() {
		ended <- s.Serve(ctx, ln)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return ended
}

// leave hands the server over as to another process: what it returns are
// descriptors of its own, and has passed through JSON.
func leave(t testing.TB, s *Server) []Inherited {
	t.Helper()
	var left []Inherited
	if err := s.Handover(context.Background(), func(in []Inherited) error {
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

// takeOver is the start of the other process.
func takeOver(t testing.TB, path string, left []Inherited) (*Server, chan error) {
	t.Helper()
	ln, err := ListenInherited(path, 0, left)
	if err != nil {
		t.Fatalf("ListenInherited = %v", err)
	}
	s := &Server{Lookuper: everything{}, grace: patience}
	if err := s.Adopt(left); err != nil {
		t.Fatalf("Adopt = %v", err)
	}
	return s, serveOn(t, s, ln)
}

func mustListen(t testing.TB, path string) net.Listener {
	t.Helper()
	ln, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func TestHandoverUnnoticed(t *testing.T) {
	leaks(t)
	path := filepath.Join(socketDir(t), "s")
	first := &Server{Lookuper: everything{}, grace: patience}
	ended := serveOn(t, first, mustListen(t, path))
	file, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}

	// One client for each length of a part of a query.
	var clients []*net.UnixConn
	for i := range QuerySize {
		nc := dial(t, path)
		clients = append(clients, nc)
		wantAnswered(t, nc, "198.18.0.1")
		send(t, nc, query("198.18.0.2")[:i])
	}
	left := leave(t, first)
	select {
	case err := <-ended:
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

	second, _ := takeOver(t, path, left)
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
	if got, want := second.Stats().Queries, uint64(2*len(clients)+1); got != want {
		t.Errorf("the second answered %d queries, want %d", got, want)
	}
}

// No query is lost, doubled or answered out of order however often the server
// changes under clients that ask all the time.
func TestHandoverUnderLoad(t *testing.T) {
	leaks(t)
	path := filepath.Join(socketDir(t), "s")
	s := &Server{Lookuper: everything{}, grace: patience}
	serveOn(t, s, mustListen(t, path))
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
					var r [ResponseSize]byte
					if _, err := io.ReadFull(nc, r[:]); err != nil {
						t.Errorf("reading: %v", err)
						return
					}
					if n, err := DecodeResponse(r[:]); err != nil || !reflect.DeepEqual(n, noteOf(a)) {
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
			if err := s.Handover(context.Background(), func([]Inherited) error { return want }); err != want {
				t.Fatalf("Handover = %v, want %v", err, want)
			}
		} else {
			s, _ = takeOver(t, path, leave(t, s))
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
	leaks(t)
	path := filepath.Join(socketDir(t), "s")
	s := &Server{Lookuper: everything{}, grace: 2 * time.Second}
	serveOn(t, s, mustListen(t, path))
	good, stuck := dial(t, path), dial(t, path)
	wantAnswered(t, good, "198.18.0.1")
	_, many := queries(batchSize)
	// It is stuck when nothing at all was taken from it for two seconds.
	for n := 1; n > 0; {
		stuck.SetWriteDeadline(time.Now().Add(2 * time.Second))
		n, _ = stuck.Write(many)
	}
	begin := time.Now()
	left := leave(t, s)
	if d := time.Since(begin); d > patience {
		t.Errorf("Handover took %v, want about %v", d, s.grace)
	}
	if len(left) != 2 {
		t.Fatalf("%d sockets are left, want the listener and the client that reads", len(left))
	}
	takeOver(t, path, left)
	wantAnswered(t, good, "198.18.0.2")
}

func TestHandoverOfNothing(t *testing.T) {
	s := &Server{Lookuper: everything{}, grace: patience}
	take := func([]Inherited) error { t.Error("take was called"); return nil }
	if err := s.Handover(context.Background(), take); !errors.Is(err, ErrHandover) {
		t.Errorf("Handover without Serve = %v, want ErrHandover", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, s, ln)
	end := time.Now().Add(patience)
	for {
		s.mu.Lock()
		n := len(s.servings)
		s.mu.Unlock()
		if n == 1 || time.Now().After(end) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := s.Handover(context.Background(), take); !errors.Is(err, ErrHandover) {
		t.Errorf("Handover of TCP = %v, want ErrHandover", err)
	}
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	wantAnswered(t, nc, "198.18.0.1")
}

// The parts of a message that another program wrote are checked.
func TestAdoptRefuses(t *testing.T) {
	leaks(t)
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
		open func() Inherited
		kept bool // the descriptor is nothing to be closed
	}{
		{"standard output", func() Inherited { return Inherited{FD: 1, Socket: inode(1)} }, true},
		{"negative", func() Inherited { return Inherited{FD: -1} }, true},
		{"not open", func() Inherited { return Inherited{FD: 1 << 29} }, true},
		{"file", func() Inherited {
			fd, err := syscall.Open(filepath.Join(dir, "f"), syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			return Inherited{FD: fd, Socket: inode(fd)}
		}, false},
		{"other inode", func() Inherited {
			fd := socket(syscall.AF_UNIX, syscall.SOCK_STREAM)
			return Inherited{FD: fd, Socket: inode(fd) + 1}
		}, false},
		{"network", func() Inherited {
			fd := socket(syscall.AF_INET, syscall.SOCK_STREAM)
			return Inherited{FD: fd, Socket: inode(fd)}
		}, false},
		{"datagrams", func() Inherited {
			fd := socket(syscall.AF_UNIX, syscall.SOCK_DGRAM)
			return Inherited{FD: fd, Socket: inode(fd)}
		}, false},
		{"listener", func() Inherited {
			fd := socket(syscall.AF_UNIX, syscall.SOCK_STREAM)
			if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Join(dir, "l")}), syscall.Listen(fd, 1)); err != nil {
				t.Fatal(err)
			}
			return Inherited{FD: fd, Socket: inode(fd)}
		}, false},
		{"whole query", func() Inherited {
			fd := socket(syscall.AF_UNIX, syscall.SOCK_STREAM)
			return Inherited{FD: fd, Socket: inode(fd), Part: make([]byte, QuerySize)}
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
			var s Server
			if err := s.Adopt([]Inherited{{FD: pair[0], Socket: inode(pair[0])}, bad}); !errors.Is(err, ErrInherited) {
				t.Errorf("Adopt = %v, want ErrInherited", err)
			}
			if len(s.adopted) != 0 {
				t.Errorf("%d connections are adopted in spite of the error", len(s.adopted))
			}
			if n, err := syscall.Read(pair[1], make([]byte, 1)); n != 0 || err != nil {
				t.Errorf("the good connection was not closed: Read = %d, %v", n, err)
			}
			bad.Path = filepath.Join(dir, "l")
			if tt.name == "listener" {
				return
			}
			if _, err := ListenInherited(filepath.Join(dir, "l"), 0, []Inherited{bad}); !errors.Is(err, ErrInherited) && tt.name != "whole query" {
				t.Errorf("ListenInherited = %v, want ErrInherited", err)
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
			leaks(t)
			dir := socketDir(t)
			old := filepath.Join(dir, "old")
			s := &Server{Lookuper: everything{}, grace: patience}
			serveOn(t, s, mustListen(t, old))
			client := dial(t, old)
			wantAnswered(t, client, "198.18.0.1")
			before, err := os.Lstat(old)
			if err != nil {
				t.Fatal(err)
			}
			left := leave(t, s)
			path := filepath.Join(dir, tt.path)
			tt.change(t, old, path)
			takeOver(t, path, left)
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
	want := []Inherited{
		{FD: 7, Socket: 1 << 60, Path: "/run/p0f \"x\".sock", Dev: 5, Ino: 1 << 63},
		{FD: 8, Socket: 2, Part: []byte{0, 1, 255}},
		{FD: 9, Socket: 3},
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got []Inherited
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s reads as %+v, %v, want %+v", text, got, err, want)
	}
}
