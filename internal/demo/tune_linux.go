package demo

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// tune sets the options of a sender's socket; it is a net.Dialer's Control.
func (s sender) tune(network, _ string, c syscall.RawConn) error {
	level, ttl := unix.IPPROTO_IP, unix.IP_TTL
	if network == "tcp6" {
		level, ttl = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	var err error
	ctlErr := c.Control(func(fd uintptr) {
		for _, o := range []struct{ level, name, value int }{
			{level, ttl, s.ttl},
			{unix.IPPROTO_TCP, unix.TCP_MAXSEG, s.mss},
			{unix.SOL_SOCKET, unix.SO_RCVBUF, s.rcvbuf},
		} {
			if o.value != 0 {
				err = errors.Join(err, unix.SetsockoptInt(int(fd), o.level, o.name, o.value))
			}
		}
	})
	return errors.Join(ctlErr, err)
}
