//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
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
	}{{"size of the program", b.mxprint, 38}, {"size of the program, stripped", stripped, 27}} {
		st, err := os.Stat(f.path)
		if err != nil {
			return err
		}
		b.budget(f.name, float64(st.Size()), f.most)
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
	return nil
}

func (b *bench) budget(name string, bytes, most float64) {
	b.add(row{name, "", fmt.Sprintf("%.1f MB", bytes/1e6), "", fmt.Sprintf("≤ %.0f MB", most), bytes <= most*1e6})
}

// idle is a number of /proc/PID/status, in bytes, of a sensor that has nothing to
// do.
func (b *bench) idle(ctx context.Context, p *pair, config, of string) (float64, error) {
	path := b.path("budget.toml")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return 0, err
	}
	d := &daemon{name: "mxprint", socket: b.path("budget.sock"), args: []string{b.mxprint, "serve", "-config", path}}
	if err := b.start(ctx, p, d, nil); err != nil {
		return 0, err
	}
	defer d.stop()
	time.Sleep(idleFor)
	return statusBytes(d.cmd.Process.Pid, of)
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
