package proxy

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

var errItself = errors.New("connect: nobody listens there")

// phase is what a relay waits for.
type phase uint8

const (
	connecting phase = iota // the mail server is to take the connection
	carrying                // bytes are to come
	phases
)

// The sides of a relay.
const (
	clientSide = iota
	serverSide
)

// relay is a connection that a loop carries. It belongs to the goroutine of the
// loop; phase, active and the place in a ring are under the loop's lock.
type relay struct {
	*conn
	number int32   // its place in loop.relays
	serial int32   // tells it from others that had the number
	over   bool    // its descriptors are closed
	first  []byte  // what the mail server is told of the client
	sides  [2]side // each by its name

	phase        phase
	active       time.Duration // when bytes have passed, by the clock of the loop
	older, newer *relay        // by active, among those of the phase
}

// side is one end of a relay, and what comes from there.
type side struct {
	fd    int    // -1 where there is none yet
	asked uint32 // events that epoll waits for; 0: it does not know the descriptor
	ended bool   // nothing more will come
	held  int    // bytes that have come, and that the other side does not take yet
	pipe  pipe   // where they are, if there are any
}

func (r *relay) unlink() { r.older.newer, r.newer.older = r.newer, r.older }

// ready does what can be done when something has happened to a side.
func (r *relay) ready(l *loop, at int, events uint32) {
	if r.phase == connecting {
		r.connected(l, events)
		return
	}
	near, far := &r.sides[at], &r.sides[1-at]
	err := near.carry(l, far, events)
	if err == nil && near.done() && far.done() {
		r.end(l)
		return
	}
	if err == nil {
		err = r.askBoth(l)
	}
	if err != nil {
		r.sayCut(err)
		r.end(l)
	}
}

// connected tells the mail server of the client, when it has taken the
// connection.
func (r *relay) connected(l *loop, events uint32) {
	s := &r.sides[serverSide]
	err := connectError(s.fd, events)
	if err == nil && r.isItself() {
		err = errItself
	}
	if err != nil && !errors.Is(err, unix.ECONNRESET) {
		r.forget(l)
		go r.unreachable(err) // which writes
		return
	}
	if err == nil && len(r.first) > 0 {
		_, err = unix.Write(s.fd, r.first) // there is room in a new socket
	}
	if err != nil && len(r.first) > 0 {
		r.forget(l)
		go r.notTaken(err)
		return
	}
	r.first = nil
	if err == nil {
		l.enter(r, carrying)
		r.sides[clientSide].fd, err = take(r.client)
	}
	if err == nil {
		err = r.askBoth(l)
	}
	if err != nil {
		r.sayCut(err)
		r.end(l)
	}
}

// isItself reports whether the connection to the mail server has come back to
// itself, as happens when nobody listens on this machine at a port that the
// kernel gives out to clients.
func (r *relay) isItself() bool {
	if !r.v.direct.Addr().IsLoopback() {
		return false
	}
	ours, err := unix.Getsockname(r.sides[serverSide].fd)
	if err != nil {
		return false
	}
	switch ours := ours.(type) {
	case *unix.SockaddrInet4:
		return ours.Port == int(r.v.direct.Port())
	case *unix.SockaddrInet6:
		return ours.Port == int(r.v.direct.Port())
	}
	return false
}

// connectError is why a connection has failed, if it has. ECONNRESET means that
// it was there before.
func connectError(fd int, events uint32) error {
	if events&(unix.EPOLLERR|unix.EPOLLHUP) == 0 {
		return nil
	}
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// carry carries what has come from a side to the other, and what the side has
// room for now.
func (near *side) carry(l *loop, far *side, events uint32) error {
	if far.held > 0 {
		if err := far.drain(l, near); err != nil {
			return err
		}
	}
	for near.held == 0 && !near.ended && events&^unix.EPOLLOUT != 0 {
		if err := near.fill(l); err != nil {
			return err
		}
		if near.ended {
			return unix.Shutdown(far.fd, unix.SHUT_WR)
		}
		if near.held == 0 {
			return nil
		}
		if err := near.drain(l, far); err != nil {
			return err
		}
		if events&unix.EPOLLRDHUP == 0 {
			return nil // another event brings more; now it is others' turn
		}
	}
	return nil
}

// done reports whether all that came from a side is carried.
func (s *side) done() bool { return s.ended && s.held == 0 }

// fill takes what has come from a side into a pipe. It holds a pipe exactly
// when there is something in it.
func (s *side) fill(l *loop) error {
	p, err := l.pipes.get()
	if err != nil {
		return err
	}
	n, err := move(s.fd, p.w, chunk)
	if n > 0 {
		s.pipe, s.held = p, n
		return nil
	}
	l.pipes.put(p)
	if err == unix.EAGAIN {
		return nil
	}
	s.ended = err == nil
	return err
}

// drain hands what has come from a side to the other, as far as that takes it.
func (s *side) drain(l *loop, to *side) error {
	for s.held > 0 {
		n, err := move(s.pipe.r, to.fd, s.held)
		if err == unix.EAGAIN {
			return nil
		}
		if err != nil {
			return err
		}
		s.held -= n
	}
	l.pipes.put(s.pipe)
	return nil
}

// askBoth has epoll tell what the sides are waited for.
func (r *relay) askBoth(l *loop) error {
	near, far := &r.sides[clientSide], &r.sides[serverSide]
	if r.phase == connecting {
		return r.ask(l, serverSide, unix.EPOLLOUT)
	}
	return errors.Join(r.ask(l, clientSide, near.wants(far)), r.ask(l, serverSide, far.wants(near)))
}

func (s *side) wants(other *side) (events uint32) {
	if !s.ended && s.held == 0 {
		events = unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if other.held > 0 {
		events |= unix.EPOLLOUT
	}
	return events
}

// ask has epoll tell certain events of a side. One of which nothing is wanted is
// taken out: its end would be told again and again.
func (r *relay) ask(l *loop, at int, events uint32) error {
	s := &r.sides[at]
	if events == s.asked {
		return nil
	}
	op := unix.EPOLL_CTL_MOD
	switch {
	case s.asked == 0:
		op = unix.EPOLL_CTL_ADD
	case events == 0:
		op = unix.EPOLL_CTL_DEL
	}
	s.asked = events
	return unix.EpollCtl(l.epoll, op, s.fd, &unix.EpollEvent{Events: events, Fd: r.number<<1 | int32(at), Pad: r.serial})
}

// expired ends a relay for which its phase has lasted too long, or that is cut.
func (r *relay) expired(l *loop, cut bool) {
	if r.phase == connecting && !cut {
		r.forget(l)
		go r.unreachable(fmt.Errorf("connect: %w", os.ErrDeadlineExceeded))
		return
	}
	if !cut {
		r.sayIdle()
	}
	r.end(l)
}

// end closes both connections.
func (r *relay) end(l *loop) {
	r.forget(l)
	r.owner.Close()
}

// forget takes a relay out of the loop, and closes what is the loop's.
func (r *relay) forget(l *loop) {
	r.over = true
	for i := range r.sides {
		s := &r.sides[i]
		if s.held > 0 {
			s.pipe.close()
		}
		if s.fd >= 0 {
			unix.Close(s.fd)
		}
	}
	l.remove(r)
}
