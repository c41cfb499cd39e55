// Package fronttest has what the tests of fronts share: listeners in synthetic
// time, leaks of goroutines and descriptors, the log, and a note.Lookuper whose
// answers a test sets. It is for tests alone.
package fronttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/note"
)

// Leaks fails the test when it ends with more goroutines or descriptors than
// now. Call it first.
func Leaks(t testing.TB) {
	t.Helper()
	// The runtime's poller keeps two descriptors from the first socket on.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	goroutines, files := runtime.NumGoroutine(), countFiles()
	t.Cleanup(func() {
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			g, f := runtime.NumGoroutine(), countFiles()
			if g <= goroutines && f <= files {
				return
			}
			if time.Now().After(end) {
				stacks := make([]byte, 1<<16)
				stacks = stacks[:runtime.Stack(stacks, true)]
				t.Errorf("%d goroutines and %d descriptors at the end, %d and %d at the start\n%s",
					g, f, goroutines, files, stacks)
				return
			}
		}
	})
}

// countFiles is the number of open descriptors; 0 where the system does not
// count them.
func countFiles() int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(d)
}

// Memory is what Go has in use, heap and stacks, in bytes.
func Memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// Log keeps the lines of a logger. Safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	lines []string
}

// Logger returns a logger that writes to l.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSpace(string(b)))
	return len(b), nil
}

// Lines are those written so far.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

// Script is a connection whose client sends In, Portion bytes at most a read,
// and then closes its side. What the server writes is in Out. It needs no other
// goroutine: a fuzz target is fast with it, and repeats itself.
type Script struct {
	In      []byte
	Portion int
	Out     bytes.Buffer
	Closed  bool
}

func (c *Script) Read(b []byte) (int, error) {
	if len(c.In) == 0 || c.Closed {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), max(c.Portion, 1))], c.In)
	c.In = c.In[n:]
	return n, nil
}

func (c *Script) Write(b []byte) (int, error) {
	if c.Closed {
		return 0, net.ErrClosed
	}
	return c.Out.Write(b)
}

func (c *Script) Close() error                     { c.Closed = true; return nil }
func (c *Script) LocalAddr() net.Addr              { return &net.UnixAddr{Name: "script", Net: "unix"} }
func (c *Script) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "script", Net: "unix"} }
func (c *Script) SetDeadline(time.Time) error      { return nil }
func (c *Script) SetReadDeadline(time.Time) error  { return nil }
func (c *Script) SetWriteDeadline(time.Time) error { return nil }

// Pipes is a listener of net.Pipe connections, for tests in synthetic time.
type Pipes struct {
	Errs []error // what Accept returns first

	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewPipes returns a listener without connections.
func NewPipes() *Pipes { return &Pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

// Connect makes a connection and returns the client's end.
func (p *Pipes) Connect() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

func (p *Pipes) Accept() (net.Conn, error) {
	if len(p.Errs) > 0 {
		err := p.Errs[0]
		p.Errs = p.Errs[1:]
		return nil, err
	}
	select {
	case nc := <-p.conns:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *Pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *Pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// Start runs serve on ln. The function that it returns ends it, and returns
// what serve did.
func Start(serve func(context.Context, net.Listener) error, ln net.Listener) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, ln) }()
	return sync.OnceValue(func() error { cancel(); return <-ended })
}

// Lookuper answers with Notes, by client; a client that is not among them was
// not seen. It keeps the questions. Safe for concurrent use once set up.
type Lookuper struct {
	Notes map[netip.AddrPort]note.Note
	Delay time.Duration // before each answer, or until the context ends
	Err   error         // instead of answers

	mu      sync.Mutex
	queries []note.Query
}

// ErrNoSensor is an error that a Lookuper may have.
var ErrNoSensor = errors.New("no sensor")

// Lookup implements note.Lookuper.
func (l *Lookuper) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	l.mu.Lock()
	l.queries = append(l.queries, q)
	l.mu.Unlock()
	if l.Delay > 0 {
		select {
		case <-time.After(l.Delay):
		case <-ctx.Done():
			return note.Note{}, ctx.Err()
		}
	}
	if l.Err != nil {
		return note.Note{}, l.Err
	}
	if n, ok := l.Notes[q.Client]; ok {
		return n, nil
	}
	return note.Note{State: note.NotSeen}, nil
}

// Queries are the questions so far.
func (l *Lookuper) Queries() []note.Query {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]note.Query(nil), l.queries...)
}
