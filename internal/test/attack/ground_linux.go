package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	clientIf = "attack-c"
	serverIf = "attack-s"
)

// ground is a running sensor and an attacker, in network namespaces of their own
// that a link joins.
type ground struct {
	dir, attacks, server string
	log                  bytes.Buffer
	sensor               *exec.Cmd
	web                  *http.Client
}

// newGround builds the program and starts it, with the page on.
func newGround(ctx context.Context) (g *ground, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("it needs root, for network namespaces")
	}
	id := strconv.Itoa(os.Getpid())
	g = &ground{attacks: "mxattack-c" + id, server: "mxattack-s" + id}
	g.web = g.client()
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.dir, err = os.MkdirTemp("", "attack"); err != nil {
		return nil, err
	}
	program := filepath.Join(g.dir, "mxprint")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/mxprint").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, out)
	}
	text := fmt.Sprintf("[sensor]\ninterfaces = [%q]\nsandbox = false\n[p0f]\nsocket = %q\n[query]\nlisten = [%q]\n[http]\nlisten = [%q]\n",
		serverIf, g.path("p0f.sock"), g.path("q.sock"), g.path("http.sock"))
	if err := os.WriteFile(g.path("mxprint.toml"), []byte(text), 0o644); err != nil {
		return nil, err
	}
	for _, args := range []string{
		"netns add " + g.attacks, "netns add " + g.server,
		"-n " + g.attacks + " link add " + clientIf + " type veth peer name " + serverIf + " netns " + g.server,
		"-n " + g.attacks + " link set " + clientIf + " up", "-n " + g.server + " link set " + serverIf + " up",
	} {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	return g, g.start(ctx, program)
}

func (g *ground) path(name string) string { return filepath.Join(g.dir, name) }

// start starts the sensor, and waits until it listens.
func (g *ground) start(ctx context.Context, program string) error {
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", g.server, program, "serve", "-config", g.path("mxprint.toml"))
	cmd.Stdout, cmd.Stderr = &g.log, &g.log
	if err := cmd.Start(); err != nil {
		return err
	}
	g.sensor = cmd
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("unix", g.path("http.sock")) // the last to be opened
		if err == nil {
			return c.Close()
		}
		if time.Now().After(end) {
			cmd.Process.Kill()
			return errors.New("the sensor does not listen")
		}
	}
}

// close ends the sensor and removes everything.
func (g *ground) close() {
	if g.sensor != nil {
		g.sensor.Process.Signal(syscall.SIGTERM)
		g.sensor.Wait()
	}
	exec.Command("ip", "netns", "del", g.attacks).Run()
	exec.Command("ip", "netns", "del", g.server).Run()
	os.RemoveAll(g.dir)
}

// attacker has this program do its part in the attacker's namespace, which prints
// what it saw.
func (g *ground) attacker(ctx context.Context, args ...string) ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", g.attacks, self, liveCommand}, args...)...).CombinedOutput()
}

// client is one of the page.
func (g *ground) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", g.path("http.sock"))
	}}}
}

// memory is how much memory of its own the sensor has, in bytes.
func (g *ground) memory() (bytes int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.sensor.Process.Pid))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(status), "RssAnon:")
	fmt.Sscan(line, &bytes)
	return bytes << 10
}
