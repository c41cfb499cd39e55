package proxy

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// maxLoops bounds the threads of a listener, which are half as many as there
// are cores. One carries some thousand mails a second, and the fewer there are,
// the more each finds to do when it wakes.
const maxLoops = 4

// loops share the connections of a listener. Each has a thread, and all of a
// connection happens there: no goroutine is woken for another, and what has
// come for many is carried at one go.
type loops struct {
	all  []*loop
	next atomic.Uint32
	wg   sync.WaitGroup
}

// newCarrier starts the loops. Where they cannot be had, pumps do.
func newCarrier(v *serving) carrier {
	if v.pumps {
		return &pumps{}
	}
	ls := &loops{}
	for range min(max(runtime.GOMAXPROCS(0)/2, 1), maxLoops) {
		l, err := newLoop(v)
		if err != nil {
			v.log.Warn("connections are carried without epoll", "reason", err)
			ls.close()
			return &pumps{}
		}
		ls.all = append(ls.all, l)
		ls.wg.Go(l.run)
	}
	return ls
}

// connect implements carrier.
func (ls *loops) connect(c *conn, first []byte) bool {
	if !c.v.direct.IsValid() {
		return false
	}
	fd, err := begin(c.v.direct)
	if err == nil {
		r := &relay{conn: c, first: first}
		r.sides[clientSide].fd, r.sides[serverSide].fd = -1, fd
		if err = ls.pick().add(r); err == nil {
			return true
		}
		unix.Close(fd)
	}
	c.unreachable(err)
	return true
}

// begin begins a connection to an address, and does not wait for it.
func begin(to netip.AddrPort) (fd int, err error) {
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
	if to.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err == nil {
		err = unix.Connect(fd, sa)
	}
	if err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		unix.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// carry implements carrier.
func (ls *loops) carry(c *conn) {
	theirs, err := take(c.client)
	if err == nil {
		var ours int
		if ours, err = take(c.backend); err == nil {
			r := &relay{conn: c, phase: carrying}
			r.sides[clientSide].fd, r.sides[serverSide].fd = theirs, ours
			if err = ls.pick().add(r); err == nil {
				return
			}
			unix.Close(ours)
		}
		unix.Close(theirs)
	}
	c.sayCut(err)
	c.backend.Close()
	c.owner.Close()
}

// pick takes the loops turn by turn.
func (ls *loops) pick() *loop { return ls.all[ls.next.Add(1)%uint32(len(ls.all))] }

// take makes the descriptor of a connection ours. The runtime, which would wake
// threads whenever bytes come, hears of it no more.
func take(s stream) (fd int, err error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return -1, err
	}
	var dupErr error
	if err := raw.Control(func(theirs uintptr) {
		fd, dupErr = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return -1, err
	}
	if dupErr != nil {
		return -1, fmt.Errorf("taking a descriptor: %w", dupErr)
	}
	s.Close()
	return fd, nil
}

// cut implements carrier.
func (ls *loops) cut() {
	for _, l := range ls.all {
		l.tell(func() { l.cutting = true })
	}
}

// close implements carrier.
func (ls *loops) close() {
	for _, l := range ls.all {
		l.tell(func() { l.ending = true })
	}
	ls.wg.Wait()
}
