//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// smtpds are where smtpd is connected to. The first two are one port, with the same
// processes, over two links of which a sensor reads the second.
var smtpds = [...]string{
	alone: "198.18.10.1:25",
	seen:  "198.18.9.1:25",
	asks:  "198.18.9.1:587", // and smtpd asks the milter
}

const (
	alone = iota
	seen
	asks
)

// The link that no sensor reads.
const (
	aloneClientIf = "bench-ac"
	aloneServerIf = "bench-as"
)

const (
	smtpdBar  = 1.05
	rounds250 = 1000                  // of one block of each kind
	greetings = 25                    // connections of a block
	apart     = 20 * time.Millisecond // blocks: what a sensor puts off is done by then
)

// smtpdMaster is master.cf: what is needed to answer EHLO.
const smtpdMaster = `
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
max_use = 1000000
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
	if err := p.joinSMTPD(ctx); err != nil {
		return err
	}
	config := b.path("smtpd.toml")
	text := fmt.Sprintf("[sensor]\ninterfaces = [%q]\nsmtp = true\n[p0f]\nsocket = %q\n[milter]\nlisten = [\"127.0.0.1:7825\"]\n", serverIf, b.path("smtpd.sock"))
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
	if _, err := p.greeted(ctx, 1); err != nil { // the processes of smtpd start
		return err
	}
	rounds, err := p.greeted(ctx, rounds250)
	if err != nil {
		return err
	}
	var times [len(smtpds)][]time.Duration
	var ratios [len(smtpds)][]float64
	for _, round := range rounds {
		for i, took := range round {
			times[i] = append(times[i], took)
			ratios[i] = append(ratios[i], took.Seconds()/round[alone].Seconds())
		}
	}
	millis := func(i int) string { return fmt.Sprintf("%.3f ms", median(times[i]).Seconds()*1e3) }
	spread := func(i int) string {
		low, high := interval(ratios[i])
		return fmt.Sprintf("%.3f× (%.3f to %.3f)", median(ratios[i]), low, high)
	}
	b.add(row{"time to the first 250 of Postfix's smtpd, its connections read by a sensor", "alone: " + millis(alone), millis(seen), spread(seen), fmt.Sprintf("≤ %.2f×", smtpdBar), median(ratios[seen]) <= smtpdBar})
	b.add(row{"the same, and smtpd asks the milter", "alone: " + millis(alone), millis(asks), spread(asks), "", false})
	return nil
}

// interval is where the median lies with 95 % confidence, whatever the distribution
// is: between two order statistics (of 1,000, the 470th and the 531st).
func interval(all []float64) (low, high float64) {
	sorted := slices.Sorted(slices.Values(all))
	n := float64(len(sorted))
	at := max(int((n-1.96*math.Sqrt(n))/2), 0)
	return sorted[at], sorted[len(sorted)-1-at]
}

// joinSMTPD adds the link that no sensor reads, and addresses.
func (p *pair) joinSMTPD(ctx context.Context) error {
	for _, args := range []string{
		"-n " + p.client + " link add " + aloneClientIf + " type veth peer name " + aloneServerIf + " netns " + p.server,
		"-n " + p.client + " link set " + aloneClientIf + " up",
		"-n " + p.server + " link set " + aloneServerIf + " up",
		"-n " + p.server + " link set lo up",
		"-n " + p.server + " addr add 198.18.9.1/24 dev " + serverIf,
		"-n " + p.client + " addr add 198.18.9.2/24 dev " + clientIf,
		"-n " + p.server + " addr add 198.18.10.1/24 dev " + aloneServerIf,
		"-n " + p.client + " addr add 198.18.10.2/24 dev " + aloneClientIf,
	} {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
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
		if _, err = p.greeted(ctx, 1); err == nil {
			return stop, nil
		}
	}
	stop()
	return nil, fmt.Errorf("postfix does not answer: %w", err)
}

// greetCommand has this program connect to each smtpd, and print for each round the
// median of the times to the first 250 of each block, in nanoseconds.
const greetCommand = "greet"

// round is one block of each kind.
type round [len(smtpds)]time.Duration

// greeted runs the command at the client's end.
func (p *pair) greeted(ctx context.Context, count int) ([]round, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", p.client, self, greetCommand, strconv.Itoa(count))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("greet: %w: %s", err, stderr.String())
	}
	var rounds []round
	for line := range strings.Lines(string(out)) {
		var r round
		if _, err := fmt.Sscan(line, (*int64)(&r[alone]), (*int64)(&r[seen]), (*int64)(&r[asks])); err != nil {
			return nil, fmt.Errorf("greet: %q: %w", line, err)
		}
		rounds = append(rounds, r)
	}
	return rounds, nil
}

// greet takes the blocks of a round in random order. Connections of a block follow
// one another at once, so that what a sensor puts off counts for the next one of
// the same kind.
func greet(count string) error {
	rounds, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	for range rounds {
		var r round
		for _, i := range rand.Perm(len(smtpds)) {
			time.Sleep(apart)
			var all []time.Duration
			for range greetings {
				took, err := first250(smtpds[i])
				if err != nil {
					return fmt.Errorf("%s: %w", smtpds[i], err)
				}
				all = append(all, took)
			}
			r[i] = median(all)
		}
		fmt.Println(int64(r[alone]), int64(r[seen]), int64(r[asks]))
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
