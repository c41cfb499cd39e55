package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/p0f"
)

// The clients of p0f's socket outlive the process in two ways. At SIGUSR2 it
// executes the program anew, which may be another version by then: same process
// number, same descriptors. At its end under systemd it leaves them in the
// service manager's store (sd_notify(3), FDSTORE=1), and the next process gets
// them from there (sd_listen_fds(3)). What was seen on the network is lost in
// both.
const (
	handoverEnv  = "MXPRINT_HANDOVER" // the descriptor of the state
	storeName    = "mxprint"          // of descriptors in the store
	checkTime    = 20 * time.Second   // for the new program to look at its configuration
	handoverTime = 5 * time.Second
	storeTime    = 2 * time.Second // for the service manager to take a message
	storeBatch   = 200             // descriptors in one message; the kernel takes 253
)

// errInherit means that what an earlier process left is not in order.
var errInherit = errors.New("taking over from an earlier process")

// handover keeps the clients of one server.
type handover struct {
	server  *p0f.Server
	log     *slog.Logger
	program string                      // what to execute; an absolute path
	dir     string                      // where its arguments' paths begin
	check   func(context.Context) error // whether the new program would start
	cannot  string                      // why there is no executing, if so
	usr2    chan os.Signal              // gets SIGUSR2
	hup     chan os.Signal              // gets SIGHUP; nil for none
	save    func()                      // what to do before the new program takes over; nil for nothing
	manager *manager                    // nil for none
}

// newHandover is called first of all: before directories and privileges
// change.
func newHandover(log *slog.Logger) *handover {
	h := &handover{log: log, usr2: make(chan os.Signal, 1)}
	signal.Notify(h.usr2, syscall.SIGUSR2) // it would end the process
	var err error
	if h.dir, err = os.Getwd(); err == nil {
		h.program, err = programPath()
	}
	if err != nil {
		h.cannot = err.Error()
	}
	if h.manager, err = dialManager(); err != nil {
		log.Warn("cannot reach the service manager", "reason", err)
	}
	return h
}

// programPath is the path under which the program was started, which a new
// version may replace, or else the path of the very file.
func programPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	named, err := exec.LookPath(os.Args[0])
	if err != nil {
		return self, nil
	}
	if named, err = filepath.Abs(named); err != nil {
		return self, nil
	}
	a, err := os.Stat(named)
	b, err2 := os.Stat(self)
	if err != nil || err2 != nil || !os.SameFile(a, b) {
		return self, nil
	}
	return named, nil
}

// asks makes the check: it runs a command of the new program, which shall
// succeed.
func (h *handover) asks(args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, h.program, args...)
		cmd.Args[0] = "mxprint"
		cmd.Dir = h.dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w: %s", h.program, strings.Join(args, " "), err, firstLine(out))
		}
		return nil
	}
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line[:min(len(line), 500)]
}

// serve serves ln until ctx ends, and then leaves the clients to the service
// manager, if there is one.
func (h *handover) serve(ctx context.Context, ln net.Listener) error {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if h.manager != nil {
			h.leave()
		}
		cancel()
	})()
	return h.server.Serve(own, ln)
}

// watch executes the program anew at every SIGUSR2. If that fails, this process
// goes on.
func (h *handover) watch(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.usr2:
		}
		err := h.restart(ctx)
		h.log.Error("no restart, this process goes on", "reason", err)
	}
}

