package synlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A namespace is a network namespace with one end of a veth. It needs no
// program and no file but /proc, so that it also works as the only process of
// a virtual machine. It lives until it is closed.
type namespace struct {
	file *os.File // of /proc/…/ns/net
	link string   // its end of the veth
	ipv4 netip.Addr
	ipv6 netip.Addr
}

// newWire makes two namespaces joined by a veth that carries packets, with the
// addresses of lab.Pair.
func newWire(mtu int) (client, server *namespace, err error) {
	defer func() {
		if err != nil {
			client.close()
			server.close()
		}
	}()
	if client, err = newNamespace("cli0", 1); err != nil {
		return client, server, err
	}
	if server, err = newNamespace("srv0", 2); err != nil {
		return client, server, err
	}
	if err = client.do(func() error { return addVeth(client.link, server.link, server.file) }); err != nil {
		return client, server, err
	}
	for _, ns := range []*namespace{client, server} {
		if err = ns.do(func() error { return ns.configure(mtu) }); err != nil {
			return client, server, err
		}
	}
	for _, ns := range []*namespace{client, server} {
		if err = ns.do(ns.waitUp); err != nil {
			return client, server, err
		}
	}
	return client, server, nil
}

// newLoopback makes one namespace that is both ends.
func newLoopback(mtu int) (client, server *namespace, err error) {
	if client, err = newNamespace(Loopback, 1); err != nil {
		return nil, nil, err
	}
	server = &namespace{file: client.file, link: client.link, ipv4: client.ipv4.Next(), ipv6: client.ipv6.Next()}
	if mtu == 0 {
		mtu = 1500
	}
	for _, end := range []*namespace{client, server} {
		if err = end.do(func() error { return end.configure(mtu) }); err != nil {
			client.close()
			return nil, nil, err
		}
	}
	return client, server, nil
}

func newNamespace(link string, side byte) (*namespace, error) {
	ns := &namespace{
		link: link,
		ipv4: netip.AddrFrom4([4]byte{198, 18, 0, side}),
		ipv6: netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: side}),
	}
	err := away(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() (err error) {
		ns.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("synlab: making a namespace: %w", err)
	}
	return ns, nil
}

func (ns *namespace) close() {
	if ns != nil {
		ns.file.Close()
	}
}

// do runs fn inside the namespace, on the caller's goroutine.
func (ns *namespace) do(fn func() error) error {
	return away(func() error { return unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET) }, fn)
}

// away takes the calling thread to another namespace with leave, runs fn there
// and comes back. A thread that cannot come back ends with its goroutine.
func away(leave, fn func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	defer func() {
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	if err := leave(); err != nil {
		return err
	}
	return fn()
}

// configure gives the link its MTU and addresses and sets it up.
func (ns *namespace) configure(mtu int) error {
	index, _, err := linkState(ns.link)
	if err != nil {
		return err
	}
	// Without a loopback Go takes the machine for one without IPv6. Its number
	// is 1 in every namespace.
	if err := request(unix.RTM_NEWLINK, 0, ifinfo(1, unix.IFF_UP)); err != nil {
		return fmt.Errorf("synlab: setting lo up: %w", err)
	}
	var attrs []byte
	if mtu != 0 {
		attrs = attr(attrs, unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, uint32(mtu)))
	}
	if err := request(unix.RTM_NEWLINK, 0, append(ifinfo(index, unix.IFF_UP), attrs...)); err != nil {
		return fmt.Errorf("synlab: setting %s up: %w", ns.link, err)
	}
	for _, a := range []struct {
		family, bits byte
		addr         []byte
	}{{unix.AF_INET, 15, ns.ipv4.AsSlice()}, {unix.AF_INET6, 32, ns.ipv6.AsSlice()}} {
		// struct ifaddrmsg: family, prefix length, flags, scope, index.
		msg := []byte{a.family, a.bits, unix.IFA_F_NODAD, 0}
		msg = binary.NativeEndian.AppendUint32(msg, uint32(index))
		msg = attr(attr(msg, unix.IFA_LOCAL, a.addr), unix.IFA_ADDRESS, a.addr)
		if err := request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, msg); err != nil {
			return fmt.Errorf("synlab: giving %s an address: %w", ns.link, err)
		}
	}
	return nil
}

// waitUp waits until the kernel has noticed that the link is up: it does so in
// the background, and drops what is sent before.
func (ns *namespace) waitUp() error {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		_, flags, err := linkState(ns.link)
		if err != nil {
			return err
		}
		if flags&unix.IFF_RUNNING != 0 {
			return nil
		}
	}
	return fmt.Errorf("synlab: %s does not come up", ns.link)
}

// linkState returns the index and the flags of a link.
func linkState(name string) (index int, flags uint16, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr); err != nil {
		return 0, 0, fmt.Errorf("synlab: asking for the flags of %s: %w", name, err)
	}
	flags = ifr.Uint16()
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return 0, 0, fmt.Errorf("synlab: asking for the number of %s: %w", name, err)
	}
	return int(ifr.Uint32()), flags, nil
}

// addVeth makes a veth whose other end is in the namespace of the file
// (rtnetlink(7), and VETH_INFO_PEER, 1, of linux/veth.h).
func addVeth(name, peer string, ns *os.File) error {
	const vethInfoPeer = 1
	other := attr(ifinfo(0, 0), unix.IFLA_IFNAME, []byte(peer+"\x00"))
	other = attr(other, unix.IFLA_NET_NS_FD, binary.NativeEndian.AppendUint32(nil, uint32(ns.Fd())))
	kind := attr(nil, unix.IFLA_INFO_KIND, []byte("veth"))
	kind = attr(kind, unix.IFLA_INFO_DATA, attr(nil, vethInfoPeer, other))
	msg := attr(ifinfo(0, 0), unix.IFLA_IFNAME, []byte(name+"\x00"))
	msg = attr(msg, unix.IFLA_LINKINFO, kind)
	if err := request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, msg); err != nil {
		return fmt.Errorf("synlab: making a veth: %w", err)
	}
	return nil
}

// ifinfo makes a struct ifinfomsg that sets the flags given.
func ifinfo(index int, flags uint32) []byte {
	msg := make([]byte, 4, 64)
	msg = binary.NativeEndian.AppendUint32(msg, uint32(index))
	msg = binary.NativeEndian.AppendUint32(msg, flags)
	return binary.NativeEndian.AppendUint32(msg, flags)
}

// attr appends an attribute, padded to four bytes.
func attr(msg []byte, kind uint16, value []byte) []byte {
	msg = binary.NativeEndian.AppendUint16(msg, uint16(4+len(value)))
	msg = binary.NativeEndian.AppendUint16(msg, kind)
	msg = append(msg, value...)
	return append(msg, make([]byte, -len(value)&3)...)
}

// request sends one rtnetlink message in the namespace of the calling thread
// and waits for the kernel's answer.
func request(kind, flags uint16, body []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	msg := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	msg = binary.NativeEndian.AppendUint16(msg, kind)
	msg = binary.NativeEndian.AppendUint16(msg, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	msg = append(msg, make([]byte, 8)...) // sequence, port
	if err := unix.Sendto(fd, append(msg, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	var answer [4096]byte
	n, _, err := unix.Recvfrom(fd, answer[:], 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return errors.New("synlab: no answer to a netlink message")
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
