//go:build linux

package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Every namespace is a world of its own, so all pairs use the same addresses.
// The client is .1 and ::1, the server .2 and ::2; addresses added later come
// from the blocks below. Haraka and rspamd skip 192.0.2/24, 198.51.100/24 and
// 203.0.113/24 as private, hence the benchmark range of RFC 2544.
var (
	net4 = netip.MustParsePrefix("198.18.0.0/15")
	net6 = netip.MustParsePrefix("2001:db8::/32")
)

// maxAdded is how many addresses of one family a namespace can be given.
const maxAdded = 32000

// A NetNS is a network namespace that lives as long as its test. Its loopback
// interface is up, and its processes resolve names at 127.0.0.1, where no server
// answers unless the test starts a server there: a refused look-up fails at
// once, an unreachable resolver stalls daemons for half a minute.
//
// Safe for concurrent use.
type NetNS struct {
	Name string     // as `ip netns` knows it
	If   string     // the veth of a Pair; empty for a lone namespace
	IPv4 netip.Addr // of If
	IPv6 netip.Addr // of If

	t      testing.TB
	side   uint32 // 1 = client, 2 = server: the last part of the addresses
	mu     sync.Mutex
	added4 int
	added6 int
}

// A Pair is two namespaces joined by a veth: 198.18.0.0/15 and 2001:db8::/32
// are on the wire, with no duplicate address detection to wait for.
type Pair struct {
	Client, Server *NetNS
}

// netnsCount makes the names of one process unique.
var netnsCount atomic.Uint32

// NewNetNS makes a namespace with nothing but loopback. It is removed when the
// test ends; processes left inside keep it alive, so tests stop their own.
func NewNetNS(t testing.TB) *NetNS {
	t.Helper()
	NeedRoot(t)
	NeedProgram(t, "ip")
	n := &NetNS{Name: fmt.Sprintf("mxp%d-%d", os.Getpid(), netnsCount.Add(1)), t: t, side: 2}
	dir := filepath.Join("/etc/netns", n.Name)
	t.Cleanup(func() {
		if out, err := ip("netns", "del", n.Name); err != nil {
			t.Errorf("removing namespace %s: %v: %s", n.Name, err, out)
		}
		os.RemoveAll(dir)
	})
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := ip("netns", "add", n.Name); err != nil {
		t.Fatalf("adding namespace %s: %v: %s", n.Name, err, out)
	}
	n.IP("link", "set", "lo", "up")
	return n
}

// NewPair makes two namespaces joined by a veth and waits until it carries
// packets. Both are removed when the test ends.
func NewPair(t testing.TB) *Pair {
	t.Helper()
	p := &Pair{Client: NewNetNS(t), Server: NewNetNS(t)}
	p.Client.If, p.Client.side = "cli0", 1
	p.Server.If, p.Server.side = "srv0", 2
	p.Join()
	return p
}

// Join makes the veth, gives it its first addresses and waits until it carries
// packets. NewPair has done this; a test calls it again after it deleted the
// interface.
func (p *Pair) Join() {
	p.Client.t.Helper()
	p.Client.IP("link", "add", p.Client.If, "type", "veth", "peer", "name", p.Server.If, "netns", p.Server.Name)
	for _, n := range []*NetNS{p.Client, p.Server} {
		n.IPv4, n.IPv6 = Addrs(int(n.side))
		n.IP("addr", "add", netip.PrefixFrom(n.IPv4, net4.Bits()).String(), "dev", n.If)
		n.IP("addr", "add", netip.PrefixFrom(n.IPv6, net6.Bits()).String(), "dev", n.If, "nodad")
		n.IP("link", "set", n.If, "up")
	}
	p.Client.waitUp()
	p.Server.waitUp()
}

// waitUp waits until the kernel has noticed that the veth is up: it does so in
// the background, and drops what is sent before.
func (n *NetNS) waitUp() {
	n.t.Helper()
	Eventually(n.t, func() error {
		if state := n.IP("-o", "link", "show", n.If); !strings.Contains(state, " state UP ") {
			return fmt.Errorf("%s in %s does not come up: %s", n.If, n.Name, state)
		}
		return nil
	})
}

