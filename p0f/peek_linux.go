package p0f

import (
	"io"
	"syscall"
)

// A peeker reads a socket, and leaves what it read there until nothing more has
// come (MSG_PEEK, from where it peeked last: SO_PEEK_OFF, socket(7)).
//
// For taking a query gives its client room to write, and that wakes a client
// which sleeps in read(2): it finds no answer yet and sleeps once more, two
// switches of a processor that is about to answer. Once nothing more has come,
// the answer has woken it already.
//
// The zero peeker takes at once what it reads.
type peeker struct {
	peeks bool
	owed  int // bytes that were read, and are still in the socket
}

// soPeekOff is SO_PEEK_OFF, the same on every processor that Go runs on; package
// syscall has it for most.
const soPeekOff = 42

// maxOwed is from how many bytes on they are taken in any case.
const maxOwed = batchSize * QuerySize

// leave has the peeker leave what it reads, where the kernel can do that.
func (p *peeker) leave(fd int) {
	p.peeks = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soPeekOff, 0) == nil
}

// read is read(2) of a socket that does not block.
func (p *peeker) read(fd int, b []byte) (int, error) {
	if !p.peeks {
		return syscall.Read(fd, b)
	}
	if p.owed >= maxOwed {
		if err := p.take(fd); err != nil {
			return 0, err
		}
	}
	for {
		n, _, err := syscall.Recvfrom(fd, b, syscall.MSG_PEEK)
		if n > 0 {
			p.owed += n
			return n, nil
		}
		// Before Linux 4.4 the peek offset restarts at each part of the stream,
		// so an empty peek proves nothing while bytes are still owed.
		if p.owed == 0 || err == syscall.EINTR {
			return n, err
		}
		if err := p.take(fd); err != nil {
			return 0, err
		}
	}
}

// take takes from the socket what was read. The error says that it was not
// there, as it can be when the client sends what is no part of a stream
// (MSG_OOB); the connection is good for nothing then.
func (p *peeker) take(fd int) error {
	var taken [maxOwed]byte
	for p.owed > 0 {
		n, err := syscall.Read(fd, taken[:min(p.owed, len(taken))])
		if n <= 0 && err != syscall.EINTR {
			p.owed = 0
			return io.ErrUnexpectedEOF
		}
		p.owed -= max(n, 0)
	}
	return nil
}
