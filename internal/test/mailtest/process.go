//go:build linux

package mailtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Signal sends a signal to the process alone. After SIGSTOP the process does
// nothing more.
func (p *Process) Signal(sig syscall.Signal) {
	if err := p.Cmd.Process.Signal(sig); err != nil {
		p.t.Errorf("signal %v to %s: %v", sig, p.name, err)
		return
	}
	for end := time.Now().Add(StartTimeout); sig == syscall.SIGSTOP && !p.stopped(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.t.Errorf("%s goes on after SIGSTOP", p.name)
			return
		}
	}
}

// stopped says if no thread of the process runs (proc_pid_stat(5)).
func (p *Process) stopped() bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Cmd.Process.Pid))
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		if err == nil && !bytes.Contains(stat, []byte(") T ")) {
			return false
		}
	}
	return true
}

// A process is a daemon of a test: it has a process group of its own, which
// ends with the test, and what it prints is kept and shown when the test
// fails.
type Process struct {
	t    testing.TB
	name string
	Cmd  *exec.Cmd
	Out  output
	Done chan struct{} // closed when the process has ended
}

// Start starts cmd and stops its whole process group when the test ends. Make
// the namespace and the temporary directories it uses before: they are removed
// after it.
func Start(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, name: name, Cmd: cmd, Done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Out, &p.Out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	// A grandchild that keeps the pipe open must not keep Wait.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		cmd.Wait()
		close(p.Done)
	}()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, p.Out.tail(16<<10))
		}
	})
	return p
}

// Stop asks the process to end, and ends its whole group for certain. A second
// call does nothing.
func (p *Process) Stop() {
	id := p.Cmd.Process.Pid
	endGroup(id, func() bool {
		select {
		case <-p.Done:
			return !Exists(fmt.Sprintf("/proc/%d", id))
		default:
			return true
		}
	})
	<-p.Done
}

// endGroup asks every process of the group to end and ends for certain those
// that have not after some seconds. A group that is gone is no error. The kernel
// gives the number of a group that is gone to a new process, which may be another
// test's: it is signalled only while ours returns true.
func endGroup(id int, ours func() bool) {
	for _, end := range []struct {
		sig syscall.Signal
		in  time.Duration
	}{{syscall.SIGTERM, 3 * time.Second}, {syscall.SIGKILL, StartTimeout}} {
		if !ours() || syscall.Kill(-id, end.sig) == syscall.ESRCH {
			return
		}
		for last := time.Now().Add(end.in); time.Now().Before(last); time.Sleep(20 * time.Millisecond) {
			if !ours() || !groupRuns(id) {
				return
			}
		}
	}
}

// groupRuns reports whether the group has a process that has not ended. Some inits
// take a second to collect those that have (proc_pid_stat(5)).
func groupRuns(id int) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, _ := os.ReadFile(path)
		// The name may hold anything, and ends with the last parenthesis.
		f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // state, parent, group
		if len(f) > 2 && string(f[2]) == strconv.Itoa(id) && string(f[0]) != "Z" {
			return true
		}
	}
	return false
}

// Printed waits until the process has printed each of the texts. It prints in
// order: after a text, what it printed before that text is in Out, too, and what
// is not in Out was not printed before it.
func (p *Process) Printed(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.WaitFor(fmt.Sprintf("%q in its output", text), func() bool { return bytes.Contains(p.Out.Bytes(), []byte(text)) })
	}
}

// WaitFor waits until ready says yes, and ends the test when the process ends
// before or StartTimeout is over.
func (p *Process) WaitFor(what string, ready func() bool) {
	p.t.Helper()
	deadline := time.After(StartTimeout)
	for !ready() {
		select {
		case <-p.Done:
			if !ready() { // with all that it printed
				p.t.Fatalf("%s ended before %s: %v", p.name, what, p.Cmd.ProcessState)
			}
			return
		case <-deadline:
			p.t.Fatalf("%s: no %s within %v", p.name, what, StartTimeout)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// output is what a process printed. Safe for concurrent use.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) Bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.buf.Bytes())
}

// tail is at most the last n bytes.
func (o *output) tail(n int) []byte {
	b := o.Bytes()
	return b[max(0, len(b)-n):]
}

// Reexec sends SIGUSR2, and waits in the background until the program has said
// once more that it is ready.
func (p *Process) Reexec(ready string) (done chan struct{}) {
	n := bytes.Count(p.Out.Bytes(), []byte(ready))
	p.Signal(syscall.SIGUSR2)
	done = make(chan struct{})
	go func() {
		defer close(done)
		for end := time.Now().Add(StartTimeout); bytes.Count(p.Out.Bytes(), []byte(ready)) <= n; {
			if time.Now().After(end) {
				p.t.Errorf("%s is not ready %v after SIGUSR2", p.name, StartTimeout)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return done
}
