package p0f

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// ErrHandover means that there is nothing a Server could hand over: it does not
// serve, or not a unix socket, or its listener does not come to rest.
var ErrHandover = errors.New("p0f: the server cannot hand its connections over")

// ErrInherited means that a descriptor is not what an Inherited says.
var ErrInherited = errors.New("p0f: not the socket that was handed over")

// Inherited is one socket that a process leaves to the next: a connection of a
// client, or a listener. In JSON it is what passes between the two.
type Inherited struct {
	// FD is the descriptor. Both processes have it under this number, unless
	// somebody between them kept it.
	FD int `json:"fd"`
	// Socket is the inode of the socket, which knows it again under any number.
	Socket uint64 `json:"socket"`

	// Path, Dev and Ino are the file of a listener, and empty for a connection.
	Path string `json:"path,omitempty"`
	Dev  uint64 `json:"dev,omitempty"`
	Ino  uint64 `json:"ino,omitempty"`

	// Given says that the service manager made the listener (systemd.socket(5)):
	// its file and its mode stay as they are.
	Given bool `json:"given,omitempty"`

	// Part is what was read of a query, at most 20 bytes.
	Part []byte `json:"part,omitempty"`
}

// hold is a serving that has stopped to accept and to read.
type hold struct {
	listener bool                // at rest
	conns    map[net.Conn][]byte // at rest, with what was read of the next query
	moved    chan struct{}       // there is something new above
	released chan struct{}       // closed at the end
}

func (h *hold) notify() {
	select {
	case h.moved <- struct{}{}:
	default:
	}
}

// Handover gives the server's listeners and connections to another process. It
// stops to accept and, between two queries, to read, and calls take with all
// of them; what the clients send meanwhile waits in the sockets. If take
// returns nil, they are the other's: every Serve closes its own descriptors and
// returns nil, and the socket files stay. If take fails or nothing can be handed
// over, the server goes on as if nothing had been, and the error is returned.
//
// The descriptors are valid until take returns, and remain the server's. A
// client that does not read its answers for a quarter of a second is not
// handed over. Two calls exclude each other.
//
// Deviation: p0f loses its clients when it ends, and Haraka's plugin of version
// 1.0.15 then lets each mail wait until an idle timer of its own fires.
func (s *Server) Handover(ctx context.Context, take func([]Inherited) error) error {
	s.handing.Lock()
	defer s.handing.Unlock()
	s.mu.Lock()
	all := make([]*serving, 0, len(s.servings))
	for v := range s.servings {
		all = append(all, v)
	}
	s.mu.Unlock()
	if len(all) == 0 {
		return fmt.Errorf("%w: it does not serve", ErrHandover)
	}
	var sockets []Inherited
	for _, v := range all {
		h, err := v.rest(ctx)
		if h != nil {
			defer v.release(h)
		}
		if err != nil {
			return err
		}
		if sockets, err = v.inheritance(sockets, h); err != nil {
			return err
		}
	}
	if err := take(sockets); err != nil {
		return err
	}
	for _, v := range all {
		if l, ok := v.ln.(*socketListener); ok {
			l.keepFile()
		}
		v.cancel()
	}
	return nil
}

// rest brings a serving to rest. The listener must come to rest; connections
// have drainTime for it.
func (v *serving) rest(ctx context.Context) (*hold, error) {
	ln, ok := v.ln.(interface{ SetDeadline(time.Time) error })
	if !ok {
		return nil, fmt.Errorf("%w: listener %T", ErrHandover, v.ln)
	}
	h := &hold{conns: map[net.Conn][]byte{}, moved: make(chan struct{}, 1), released: make(chan struct{})}
	v.mu.Lock()
	if v.ctx.Err() != nil {
		v.mu.Unlock()
		return nil, fmt.Errorf("%w: it ends", ErrHandover)
	}
	v.hold = h
	v.mu.Unlock()
	ln.SetDeadline(time.Unix(1, 0))
	ctx, cancel := context.WithTimeout(ctx, acceptRest)
	defer cancel()
	if !v.until(ctx, h, func() bool { return h.listener }) {
		return h, fmt.Errorf("%w: the listener is busy or has ended", ErrHandover)
	}
	v.each(func(nc net.Conn) { nc.SetReadDeadline(time.Unix(1, 0)) })
	ctx, cancel = context.WithTimeout(ctx, max(drainTime, v.grace))
	defer cancel()
	v.until(ctx, h, func() bool { return len(h.conns) == len(v.conns) })
	return h, nil
}

