// Package clickhouse gives tests a ClickHouse: its engine, which comes as a library
// of Python (chdb), behind a small server that speaks its HTTP interface. Tables,
// merges, mutations, settings and errors are the engine's own; one user and TLS are
// the small server's, and concurrent queries are not there.
package clickhouse

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
)

//go:embed shim.py
var shim []byte

// Server is one that can be stopped and started again.
type Server struct {
	t       testing.TB
	python  string
	dir     string // of tables and shim
	at      Place
	port    int
	process *exec.Cmd
	more    []string // user, password, certificate and key
}

// Place is where a server is, such as a machine of its own.
type Place struct {
	Host string // the address it listens on
	// Command makes its process, and Do opens the test's connections to it.
	Command func(name string, args ...string) *exec.Cmd
	Do      func(open func() error) error
}

// here is this machine's loopback.
func here() Place {
	return Place{"127.0.0.1", exec.Command, func(open func() error) error { return open() }}
}

// partTime is how long the engine may take to come from its registry.
const partTime = 10 * time.Minute

// New starts a server, and stops it when the test ends.
func New(t testing.TB) *Server { return start(t, here()) }

// NewAt starts one at another place.
func NewAt(t testing.TB, at Place) *Server { return start(t, at) }

// NewSecure starts one that is asked by TLS, with the files cert.pem and key.pem of a
// folder, and by a user with a password alone.
func NewSecure(t testing.TB, folder, user, password string) *Server {
	return start(t, here(), user, password, filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
}

func start(t testing.TB, at Place, more ...string) *Server {
	t.Helper()
	lab.NeedProgram(t, "python3")
	ctx, cancel := context.WithTimeout(t.Context(), partTime)
	defer cancel()
	python, err := parts.ChDB(ctx, t.Logf)
	if err != nil {
		lab.Skip(t, "no ClickHouse: "+err.Error())
	}
	s := &Server{t: t, python: python, dir: t.TempDir(), at: at, more: more}
	if err := os.WriteFile(filepath.Join(s.dir, "shim.py"), shim, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	s.Start()
	return s
}

// URL is where it answers, also after a restart.
func (s *Server) URL() string {
	scheme := "http"
	if len(s.more) > 0 {
		scheme = "https"
	}
	return scheme + "://" + s.address()
}

func (s *Server) address() string { return net.JoinHostPort(s.at.Host, strconv.Itoa(s.port)) }

// Start starts the server, with the tables that it had.
func (s *Server) Start() {
	s.t.Helper()
	args := append([]string{filepath.Join(s.dir, "shim.py"), s.address(), filepath.Join(s.dir, "data")}, s.more...)
	s.process = s.at.Command(s.python, args...)
	s.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var errs bytes.Buffer
	s.process.Stderr = &errs
	out, err := s.process.StdoutPipe()
	if err == nil {
		err = s.process.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		s.port, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		s.Stop()
		s.t.Fatalf("the engine does not start: %v\n%s", err, errs.Bytes())
	}
}

// Stop ends the server at once, as kill -9 does.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	s.process.Process.Kill()
	s.process.Wait()
	s.process = nil
}

// Query runs a query in a database, and returns the answer without its last
// newline.
func (s *Server) Query(database, query string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (nc net.Conn, err error) {
		err = s.at.Do(func() (err error) {
			nc, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return nc, err
	}}}
	answer, err := client.Post(s.URL()+"/?database="+url.QueryEscape(database), "text/plain", strings.NewReader(query))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return strings.TrimSuffix(string(text), "\n"), err
}

// Want has a query answer with a text.
func (s *Server) Want(database, query, want string) {
	s.t.Helper()
	if got, err := s.Query(database, query); err != nil || got != want {
		s.t.Errorf("%s\nanswers %q, %v; want %q", query, got, err, want)
	}
}
