//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// daemon is p0f or mxprint, capturing at the server's end of a pair.
type daemon struct {
	name   string
	args   []string
	socket string

	cmd    *exec.Cmd
	stderr bytes.Buffer
}

const synFilter = "tcp dst port 25"

func (b *bench) theirDaemon(args ...string) *daemon {
	return &daemon{
		name: "p0f", socket: b.path("p0f.sock"),
		args: append(append([]string{b.p0f, "-i", serverIf, "-f", stockDB, "-s", b.path("p0f.sock"), "-S", "100"}, args...), synFilter),
	}
}

func (b *bench) ourDaemon(args ...string) *daemon {
	return &daemon{
		name: "mxprint", socket: b.path("mxprint.sock"),
		args: append(append([]string{b.mxprint, "p0f", "-i", serverIf, "-f", stockDB, "-s", b.path("mxprint.sock"), "-S", "100"}, args...), synFilter),
	}
}

// ourSensor is mxprint serve as it is meant to run.
func (b *bench) ourSensor() (*daemon, error) {
	config := b.path("mxprint.toml")
	text := fmt.Sprintf("[sensor]\ninterfaces = [%q]\nfilter = %q\n[p0f]\nsocket = %q\n", serverIf, synFilter, b.path("serve.sock"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return &daemon{name: "mxprint", socket: b.path("serve.sock"), args: []string{b.mxprint, "serve", "-config", config}}, nil
}

// start starts a daemon and waits until it answers.
func (b *bench) start(ctx context.Context, p *pair, d *daemon, args []string) error {
	os.Remove(d.socket)
	all := append(append([]string{"netns", "exec", p.server}, d.args...), args...)
	d.cmd = exec.CommandContext(ctx, "ip", all...)
	d.cmd.Stderr = &d.stderr
	if err := d.cmd.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("unix", d.socket); err == nil {
			return c.Close()
		}
	}
	return errors.Join(fmt.Errorf("%s does not listen: %s", d.name, d.stderr.String()), d.stop())
}

// stop ends a daemon, which may be too busy to end by itself.
func (d *daemon) stop() error {
	if d.cmd == nil || d.cmd.Process == nil {
		return nil
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan struct{})
	go func() { d.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		d.cmd.Process.Kill()
		<-ended
	}
	return nil
}

// resident is its memory: ip netns exec becomes the program it starts.
func (d *daemon) resident() int64 { return resident(strconv.Itoa(d.cmd.Process.Pid)) }

// cpu is the CPU it has used so far: the clock of its process
// (clock_getcpuclockid(3)), which counts nanoseconds.
func (d *daemon) cpu() (time.Duration, error) {
	const ofProcess = 2
	var ts unix.Timespec
	err := unix.ClockGettime(int32(^d.cmd.Process.Pid<<3|ofProcess), &ts)
	return time.Duration(ts.Nano()), err
}
