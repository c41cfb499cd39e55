//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// idleFor is how long after its start an idle sensor is measured.
const idleFor = 3 * time.Second

// budgets measures what docs/limits.md bounds: the size of the program, and the
// memory of a sensor that has nothing to do. Megabytes are millions of bytes.
func (b *bench) budgets(ctx context.Context) error {
	stripped := b.path("stripped")
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", stripped, "./cmd/mxprint")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building mxprint: %w\n%s", err, out)
	}
	for _, f := range []struct {
		name, path string
		most       float64
	}{{"size of the program", b.mxprint, 53}, {"size of the program, stripped", stripped, 38}} {
		st, err := os.Stat(f.path)
		if err != nil {
			return err
		}
		b.budget(f.name, float64(st.Size()), f.most)
	}
	if err := forget(b.mxprint); err != nil {
		return err
	}
	pair, err := newPair(ctx)
	if err != nil {
		return err
	}
	defer pair.remove()
	sensor := fmt.Sprintf("[sensor]\ninterfaces = [%q]\n", serverIf)
	p0fSocket := fmt.Sprintf("[p0f]\nsocket = %q\n", b.path("budget.sock"))
	for _, w := range []struct {
		name, config, of string
		most             float64
	}{
		{"serve, idle, own memory (RssAnon)", sensor + p0fSocket, "RssAnon", 12},
		{"serve, idle, one ring of 16 MiB (VmRSS)", sensor + p0fSocket, "VmRSS", 46},
		{"the same with sensor.smtp, [http] and [store] (VmRSS)",
			sensor + "smtp = true\n" + p0fSocket + fmt.Sprintf("[http]\nlisten = [%q]\n[store]\npath = %q\n", "unix:"+b.path("budget.http"), b.path("budget.db")), "VmRSS", 70},
		{"serve, idle, without capture (ask) (VmRSS)", fmt.Sprintf("[sensor]\nask = %q\n", b.path("none.sock")) + p0fSocket, "VmRSS", 28},
	} {
		bytes, err := b.idle(ctx, pair, w.config, w.of)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		b.budget(w.name, bytes, w.most)
	}
	return b.everything(ctx, pair)
}

// forget has the kernel read a file from the disk when it is next used, as after a
// boot: how much of a program a process maps at once depends on how the pages came
// into memory.
func forget(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

// everything is a sensor with all that can be switched on, idle and after traffic:
// 20,000 connections begun, and what a mail server asks in two seconds. ClickHouse is
// away: the rows wait in the spool.
func (b *bench) everything(ctx context.Context, p *pair) error {
	socket := b.path("budget-redis.sock")
	_, stop, err := startRedis(ctx, "--unixsocket", socket, "--unixsocketperm", "777")
	if err != nil {
		return err
	}
	defer stop()
	config := fmt.Sprintf("[sensor]\ninterfaces = [%q]\nsmtp = true\n[p0f]\nsocket = %q\n", serverIf, b.path("budget.sock")) +
		fmt.Sprintf("[query]\nlisten = [%q]\n[http]\nlisten = [%q]\n", "unix:"+b.path("budget.query"), "unix:"+b.path("budget.http")) +
		fmt.Sprintf("[milter]\nlisten = [%q]\n[policy]\nlisten = [%q]\n", "unix:"+b.path("budget.milter"), "unix:"+b.path("budget.policy")) +
		fmt.Sprintf("[store]\npath = %q\nlisten = [%q]\nvalkey = [%q]\n", b.path("budget-all.db"), "unix:"+b.path("budget.verdict"), "unix:"+socket) +
		fmt.Sprintf("[export]\nclickhouse = \"http://127.0.0.1:1\"\nspool = %q\nfile = %q\n", b.path("budget-spool"), b.path("budget.json"))
	d, err := b.sensor(ctx, p, config)
	if err != nil {
		return err
	}
	defer d.stop()
	look := func(when string, most float64) error {
		bytes, err := statusBytes(d.cmd.Process.Pid, "RssAnon")
		if err == nil {
			b.budget("serve with everything on, "+when+", own memory (RssAnon)", bytes, most)
		}
		return err
	}
	time.Sleep(idleFor)
	if err := look("idle", 15); err != nil {
		return err
	}
	if err := p.flood(ctx, "-count", "20000", "-rate", "5000"); err != nil {
		return err
	}
	a, err := d.ask(ctx, load{conns: 8, depth: 1, span: 2 * time.Second})
	if err != nil {
		return err
	}
	time.Sleep(idleFor)
	return look(fmt.Sprintf("after 20,000 connections, asked %d times", a.queries), 160)
}

func (b *bench) budget(name string, bytes, most float64) {
	b.add(row{name, "", fmt.Sprintf("%.1f MB", bytes/1e6), "", fmt.Sprintf("≤ %.0f MB", most), bytes <= most*1e6})
}

// idle is a number of /proc/PID/status, in bytes, of a sensor that has nothing to
// do.
func (b *bench) idle(ctx context.Context, p *pair, config, of string) (float64, error) {
	d, err := b.sensor(ctx, p, config)
	if err != nil {
		return 0, err
	}
	defer d.stop()
	time.Sleep(idleFor)
	return statusBytes(d.cmd.Process.Pid, of)
}

// sensor starts one with a configuration that has its socket of p0f.
func (b *bench) sensor(ctx context.Context, p *pair, config string) (*daemon, error) {
	path := b.path("budget.toml")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return nil, err
	}
	d := &daemon{name: "mxprint", socket: b.path("budget.sock"), args: []string{b.mxprint, "serve", "-config", path}}
	return d, b.start(ctx, p, d, nil)
}

// statusBytes reads a size from /proc/PID/status.
func statusBytes(pid int, name string) (float64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return n * 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, name)
}