// acceptRest is how long a listener may take to come to rest; it may be in the
// longest of its pauses.
const acceptRest = maxAcceptPause + time.Second

// until waits for a condition, which is looked at under the lock.
func (v *serving) until(ctx context.Context, h *hold, done func() bool) bool {
	for {
		v.mu.Lock()
		ok := done()
		v.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-h.moved:
		case <-ctx.Done():
			return false
		case <-v.ctx.Done():
			return false
		}
	}
}

// release lets a serving go on, or end if it is cancelled.
func (v *serving) release(h *hold) {
	v.mu.Lock()
	v.hold = nil
	if v.ctx.Err() == nil {
		v.ln.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Time{})
	}
	v.mu.Unlock()
	close(h.released)
}

// inheritance appends the sockets of a serving at rest.
func (v *serving) inheritance(to []Inherited, h *hold) ([]Inherited, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l, ok := v.ln.(*socketListener)
	if !ok {
		return to, fmt.Errorf("%w: listener %T", ErrHandover, v.ln)
	}
	in, err := describe(l)
	if err != nil {
		return to, fmt.Errorf("%w: %w", ErrHandover, err)
	}
	in.Path, in.Given = l.path, l.given
	if st, ok := l.own.Sys().(*syscall.Stat_t); ok {
		in.Dev, in.Ino = uint64(st.Dev), uint64(st.Ino)
	}
	to = append(to, in)
	for nc, part := range h.conns {
		c, ok := nc.(syscall.Conn)
		if !ok {
			continue
		}
		if in, err = describe(c); err != nil {
			continue
		}
		in.Part = bytes.Clone(part)
		to = append(to, in)
	}
	return to, nil
}

// describe names the descriptor and the inode of a socket.
func describe(c syscall.Conn) (in Inherited, err error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return in, err
	}
	var st syscall.Stat_t
	ctlErr := rc.Control(func(fd uintptr) {
		in.FD = int(fd)
		err = syscall.Fstat(int(fd), &st)
	})
	in.Socket = uint64(st.Ino)
	return in, errors.Join(ctlErr, err)
}

// parkListener is where accept waits for the end of a hand-over. It reports
// whether to go on.
func (v *serving) parkListener() bool {
	v.mu.Lock()
	h := v.hold
	if h != nil {
		h.listener = true
		h.notify()
	}
	v.mu.Unlock()
	if h != nil {
		<-h.released
	}
	return v.ctx.Err() == nil
}

// park is where a connection waits for the end of a hand-over, with what was
// read of the next query. It reports whether to go on after an error of Read.
func (v *serving) park(nc net.Conn, part []byte, err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	for {
		v.mu.Lock()
		h := v.hold
		switch {
		case h == nil && v.ctx.Err() != nil:
			v.mu.Unlock()
			return false
		case h == nil:
			// drain sets its deadline under the same lock, and after the end
			// of the context: it is not undone here.
			nc.SetReadDeadline(time.Time{})
			v.mu.Unlock()
			return true
		}
		h.conns[nc] = part
		h.notify()
		v.mu.Unlock()
		<-h.released
	}
}

// unheld waits for the end of a hand-over.
func (v *serving) unheld() {
	v.mu.Lock()
	h := v.hold
	v.mu.Unlock()
	if h != nil {
		<-h.released
	}
}

// adopted is a connection of an earlier process.
type adopted struct {
	net.Conn
	part []byte
}

