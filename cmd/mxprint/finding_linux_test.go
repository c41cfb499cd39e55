package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/test/lab"
)

// Each test here is named for a finding of an operator, and shows it mended.

// typed runs a command line in process, and returns what it printed.
func typed(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(append([]string{"mxprint"}, args...), &stdio{strings.NewReader(""), &o, &e})
	return status, o.String(), e.String()
}

// write writes a file of the test's own and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// unprivileged is a configuration that needs no privilege and no free port.
func unprivileged(dir, more string) string {
	return fmt.Sprintf("[sensor]\nsource = \"proxy\"\nsandbox = false\n[proxy]\nlisten = [\"127.0.0.1:0\"]\nbackend = \"127.0.0.1:9\"\n[p0f]\nsocket = %q\n%s", dir+"/p0f.sock", more)
}

// wrongConfigurations cannot start, each for a reason of its own.
func wrongConfigurations(t *testing.T, dir string) []struct{ name, more, want string } {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() })
	file := write(t, "file", "a text\n")
	return []struct{ name, more, want string }{
		{"header lines", "[milter]\nlisten = [\"" + dir + "/m\"]\nheader = \"X\\r\\nBcc\"\n", "milter.header: invalid header: "},
		{"one log for two", "[log]\np0f = \"" + dir + "/x.log\"\njson = \"" + dir + "/x.log\"\n", "log.json: " + dir + "/x.log is the file of log.p0f: name another"},
		{"a file for a socket", "[query]\nlisten = [\"" + file + "\"]\n", file + ": there is a regular file, which is not a socket"},
		{"a file for the store", "[store]\npath = \"" + file + "\"\n", "store.path: "},
		{"one port for two", "[milter]\nlisten = [\"127.0.0.1:7825\"]\n[policy]\nlisten = [\":7825\"]\n", `policy.listen: ":7825" is in use: milter.listen has "127.0.0.1:7825"`},
		{"p0f's path", "[milter]\nlisten = [\"unix:" + dir + "/./p0f.sock\"]\n", "milter.listen: \"unix:" + dir + "/./p0f.sock\" is in use: p0f.socket has \"" + dir + "/p0f.sock\""},
		{"header", "[milter]\nlisten = [\"" + dir + "/m\"]\nheader = \"X p0f\"\n", `milter.header: invalid header: ' ' in the name "X p0f"`},
		{"address", "[milter]\nlisten = [\"192.0.2.99:7825\"]\n", "milter.listen: listen tcp 192.0.2.99:7825: bind: cannot assign requested address"},
		{"busy", "[policy]\nlisten = [\"" + busy.Addr().String() + "\"]\n", "bind: address already in use"},
		{"busy UDP", "[amavis]\nlisten = [\"192.0.2.99:7826\"]\n", "amavis.listen: listen udp 192.0.2.99:7826: bind: cannot assign requested address"},
		{"log", "[log]\njson = \"" + dir + "/none/x.json\"\n", "log.json: log: open " + dir + "/none/x.json: no such file or directory"},
		{"unknown", "[signatures]\nunknown = \"" + dir + "/none/x.fp\"\n", "signatures.unknown: open " + dir + "/none/"},
		{"certificate", "[query]\ntls_listen = [\"127.0.0.1:0\"]\ntls_cert = \"" + dir + "/none.pem\"\ntls_key = \"x\"\ntoken_file = \"x\"\n", "query.tls_cert: open " + dir + "/none.pem: no such file or directory"},
		{"folder", "[query]\nlisten = [\"/dev/null/q\"]\n", "query.listen: cannot make the folder of /dev/null/q: "},
	}
}

// TestF03CheckMeansIt: what cannot start is found by check -write, and serve
// says the same before it is ready. Nothing is left behind.
func TestF03CheckMeansIt(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range wrongConfigurations(t, dir) {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "c.toml", unprivileged(dir, tt.more))
			for _, command := range [][]string{{"check", "-write", path}, {"serve", "-config", path}} {
				out, err := programCommand(t, command...).CombinedOutput()
				if err == nil || !strings.Contains(string(out), tt.want) || strings.Contains(string(out), "msg=ready") {
					t.Errorf("%s: %v\n%swant %s", command[0], err, out, tt.want)
				}
			}
			if left, _ := filepath.Glob(dir + "/*"); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
	path := write(t, "c.toml", unprivileged(dir, "[log]\njson = \""+dir+"/x.json\"\n[query]\nlisten = [\""+dir+"/a/b/q\"]\n"))
	if status, out, errs := typed(t, "check", "-write", path); status != 0 {
		t.Errorf("what can start: %d\n%s%s", status, out, errs)
	}
	if left, _ := filepath.Glob(dir + "/*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// programCommand is a command of the built program, which fails if it does not
// end.
func programCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	built, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "mxprint")
	if err := os.WriteFile(path, built, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "timeout", append([]string{"60", path}, args...)...)
	cmd.Dir = t.TempDir()
	return cmd
}

