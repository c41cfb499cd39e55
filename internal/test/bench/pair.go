//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pair is two network namespaces joined by a link: what is sent in one comes
// in at the other, and nowhere else.
type pair struct{ client, server string }

// The ends of the link.
const (
	clientIf = "bench-c"
	serverIf = "bench-s"
)

func newPair(ctx context.Context) (*pair, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces need root")
	}
	id := strconv.Itoa(os.Getpid())
	p := &pair{"mxbench-c" + id, "mxbench-s" + id}
	for _, args := range [][]string{
		{"netns", "add", p.client},
		{"netns", "add", p.server},
		{"-n", p.client, "link", "add", clientIf, "type", "veth", "peer", "name", serverIf, "netns", p.server},
		{"-n", p.client, "link", "set", clientIf, "up"},
		{"-n", p.server, "link", "set", serverIf, "up"},
	} {
		if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
			p.remove()
			return nil, fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
	}
	return p, nil
}

func (p *pair) remove() {
	for _, ns := range []string{p.client, p.server} {
		exec.Command("ip", "netns", "del", ns).Run()
	}
}

// flood sends SYNs from the client's end, and returns when it has.
func (p *pair) flood(ctx context.Context, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args = append([]string{"netns", "exec", p.client, self, floodCommand}, args...)
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("flood: %w: %s", err, out)
	}
	return nil
}

// floodCommand has this program send SYNs instead.
const floodCommand = "flood"

// flood sends a bounded number of SYNs, each from another address.
func flood(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet(floodCommand, flag.ContinueOnError)
	count := fs.Int("count", 0, "SYNs to send")
	rate := fs.Int("rate", 0, "a second; 0 for as many as can be")
	first := fs.Uint("first", 0, "number of the first client")
	if err := fs.Parse(args); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	link, err := net.InterfaceByName(clientIf)
	if err != nil {
		return err
	}
	to := &unix.SockaddrLinklayer{Ifindex: link.Index}
	syn := newSYN()
	begin := time.Now()
	for i := range *count {
		if *rate > 0 && i%64 == 0 {
			rest(time.Duration(i)*time.Second/time.Duration(*rate) - time.Since(begin))
		}
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		syn.from(uint32(*first) + uint32(i))
		for {
			err := unix.Sendto(fd, syn, 0, to)
			if err == nil {
				break
			}
			if err != unix.ENOBUFS && err != unix.EAGAIN {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// rest sleeps in the kernel: a runtime with nothing else to do wakes a
// millisecond late, and a flood that then catches up keeps a core to itself for
// as long as the kernel's scheduler allows, 3 ms, as no network would.
func rest(d time.Duration) {
	if d > 0 {
		t := unix.NsecToTimespec(int64(d))
		unix.Nanosleep(&t, nil)
	}
}
