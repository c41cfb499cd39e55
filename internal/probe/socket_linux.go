package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// socket is a raw socket that sends the probes.
type socket struct {
	fd       int
	from, to netip.Addr
}

// openSocket opens a raw socket to an address.
func openSocket(to netip.AddrPort) (*socket, error) {
	// A UDP socket shows which address of ours packets go from, and sends none.
	c, err := net.Dial("udp", to.String())
	if err != nil {
		return nil, err
	}
	from := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	c.Close()
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: a raw socket wants root or CAP_NET_RAW", err)
	} else if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &socket{fd, from, to.Addr()}
	if err := s.set(); err != nil {
		s.close()
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return s, nil
}

// set has the kernel send IPv4 headers as they are, and make those of IPv6 as
// they have to be: with a flow label nothing knows a probe.
func (s *socket) set() error {
	if s.to.Is4() {
		return unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_HDRINCL, 1)
	}
	if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl); err != nil {
		return err
	}
	return unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_AUTOFLOWLABEL, 0)
}

// send sends a TCP header. The kernel fills in the length and the checksum of
// the IPv4 header.
func (s *socket) send(tcp []byte) error {
	if s.to.Is6() {
		return unix.Sendto(s.fd, tcp, 0, &unix.SockaddrInet6{Addr: s.to.As16()})
	}
	b := make([]byte, 20, 20+len(tcp))
	b[0] = 0x45
	copy(b[4:], tcp[:2]) // the ID: the port, for it must not be 0
	b[8], b[9] = ttl, unix.IPPROTO_TCP
	src, dst := s.from.As4(), s.to.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	return unix.Sendto(s.fd, append(b, tcp...), 0, &unix.SockaddrInet4{Addr: dst})
}

func (s *socket) close() { unix.Close(s.fd) }
