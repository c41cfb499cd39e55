//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/query"
)

const (
	liveCommand = "live"  // has this program flood and ask, in the client's namespace
	liveRate    = 100_000 // SYNs a second
	liveEach    = 50 * time.Millisecond
	mostWait    = 5 * time.Millisecond // of 99 in 100 look-ups
	clientIf    = "attack-c"
	serverIf    = "attack-s"
)

// live floods a running sensor over a link of its own, by kind, and asks it
// meanwhile about senders that begin just then.
func live(ctx context.Context) (met bool, err error) {
	if os.Geteuid() != 0 {
		return false, errors.New("floods of a running sensor need root, for network namespaces")
	}
	dir, err := os.MkdirTemp("", "attack")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	program, socket, config := filepath.Join(dir, "mxprint"), filepath.Join(dir, "q.sock"), filepath.Join(dir, "mxprint.toml")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/mxprint").CombinedOutput(); err != nil {
		return false, fmt.Errorf("go build: %w: %s", err, out)
	}
	text := fmt.Sprintf("[sensor]\ninterfaces = [%q]\nsandbox = false\n[p0f]\nsocket = %q\n[query]\nlisten = [%q]\n",
		serverIf, filepath.Join(dir, "p0f.sock"), socket)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return false, err
	}
	id := strconv.Itoa(os.Getpid())
	client, server := "mxattack-c"+id, "mxattack-s"+id
	defer func() {
		exec.Command("ip", "netns", "del", client).Run()
		exec.Command("ip", "netns", "del", server).Run()
	}()
	for _, args := range []string{
		"netns add " + client, "netns add " + server,
		"-n " + client + " link add " + clientIf + " type veth peer name " + serverIf + " netns " + server,
		"-n " + client + " link set " + clientIf + " up", "-n " + server + " link set " + serverIf + " up",
	} {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return false, fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	sensor := exec.CommandContext(ctx, "ip", "netns", "exec", server, program, "serve", "-config", config)
	var log bytes.Buffer
	sensor.Stderr = &log
	if err := sensor.Start(); err != nil {
		return false, err
	}
	defer func() {
		sensor.Process.Signal(syscall.SIGTERM)
		sensor.Wait()
	}()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			sensor.Process.Kill()
			sensor.Wait()
			return false, fmt.Errorf("the sensor does not listen: %s", &log)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	fmt.Println("\n| flood of a running sensor | SYNs a second sent | new genuine senders known | look-ups, 99th percentile | met |\n|---|---|---|---|---|")
	met = true
	for _, v6 := range []bool{false, true} {
		for i, f := range floods(v6) {
			out, err := exec.CommandContext(ctx, "ip", "netns", "exec", client, self, liveCommand, strconv.FormatBool(v6), strconv.Itoa(i), socket).CombinedOutput()
			var rate, known int
			var p99 time.Duration
			if _, scan := fmt.Sscan(string(out), &rate, &known, (*int64)(&p99)); err != nil || scan != nil {
				return false, fmt.Errorf("%s: %w: %s", f.name, errors.Join(err, scan), out)
			}
			ok := known == senders && p99 < mostWait
			met = met && ok
			fmt.Printf("| %s | %d | %d of %d | %v | %s |\n", f.name, rate, known, senders, p99.Round(time.Microsecond), yes(ok))
		}
	}
	return met, nil
}

// liveFlood floods and asks, and prints SYNs a second, senders known and
// nanoseconds.
func liveFlood(v6 bool, kind int, socket string) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	link, err := net.InterfaceByName(clientIf)
	if err != nil {
		return err
	}
	to := &unix.SockaddrLinklayer{Ifindex: link.Index}
	ctx, cancel := context.WithCancel(context.Background())
	sent := make(chan int)
	go func() {
		s, f, n := syn(v6), floods(v6)[kind], 0
		for begin := time.Now(); ctx.Err() == nil; {
			due := min(int(time.Since(begin).Seconds()*liveRate), n+256)
			if due == n {
				time.Sleep(200 * time.Microsecond)
			}
			for ; n < due; n++ {
				s.Seq = mix(uint32(n) ^ 0x5bd1e995)
				f.syn(&s, uint32(n))
				unix.Sendto(fd, frame(&s), 0, to)
			}
		}
		sent <- n
	}()
	c := &query.Client{Addr: socket, Timeout: 2 * time.Second}
	defer c.Close()
	var all []time.Duration
	begin, known := time.Now(), 0
	for i := range senders {
		s := syn(false)
		s.Src, s.Seq = four(0xc0a80000|uint32(kind)<<8|uint32(i), 40000), uint32(i)
		if v6 {
			s.Src = four(0xc0a90000|uint32(kind)<<8|uint32(i), 40000)
		}
		unix.Sendto(fd, frame(&s), 0, to)
		for ask := range 5 {
			asked := time.Now()
			n, err := c.Lookup(ctx, note.Query{Client: s.Src, Server: s.Dst, Wait: 50 * time.Millisecond})
			all = append(all, time.Since(asked))
			if ask == 0 && err == nil && n.Known() && n.ByConnection {
				known++
			}
		}
		time.Sleep(liveEach)
	}
	took := time.Since(begin)
	cancel()
	slices.Sort(all)
	fmt.Println(int(float64(<-sent)/took.Seconds()), known, int64(all[len(all)*99/100]))
	return nil
}

// frame is an Ethernet frame of a SYN as Linux sends it, without checksums.
func frame(s *packet.Segment) []byte {
	be := binary.BigEndian
	f := []byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 0}
	if s.Version == 4 {
		f = append(f, 0x45, 0, 0, 60, 0x12, 0x34, 0x40, 0, s.TTL, 6, 0, 0)
	} else {
		f[12], f[13] = 0x86, 0xdd
		f = append(f, 0x60, 0, 0, 0, 0, 40, 6, s.TTL)
	}
	for _, a := range []netip.Addr{s.Src.Addr(), s.Dst.Addr()} {
		f = append(f, a.AsSlice()...)
	}
	f = be.AppendUint32(be.AppendUint16(be.AppendUint16(f, s.Src.Port()), s.Dst.Port()), s.Seq)
	f = be.AppendUint16(append(f, 0, 0, 0, 0, 0xa0, 2), s.Window)
	return append(f, 0, 0, 0, 0, 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7)
}
