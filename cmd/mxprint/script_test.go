package main

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

var update = flag.Bool("update", false, "rewrite what is compared in the scripts")

// TestMain makes the test binary the command mxprint, and p0f, for the
// scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mxprint": main, "p0f": main})
}

// TestScripts runs what an operator types, without privileges.
func TestScripts(t *testing.T) {
	testscript.Run(t, scripts(t, "testdata/script"))
}

// TestRootScripts runs what needs a packet socket, on the loopback interface.
func TestRootScripts(t *testing.T) {
	lab.NeedRoot(t)
	testscript.Run(t, scripts(t, "testdata/root"))
}

// scripts has commands besides testscript's own:
//
//	fails TEXT COMMAND…      the command must fail as commands of ours do: exit
//	                         status 1, "mxprint: TEXT" alone on standard error
//	misuses TEXT COMMAND…    the same with the status of a wrong command line, 2
//	status N COMMAND…        the command must end with this status
//	cut FILE N NEW           copy the first N bytes
//	poke FILE OFFSET HEX     overwrite bytes
//	serve NAME COMMAND…      start a command in the background; returns when it
//	                         is ready, its output is in the file NAME
//	fork NAME COMMAND…       run a command that leaves a daemon behind
//	signal NAME SIGNAL       send a signal to either and wait for its end
//	signal NAME SIGNAL TEXT  send a signal and wait for TEXT in its output
//	until TEXT COMMAND…      run a command until TEXT stands in its output
//	uid NAME N               it runs as user number N
//	connect ADDRESS SOCKET   make a TCP connection over loopback from ADDRESS,
//	                         and wait until the sensor of SOCKET has seen it
//	says PATTERN FILE        wait until the pattern matches the file
func scripts(t *testing.T, dir string) testscript.Params {
	labDir, err := filepath.Abs("../../testdata/lab")
	if err != nil {
		t.Fatal(err)
	}
	captures, err := filepath.Abs("testdata/captures")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := filepath.Abs("../../testdata/cases")
	if err != nil {
		t.Fatal(err)
	}
	return testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("LAB", labDir)
			env.Setenv("CAPTURES", captures)
			env.Setenv("CASES", cases)
			env.Setenv("TZ", "UTC")
			env.Values[processesKey{}] = make(map[string]running)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": failsWith(1), "misuses": failsWith(2), "status": endsWith, "cut": cut, "poke": poke, "serve": serveAnswers, "signal": sendSignal, "fork": fork,
			"uid": uid, "until": until, "connect": connect, "says": says,
		},
		UpdateScripts:      *update,
		RequireUniqueNames: true,
	}
}

func need(ts *testscript.TestScript, neg bool, args []string, least int) {
	if neg || len(args) < least {
		ts.Fatalf("wrong usage")
	}
}

// startLine is the first line of a daemon's log, before what is wrong.
var startLine = regexp.MustCompile(`^mxprint: time=\S+ level=INFO msg=starting version=.*\n`)

func failsWith(status int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		need(ts, neg, args, 2)
		wantStatus(ts, status, args[1:])
		got, want := startLine.ReplaceAllString(ts.ReadFile("stderr"), ""), "mxprint: "+args[0]+"\n"
		if got != want {
			ts.Fatalf("standard error is\n%swant\n%s", got, want)
		}
		if strings.HasSuffix(args[0], ".") {
			ts.Fatalf("messages have no full stop")
		}
	}
}

func endsWith(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	wantStatus(ts, status, args[1:])
}

func wantStatus(ts *testscript.TestScript, want int, command []string) {
	err := ts.Exec(command[0], command[1:]...)
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if status != want {
		ts.Fatalf("the exit status is %d, want %d:\n%s", status, want, ts.ReadFile("stderr"))
	}
}

func cut(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3)
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	text := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text[:min(n, len(text))]), 0o644))
}

func poke(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	b, err := hex.DecodeString(args[2])
	ts.Check(err)
	text := []byte(ts.ReadFile(args[0]))
	copy(text[at:], b)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o644))
}

// running is a process in the background.
type running struct {
	pid   int
	ended func() bool
}

// readyText is what serve and p0f say when they are ready.
var readyText = regexp.MustCompile(`msg=ready|Entered main event loop`)

func serveAnswers(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	cmd, path := background(ts, args)
	ts.Check(cmd.Start())
	done := make(chan struct{})
	var status error
	go func() {
		status = cmd.Wait()
		close(done)
	}()
	ended := func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
	ts.Defer(func() { cmd.Process.Kill(); <-done })
	if !eventually(func() bool { return ended() || readyText.MatchString(text(path)) }) || ended() {
		ts.Fatalf("%s is not ready: %v\n%s", args[1], status, text(path))
	}
	killed := func() bool { return cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL }
	processes(ts)[args[0]] = running{cmd.Process.Pid, func() bool {
		if ended() && status != nil && !killed() {
			ts.Fatalf("%s ended with %v\n%s", args[1], status, text(path))
		}
		return ended()
	}}
}

