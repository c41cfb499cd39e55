package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/savedsyn"
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

// sendApart sends the mail of a sender with a sysctl. Those hold for a whole
// network namespace, and any user may have one of his own, where the system
// lets him: a second process sends the mail there, to a server of its own.
func sendApart(ctx context.Context, s sender) (n note.Note, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "demo", "apart", s.sysctl)
	cmd.Args[0] = "mxprint"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(said.String()); text != "" {
			err = errors.New(strings.TrimPrefix(text, "mxprint: "))
		}
		return n, fmt.Errorf("no network of its own here: %w", err)
	}
	return n, json.Unmarshal(out.Bytes(), &n)
}

// demoApart is that second process. It prints the note as JSON.
func demoApart(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("demo: apart takes one sysctl")
	}
	if err := newNetwork(); err != nil {
		return err
	}
	name, value, _ := strings.Cut(args[0], "=")
	path := filepath.Join("/proc/sys", filepath.Clean("/"+strings.ReplaceAll(name, ".", "/")))
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return err
	}
	ln, err := savedsyn.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	learned := make(chan note.Note, 1)
	server := demoServer(ln, func(_ netip.AddrPort, n note.Note) { learned <- n })
	defer server.Close()
	if err := (sender{}).send(ctx, addrPortOf(ln.Addr()), func(netip.AddrPort) {}); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(<-learned)
}

// newNetwork brings up the loopback of a network namespace. In one that is in
// use it does nothing: nobody's settings are to be changed.
func newNetwork() error {
	list, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range list {
		if i.Flags&net.FlagUp != 0 {
			return fmt.Errorf("demo: this network is in use: %s is up", i.Name)
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
