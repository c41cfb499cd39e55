package p0f

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// onFD calls f with the descriptor of a connection.
func onFD(t *testing.T, c net.Conn, f func(fd int)) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// unread is how many bytes wait in the socket of a connection.
func unread(t *testing.T, c net.Conn) (n int) {
	t.Helper()
	onFD(t, c, func(fd int) {
		var err error
		if n, err = unix.IoctlGetInt(fd, unix.TIOCINQ); err != nil {
			t.Fatal(err)
		}
	})
	return n
}

// TestPeeker: it reads as read(2) does, and takes what it read when there is
// nothing more.
func TestPeeker(t *testing.T) {
	client, server := unixPair(t)
	onFD(t, server, func(fd int) {
		var p peeker
		p.leave(fd)
		buf := make([]byte, 8)
		read := func(want string, wantErr error, left int) {
			t.Helper()
			n, err := p.read(fd, buf)
			if got := string(buf[:max(n, 0)]); got != want || err != wantErr {
				t.Errorf("read = %q %v, want %q %v", got, err, want, wantErr)
			}
			if got := unread(t, server); got != left {
				t.Errorf("after %q %d bytes are left in the socket, want %d", want, got, left)
			}
		}
		io.WriteString(client, "one")
		read("one", nil, 3)
		io.WriteString(client, "two and three")
		read("two and ", nil, 16)
		read("three", nil, 16)
		read("", syscall.EAGAIN, 0)
		io.WriteString(client, "four")
		read("four", nil, 4)
		client.Close()
		read("", nil, 0)
	})
}

// TestPeekerOwesLittle: a client that asks without a pause fills no socket.
func TestPeekerOwesLittle(t *testing.T) {
	client, server := unixPair(t)
	query := bytes.Repeat([]byte("q"), QuerySize)
	onFD(t, server, func(fd int) {
		var p peeker
		p.leave(fd)
		buf := make([]byte, batchSize*QuerySize)
		most := 0
		for i := range 10 * batchSize {
			client.Write(query)
			if n, err := p.read(fd, buf); n != QuerySize || err != nil {
				t.Fatalf("query %d: read = %d %v", i, n, err)
			}
			most = max(most, unread(t, server))
		}
		if most != maxOwed {
			t.Errorf("%d bytes were left in the socket at most, want %d", most, maxOwed)
		}
	})
}

// TestPeekerSettles: nothing that was read is left to the process that has the
// connection next.
func TestPeekerSettles(t *testing.T) {
	client, server := unixPair(t)
	c := newCaller(server)
	io.WriteString(client, "there")
	if n, err := c.Read(make([]byte, 8)); n != 5 || err != nil || unread(t, server) != 5 {
		t.Fatalf("Read = %d %v, %d bytes left; want 5, and all of them left", n, err, unread(t, server))
	}
	io.WriteString(client, "next")
	server.SetReadDeadline(time.Unix(1, 0))
	if n, err := c.Read(make([]byte, 8)); n != 0 || !os.IsTimeout(err) || unread(t, server) != 4 {
		t.Errorf("Read after its deadline = %d %v, %d bytes left; want those of the next query", n, err, unread(t, server))
	}
}

// TestPeekerOutOfBand: what is no part of the stream ends the connection at
// most, and keeps nothing busy.
func TestPeekerOutOfBand(t *testing.T) {
	leaks(t)
	path, _ := start(t, &Server{Lookuper: everything{}})
	for _, before := range []int{0, 1, QuerySize, 3 * QuerySize} {
		client := dial(t, path)
		_, asked := queries(40)
		client.Write(asked[:before])
		var oob error
		onFD(t, client, func(fd int) { oob = unix.Sendto(fd, []byte("!"), unix.MSG_OOB, nil) })
		if oob != nil {
			lab.Skip(t, "needs MSG_OOB on unix sockets: "+oob.Error())
		}
		client.Write(asked)
		client.CloseWrite()
		client.SetDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, client); os.IsTimeout(err) {
			t.Errorf("%d bytes before: the server does not end the connection", before)
		}
		client.Close()
	}
}

// TestPeekerLetsSleep: a client that sleeps until its answer is there sleeps on
// when its query is read. (A query that is taken wakes it, which is why.)
func TestPeekerLetsSleep(t *testing.T) {
	for _, peeks := range []bool{true, false} {
		client, server := unixPair(t)
		thread, done := make(chan int, 1), make(chan struct{})
		onFD(t, client, func(fd int) {
			unix.SetNonblock(fd, false)
			go func() {
				defer close(done)
				runtime.LockOSThread()
				thread <- unix.Gettid()
				unix.Read(fd, make([]byte, 8))
			}()
		})
		tid := <-thread
		asleep(t, tid)
		client.Write([]byte("query"))
		before := asleep(t, tid)
		onFD(t, server, func(fd int) {
			var p peeker
			if peeks {
				p.leave(fd)
			}
			if n, err := p.read(fd, make([]byte, 8)); n != 5 || err != nil {
				t.Fatalf("read = %d %v", n, err)
			}
		})
		time.Sleep(10 * time.Millisecond)
		if woken := asleep(t, tid) != before; woken == peeks {
			t.Errorf("peeks %t: woken %t", peeks, woken)
		}
		server.Write([]byte("answer"))
		<-done
	}
}

// asleep waits until a thread sleeps, and returns how often it went to sleep.
func asleep(t *testing.T, tid int) (times int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", tid))
		if err != nil {
			t.Fatal(err)
		}
		if _, rest, ok := strings.Cut(string(b), "voluntary_ctxt_switches:"); ok && strings.Contains(string(b), "State:\tS") {
			fmt.Sscan(rest, &times)
			return times
		}
	}
	t.Fatal("the thread does not sleep")
	return 0
}
