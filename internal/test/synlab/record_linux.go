package synlab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/sys/unix"
)

// port is where the connections go.
const port = 25

// ErrUnknownSetting is the error for a setting that the kernel does not have:
// a sysctl or a protocol of a newer one.
var ErrUnknownSetting = errors.New("synlab: this kernel has no such setting")

// Kernel returns the version of the running kernel, without what a
// distributor or a provider put behind it.
func Kernel() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("synlab: asking for the kernel's version: %w", err)
	}
	version, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
	version, _, _ = strings.Cut(version, "+")
	return version, nil
}

// Record opens one connection over IPv4 and one over IPv6 between two
// namespaces set up as s says, and returns the SYNs and SYN+ACKs that open
// them as a pcap. It needs root and no programs, takes at most a minute, and
// leaves nothing behind.
func Record(s Setting) ([]byte, error) {
	if s.Since != "" {
		if err := since(s.Since); err != nil {
			return nil, err
		}
	}
	wire := newWire
	if s.Link == Loopback {
		wire = newLoopback
	}
	client, server, err := wire(s.MTU)
	if err != nil {
		return nil, err
	}
	defer client.close()
	defer server.close()
	restore, err := setSysctls(s.Sysctls, client, server)
	defer restore()
	if err != nil {
		return nil, err
	}
	listener, err := listen(server, s)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	targets := []netip.AddrPort{netip.AddrPortFrom(server.ipv4, port), netip.AddrPortFrom(server.ipv6, port)}
	open := func() error {
		for _, to := range targets {
			err := connect(s, to)
			// The kernel brings an address into use in the background. Until then
			// it sends nothing.
			for try := 0; try < 100 && (errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EADDRNOTAVAIL)); try++ {
				time.Sleep(20 * time.Millisecond)
				err = connect(s, to)
			}
			if err != nil {
				return fmt.Errorf("synlab: %s: connecting to %s: %w", s.Name, to, err)
			}
		}
		return nil
	}
	if s.Socket == FastOpenData {
		// The first connection only fetches the cookie. The client notes it
		// when the SYN+ACK comes, so no waiting is needed.
		if err := client.do(open); err != nil {
			return nil, err
		}
	}
	var file []byte
	err = client.do(func() error {
		tap, err := newTap(client.link)
		if err != nil {
			return err
		}
		defer unix.Close(tap)
		if err := open(); err != nil {
			return err
		}
		file, err = read(tap, 2*len(targets), s.Link == Loopback)
		return err
	})
	return file, err
}

// since says whether the running kernel is that new.
func since(oldest string) error {
	running, err := Kernel()
	if err != nil {
		return err
	}
	ok, err := Claims("Linux "+oldest+" and newer", running)
	if err == nil && !ok {
		return fmt.Errorf("%w: it came with %s", ErrUnknownSetting, oldest)
	}
	return err
}

// newTap opens a packet socket on a link.
func newTap(link string) (int, error) {
	index, _, err := linkState(link)
	if err != nil {
		return 0, err
	}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("synlab: opening a packet socket: %w", err)
	}
	wait := unix.Timeval{Sec: 5}
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}))
	if err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("synlab: opening a packet socket: %w", err)
	}
	return fd, nil
}

// read writes the next SYNs and SYN+ACKs of a packet socket to a pcap.
//
// A loopback shows each packet twice, on its way out and on its way in.
func read(tap, count int, loopback bool) ([]byte, error) {
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		return nil, err
	}
	frame := make([]byte, 65536)
	for deadline := time.Now().Add(10 * time.Second); count > 0; {
		n, from, err := unix.Recvfrom(tap, frame, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil || time.Now().After(deadline) {
			return nil, fmt.Errorf("synlab: waiting for %d more packets: %w", count, err)
		}
		link, _ := from.(*unix.SockaddrLinklayer)
		if !opens(frame[:n]) || loopback && link != nil && link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		info := gopacket.CaptureInfo{Timestamp: time.Now(), CaptureLength: n, Length: n}
		if err := w.WritePacket(info, frame[:n]); err != nil {
			return nil, err
		}
		count--
	}
	return file.Bytes(), nil
}

// opens reports whether an Ethernet frame holds a TCP segment with SYN set.
// Nothing here sends IPv6 extension headers.
func opens(frame []byte) bool {
	if len(frame) < 14+20+20 {
		return false
	}
	ip, proto, size := frame[14:], byte(0), 0
	switch binary.BigEndian.Uint16(frame[12:]) {
	case unix.ETH_P_IP:
		proto, size = ip[9], int(ip[0]&15)*4
	case unix.ETH_P_IPV6:
		proto, size = ip[6], 40
	}
	const syn = 2
	return proto == unix.IPPROTO_TCP && len(ip) > size+13 && ip[size+13]&syn != 0
}

