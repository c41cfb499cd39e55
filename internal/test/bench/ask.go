//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/p0f"
)

// askCommand has this program ask a query socket instead, as the mail servers
// of a machine do: on each connection one after the other, a thread each, which
// writes its query and sleeps in read(2) until the answer is there. Mail servers
// are processes; threads spare them the change of address space, and nothing
// else happens here beside the two system calls a query: no poller, no
// deadlines, no buffers, the query made before and of the answer no more than
// the status looked at. It is a process of its own, so that the runtime of the
// bench has no part in it, with a thread for each connection, so that the
// runtime of this one has none either. Both daemons get the same.
const askCommand = "ask"

// load is a way to ask.
type load struct {
	conns, depth int // depth: queries written at once
	span         time.Duration
}

// asked is what came of it.
type asked struct {
	queries int
	took    time.Duration
}

// ask runs the command against a daemon.
func (d *daemon) ask(ctx context.Context, l load) (a asked, err error) {
	self, err := os.Executable()
	if err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.span+20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, askCommand, "-socket", d.socket,
		"-conns", strconv.Itoa(l.conns), "-depth", strconv.Itoa(l.depth), "-for", l.span.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return a, fmt.Errorf("asking %s: %w", d.name, err)
	}
	_, err = fmt.Sscan(string(out), &a.queries, (*int64)(&a.took))
	return a, err
}

// askAll is the command: it prints how many queries were answered, and in how
// many nanoseconds.
func askAll(args []string) error {
	fs := flag.NewFlagSet(askCommand, flag.ContinueOnError)
	socket := fs.String("socket", "", "")
	conns := fs.Int("conns", 1, "")
	depth := fs.Int("depth", 1, "queries at a time")
	span := fs.Duration("for", time.Second, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	runtime.GOMAXPROCS(*conns + 1)
	clients := make([]*mailServer, *conns)
	for i := range clients {
		fd, err := connect(*socket)
		if err != nil {
			return err
		}
		clients[i] = newMailServer(fd, *depth)
	}
	var (
		wg   sync.WaitGroup
		over atomic.Bool
		errs = make([]error, *conns)
	)
	begin := time.Now()
	time.AfterFunc(*span, func() { over.Store(true) })
	for i, c := range clients {
		wg.Go(func() {
			runtime.LockOSThread()
			for !over.Load() && errs[i] == nil {
				errs[i] = c.ask()
			}
		})
	}
	wg.Wait()
	a := asked{took: time.Since(begin)}
	for _, c := range clients {
		a.queries += c.answered
	}
	fmt.Println(a.queries, int64(a.took))
	return errors.Join(errs...)
}

// connect waits where the daemon's backlog is full.
func connect(socket string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return fd, unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
}

// mailServer is one connection.
type mailServer struct {
	fd       int
	queries  []byte // all that are asked at once
	in       []byte
	answered int
	_        [64]byte // no two in one cache line
}

func newMailServer(fd, depth int) *mailServer {
	m := &mailServer{fd: fd, in: make([]byte, depth*p0f.ResponseSize)}
	for range depth {
		m.queries = p0f.AppendQuery(m.queries, client(1))
	}
	return m
}

// ask asks once, and wants answers about a known client.
func (m *mailServer) ask() error {
	if n, err := unix.Write(m.fd, m.queries); err != nil || n != len(m.queries) {
		return fmt.Errorf("%d bytes of a query of %d written: %w", n, len(m.queries), err)
	}
	for have := 0; have < len(m.in); {
		n, err := unix.Read(m.fd, m.in[have:])
		if err != nil && err != unix.EINTR || err == nil && n == 0 {
			return fmt.Errorf("%d bytes of an answer: %w", have, errors.Join(err, errors.New("the daemon has gone")))
		}
		have += max(n, 0)
	}
	const statusAt, statusOK = 4, 0x10
	for r := m.in; len(r) > 0; r = r[p0f.ResponseSize:] {
		if s := binary.NativeEndian.Uint32(r[statusAt:]); s != statusOK {
			return fmt.Errorf("the daemon does not know the client: status %#x", s)
		}
		m.answered++
	}
	return nil
}
