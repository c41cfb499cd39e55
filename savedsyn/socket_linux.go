package savedsyn

import (
	"errors"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

var errMPTCP = errors.New("the listener speaks Multipath TCP: make it with SetMultipathTCP(false) of net.ListenConfig")

// save has the kernel keep the SYNs of a listener's connections to come.
func save(c syscall.RawConn) error {
	var err error
	if ctlErr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, 1)
		if err == nil {
			return
		}
		proto, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL)
		if proto == unix.IPPROTO_MPTCP {
			err = errMPTCP
		}
	}); ctlErr != nil {
		return ctlErr
	}
	return err
}

// saved reads the SYN of a connection, into buf where it fits. The kernel
// forgets it.
func saved(c *net.TCPConn, buf []byte) ([]byte, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, errNotKept
	}
	var n int
	if ctlErr := raw.Control(func(fd uintptr) {
		n, err = getSaved(fd, buf)
		if err == unix.EINVAL && n > len(buf) { // too small; it says how much it takes
			buf = make([]byte, n)
			n, err = getSaved(fd, buf)
		}
	}); ctlErr != nil || err != nil || n == 0 {
		return nil, errNotKept
	}
	return buf[:n:n], nil
}

// getSaved is getsockopt(TCP_SAVED_SYN). It returns the length of the SYN, 0
// where there is none; with EINVAL the length that buf should have.
func getSaved(fd uintptr, buf []byte) (int, error) {
	n := uint32(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_SAVED_SYN,
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return int(n), errno
	}
	return int(n), nil
}