// TestFinding10RestartGoesOn: none of these ends a sensor that works (security,
// finding 10).
func TestFinding10RestartGoesOn(t *testing.T) {
	s := newSensorUnderTest(t)
	s.configure("[milter]\nlisten = [\"127.0.0.1:0\", \"" + s.dir + "/m\"]\n")
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	c := s.client()
	wrong := wrongConfigurations(t, s.dir)
	user := struct{ name, more, want string }{"user", "", "sensor.user: user nosuchuser: there is no such user"}
	for _, tt := range append(wrong, user) {
		s.sensor = ""
		if tt.name == "user" {
			s.sensor = "user = \"nosuchuser\""
		}
		if tt.name == "p0f's path" {
			tt.more = "[milter]\nlisten = [\"" + s.socket + "\"]\n"
			tt.want = "milter.listen: \"" + s.socket + "\" is in use: p0f.socket has "
		}
		s.configure(tt.more)
		time.Sleep(100 * time.Millisecond) // the log takes ten such lines a second
		tt.want = strings.ReplaceAll(tt.want, `"`, `\"`)
		before := s.out.count(tt.want)
		s.restart("no restart, this process goes on")
		if s.out.count(tt.want) == before {
			t.Errorf("%s: no %q in\n%s", tt.name, tt.want, s.out)
		}
		c.send(asked)
		c.wantAnswer()
	}
	s.sensor = ""
	s.configure("[milter]\nlisten = [\"" + s.dir + "/m\"]\n") // which the running one holds
	s.restart(serveReady)
	c.send(asked)
	c.wantAnswer()
}