// fork waits for the parent alone: the daemon keeps the parent's standard
// error.
func fork(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	cmd, path := background(ts, args)
	if err := cmd.Run(); err != nil {
		ts.Fatalf("%s: %v\n%s", args[1], err, text(path))
	}
	m := regexp.MustCompile(`Daemon process created, PID (\d+) `).FindStringSubmatch(text(path))
	if m == nil {
		ts.Fatalf("%s names no process:\n%s", args[1], text(path))
	}
	pid, err := strconv.Atoi(m[1])
	ts.Check(err)
	ended := false // the number may be another process's later
	gone := func() bool {
		ended = ended || syscall.Kill(pid, 0) != nil || zombie(pid)
		return ended
	}
	ts.Defer(func() {
		if !gone() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	if gone() {
		ts.Fatalf("the daemon is not there\n%s", text(path))
	}
	processes(ts)[args[0]] = running{pid, gone}
}

// zombie reports whether a process has ended, and no process waits for it.
func zombie(pid int) bool {
	stat := text("/proc/" + strconv.Itoa(pid) + "/stat")
	return strings.Contains(stat, ") Z ")
}

// background makes a command of the script's programs and folder, with its
// output in a file.
func background(ts *testscript.TestScript, args []string) (*exec.Cmd, string) {
	path := ts.MkAbs(args[0])
	out, err := os.Create(path)
	ts.Check(err)
	ts.Defer(func() { out.Close() })
	program := args[1]
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
			program = filepath.Join(dir, program)
			break
		}
	}
	cmd := exec.Command(program, args[2:]...)
	cmd.Args[0] = args[1]
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "TZ=UTC")
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, path
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	p, ok := processes(ts)[args[0]]
	if !ok {
		ts.Fatalf("no process %s", args[0])
	}
	signals := map[string]syscall.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL,
	}
	ts.Check(syscall.Kill(p.pid, signals[args[1]]))
	if len(args) > 2 { // wait for a text, not for the end
		if !eventually(func() bool { return strings.Contains(text(ts.MkAbs(args[0])), args[2]) }) {
			ts.Fatalf("%s does not say %q:\n%s", args[0], args[2], text(ts.MkAbs(args[0])))
		}
		return
	}
	if !eventually(p.ended) {
		ts.Fatalf("%s does not end:\n%s", args[0], text(ts.MkAbs(args[0])))
	}
}

// until is for what a sensor learns a moment later.
func until(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	var out string
	if !eventually(func() bool {
		ts.Exec(args[1], args[2:]...) // it may fail until then
		out = ts.ReadFile("stdout")
		return strings.Contains(out, args[0])
	}) {
		ts.Fatalf("%q does not come:\n%s", args[0], out)
	}
}

func uid(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	status := text("/proc/" + strconv.Itoa(processes(ts)[args[0]].pid) + "/status")
	if want := "\nUid:\t" + strings.Repeat(args[1]+"\t", 3) + args[1] + "\n"; !strings.Contains(status, want) {
		ts.Fatalf("user is not %s:\n%s", args[1], status)
	}
}

func connect(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer ln.Close()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(args[0])}}
	c, err := d.Dial("tcp", ln.Addr().String())
	ts.Check(err)
	c.Close()
	sensor := p0f.NewClient(ts.MkAbs(args[1]))
	defer sensor.Close()
	who := note.Query{Client: netip.AddrPortFrom(netip.MustParseAddr(args[0]), 0)}
	if !eventually(func() bool {
		n, err := sensor.Lookup(context.Background(), who)
		return err == nil && n.State != note.NotSeen
	}) {
		ts.Fatalf("the sensor of %s has not seen %s", args[1], args[0])
	}
}

func says(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	pattern := regexp.MustCompile("(?m)" + args[0])
	if !eventually(func() bool { return pattern.MatchString(text(ts.MkAbs(args[1]))) }) {
		ts.Fatalf("no match of %s in %s:\n%s", args[0], args[1], text(ts.MkAbs(args[1])))
	}
}

type processesKey struct{}

// processes are those of one script, by name.
func processes(ts *testscript.TestScript) map[string]running {
	return ts.Value(processesKey{}).(map[string]running)
}

func text(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

// patience is for what comes within milliseconds. A busy machine takes longer.
const patience = time.Minute

func eventually(ok func() bool) bool {
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
