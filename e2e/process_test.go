//go:build linux

package e2e

import (
	"bytes"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process is a daemon of a test: it has a process group of its own, which
// ends with the test, and what it prints is kept and shown when the test
// fails.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when the process has ended
}

// start starts cmd and stops its whole process group when the test ends. Make
// the namespace and the temporary directories it uses before: they are removed
// after it.
func start(t testing.TB, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
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
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, p.out.tail(16<<10))
		}
	})
	return p
}

// stop asks the process to end, and ends its whole group for certain. A second
// call does nothing.
func (p *process) stop() {
	endGroup(p.cmd.Process.Pid)
	<-p.done
}

// endGroup asks every process of the group to end and ends for certain those
// that have not after some seconds. A group that is gone is no error.
func endGroup(id int) {
	for _, end := range []struct {
		sig syscall.Signal
		in  time.Duration
	}{{syscall.SIGTERM, 3 * time.Second}, {syscall.SIGKILL, startTimeout}} {
		if syscall.Kill(-id, end.sig) == syscall.ESRCH {
			return
		}
		for last := time.Now().Add(end.in); time.Now().Before(last); time.Sleep(20 * time.Millisecond) {
			if syscall.Kill(-id, 0) == syscall.ESRCH {
				return
			}
		}
	}
}

// waitFor waits until ready says yes, and ends the test when the process ends
// before or startTimeout is over.
func (p *process) waitFor(what string, ready func() bool) {
	p.t.Helper()
	deadline := time.After(startTimeout)
	for !ready() {
		select {
		case <-p.done:
			p.t.Fatalf("%s ended before %s: %v", p.name, what, p.cmd.ProcessState)
		case <-deadline:
			p.t.Fatalf("%s: no %s within %v", p.name, what, startTimeout)
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

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.buf.Bytes())
}

// tail is at most the last n bytes.
func (o *output) tail(n int) []byte {
	b := o.bytes()
	return b[max(0, len(b)-n):]
}