// IP runs `ip` inside the namespace and returns what it printed. A failure
// ends the test.
func (n *NetNS) IP(args ...string) string {
	n.t.Helper()
	out, err := ip(append([]string{"-n", n.Name}, args...)...)
	if err != nil {
		n.t.Fatalf("ip -n %s %s: %v: %s", n.Name, strings.Join(args, " "), err, out)
	}
	return out
}

// Command prepares a command that runs inside the namespace, with the
// namespace's own resolv.conf. The process is the command itself: killing it
// or signalling it reaches the program.
func (n *NetNS) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, ipPath(), append([]string{"netns", "exec", n.Name, name}, args...)...)
}

// Do runs fn inside the namespace, on the caller's goroutine. Sockets that fn
// opens stay in the namespace for good. Goroutines that fn starts are outside:
// dial addresses, not names, and serve connections anywhere.
func (n *NetNS) Do(fn func() error) error {
	runtime.LockOSThread()
	// A thread that cannot come back stays locked and ends with its
	// goroutine, so that no other goroutine runs in the wrong namespace.
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: entering %s: %w", n.Name, err)
	}
	defer home.Close()
	away, err := os.Open(filepath.Join("/run/netns", n.Name))
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: entering %s: %w", n.Name, err)
	}
	defer away.Close()
	defer func() {
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	if err := unix.Setns(int(away.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("lab: entering %s: %w", n.Name, err)
	}
	return fn()
}

// AddIPv4 gives the veth count more IPv4 addresses and returns them: a test's
// many clients. Dial with net.Dialer.LocalAddr to use one.
func (n *NetNS) AddIPv4(count int) []netip.Addr {
	n.t.Helper()
	// 198.19.0.0/17 for clients, 198.19.128.0/17 for servers.
	base := uint32(198<<24|19<<16) + (n.side-1)<<15
	return n.add(&n.added4, count, net4.Bits(), func(i uint32) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], base+i+1)
		return netip.AddrFrom4(b)
	})
}

// AddIPv6 is AddIPv4 for IPv6: 2001:db8:1::/48 for clients, 2001:db8:2::/48
// for servers.
func (n *NetNS) AddIPv6(count int) []netip.Addr {
	n.t.Helper()
	return n.add(&n.added6, count, net6.Bits(), func(i uint32) netip.Addr {
		b := [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 5: byte(n.side)}
		binary.BigEndian.PutUint32(b[12:], i+1)
		return netip.AddrFrom16(b)
	})
}

// add hands count addresses to one run of `ip -batch`: a process for each
// would take seconds a thousand.
func (n *NetNS) add(added *int, count, bits int, addr func(uint32) netip.Addr) []netip.Addr {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.If == "" || *added+count > maxAdded {
		n.t.Fatalf("lab: %s cannot have %d more addresses", n.Name, count)
	}
	addrs := make([]netip.Addr, count)
	var batch strings.Builder
	for i := range addrs {
		addrs[i] = addr(uint32(*added + i))
		nodad := ""
		if addrs[i].Is6() {
			nodad = " nodad"
		}
		fmt.Fprintf(&batch, "addr add %s/%d dev %s%s\n", addrs[i], bits, n.If, nodad)
	}
	*added += count
	cmd := exec.Command(ipPath(), "-n", n.Name, "-batch", "-")
	cmd.Stdin = strings.NewReader(batch.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("adding %d addresses to %s: %v: %s", count, n.Name, err, out)
	}
	return addrs
}

// ip runs iproute2's ip.
func ip(args ...string) (string, error) {
	out, err := exec.Command(ipPath(), args...).CombinedOutput()
	return string(out), err
}

// ipPath finds ip where PATH lacks the system directories.
func ipPath() string {
	for _, p := range []string{"/usr/sbin/ip", "/sbin/ip"} {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return "ip"
}
