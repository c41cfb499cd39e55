// Package inherit hands the sockets of one process to the next, so that no client
// notices a restart.
//
// The clients of p0f's socket outlive the process in two ways. At SIGUSR2 it
// executes the program again, which may be another version by then: same process
// number, same descriptors. At its end under systemd it leaves them in the
// service manager's store (sd_notify(3), FDSTORE=1), and the next process gets
// them from there (sd_listen_fds(3)), as it gets a socket of systemd.socket(5).
//
// Process does this for a daemon; Listener for one unix socket. A server
// contributes what it has read of a query (Conn.Park).
package inherit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
)

const (
	stateEnv     = "MXPRINT_HANDOVER" // the descriptor of the state
	storeName    = "mxprint"          // of descriptors in the store
	checkTime    = 20 * time.Second   // for the new program to look at its configuration
	handoverTime = 5 * time.Second
	storeTime    = 2 * time.Second // for the service manager to take a message
	storeBatch   = 200             // descriptors in one message; the kernel takes 253
)

// Process is this process, between the one before and the one after it. Set the
// fields before Watch.
type Process struct {
	// Check reports whether the new program would start; see Asks.
	Check func(context.Context) error

	// Refuse is why the program cannot be executed again; empty if it can.
	Refuse string

	// Save is called before the new program takes over. It may be nil.
	Save func()

	// Remember writes what the process knows, for Memory of the one that it
	// executes. It is called when no client is served any more; what it returns,
	// when this process goes on after all. It may be nil.
	Remember func(io.Writer) (resume func(), err error)

	// Keep are files that the program gets that this process executes, with their
	// locks. It finds them by Kept.
	Keep []*os.File

	log     *slog.Logger
	program string // what to execute; an absolute path
	dir     string // where its arguments' paths begin
	manager *manager
	signals map[os.Signal]chan os.Signal

	left    []Socket // by an earlier process
	memory  *os.File // that it wrote; nil: nothing
	files   []keptFile
	resumed bool      // it executed this one
	ln      *Listener // what is handed over
}

// New is called first of all: before directories and privileges change. It takes
// what an earlier process left, and removes from the environment what described
// it. An error wraps ErrInherited.
func New(log *slog.Logger) (*Process, error) {
	p := &Process{log: serve.Burst(log, 10), signals: make(map[os.Signal]chan os.Signal)}
	// Either would end the process, SIGUSR1 also before there is a log to open.
	p.Notify(syscall.SIGUSR2)
	p.Notify(syscall.SIGUSR1)
	var err error
	if p.dir, err = os.Getwd(); err == nil {
		p.program, err = programPath()
	}
	if err != nil {
		p.Refuse = err.Error()
	}
	if p.manager, err = dialManager(); err != nil {
		p.log.Warn("cannot reach the service manager", "reason", err)
	}
	return p, p.take()
}

// Program is the file that SIGUSR2 executes, and Dir the folder that relative
// paths among its arguments start from.
func (p *Process) Program() string { return p.program }
func (p *Process) Dir() string     { return p.dir }

// Resumed reports whether an earlier process executed this one.
func (p *Process) Resumed() bool { return p.resumed }

// Memory returns what the process that executed this one wrote, or nil. The
// caller closes it.
func (p *Process) Memory() *os.File {
	f := p.memory
	p.memory = nil
	return f
}

// keptFile is a file that one process leaves open to the program that it executes.
type keptFile struct {
	FD   int    `json:"fd"`
	Path string `json:"path"`
}

// Kept returns the file that a path leads to, if the process kept it that executed
// this one, or nil: the path may be spelled in another way now. The caller closes it.
func (p *Process) Kept(path string) *os.File {
	var had, now syscall.Stat_t
	if syscall.Stat(path, &now) != nil {
		return nil
	}
	for i, k := range p.files {
		if syscall.Fstat(k.FD, &had) == nil && had.Dev == now.Dev && had.Ino == now.Ino {
			p.files = slices.Delete(p.files, i, i+1)
			return os.NewFile(uintptr(k.FD), path)
		}
	}
	return nil
}

// Notify returns a channel that gets a signal from now on, also after an attempt
// to execute the program. It is the same channel at each call.
func (p *Process) Notify(sig os.Signal) <-chan os.Signal {
	ch := p.signals[sig]
	if ch == nil {
		ch = make(chan os.Signal, 1)
		p.signals[sig] = ch
		signal.Notify(ch, sig)
	}
	return ch
}

// Ready reports to the service manager that the service is. Of the files that were
// kept for this process it closes those that it has not taken.
func (p *Process) Ready() {
	for _, k := range p.files {
		syscall.Close(k.FD)
	}
	p.files = nil
	if err := p.manager.ready(); err != nil {
		p.log.Warn("cannot notify the service manager", "reason", err)
	}
}

// Listen opens the socket whose clients are handed over, or goes on with that of
// an earlier process.
func (p *Process) Listen(path string, mode fs.FileMode) (*Listener, error) {
	ln, err := Listen(path, mode, p.left)
	p.ln, p.left = ln, nil
	return ln, err
}

// programPath is the path under which the program was started, which a new
// version may replace, or else the path of the very file.
func programPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	named, err := exec.LookPath(os.Args[0])
	if err == nil {
		named, err = filepath.Abs(named)
	}
	a, err2 := os.Stat(named)
	b, err3 := os.Stat(self)
	if errors.Join(err, err2, err3) != nil || !os.SameFile(a, b) {
		return self, nil
	}
	return named, nil
}

