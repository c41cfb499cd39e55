//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The ports of the smtpd that is asked: one that the sensor does not capture, one
// that it does, and one whose smtpd also asks its milter.
var smtpdPorts = [...]string{"24", "25", "587"}

const (
	smtpdServer = "198.18.9.1"
	smtpdClient = "198.18.9.2"
	smtpdBar    = 1.05
	greetings   = 20 // connections of a run
	smtpdTurns  = 40
)

// smtpdMaster is master.cf: what is needed to answer EHLO.
const smtpdMaster = `
24   inet n - n - - smtpd
25   inet n - n - - smtpd
587  inet n - n - - smtpd -o smtpd_milters=inet:127.0.0.1:7825
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
anvil   unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

const smtpdMain = `
compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = /dev/stdout
myhostname = mx.example
mydestination =
mynetworks =
local_recipient_maps =
inet_interfaces = all
inet_protocols = ipv4
alias_maps =
smtpd_peername_lookup = no
`

// smtpd measures the time from connecting to a plain Postfix smtpd to its first 250,
// where a sensor reads SYN and SMTP of the connection and where none does; and
// where smtpd asks the milter, too, for which there is no bar: that is an answer
// that it waits for.
func (b *bench) smtpd(ctx context.Context) error {
	p, err := newPair(ctx)
	if err != nil {
		return err
	}
	defer p.remove()
	for _, args := range [][]string{
		{"-n", p.server, "link", "set", "lo", "up"},
		{"-n", p.server, "addr", "add", smtpdServer + "/24", "dev", serverIf},
		{"-n", p.client, "addr", "add", smtpdClient + "/24", "dev", clientIf},
	} {
		if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	config := b.path("smtpd.toml")
	text := fmt.Sprintf("[sensor]\ninterfaces = [%q]\nfilter = \"tcp port 25 or tcp port 587\"\nsmtp = true\n[p0f]\nsocket = %q\n[milter]\nlisten = [\"127.0.0.1:7825\"]\n", serverIf, b.path("smtpd.sock"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	d := &daemon{name: "mxprint", socket: b.path("smtpd.sock"), args: []string{b.mxprint, "serve", "-config", config}}
	if err := b.start(ctx, p, d, nil); err != nil {
		return err
	}
	defer d.stop()
	stop, err := b.startSMTPD(ctx, p)
	if err != nil {
		return err
	}
	defer stop()
	if _, err := p.greeted(ctx); err != nil { // the processes of smtpd start
		return err
	}
	var times [len(smtpdPorts)][]time.Duration
	var ratios [len(smtpdPorts)][]float64
	for range smtpdTurns {
		run, err := p.greeted(ctx)
		if err != nil {
			return err
		}
		for i, took := range run {
			times[i] = append(times[i], took)
			ratios[i] = append(ratios[i], took.Seconds()/run[0].Seconds())
		}
	}
	millis := func(i int) string { return fmt.Sprintf("%.2f ms", median(times[i]).Seconds()*1e3) }
	seen, asked := median(ratios[1]), median(ratios[2])
	b.add(row{"time to the first 250 of Postfix's smtpd, its connections read by a sensor", "alone: " + millis(0), millis(1), fmt.Sprintf("%.3f×", seen), fmt.Sprintf("≤ %.2f×", smtpdBar), seen <= smtpdBar})
	b.add(row{"the same, and smtpd asks the milter", "alone: " + millis(0), millis(2), fmt.Sprintf("%.3f×", asked), "", false})
	return nil
}

// startSMTPD starts Postfix with a queue of its own at the server's end.
func (b *bench) startSMTPD(ctx context.Context, p *pair) (stop func(), err error) {
	postfix := "/usr/sbin/postfix"
	if _, err := os.Stat(postfix); err != nil {
		return nil, errors.New("postfix is not installed; make deps installs it")
	}
	dir := b.path("postfix")
	conf := filepath.Join(dir, "config")
	for _, sub := range []string{"queue", "data", "config"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	// The user postfix must reach them.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "chown", "postfix", filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("chown: %w: %s", err, out)
	}
	err = errors.Join(os.WriteFile(filepath.Join(conf, "main.cf"), fmt.Appendf(nil, smtpdMain, dir), 0o644),
		os.WriteFile(filepath.Join(conf, "master.cf"), []byte(smtpdMaster), 0o644))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", p.server, postfix, "-c", conf, "start-fg")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() { // its daemons make a session of their own
		text, _ := os.ReadFile(filepath.Join(dir, "queue", "pid", "master.pid"))
		if id, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && id > 1 {
			syscall.Kill(-id, syscall.SIGTERM)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if _, err = p.greeted(ctx); err == nil {
			return stop, nil
		}
	}
	stop()
	return nil, fmt.Errorf("postfix does not answer: %w", err)
}

// greetCommand has this program connect to each port in turn, and print the median
// of the times to the first 250 of each, in nanoseconds.
const greetCommand = "greet"

// greeted runs the command at the client's end.
func (p *pair) greeted(ctx context.Context) (times [len(smtpdPorts)]time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return times, err
	}
	out, err := exec.CommandContext(ctx, "ip", "netns", "exec", p.client, self, greetCommand).CombinedOutput()
	if err != nil {
		return times, fmt.Errorf("greet: %w: %s", err, out)
	}
	_, err = fmt.Sscan(string(out), (*int64)(&times[0]), (*int64)(&times[1]), (*int64)(&times[2]))
	return times, err
}

func greet() error {
	var all [len(smtpdPorts)][]time.Duration
	for turn := range greetings {
		for k := range smtpdPorts {
			i := (turn + k) % len(smtpdPorts) // none is always the first
			took, err := first250(net.JoinHostPort(smtpdServer, smtpdPorts[i]))
			if err != nil {
				return fmt.Errorf("port %s: %w", smtpdPorts[i], err)
			}
			all[i] = append(all[i], took)
		}
	}
	for _, times := range all {
		fmt.Println(int64(median(times)))
	}
	return nil
}

// first250 is the time from connecting to the end of the answer to EHLO.
func first250(addr string) (time.Duration, error) {
	begin := time.Now()
	nc, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	nc.SetDeadline(begin.Add(10 * time.Second))
	in := bufio.NewReader(nc)
	if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "220 ") {
		return 0, fmt.Errorf("the greeting is %q: %w", line, errors.Join(err))
	}
	if _, err := nc.Write([]byte("EHLO client.example\r\n")); err != nil {
		return 0, err
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "250") {
			return 0, fmt.Errorf("the answer to EHLO is %q: %w", line, errors.Join(err))
		}
		if line[3] == ' ' {
			break
		}
	}
	took := time.Since(begin)
	nc.Write([]byte("QUIT\r\n"))
	in.ReadString('\n')
	return took, nil
}
