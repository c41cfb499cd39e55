// Package valkeylab starts real servers of Redis or Valkey for tests: one alone,
// with replicas and Sentinels, and a Cluster. They listen on loopback or a unix
// socket, keep nothing on the disk, and end with the test.
package valkeylab

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// Server is a server that runs.
type Server struct {
	Addr string // HOST:PORT, or the path of a unix socket
	Port int    // 0: a unix socket

	t    testing.TB
	args []string
	cmd  *exec.Cmd
	out  *bytes.Buffer
	auth []string // of redis-cli
	run  func(name string, args ...string) *exec.Cmd
	cli  []string
}

// Options say what is not as usual.
type Options struct {
	Args     []string // of redis-server, beside where it listens
	Port     int      // 0: any
	Unix     bool
	Password string // of the default user
	// Command makes the processes, as in a namespace; nil: here.
	Command func(name string, args ...string) *exec.Cmd
	Host    string // "127.0.0.1" unless given
	NoWait  bool   // do not wait until it answers
}

// Start starts a server, and waits until it answers. The test skips where there is
// no redis-server.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	server, cli := programs(t)
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	s := &Server{t: t, run: o.Command, cli: cli}
	if s.run == nil {
		s.run = exec.Command
	}
	dir := t.TempDir()
	s.args = append(server, "--dir", dir, "--save", "", "--daemonize", "no", "--logfile", "")
	if o.Unix {
		short, err := os.MkdirTemp("", "mxv") // the path of a socket is short
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(short) })
		s.Addr = filepath.Join(short, "s")
		s.args = append(s.args, "--port", "0", "--unixsocket", s.Addr, "--unixsocketperm", "777")
	} else {
		if s.Port = o.Port; s.Port == 0 {
			s.Port = lab.FreePort(t)
		}
		s.Addr = net.JoinHostPort(o.Host, strconv.Itoa(s.Port))
		s.args = append(s.args, "--port", strconv.Itoa(s.Port), "--bind", o.Host)
	}
	if o.Password != "" {
		s.args = append(s.args, "--requirepass", o.Password)
		s.auth = []string{"--no-auth-warning", "-a", o.Password}
	}
	s.args = append(s.args, o.Args...)
	t.Cleanup(s.Kill)
	s.Restart()
	if !o.NoWait {
		s.WaitReady()
	}
	return s
}

// Restart starts the server again, at the same place.
func (s *Server) Restart() {
	s.t.Helper()
	s.out = &bytes.Buffer{}
	s.cmd = s.run(s.args[0], s.args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// WaitReady waits until the server answers.
func (s *Server) WaitReady() {
	s.t.Helper()
	for end := time.Now().Add(lab.Patience); ; time.Sleep(20 * time.Millisecond) {
		if out, err := s.Try("PING"); err == nil && strings.Contains(out, "PONG") {
			return
		} else if time.Now().After(end) {
			s.t.Fatalf("the server at %s does not answer: %s", s.Addr, out)
		}
	}
}

// Kill kills the server.
func (s *Server) Kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Signal(syscall.SIGCONT)
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

// Pause stops the process (SIGSTOP), and Resume has it go on.
func (s *Server) Pause()  { s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *Server) Resume() { s.cmd.Process.Signal(syscall.SIGCONT) }

// Try runs redis-cli.
func (s *Server) Try(args ...string) (string, error) {
	at := []string{"-p", strconv.Itoa(s.Port)}
	if s.Port == 0 {
		at = []string{"-s", s.Addr}
	} else {
		host, _, _ := net.SplitHostPort(s.Addr)
		at = append(at, "-h", host)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience)
	defer cancel()
	all := slices.Concat(s.cli, at, s.auth, args)
	cmd := s.run(all[0], all[1:]...)
	done := make(chan struct{})
	defer close(done)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	go func() {
		select {
		case <-ctx.Done():
			cmd.Process.Kill()
		case <-done:
		}
	}()
	err := cmd.Wait()
	text := strings.TrimSpace(out.String())
	for _, bad := range []string{"ERR ", "NOAUTH", "WRONGPASS", "OOM ", "(error)"} {
		if err == nil && strings.HasPrefix(text, bad) {
			err = fmt.Errorf("%s", text)
		}
	}
	return text, err
}

// CLI runs redis-cli, and ends the test where that fails.
func (s *Server) CLI(args ...string) string {
	s.t.Helper()
	out, err := s.Try(args...)
	if err != nil {
		s.t.Fatalf("redis-cli %q: %v: %s", args, err, out)
	}
	return out
}

// SetPassword is what redis-cli gives from now on.
func (s *Server) SetPassword(password string) {
	if s.auth = nil; password != "" {
		s.auth = []string{"--no-auth-warning", "-a", password}
	}
}

// Log is what the server has printed.
func (s *Server) Log() string { return s.out.String() }
