package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/packet"
)

const haveAny = true

// findDevice returns the index of an interface, 0 for Any, and what its frames
// look like.
func findDevice(name string) (index int, link packet.LinkType, err error) {
	if name == Any {
		return 0, packet.LinkRaw, nil
	}
	// A Unix socket answers for all interfaces, and needs no privilege.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("capture: looking for %s: %w", name, err)
	}
	defer unix.Close(fd)
	index, link, err = askDevice(fd, name)
	if err != nil {
		return 0, 0, fmt.Errorf("capture: %w %q (there are: %s)", ErrNoInterface, name, interfaceNames())
	}
	return index, link, nil
}

// askDevice asks about one interface, in the network namespace of fd.
func askDevice(fd int, name string) (index int, link packet.LinkType, err error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return 0, 0, err
	}
	index = int(ifr.Uint32())
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, ifr); err != nil {
		return 0, 0, err
	}
	// Loopback has an Ethernet header, filled with zeros.
	if hw := ifr.Uint16(); hw == unix.ARPHRD_ETHER || hw == unix.ARPHRD_LOOPBACK {
		return index, packet.LinkEthernet, nil
	}
	return index, packet.LinkRaw, nil
}

// deviceIsUp reports whether an interface is there and up.
func deviceIsUp(fd int, name string) bool {
	ifr, err := unix.NewIfreq(name)
	if err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr) != nil {
		return false
	}
	return ifr.Uint16()&unix.IFF_UP != 0
}

// socketError says what to do about a packet socket that is refused.
func socketError(name string, err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return fmt.Errorf("capture: opening a packet socket for %s: %w", name, err)
	}
	program, e := os.Executable()
	if e != nil {
		program = "PROGRAM"
	}
	return fmt.Errorf("capture: opening a packet socket for %s needs CAP_NET_RAW "+
		"(run as root, or once: setcap cap_net_raw+ep %s): %w", name, program, err)
}

// bind joins the socket to the interface: from here on frames come in.
func (r *Ring) bind(index int) error {
	addr := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: index}
	if err := unix.Bind(r.fd, addr); err != nil {
		return fmt.Errorf("capture: binding to %s: %w", r.cfg.Interface, err)
	}
	if !r.cfg.Promiscuous || index == 0 {
		return nil
	}
	mreq := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
		return fmt.Errorf("capture: promiscuous mode on %s: %w", r.cfg.Interface, err)
	}
	return nil
}

// fault looks at what the socket complains about. That the interface went
// down, or is down when the ring is opened, is not the end.
func (r *Ring) fault() error {
	errno, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("capture: reading from %s: %w", r.cfg.Interface, err)
	}
	switch unix.Errno(errno) {
	case 0:
		return nil
	case unix.ENETDOWN:
		if !r.away.Swap(true) {
			r.cfg.Log.Warn("interface is down, waiting for it", "interface", r.cfg.Interface)
		}
		return r.look()
	}
	return fmt.Errorf("capture: reading from %s: %w", r.cfg.Interface, unix.Errno(errno))
}

// look takes an absent interface up again once it is back. The kernel does so
// by itself for one that was only down; one that was removed and recreated
// under the same name, needs a new bind.
func (r *Ring) look() error {
	r.looked = time.Now()
	addr, err := unix.Getsockname(r.fd)
	if err != nil {
		return fmt.Errorf("capture: reading from %s: %w", r.cfg.Interface, err)
	}
	if ll, ok := addr.(*unix.SockaddrLinklayer); ok && ll.Ifindex < 0 {
		index, link, err := askDevice(r.fd, r.cfg.Interface)
		if err != nil {
			return nil // not back yet
		}
		if link != r.link {
			return fmt.Errorf("capture: %s came back as another kind of interface", r.cfg.Interface)
		}
		if r.rebind(index) != nil {
			return nil // gone again meanwhile
		}
	}
	if deviceIsUp(r.fd, r.cfg.Interface) {
		r.away.Store(false)
		r.cfg.Log.Info("interface is back", "interface", r.cfg.Interface)
	}
	return nil
}

// bigEndian is a 16-bit number in network byte order.
func bigEndian(n uint16) uint16 {
	var b [2]byte
	b[0], b[1] = byte(n>>8), byte(n)
	return binary.NativeEndian.Uint16(b[:])
}
