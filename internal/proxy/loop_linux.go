package proxy

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// batch is how many events a loop takes at a time.
	batch = 128

	bellRings = -1 // EpollEvent.Fd of the bell
)

// loop carries connections on one goroutine, and waits for what happens to any
// of them in the kernel. Connections come from other goroutines, by add.
type loop struct {
	v     *serving
	epoll int
	bell  int       // an eventfd that wakes the loop
	start time.Time // its clock's
	pipes pipes

	mu      sync.Mutex
	relays  []*relay // by number; nil where the number is free
	free    []int32  // numbers
	serial  int32
	waiting [phases]relay // heads of rings by active: newer is the oldest
	cutting bool          // nothing is carried any more
	ending  bool
}

func newLoop(v *serving) (*loop, error) {
	l := &loop{v: v, start: time.Now(), bell: -1}
	for i := range l.waiting {
		head := &l.waiting[i]
		head.older, head.newer = head, head
	}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if l.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: bellRings})
	}
	if err != nil {
		l.release()
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return l, nil
}

func (l *loop) release() {
	l.pipes.close()
	unix.Close(l.epoll)
	if l.bell >= 0 {
		unix.Close(l.bell)
	}
}

// tell changes the state of the loop, and wakes it.
func (l *loop) tell(change func()) {
	l.mu.Lock()
	change()
	l.mu.Unlock()
	unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

var errCut = errors.New("the server ends")

// add has the loop carry a relay, from now on alone.
func (l *loop) add(r *relay) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cutting {
		return errCut
	}
	if n := len(l.free); n > 0 {
		r.number, l.free = l.free[n-1], l.free[:n-1]
	} else {
		r.number = int32(len(l.relays))
		l.relays = append(l.relays, nil)
	}
	l.serial++
	r.serial = l.serial
	if err := r.askBoth(l); err != nil {
		l.free = append(l.free, r.number)
		return err
	}
	l.relays[r.number] = r
	l.touch(r, time.Since(l.start))
	return nil
}

// enter has a relay wait for something else.
func (l *loop) enter(r *relay, p phase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.phase = p
	l.touch(r, r.active)
}

// touch makes a relay the youngest of its phase.
func (l *loop) touch(r *relay, now time.Duration) {
	if r.older != nil {
		r.unlink()
	}
	r.active = now
	head := &l.waiting[r.phase]
	r.older, r.newer = head.older, head
	r.older.newer, r.newer.older = r, r
}

// remove forgets a relay.
func (l *loop) remove(r *relay) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.relays[r.number] = nil
	l.free = append(l.free, r.number)
	r.unlink()
}

// run carries until the end.
func (l *loop) run() {
	defer l.release()
	events, due := make([]unix.EpollEvent, batch), make([]*relay, batch)
	var patience time.Duration
	for {
		n, err := unix.EpollWait(l.epoll, events, milliseconds(patience))
		if err != nil && err != unix.EINTR {
			l.v.log.Error("waiting for bytes", "reason", err) // not seen yet
			time.Sleep(time.Second)
		}
		n = max(n, 0)
		now := time.Since(l.start)
		if l.resolve(events[:n], due, now) {
			return
		}
		for i, e := range events[:n] {
			if r := due[i]; r != nil && !r.over {
				r.ready(l, int(e.Fd&1), e.Events)
			}
			due[i] = nil
		}
		patience = min(l.expire(connecting, dialTimeout, now), l.expire(carrying, l.v.idle, now))
	}
}

// milliseconds rounds up: a wait that is too short is taken again.
func milliseconds(d time.Duration) int {
	return int(min((d+time.Millisecond-1)/time.Millisecond, 1<<30))
}

// resolve finds the relays of the events. It reports whether the loop is to
// end.
func (l *loop) resolve(events []unix.EpollEvent, due []*relay, now time.Duration) (end bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		e := &events[i]
		if e.Fd == bellRings {
			var count [8]byte
			unix.Read(l.bell, count[:])
			continue
		}
		r := l.relays[e.Fd>>1]
		if r == nil || r.serial != e.Pad {
			continue
		}
		due[i] = r
		l.touch(r, now)
	}
	return l.ending
}

// expire ends the relays for which the phase has lasted too long, or all that
// are to be cut. It returns how long it need not be called. That is never more
// than the limit, so that a relay that is added while the loop waits is not
// missed.
func (l *loop) expire(p phase, limit, now time.Duration) time.Duration {
	for {
		l.mu.Lock()
		r, cutting := l.waiting[p].newer, l.cutting
		l.mu.Unlock()
		if r == &l.waiting[p] {
			return limit
		}
		if left := r.active + limit - now; left > 0 && !cutting {
			return left
		}
		r.expired(l, cutting)
	}
}