// setSysctls writes every "a.b.c=value" inside both namespaces. Old kernels
// have one value for all namespaces and hide it inside of ours: that one is
// set outside, and restore puts the old value back.
func setSysctls(sysctls []string, inside ...*namespace) (restore func(), err error) {
	old := map[string][]byte{}
	restore = func() {
		for path, value := range old {
			os.WriteFile(path, value, 0)
		}
	}
	for _, sysctl := range sysctls {
		name, value, ok := strings.Cut(sysctl, "=")
		if !ok {
			return restore, fmt.Errorf("synlab: sysctl %q has no value", sysctl)
		}
		path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
		set := func() error { return os.WriteFile(path, []byte(value), 0) }
		for _, ns := range inside {
			err := ns.do(set)
			if errors.Is(err, fs.ErrNotExist) {
				before, readErr := os.ReadFile(path)
				if readErr != nil {
					return restore, fmt.Errorf("%w: %w", ErrUnknownSetting, readErr)
				}
				if old[path] == nil {
					old[path] = before
				}
				err = set()
			}
			if errors.Is(err, unix.EINVAL) {
				return restore, fmt.Errorf("%w: %w", ErrUnknownSetting, err)
			}
			if err != nil {
				return restore, fmt.Errorf("synlab: setting %s: %w", sysctl, err)
			}
		}
	}
	return restore, nil
}

// listen serves the port on all addresses of ns until the listener is closed.
func listen(ns *namespace, s Setting) (net.Listener, error) {
	fast := s.Socket == FastOpen || s.Socket == FastOpenData
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if ctlErr := c.Control(func(fd uintptr) {
			if fast {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 8)
			}
		}); ctlErr != nil {
			return ctlErr
		}
		return err
	}}
	config.SetMultipathTCP(s.Socket == MPTCP)
	var listener net.Listener
	err := ns.do(func() (err error) {
		listener, err = config.Listen(context.Background(), "tcp", fmt.Sprintf("[::]:%d", port))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("synlab: %s: listening: %w", s.Name, err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return listener, nil
}

// connect opens one connection on the calling thread, which is in the client's
// namespace, and closes it.
func connect(s Setting, to netip.AddrPort) error {
	var first []byte
	if s.Socket == FastOpen || s.Socket == FastOpenData {
		first = []byte("x")
	}
	fd, err := open(s, to, first)
	// The server closes without reading, so a reset may come before the call
	// returns, and what the kernel has begun it ends.
	if err != nil && !(first != nil && (errors.Is(err, unix.EINPROGRESS) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EINTR))) {
		return err
	}
	if fd >= 0 {
		unix.Close(fd)
	}
	return nil
}

// Dial opens a connection with the socket of s, in the network namespace of
// the calling thread; sysctls and the MTU are the caller's to set. It sends
// first, which a FastOpenData socket that has a cookie does within its SYN.
func (s Setting) Dial(to netip.AddrPort, first []byte) (net.Conn, error) {
	fd, err := open(s, to, first)
	if err != nil {
		return nil, fmt.Errorf("synlab: %s: %w", s.Name, err)
	}
	file := os.NewFile(uintptr(fd), s.Name)
	defer file.Close()
	return net.FileConn(file)
}

// open opens a connection and sends first. It makes the socket itself:
// net.Dialer may hand the work to another thread, and cannot make a Fast Open
// SYN.
func open(s Setting, to netip.AddrPort, first []byte) (fd int, err error) {
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
	if to.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	proto := unix.IPPROTO_TCP
	if s.Socket == MPTCP {
		proto = unix.IPPROTO_MPTCP
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, proto)
	if s.Socket == MPTCP && (err == unix.EPROTONOSUPPORT || err == unix.EINVAL || err == unix.ENOPROTOOPT) {
		return -1, fmt.Errorf("%w: %w", ErrUnknownSetting, err)
	}
	if err != nil {
		return -1, fmt.Errorf("making a socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
			fd = -1
		}
	}()
	if s.RcvBuf != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, s.RcvBuf); err != nil {
			return fd, fmt.Errorf("setting SO_RCVBUF: %w", err)
		}
	}
	// Old Multipath TCP has no timeout to set.
	timeout := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout); err != nil && err != unix.EOPNOTSUPP {
		return fd, fmt.Errorf("setting a timeout: %w", err)
	}
	if s.Socket == FastOpen || s.Socket == FastOpenData {
		// Without a cookie the SYN asks for one and carries no data.
		return fd, unix.Sendto(fd, first, unix.MSG_FASTOPEN, sa)
	}
	// Go interrupts its threads; a second call waits for what the first began.
	for {
		if err = unix.Connect(fd, sa); err != unix.EINTR {
			break
		}
	}
	if err == nil && len(first) > 0 {
		_, err = unix.Write(fd, first)
	}
	return fd, err
}