func (h *handover) restart(ctx context.Context) error {
	if h.cannot != "" {
		return errors.New(h.cannot)
	}
	if err := h.check(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	h.log.Info("restarting", "program", h.program)
	if h.save != nil {
		h.save()
	}
	return h.server.Handover(ctx, h.become)
}

// become executes the program. It returns only if that fails.
func (h *handover) become(sockets []p0f.Inherited) error {
	state, err := writeState(sockets)
	if err != nil {
		return err
	}
	defer state.Close()
	back, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(h.dir); err != nil {
		return err
	}
	defer os.Chdir(back)
	// Either would end the new program before it listens to it.
	signal.Ignore(syscall.SIGUSR2)
	defer signal.Notify(h.usr2, syscall.SIGUSR2)
	if h.hup != nil {
		signal.Ignore(syscall.SIGHUP)
		defer signal.Notify(h.hup, syscall.SIGHUP)
	}

	keep := []int{int(state.Fd())}
	for _, in := range sockets {
		keep = append(keep, in.FD)
	}
	syscall.ForkLock.RLock() // no other child gets them
	defer syscall.ForkLock.RUnlock()
	defer closeOnExec(keep, true)
	if err := closeOnExec(keep, false); err != nil {
		return err
	}
	env := append(os.Environ(), handoverEnv+"="+strconv.Itoa(keep[0]))
	return fmt.Errorf("executing %s: %w", h.program, syscall.Exec(h.program, os.Args, env))
}

// leave puts the sockets into the service manager's store. The state is the
// first, the listener the second: the store may be too small for all.
func (h *handover) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), handoverTime)
	defer cancel()
	err := h.server.Handover(ctx, func(sockets []p0f.Inherited) error {
		state, err := writeState(sockets)
		if err != nil {
			return err
		}
		defer state.Close()
		fds := []int{int(state.Fd())}
		for _, in := range sockets {
			fds = append(fds, in.FD)
		}
		for sent := 0; sent < len(fds); {
			batch := fds[sent:min(len(fds), sent+storeBatch)]
			err := h.manager.send("FDSTORE=1\nFDNAME="+storeName, batch...)
			switch {
			case err != nil && sent == 0:
				return err
			case err != nil:
				// What was sent is not this process's any more.
				h.log.Warn("the service manager does not take all clients", "reason", err)
				return nil
			}
			sent += len(batch)
		}
		return h.manager.barrier()
	})
	if err != nil {
		h.log.Warn("clients are not left to the service manager", "reason", err)
	}
}

// inheritance is what an earlier process left.
type inheritance struct {
	sockets []p0f.Inherited
	resumed bool // it executed this one
}

// inherit takes it, and removes from the environment what told of it. An error
// wraps errInherit.
func (h *handover) inherit() (in inheritance, err error) {
	text := os.Getenv(handoverEnv)
	os.Unsetenv(handoverEnv)
	if text != "" {
		fd, err := strconv.Atoi(text)
		if err != nil || fd <= 2 {
			return in, fmt.Errorf("%w: %s is %q, want a descriptor", errInherit, handoverEnv, text)
		}
		in.resumed = true
		in.sockets, err = readState(fd)
		return in, err
	}
	in.sockets, err = stored()
	if len(in.sockets) > 0 || err != nil {
		// What is in the store does not end when this process closes it.
		if h.manager != nil {
			err = errors.Join(err, h.manager.send("FDSTOREREMOVE=1\nFDNAME="+storeName))
		}
	}
	return in, err
}

// stored returns the sockets that the service manager kept, and those it made
// for us (socket activation).
func stored() ([]p0f.Inherited, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxInherited {
		return nil, fmt.Errorf("%w: LISTEN_FDS is %q", errInherit, count)
	}
	name := strings.Split(names, ":")
	if names == "" {
		name = make([]string, n) // systemd-socket-activate gives no names
	}
	if len(name) != n {
		return nil, fmt.Errorf("%w: LISTEN_FDS is %d, and LISTEN_FDNAMES has %d names", errInherit, n, len(name))
	}
	const firstFD = 3
	byInode := make(map[uint64]int, n)
	var given []p0f.Inherited
	state := -1
	for i := range n {
		fd := firstFD + i
		syscall.CloseOnExec(fd)
		var st syscall.Stat_t
		if name[i] != storeName {
			in, err := p0f.Activated(fd)
			if err != nil {
				return nil, fmt.Errorf("%w (a socket unit wants ListenStream= with the path of the p0f socket)", err)
			}
			given = append(given, in)
			continue
		}
		if syscall.Fstat(fd, &st) != nil {
			continue
		}
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFSOCK:
			byInode[uint64(st.Ino)] = fd
		case syscall.S_IFREG:
			state = fd
		}
	}
	if state < 0 {
		for _, fd := range byInode {
			syscall.Close(fd) // nobody knows what was read from it
		}
		return given, nil
	}
	kept, err := matchStored(state, byInode)
	return append(kept, given...), err
}

// matchStored finds the descriptors of the sockets in the state. Those the
// manager did not keep, because their client has gone or there were too many,
// are left out; one that the state does not know is closed.
func matchStored(state int, byInode map[uint64]int) ([]p0f.Inherited, error) {
	all, err := readState(state)
	if err != nil {
		return nil, err
	}
	var kept []p0f.Inherited
	for _, in := range all {
		if fd, ok := byInode[in.Socket]; ok {
			in.FD = fd
			kept = append(kept, in)
			delete(byInode, in.Socket)
		}
	}
	for _, fd := range byInode {
		syscall.Close(fd)
	}
	return kept, nil
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