// Adopt takes the connections among what an earlier process left. The next
// Serve serves them, under the same limit as others. The descriptors are
// checked; if one is no connection of a unix socket all of them are closed, and
// the error wraps ErrInherited. Listeners are ListenInherited's.
func (s *Server) Adopt(in []Inherited) error {
	var conns []adopted
	for _, i := range in {
		if i.Path != "" {
			continue
		}
		nc, err := i.conn()
		if err == nil {
			conns = append(conns, adopted{nc, bytes.Clone(i.Part)})
			continue
		}
		for _, c := range conns {
			c.Close()
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adopted = append(s.adopted, conns...)
	return nil
}

func (i Inherited) conn() (net.Conn, error) {
	if len(i.Part) >= QuerySize {
		return nil, fmt.Errorf("%w: %d bytes of a query of %d", ErrInherited, len(i.Part), QuerySize)
	}
	f, err := i.file(false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("%w: descriptor %d: %w", ErrInherited, i.FD, cause(err))
	}
	return nc, nil
}

// file checks what the descriptor is, and returns it as a file of its own,
// which new processes do not get.
func (i Inherited) file(listens bool) (*os.File, error) {
	fail := func(what any) (*os.File, error) {
		return nil, fmt.Errorf("%w: descriptor %d: %v", ErrInherited, i.FD, what)
	}
	if i.FD <= 2 {
		return fail("it is one of the standard ones")
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(i.FD, &st); err != nil {
		return fail(err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFSOCK || uint64(st.Ino) != i.Socket {
		return fail("it is something else")
	}
	addr, err := syscall.Getsockname(i.FD)
	if err != nil {
		return fail(err)
	}
	_, local := addr.(*syscall.SockaddrUnix)
	typ, err := syscall.GetsockoptInt(i.FD, syscall.SOL_SOCKET, syscall.SO_TYPE)
	accepts, err2 := syscall.GetsockoptInt(i.FD, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err := errors.Join(err, err2); err != nil {
		return fail(err)
	}
	if !local || typ != syscall.SOCK_STREAM || accepts != 0 != listens {
		return fail("it is another kind of socket")
	}
	syscall.CloseOnExec(i.FD)
	return os.NewFile(uintptr(i.FD), "inherited"), nil
}

// ListenInherited is Listen, except that it goes on with the listener that an
// earlier process left for the path, if its file is still there: no client
// notices. Another listener among those left is closed, and its file removed.
// The error wraps ErrInherited where a descriptor is no listener.
func ListenInherited(path string, mode fs.FileMode, in []Inherited) (net.Listener, error) {
	var kept *socketListener
	fail := func(err error) (net.Listener, error) {
		if kept != nil {
			kept.Close()
		}
		return nil, err
	}
	for _, i := range in {
		if i.Path == "" {
			continue
		}
		ln, err := i.listener()
		switch {
		case err != nil:
			return fail(err)
		case kept == nil && i.Path == path && ln.present():
			kept = ln
		case i.Given && i.Path != path:
			ln.Close()
			return fail(fmt.Errorf("listening on %s: p0f: the service manager gives the socket %s: name the same path in both places", path, i.Path))
		default:
			ln.Close()
		}
	}
	if kept == nil {
		return Listen(path, mode)
	}
	if kept.given {
		return kept, nil
	}
	if mode == 0 {
		mode = defaultSocketMode
	}
	if err := os.Chmod(path, mode.Perm()); err != nil {
		return fail(fmt.Errorf("listening on %s: p0f: setting the mode: %w", path, cause(err)))
	}
	return kept, nil
}

// listener makes a listener of what was left. Its file may be gone: own is nil
// then.
func (i Inherited) listener() (*socketListener, error) {
	f, err := i.file(true)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("%w: descriptor %d: %w", ErrInherited, i.FD, cause(err))
	}
	l := &socketListener{UnixListener: ln.(*net.UnixListener), path: i.Path, given: i.Given}
	if i.Given {
		l.keepFile()
	}
	own, err := os.Lstat(i.Path)
	if err != nil {
		return l, nil
	}
	if st, ok := own.Sys().(*syscall.Stat_t); ok && uint64(st.Dev) == i.Dev && uint64(st.Ino) == i.Ino {
		l.own = own
	}
	return l, nil
}

// Activated describes a listening socket that the service manager gave under a
// descriptor. The error wraps ErrInherited where it is none on a path.
func Activated(fd int) (Inherited, error) {
	in := Inherited{FD: fd, Given: true}
	name, err := syscall.Getsockname(fd)
	addr, ok := name.(*syscall.SockaddrUnix)
	if err != nil || !ok || addr.Name == "" || addr.Name[0] == '@' {
		return in, fmt.Errorf("%w: descriptor %d of the service manager is no unix socket with a path", ErrInherited, fd)
	}
	var socket, file syscall.Stat_t
	if err := errors.Join(syscall.Fstat(fd, &socket), syscall.Lstat(addr.Name, &file)); err != nil {
		return in, fmt.Errorf("%w: descriptor %d, %s: %w", ErrInherited, fd, addr.Name, err)
	}
	in.Path, in.Socket, in.Dev, in.Ino = addr.Name, uint64(socket.Ino), uint64(file.Dev), uint64(file.Ino)
	return in, nil
}

// present reports whether the listener has its file still.
func (l *socketListener) present() bool { return l.own != nil }

// keepFile makes Close leave the socket file: it is another process's now.
func (l *socketListener) keepFile() { l.once.Do(func() {}) }