// TestF03CheckAsUser: root's check finds what the service's user cannot do.
func TestF03CheckAsUser(t *testing.T) {
	lab.NeedRoot(t)
	dir, err := os.MkdirTemp("", "mxp")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "c.toml")
	text := unprivileged("/tmp", "[log]\njson = \""+dir+"/x.json\"\n")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	built, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "mxprint")
	if err := os.WriteFile(program, built, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "check", "-write", path).CombinedOutput(); err != nil {
		t.Errorf("as root: %v\n%s", err, out)
	}
	out, err := exec.Command(program, "check", "-write", "-user", "nobody", path).CombinedOutput()
	if want := "log.json: log: open " + dir + "/x.json: permission denied"; err == nil || !strings.Contains(string(out), want) {
		t.Errorf("as nobody: %v\n%swant %s", err, out, want)
	}
	if err := os.WriteFile(path, []byte("[p0f]\nsocket = \""+dir+"/s\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err = exec.Command(program, "check", "-write", "-user", "nobody", path).CombinedOutput()
	want := "p0f.socket: cannot make a socket in " + dir + ": permission denied (" + dir +
		" must be writable for the user of the sensor: chown it, or name it in RuntimeDirectory= of the unit)"
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("as nobody, in root's folder: %v\n%swant %s", err, out, want)
	}
	out, err = exec.Command(program, "check", "-user", "nosuchuser", path).CombinedOutput()
	if want := "mxprint: check: -user: user nosuchuser: there is no such user\n"; err == nil || string(out) != want {
		t.Errorf("as nobody known: %v\n%swant %s", err, out, want)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = exec.Command(program, "check", "-user", "nobody", path).CombinedOutput()
	if err == nil || !strings.Contains(string(out), path+": permission denied") {
		t.Errorf("an unreadable file: %v\n%s", err, out)
	}
}

// TestF04DefaultFile: without a name, check and serve read the file of the
// package, and say so.
func TestF04DefaultFile(t *testing.T) {
	defer func(path string) { defaultConfig = path }(defaultConfig)
	defaultConfig = write(t, "mxprint.toml", "[limits]\nhosts = 0\n")
	for _, args := range [][]string{{"check"}, {"serve"}, {"check", "-write"}} {
		status, _, errs := typed(t, args...)
		if want := "mxprint: " + defaultConfig + ":2: limits.hosts: want 1 to 50000000\n"; status != 1 || errs != want {
			t.Errorf("%q: %d %q, want %q", args, status, errs, want)
		}
	}
	defaultConfig = write(t, "mxprint.toml", "")
	if _, out, _ := typed(t, "check"); !strings.HasPrefix(out, "file       "+defaultConfig+"\n") {
		t.Errorf("it does not say what it read:\n%s", out)
	}
	defaultConfig += ".none"
	if _, out, _ := typed(t, "check"); !strings.HasPrefix(out, "file       none: every key has its default\n") {
		t.Errorf("it does not say that it read nothing:\n%s", out)
	}
}

// TestF06FolderOfTheSocket: the line of README works as typed.
func TestF06FolderOfTheSocket(t *testing.T) {
	s := newSensorUnderTest(t)
	s.socket = filepath.Join(s.dir, "run", "p0f", "p0f.sock")
	s.start(exec.Command(filepath.Join(s.dir, "p0f"), "-i", "any", "-s", s.socket, "dst port 25 or dst port 587"))
	c := s.client()
	c.send(asked)
	c.wantAnswer()
	s.signal(syscall.SIGTERM)
	<-s.ended
}

// TestF07LateInterface: an interface that comes after the start is captured on.
func TestF07LateInterface(t *testing.T) {
	s := newSensorUnderTest(t)
	ns := lab.NewNetNS(t)
	q := filepath.Join(s.dir, "q")
	text := fmt.Sprintf("[sensor]\ninterfaces = [\"late0\"]\n[p0f]\nsocket = %q\n[query]\nlisten = [%q]\n", s.socket, q)
	if err := os.WriteFile(s.config(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := ns.Command(t.Context(), s.program, "check", "-write", s.config()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), `sensor.interfaces: capture: no interface "late0"`) {
		t.Errorf("check: %v\n%s", err, out)
	}
	s.start(ns.Command(t.Context(), s.program, "serve", "-config", s.config()))
	s.wait("word of waiting", func() bool {
		return s.out.count(serveReady) == 1 && s.out.count("interface is not there, waiting for it") == 1
	})
	ns.IP("link", "add", "late0", "type", "veth", "peer", "name", "other0")
	ns.IP("link", "set", "late0", "up")
	s.wait("interface", func() bool { return s.out.count("interface has appeared") == 1 })
	c := s.client()
	c.send(asked)
	c.wantAnswer()
	status := func() string { _, out, _ := typed(t, "status", "-s", q); return out }
	s.wait("health", func() bool { return strings.HasPrefix(status(), "well: ") })
	ns.IP("link", "del", "late0")
	s.wait("word that it is gone", func() bool {
		out := status()
		return strings.HasPrefix(out, "down: ") && strings.Contains(out, "late0: it is down or gone")
	})
}

// TestF14WrongSocket: each socket says at once that it is not the other one.
func TestF14WrongSocket(t *testing.T) {
	s := newSensorUnderTest(t)
	q := filepath.Join(s.dir, "q")
	s.configure("[query]\nlisten = [\"" + q + "\"]\n")
	s.start(s.serve())
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"reload", "-s", s.socket}, "this is p0f's socket; give the query socket"},
		{[]string{"signatures", "unknown", "-s", s.socket}, "this is p0f's socket; give the query socket"},
		{[]string{"query", "-s", s.socket, "192.0.2.9", "25"}, "this is p0f's socket; give the query socket"},
		{[]string{"query", "-s", q, "192.0.2.9"}, "is this p0f's socket?"},
	} {
		begin := time.Now()
		status, out, errs := typed(t, tt.args...)
		if status != 1 || out != "" || !strings.Contains(errs, tt.want) || time.Since(begin) > patience/2 {
			t.Errorf("%q: %d after %v: %s%s", tt.args, status, time.Since(begin), out, errs)
		}
	}
	for _, args := range [][]string{{"reload", "-s", q}, {"query", "-s", q, "[192.0.2.9]", "25"}} {
		if status, out, errs := typed(t, args...); status != 0 && status != int(exitNotSeen) || errs != "" {
			t.Errorf("%q: %d %s%s", args, status, out, errs)
		}
	}
}

// TestF13QuerySocket: as installed, the query socket is on, for its group.
func TestF13QuerySocket(t *testing.T) {
	c, err := config.Load("../../contrib/systemd/mxprint.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Query.Listen) != 1 || c.Query.Listen[0] != config.DefaultQuerySocket || c.Query.Mode != "0660" {
		t.Errorf("[query] listen = %q, mode = %q", c.Query.Listen, c.Query.Mode)
	}
}
