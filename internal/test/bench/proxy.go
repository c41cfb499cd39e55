//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/proxyproto"
)

// carrier is a program that hands SMTP connections on, from one address.
type carrier struct {
	name, addr string
	args       []string

	cmd    *exec.Cmd
	stderr bytes.Buffer
	took   []time.Duration // by its rounds
}

// proxies has Postfix's smtp-source send mails to its smtp-sink through mxprint
// proxy and through HAProxy in TCP mode, turn by turn.
//
// smtp-sink does not speak the PROXY protocol, so that a small server of this
// program takes the header off, for both. That is more for each mail, and takes
// from the difference; without header and server the difference is whole.
func (b *bench) proxies(ctx context.Context) error {
	sink, err := freeAddr()
	if err != nil {
		return err
	}
	server := &carrier{name: "smtp-sink", addr: sink, args: []string{"smtp-sink", "-u", "nobody", sink, "1000"}}
	if err := server.start(ctx); err != nil {
		return err
	}
	defer server.stop()
	stripped, stop, err := stripHeaders(sink)
	if err != nil {
		return err
	}
	defer stop()
	for _, w := range []struct{ name, backend, theirs, ours string }{
		{"5,000 mails through a proxy that sends PROXY v2", stripped, " send-proxy-v2", "v2"},
		{"the same without a header", sink, "", "none"},
	} {
		if err := b.carry(ctx, w.name, w.backend, w.theirs, w.ours); err != nil {
			return err
		}
	}
	return nil
}

const (
	carriedMails = "5000"
	proxyBar     = 1.30 // at most this part of HAProxy's time
)

// carry adds a row.
func (b *bench) carry(ctx context.Context, name, backend, theirSend, ourSend string) error {
	var addrs [2]string
	for i := range addrs {
		var err error
		if addrs[i], err = freeAddr(); err != nil {
			return err
		}
	}
	config := b.path("haproxy.cfg")
	text := fmt.Sprintf("listen smtp\n mode tcp\n bind %s\n timeout connect 5s\n timeout client 1m\n timeout server 1m\n server mx %s%s\n",
		addrs[0], backend, theirSend)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	both := []*carrier{
		{name: "HAProxy", addr: addrs[0], args: []string{"haproxy", "-db", "-f", config}},
		{name: "mxprint proxy", addr: addrs[1], args: []string{b.mxprint, "proxy", "-listen", addrs[1], "-backend", backend, "-send", ourSend, "-relay-checked"}},
	}
	for _, c := range both {
		if err := c.start(ctx); err != nil {
			return err
		}
		defer c.stop()
	}
	var ratios []float64 // of rounds, many: the speed of a shared machine changes meanwhile
	for round := range 3 * rounds {
		for _, c := range both {
			took, err := c.send(ctx)
			if err != nil {
				return err
			}
			c.took = append(c.took, took)
		}
		ratios = append(ratios, both[1].took[round].Seconds()/both[0].took[round].Seconds())
	}
	theirs, ours, ratio := median(both[0].took), median(both[1].took), median(ratios)
	low, high := interval(ratios)
	b.add(row{name, fmt.Sprintf("HAProxy: %.2f s", theirs.Seconds()), fmt.Sprintf("%.2f s", ours.Seconds()),
		fmt.Sprintf("%.2f× (%.2f to %.2f)", ratio, low, high), fmt.Sprintf("≤ %.2f×", proxyBar), ratio <= proxyBar})
	return nil
}

// send sends the mails through the carrier, each on a connection of its own, and
// returns how long that took.
func (c *carrier) send(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "smtp-source", "-s", "20", "-m", carriedMails, "-l", "4096",
		"-f", "a@source.example", "-t", "b@dest.example", c.addr)
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("fatal")) {
		return 0, fmt.Errorf("smtp-source through %s: %w: %s", c.name, err, out)
	}
	return time.Since(begin), nil
}

// start starts the carrier and waits until it listens.
func (c *carrier) start(ctx context.Context) error {
	program, err := exec.LookPath(c.args[0])
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/" + c.args[0]); err != nil {
			return fmt.Errorf("%s is not installed; make deps installs it", c.args[0])
		}
	}
	c.cmd = exec.CommandContext(ctx, program, c.args[1:]...)
	c.cmd.Stderr = &c.stderr
	if err := startAsUnit(c.cmd); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if nc, err := net.Dial("tcp", c.addr); err == nil {
			return nc.Close()
		}
	}
	c.stop()
	return fmt.Errorf("%s does not listen: %s", c.name, strings.TrimSpace(c.stderr.String()))
}

func (c *carrier) stop() {
	c.cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan struct{})
	go func() { c.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		c.cmd.Process.Kill()
		<-ended
	}
}

// stripHeaders takes PROXY headers off connections and hands them on.
func stripHeaders(backend string) (addr string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go strip(nc.(*net.TCPConn), backend)
		}
	}()
	return ln.Addr().String(), func() { ln.Close() }, nil
}

// strip carries one connection. Its errors show in smtp-source, which counts
// its mails.
func strip(in *net.TCPConn, backend string) {
	defer in.Close()
	h, err := proxyproto.Read(in)
	if err == nil && h.Local() {
		err = errors.New("a header without a client")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: header:", err)
		return
	}
	nc, err := net.Dial("tcp", backend)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return
	}
	out := nc.(*net.TCPConn)
	defer out.Close()
	done := make(chan struct{})
	go func() {
		io.Copy(out, in)
		out.CloseWrite()
		close(done)
	}()
	io.Copy(in, out)
	in.CloseWrite()
	<-done
}

// freeAddr is an address on loopback without a listener.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
