package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/inherit"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// sweepEnv makes the sweep a long one, with the real program: make sweep-config.
const sweepEnv = "MXPRINT_SWEEP"

// settings are what a configuration of the sweep has, by "table.key", each as
// TOML has it.
type settings map[string]string

// sweepBase needs no privilege and no free port.
func sweepBase(dir string) settings {
	return settings{
		"sensor.source": `"proxy"`, "sensor.sandbox": "false",
		"proxy.listen": `["127.0.0.1:0"]`, "proxy.backend": `"127.0.0.1:9"`,
		"p0f.socket": strconv.Quote(filepath.Join(dir, "p0f.sock")),
	}
}

func (s settings) text() string {
	tables := make(map[string][]string)
	for key, value := range s {
		table, name, _ := strings.Cut(key, ".")
		tables[table] = append(tables[table], name+" = "+value+"\n")
	}
	var b strings.Builder
	for table, lines := range tables {
		slices.Sort(lines)
		fmt.Fprintf(&b, "[%s]\n%s", table, strings.Join(lines, ""))
	}
	return b.String()
}

// setting is one value of a key.
type setting struct{ key, value string }

// sweepSettings are wrong, extreme and right values of every key.
func sweepSettings(dir string) []setting {
	var all []setting
	root := reflect.TypeFor[config.Config]()
	for i := range root.NumField() {
		table := root.Field(i).Tag.Get("toml")
		if table == "" {
			continue
		}
		for j := range root.Field(i).Type.NumField() {
			field := root.Field(i).Type.Field(j)
			key := table + "." + field.Tag.Get("toml")
			for _, value := range sweepValues(field.Type, dir) {
				all = append(all, setting{key, value})
			}
		}
	}
	return all
}

func sweepValues(t reflect.Type, dir string) []string {
	words := []string{`""`, `"x"`, `"/proc/none/x"`, strconv.Quote(dir), strconv.Quote(dir + "/new/file"), strconv.Quote(dir + "/text"),
		`"127.0.0.1:0"`, `"192.0.2.99:1"`, `"[::1]:0"`, `"10.0.0.0/8"`, `"0.0.0.0/0"`, `"\u0000"`, `"a b\nc"`, strconv.Quote(strings.Repeat("x", 300)),
		`"any"`, `"lo"`, `"tcp"`, `"udp"`, `"0600"`, `"v2"`, `"none"`, `"capture"`, `"sockops"`, `"debug"`, `"root"`, `"nobody"`, `"X-Mine"`,
		`"-1s"`, `"0s"`, `"1ns"`, `"1ms"`, `"1m"`, `"1h"`, `"10000h"`}
	wrong := []string{"-1", "0", "1", "2", "64", "65536", "9223372036854775807", "1.5", "true", "false", "[]", "[[]]", "{}", "1979-05-27", "nan"}
	if t.Kind() == reflect.Slice {
		for _, w := range slices.Clone(words) {
			wrong = append(wrong, "["+w+"]", "["+w+", "+w+"]")
		}
		return append(wrong, "[25]", "[25, 25]", "[0]", "[1, 65536]", `"x"`)
	}
	return append(wrong, words...)
}

// skipped are values that a process cannot take twice, or that belong to a whole
// machine: another user, a sandbox, gigabytes.
func (s setting) skipped() bool {
	switch s.key {
	case "sensor.user":
		return s.value == `"nobody"`
	case "sensor.sandbox":
		return s.value == "true"
	case "sensor.source":
		return s.value == `"sockops"` || s.value == `"capture"` && os.Geteuid() != 0
	}
	return false
}

