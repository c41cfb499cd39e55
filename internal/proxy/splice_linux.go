package proxy

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// chunk is how much is moved at a time: what a pipe holds.
	chunk = 64 << 10

	// maxFree is how many pipes a loop keeps for the next one who needs one.
	maxFree = 32
)

// pipe is what the kernel carries bytes in from one socket to the other.
type pipe struct{ r, w int }

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// pipes are those that hold nothing. A direction has one while bytes are on
// their way, and not while it waits: most connections wait. They belong to one
// goroutine.
type pipes struct{ free []pipe }

func (ps *pipes) get() (pipe, error) {
	if n := len(ps.free); n > 0 {
		p := ps.free[n-1]
		ps.free = ps.free[:n-1]
		return p, nil
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipe{}, fmt.Errorf("making a pipe: %w", err)
	}
	return pipe{fds[0], fds[1]}, nil
}

// put takes back a pipe that is empty.
func (ps *pipes) put(p pipe) {
	if len(ps.free) == maxFree {
		p.close()
		return
	}
	ps.free = append(ps.free, p)
}

func (ps *pipes) close() {
	for _, p := range ps.free {
		p.close()
	}
	ps.free = nil
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
