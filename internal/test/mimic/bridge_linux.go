package mimic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// Bridged makes two namespaces with a third between them, whose bridge of ours
// delays frames, sends some twice and lets some pass others.
func Bridged(t testing.TB) *lab.Pair {
	t.Helper()
	lab.NeedProgram(t, "ethtool")
	p := &lab.Pair{Client: lab.NewNetNS(t), Server: lab.NewNetNS(t)}
	mid := lab.NewNetNS(t)
	for i, n := range []*lab.NetNS{p.Client, p.Server} {
		n.If = [2]string{"cli0", "srv0"}[i]
		link := fmt.Sprintf("mid%d", i)
		n.IP("link", "add", n.If, "type", "veth", "peer", "name", link, "netns", mid.Name)
		n.IPv4, n.IPv6 = lab.Addrs(i + 1)
		n.IP("addr", "add", n.IPv4.String()+"/15", "dev", n.If)
		n.IP("addr", "add", n.IPv6.String()+"/32", "dev", n.If, "nodad")
		n.IP("link", "set", n.If, "up")
		mid.IP("link", "set", link, "up")
		// The bridge carries frames as they are on a wire: with checksums, and not joined.
		if out, err := n.Command(context.Background(), "ethtool", "-K", n.If, "tx", "off", "gso", "off", "tso", "off", "gro", "off").CombinedOutput(); err != nil {
			t.Fatalf("ethtool: %v: %s", err, out)
		}
	}
	var ends [2]int
	if err := mid.Do(func() error {
		for i := range ends {
			it, err := net.InterfaceByName(fmt.Sprintf("mid%d", i))
			if err != nil {
				return err
			}
			if ends[i], err = packetSocket(it.Index); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range ends {
		wg.Go(func() { carry(ends[i], ends[1-i], stop) })
	}
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
		unix.Close(ends[0])
		unix.Close(ends[1])
	})
	lab.Eventually(t, func() error {
		return p.Client.Do(func() error { // no program listens: the refusal says that frames come and go
			c, err := net.DialTimeout("tcp", p.Server.IPv4.String()+":9", time.Second)
			if err == nil {
				c.Close()
			}
			if errors.Is(err, unix.ECONNREFUSED) {
				return nil
			}
			return err
		})
	})
	return p
}

func packetSocket(index int) (int, error) {
	const all = unix.ETH_P_ALL
	proto := uint16(all<<8&0xff00 | all>>8)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(proto))
	if err != nil {
		return -1, err
	}
	unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	tv := unix.Timeval{Usec: 50_000}
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: index})
}

// carry takes frames from one end to the other, each 1 to 15 ms later: those that
// are later by more are passed by others.
func carry(from, to int, stop chan struct{}) {
	var wg sync.WaitGroup
	defer wg.Wait()
	buf := make([]byte, 1<<16)
	for {
		select {
		case <-stop:
			return
		default:
		}
		n, err := unix.Read(from, buf)
		if err != nil || n <= 0 {
			continue
		}
		frame := append([]byte(nil), buf[:n]...)
		copies := 1
		if rand.IntN(4) == 0 {
			copies = 2
		}
		for range copies {
			wg.Go(func() {
				time.Sleep(time.Duration(1+rand.IntN(15)) * time.Millisecond)
				unix.Write(to, frame)
			})
		}
	}
}