// TestConfigSweep: what check -write accepts reaches READY and answers. In
// process each value of each key is by itself, a part of them in a short run;
// the long run has the real program, and pairs of values too.
func TestConfigSweep(t *testing.T) {
	dir, err := os.MkdirTemp("", "mxp")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	long := os.Getenv(sweepEnv) != ""
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("just a text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if long {
		lab.NeedRoot(t)
		if _, err := builtProgram(); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir) // for the relative paths among them
	all := sweepSettings(dir)
	random := rand.New(rand.NewPCG(1, 2))
	tries := make([][]setting, 0, len(all))
	for i, s := range all {
		if long || i%5 == 0 {
			tries = append(tries, []setting{s})
		}
	}
	if long {
		for range 2000 {
			tries = append(tries, []setting{all[random.IntN(len(all))], all[random.IntN(len(all))]})
		}
	}
	accepted := 0
	for i, try := range tries {
		text := sweepBase(dir)
		skip := false
		for _, s := range try {
			text[s.key] = s.value
			skip = skip || !long && s.skipped() || s.key == "limits.hosts" && len(s.value) > 6
		}
		if skip {
			continue
		}
		path := filepath.Join(dir, "c.toml")
		if err := os.WriteFile(path, []byte(text.text()), 0o644); err != nil {
			t.Fatal(err)
		}
		sweep := sweepInProcess
		if long {
			sweep = sweepProgram
		}
		ok, err := sweep(t, path)
		if err != nil {
			t.Errorf("%d %v: %v", i, try, err)
		}
		if ok {
			accepted++
		}
		tidy(t, dir)
	}
	t.Logf("%d configurations, %d accepted, each of which served", len(tries), accepted)
	if accepted < 20 || accepted > len(tries)*9/10 {
		t.Errorf("%d of %d were accepted: the values are no longer of both kinds", accepted, len(tries))
	}
}

// tidy removes what a configuration has left.
func tidy(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name != "text" && name != "mxprint" {
			os.RemoveAll(filepath.Join(dir, name))
		}
	}
}

// sweepInProcess checks a configuration and, if it is accepted, serves it.
func sweepInProcess(t *testing.T, path string) (accepted bool, err error) {
	c, err := config.Load(path)
	if err != nil {
		return false, nil
	}
	s, err := daemon.Load(c)
	if err != nil {
		return false, nil
	}
	log := slog.New(slog.DiscardHandler)
	if err := s.Try(log); err != nil {
		return false, nil
	}
	process, err := inherit.New(log)
	if err != nil {
		return true, err
	}
	opened, err := s.Open(process, nil, log)
	if err != nil {
		return true, fmt.Errorf("check -write accepts it, and it does not open: %w", err)
	}
	defer opened.Close()
	dropped, err := opened.Drop()
	if err != nil {
		return true, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- dropped.Serve(ctx) }()
	err = answers(c.P0f.Socket, done)
	cancel()
	if err != nil {
		return true, err
	}
	return true, <-done
}

// answers waits until a socket answers, or the end of what serves it.
func answers(socket string, done <-chan error) error {
	client := p0f.NewClient(socket)
	defer client.Close()
	who := note.Query{Client: netip.MustParseAddrPort("198.18.77.77:0")}
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		_, err := client.Lookup(context.Background(), who)
		if err == nil {
			return nil
		}
		select {
		case ended := <-done:
			return fmt.Errorf("check -write accepts it, and it ends: %v", ended)
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("check -write accepts it, and it does not answer: %w", err)
		}
	}
}

// sweepProgram does so with the real program.
func sweepProgram(t *testing.T, path string) (accepted bool, err error) {
	built, err := builtProgram()
	if err != nil {
		return false, err
	}
	program := filepath.Join(filepath.Dir(path), "mxprint")
	if _, err := os.Stat(program); err != nil {
		if err := os.WriteFile(program, built, 0o755); err != nil {
			return false, err
		}
	}
	if out, err := exec.CommandContext(t.Context(), program, "check", "-write", path).CombinedOutput(); err != nil {
		if !bytes.HasPrefix(out, []byte("mxprint: ")) {
			return false, fmt.Errorf("it is refused without a word: %v, %q", err, out)
		}
		return false, nil
	}
	c, err := config.Load(path)
	if err != nil {
		return true, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out lockedBuffer
	cmd := exec.CommandContext(ctx, program, "serve", "-config", path)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		return true, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	if err := answers(c.P0f.Socket, done); err != nil {
		return true, fmt.Errorf("%w\n%s", err, out.String())
	}
	if c.Log.Level != "warn" && c.Log.Level != "error" && out.count(serveReady) != 1 {
		return true, fmt.Errorf("it answers, and is not ready:\n%s", out.String())
	}
	cancel()
	<-done
	return true, nil
}
