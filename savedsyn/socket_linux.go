package savedsyn

import (
	"errors"
	"net"
	"syscall"
	"unsafe"
)

// Of tcp.h and in.h of Linux; the same on every architecture. Package syscall
// has none of them, and savedsyn imports the standard library alone.
const (
	tcpSaveSYN   = 27
	tcpSavedSYN  = 28
	soProtocol   = 38 // but on mips, parisc and sparc, where another message is all that differs
	ipprotoMPTCP = 262
)

var errMPTCP = errors.New("the listener speaks Multipath TCP: make it with SetMultipathTCP(false) of net.ListenConfig")

// save has the kernel keep the SYNs of a listener's connections to come.
func save(c syscall.RawConn) error {
	var err error
	if ctlErr := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpSaveSYN, 1)
		if err == nil {
			return
		}
		proto, _ := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, soProtocol)
		if proto == ipprotoMPTCP {
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
		if err == syscall.EINVAL && n > len(buf) { // too small; it says how much it takes
			buf = make([]byte, n)
			n, err = getSaved(fd, buf)
		}
	}); ctlErr != nil || err != nil || n == 0 {
		return nil, errNotKept
	}
	return buf[:n:n], nil
}

// getSaved is getsockopt(TCP_SAVED_SYN). It returns the length of the SYN, 0
// if absent; with EINVAL the length that buf should have.
func getSaved(fd uintptr, buf []byte) (int, error) {
	n := uint32(len(buf))
	_, _, errno := syscall.Syscall6(sysGetsockopt, fd, syscall.IPPROTO_TCP, tcpSavedSYN,
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return int(n), errno
	}
	return int(n), nil
}
