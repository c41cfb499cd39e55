package serve

import (
	"cmp"
	"net"
	"syscall"
)

// PeerUID is the user at the other end of a unix socket (unix(7), SO_PEERCRED),
// whatever wraps the connection. The error is ErrNotUnix of other connections.
func PeerUID(nc net.Conn) (int, error) {
	c, ok := root(nc).(*net.UnixConn)
	if !ok {
		return -1, ErrNotUnix
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *syscall.Ucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, inner = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = cmp.Or(err, inner); err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}
