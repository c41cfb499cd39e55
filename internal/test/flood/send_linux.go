package flood

import (
	"context"
	"fmt"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/packet"
)

// A Link sends frames over an interface.
type Link struct{ fd int }

// Open opens an interface of the thread's network namespace. It needs CAP_NET_RAW.
func Open(name string) (*Link, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	link, err := net.InterfaceByName(name)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index})
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Link{fd}, nil
}

// Close closes the socket.
func (l *Link) Close() error { return unix.Close(l.fd) }

// Send sends one SYN.
func (l *Link) Send(s *packet.Segment) error {
	_, err := unix.Write(l.fd, AppendFrame(nil, s))
	return err
}

// batch is how many frames one system call sends.
const batch = 64

// message is struct mmsghdr (sendmmsg(2)).
type message struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// Flood sends SYNs at a rate a second until ctx ends, as far as the machine can,
// and returns how many. next makes the n-th of what first is.
func (l *Link) Flood(ctx context.Context, rate int, first packet.Segment, next func(s *packet.Segment, n uint32)) (sent int) {
	var frames [batch][]byte
	var vectors [batch]unix.Iovec
	messages := make([]message, batch)
	for i := range messages {
		frames[i] = make([]byte, 0, 128)
		messages[i].hdr.Iov = &vectors[i]
		messages[i].hdr.SetIovlen(1)
	}
	s := first
	for begin := time.Now(); ctx.Err() == nil; {
		due := int(time.Since(begin).Seconds() * float64(rate))
		if due-sent < batch {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		if due > sent+rate/10 { // it cannot: what was missed is not made up for
			begin = begin.Add(time.Duration(float64(due-sent) / float64(rate) * float64(time.Second)))
		}
		for i := range batch {
			next(&s, uint32(sent+i))
			frames[i] = AppendFrame(frames[i][:0], &s)
			vectors[i].Base = &frames[i][0]
			vectors[i].SetLen(len(frames[i]))
		}
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(l.fd), uintptr(unsafe.Pointer(&messages[0])), batch, 0, 0, 0)
		if errno == 0 {
			sent += int(n)
		} else {
			time.Sleep(time.Millisecond) // ENOBUFS
		}
	}
	return sent
}
