package proxy

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// chunk is how much is moved at a time: what a pipe holds.
	chunk = 64 << 10

	// maxFree is how many pipes are kept for the next one who needs one.
	maxFree = 64
)

// pipe is what the kernel carries bytes in from one socket to the other.
type pipe struct{ r, w int }

// pipes are those that hold nothing. A direction takes one when bytes have come,
// and not while it waits: most connections wait. Safe for concurrent use.
type pipes struct {
	mu     sync.Mutex
	free   []pipe
	closed bool
}

func (ps *pipes) get() (pipe, error) {
	ps.mu.Lock()
	if n := len(ps.free); n > 0 {
		p := ps.free[n-1]
		ps.free = ps.free[:n-1]
		ps.mu.Unlock()
		return p, nil
	}
	ps.mu.Unlock()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipe{}, fmt.Errorf("making a pipe: %w", err)
	}
	return pipe{fds[0], fds[1]}, nil
}

// put takes back a pipe that is empty.
func (ps *pipes) put(p pipe) {
	ps.mu.Lock()
	if !ps.closed && len(ps.free) < maxFree {
		ps.free = append(ps.free, p)
		ps.mu.Unlock()
		return
	}
	ps.mu.Unlock()
	p.close()
}

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// close closes those that nobody uses; others are when they are put back.
func (ps *pipes) close() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.closed = true
	for _, p := range ps.free {
		p.close()
	}
	ps.free = nil
}

// direction is one direction of a connection; its methods are called by the
// runtime with the descriptor when it may be ready.
type direction struct {
	pipes *pipes
	pipe  pipe // while there are bytes in it
	n     int  // bytes in it
	err   error
}

// fill takes what has come out of a socket. It holds a pipe exactly when there
// is something in it.
func (d *direction) fill(fd uintptr) (done bool) {
	if d.pipe, d.err = d.pipes.get(); d.err != nil {
		return true
	}
	d.n, d.err = move(int(fd), d.pipe.w, chunk)
	if d.n > 0 {
		return true
	}
	d.pipes.put(d.pipe)
	return d.err != unix.EAGAIN
}

// drain puts what is in the pipe into a socket.
func (d *direction) drain(fd uintptr) (done bool) {
	for d.n > 0 {
		n, err := move(d.pipe.r, int(fd), d.n)
		if err != nil {
			d.err = err
			return err != unix.EAGAIN
		}
		d.n -= n
	}
	d.err = nil
	return true
}

// move moves bytes between a socket and a pipe. It returns 0 at the end of a
// stream.
func move(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return max(int(n), 0), err
		}
	}
}

// copy carries all that comes from a socket to another, until the end, which is
// no error, and notes when.
func (ps *pipes) copy(from, to stream, active *atomic.Int64) error {
	in, err := from.SyscallConn()
	if err != nil {
		return err
	}
	out, err := to.SyscallConn()
	if err != nil {
		return err
	}
	d := &direction{pipes: ps}
	fill, drain := d.fill, d.drain // one closure each, not one a chunk
	for {
		if err := both(in.Read(fill), d); err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		if d.n == 0 {
			return nil
		}
		active.Store(time.Now().UnixNano())
		if err := both(out.Write(drain), d); err != nil {
			d.pipe.close() // there is something in it
			return fmt.Errorf("writing: %w", err)
		}
		ps.put(d.pipe)
	}
}

// both is the error of the runtime, or of the system call that it ran.
func both(err error, d *direction) error {
	if err != nil {
		return err
	}
	return d.err
}

// isShort reports whether the process lacks descriptors or memory.
func isShort(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}
