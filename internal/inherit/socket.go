package inherit

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/mxprint/mxprint/internal/serve"
)

// ErrInherited means that a descriptor is not what its Socket says.
var ErrInherited = errors.New("inherit: not the socket that was handed over")

// maxPart bounds what was read of a query, in bytes.
const maxPart = 1024

// Socket is one socket that a process leaves to the next: a connection of a
// client, or a listener. In JSON it is what passes between the two.
type Socket struct {
	// FD is the descriptor. Both processes have it under this number, unless
	// the service manager kept it between them.
	FD int `json:"fd"`
	// Inode is the socket's, which identifies it under any number.
	Inode uint64 `json:"socket"`

	// Path, Dev and Ino are the file of a listener, and empty for a connection.
	Path string `json:"path,omitempty"`
	Dev  uint64 `json:"dev,omitempty"`
	Ino  uint64 `json:"ino,omitempty"`

	// Given says that the service manager made the listener (systemd.socket(5)):
	// its file and its mode stay as they are.
	Given bool `json:"given,omitempty"`

	// Part is what was read of a query.
	Part []byte `json:"part,omitempty"`
}

// describe names the descriptor and the inode of a socket.
func describe(c syscall.Conn) (s Socket, err error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return s, err
	}
	var st syscall.Stat_t
	var statErr error
	err = rc.Control(func(fd uintptr) {
		s.FD = int(fd)
		statErr = syscall.Fstat(int(fd), &st)
	})
	s.Inode = uint64(st.Ino)
	return s, errors.Join(err, statErr)
}

// connsOf makes connections of what was left, the listeners left out.
func connsOf(left []Socket) (conns []*Conn, err error) {
	for _, s := range left {
		if s.Path != "" {
			continue
		}
		c, err := s.conn()
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func (s Socket) conn() (*Conn, error) {
	if len(s.Part) > maxPart {
		return nil, fmt.Errorf("%w: %d bytes of a query", ErrInherited, len(s.Part))
	}
	f, err := s.file(false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("%w: descriptor %d: %w", ErrInherited, s.FD, serve.Cause(err))
	}
	return &Conn{UnixConn: nc.(*net.UnixConn), part: s.Part}, nil
}

// listener makes a listener of what was left. Its file may be gone.
func (s Socket) listener() (*Listener, error) {
	f, err := s.file(true)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("%w: descriptor %d: %w", ErrInherited, s.FD, serve.Cause(err))
	}
	own, _ := os.Lstat(s.Path)
	if own != nil {
		if st, ok := own.Sys().(*syscall.Stat_t); !ok || uint64(st.Dev) != s.Dev || uint64(st.Ino) != s.Ino {
			own = nil
		}
	}
	return newListener(serve.AdoptUnix(ln.(*net.UnixListener), s.Path, own, s.Given), s.Given), nil
}

// file checks what the descriptor is, and returns it as a file of its own,
// which new processes do not get.
func (s Socket) file(listens bool) (*os.File, error) {
	fail := func(what any) (*os.File, error) {
		return nil, fmt.Errorf("%w: descriptor %d: %v", ErrInherited, s.FD, what)
	}
	if s.FD <= 2 {
		return fail("it is one of the standard ones")
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(s.FD, &st); err != nil {
		return fail(err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFSOCK || uint64(st.Ino) != s.Inode {
		return fail("it is something else")
	}
	addr, err := syscall.Getsockname(s.FD)
	if err != nil {
		return fail(err)
	}
	_, local := addr.(*syscall.SockaddrUnix)
	typ, err := syscall.GetsockoptInt(s.FD, syscall.SOL_SOCKET, syscall.SO_TYPE)
	accepts, err2 := syscall.GetsockoptInt(s.FD, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err := errors.Join(err, err2); err != nil {
		return fail(err)
	}
	if !local || typ != syscall.SOCK_STREAM || accepts != 0 != listens {
		return fail("it is another kind of socket")
	}
	syscall.CloseOnExec(s.FD)
	return os.NewFile(uintptr(s.FD), "inherited"), nil
}

// activated describes a listening socket that the service manager gave under a
// descriptor.
func activated(fd int) (Socket, error) {
	s := Socket{FD: fd, Given: true}
	name, err := syscall.Getsockname(fd)
	addr, ok := name.(*syscall.SockaddrUnix)
	if err != nil || !ok || addr.Name == "" || addr.Name[0] == '@' {
		return s, fmt.Errorf("%w: descriptor %d of the service manager is not a unix socket with a path", ErrInherited, fd)
	}
	var socket, file syscall.Stat_t
	if err := errors.Join(syscall.Fstat(fd, &socket), syscall.Lstat(addr.Name, &file)); err != nil {
		return s, fmt.Errorf("%w: descriptor %d, %s: %w", ErrInherited, fd, addr.Name, err)
	}
	s.Path, s.Inode, s.Dev, s.Ino = addr.Name, uint64(socket.Ino), uint64(file.Dev), uint64(file.Ino)
	return s, nil
}