// Asks makes a Check: it runs a command of the new program, which has to
// succeed. env is added to its environment.
func (p *Process) Asks(env []string, args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		defer cancel()
		var out bytes.Buffer
		cmd := exec.Command(p.program, args...)
		cmd.Args[0] = "mxprint"
		cmd.Dir = p.dir
		cmd.Env = append(os.Environ(), env...)
		cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, time.Second
		if err := runUntil(ctx, cmd); err != nil {
			return fmt.Errorf("%s %s: %w: %s", p.program, strings.Join(args, " "), err, firstLine(out.Bytes()))
		}
		return nil
	}
}

// runUntil runs a program, and kills it when ctx ends. Where landlock bounds
// signals a child belongs to the thread that started it: each thread has been
// shut in by itself.
func runUntil(ctx context.Context, cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), cmd.Process.Kill(), <-ended)
	}
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line[:min(len(line), 500)]
}

// Serve calls serve, which serves the socket, until ctx ends, and then leaves the
// clients to the service manager, if there is one.
func (p *Process) Serve(ctx context.Context, serve func(context.Context) error) error {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if p.manager != nil {
			p.leave()
		}
		cancel()
	})()
	return serve(own)
}

// Watch executes the program again at every SIGUSR2. If that fails, this process
// goes on.
func (p *Process) Watch(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.signals[syscall.SIGUSR2]:
		}
		err := p.restart(ctx)
		p.log.Error("no restart, this process goes on", "reason", err)
		p.manager.status("no restart: " + err.Error())
	}
}

func (p *Process) restart(ctx context.Context) error {
	if p.Refuse != "" {
		return errors.New(p.Refuse)
	}
	if p.ln == nil {
		return fmt.Errorf("%w: there is no socket", ErrHandover)
	}
	if err := p.Check(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	p.log.Info("restarting", "program", p.program)
	if p.Save != nil {
		p.Save()
	}
	return p.ln.Handover(ctx, p.become)
}

// become executes the program. It returns only if that fails.
func (p *Process) become(sockets []Socket) error {
	memory, resume := p.remember()
	defer resume()
	state, err := writeState(sockets, memory, p.Keep)
	if err != nil {
		return err
	}
	defer state.Close()
	back, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(p.dir); err != nil {
		return err
	}
	defer os.Chdir(back)
	// Each would end the new program before it has a handler. What is ignored
	// stays so in the new program.
	for sig, ch := range p.signals {
		signal.Ignore(sig)
		defer signal.Notify(ch, sig)
	}
	keep := []int{int(state.Fd())}
	for _, s := range sockets {
		keep = append(keep, s.FD)
	}
	for _, f := range p.Keep {
		keep = append(keep, int(f.Fd()))
	}
	if memory != nil {
		defer memory.Close()
		keep = append(keep, int(memory.Fd()))
	}
	syscall.ForkLock.RLock() // no other child gets them
	defer syscall.ForkLock.RUnlock()
	defer closeOnExec(keep, true)
	if err := closeOnExec(keep, false); err != nil {
		return err
	}
	env := append(os.Environ(), stateEnv+"="+strconv.Itoa(keep[0]))
	return fmt.Errorf("executing %s: %w", p.program, syscall.Exec(p.program, os.Args, env))
}

// remember returns what Remember wrote, in memory, or nil: a new program that has
// to learn is better than none.
func (p *Process) remember() (memory *os.File, resume func()) {
	resume = func() {}
	if p.Remember == nil {
		return nil, resume
	}
	memory, err := memoryFile("memory")
	if err == nil {
		if resume, err = p.Remember(memory); err == nil {
			err = seal(memory)
		}
	}
	if err == nil {
		return memory, resume
	}
	p.log.Warn("the new program will not know the hosts that this one knows", "reason", err)
	if memory != nil {
		memory.Close()
	}
	return nil, resume
}

// leave puts the sockets into the service manager's store. The state is the
// first, the listener the second: the store may be too small for all.
func (p *Process) leave() {
	if p.ln == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handoverTime)
	defer cancel()
	err := p.ln.Handover(ctx, func(sockets []Socket) error {
		state, err := writeState(sockets, nil, nil)
		if err != nil {
			return err
		}
		defer state.Close()
		fds := []int{int(state.Fd())}
		for _, s := range sockets {
			fds = append(fds, s.FD)
		}
		for sent := 0; sent < len(fds); {
			batch := fds[sent:min(len(fds), sent+storeBatch)]
			err := p.manager.send("FDSTORE=1\nFDNAME="+storeName, batch...)
			switch {
			case err != nil && sent == 0:
				return err
			case err != nil:
				// What was sent is not this process's any more.
				p.log.Warn("the service manager took only a part of the clients, the others are disconnected", "reason", err)
				return nil
			}
			sent += len(batch)
		}
		return p.manager.barrier()
	})
	if err != nil {
		p.log.Warn("cannot hand the clients to the service manager, they are disconnected", "reason", err)
	}
}

// closeOnExec sets the flag of all of the descriptors.
func closeOnExec(fds []int, on bool) error {
	for _, fd := range fds {
		if err := setCloseOnExec(fd, on); err != nil {
			return fmt.Errorf("descriptor %d: %w", fd, err)
		}
	}
	return nil
}
