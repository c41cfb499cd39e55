package daemon

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/proc"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/signature"
)

// heldEnv has the sockets that the running sensor holds, a line each, where it
// has its configuration checked before it executes itself again.
const heldEnv = "MXPRINT_HELD"

// held is the environment for a program that checks the configuration while
// this one runs.
func held(c *config.Config) []string {
	var lines []string
	for _, l := range c.Listeners() {
		lines = append(lines, l.Network+" "+l.Addr)
	}
	lines = append(lines, "source "+c.Sensor.Source)
	return []string{heldEnv + "=" + strings.Join(lines, "\n")}
}

// heldByOurs is held, of what can be seen of the sensor that runs.
func heldByOurs(c *config.Config) []string {
	t, lines := newTrial(), []string{}
	for _, l := range c.Listeners() {
		if ok, _ := t.ours(l.Network, l.Addr); ok {
			lines = append(lines, l.Network+" "+l.Addr)
		}
	}
	return []string{heldEnv + "=" + strings.Join(lines, "\n")}
}

// trial is what Try needs to know of the sensor that runs meanwhile.
type trial struct {
	held   []config.Listener
	source string // of the sensor that runs
}

func newTrial() *trial {
	t := &trial{}
	for line := range strings.SplitSeq(os.Getenv(heldEnv), "\n") {
		network, addr, ok := strings.Cut(line, " ")
		if network == "source" {
			t.source = addr
		} else if ok {
			t.held = append(t.held, config.Listener{Network: network, Addr: addr})
		}
	}
	return t
}

// ours reports whether an address is in use by the sensor that runs, which makes
// room for the next one, and else by which process, if that can be seen.
func (t *trial) ours(network, addr string) (ok bool, by string) {
	if slices.ContainsFunc(t.held, func(l config.Listener) bool { return l.Overlaps(config.Listener{Network: network, Addr: addr}) }) {
		return true, ""
	}
	_, pid, name := holder(network, addr)
	switch {
	case pid == 0 && os.Geteuid() != 0:
		return false, " (root can see by which process)"
	case pid == 0:
		return false, ""
	}
	return name == "mxprint" || name == "p0f" && isSelf(pid) || name == "systemd", fmt.Sprintf(" by %s, process %d", name, pid)
}

// isSelf reports whether a process runs this program, and not another of its name, as p0f.
func isSelf(pid int) bool {
	other, err := buildinfo.ReadFile(fmt.Sprintf("/proc/%d/exe", pid))
	own, ok := debug.ReadBuildInfo()
	return err == nil && ok && other.Main.Path == own.Main.Path
}

// holder reports whether a socket listens on an address, and the process that
// has it, with its name; 0 where that is not to be seen.
func holder(network, addr string) (listens bool, pid int, name string) {
	want, inodes := config.Listener{Network: network, Addr: addr}, make(map[string]bool)
	for _, s := range proc.Sockets(network) {
		if want.Overlaps(config.Listener{Network: network, Addr: s.Addr}) {
			inodes[s.Inode] = true
		}
	}
	if len(inodes) > 0 {
		pid, name = proc.Holder(inodes)
	}
	return len(inodes) > 0, pid, name
}

// busy is what an error of listening means: that the running sensor listens
// there is no fault.
func (t *trial) busy(err error, network, addr string) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	ok, by := t.ours(network, addr)
	if ok {
		return nil
	}
	return fmt.Errorf("%w%s", err, by)
}

// socket tries whether a unix socket can be made.
func (t *trial) socket(path string) error {
	folder := filepath.Dir(path)
	made, err := makeAll(folder)
	defer removeAll(made)
	if err != nil {
		return fmt.Errorf("cannot make the folder of %s: %w", path, err)
	}
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case st.Mode().Type() != fs.ModeSocket: // has the words for it
		_, err := serve.ListenUnix(path, 0)
		return err
	default:
		if ok, by := t.ours("unix", path); !ok && t.listens(path) {
			return fmt.Errorf("%s: %w%s", path, serve.ErrInUse, by)
		}
	}
	// A name as long as that of the socket, for that is bounded.
	name := strconv.Itoa(os.Getpid())
	name = "." + name + strings.Repeat("-", max(0, len(filepath.Base(path))-1-len(name)))
	ln, err := net.Listen("unix", filepath.Join(folder, name))
	if err != nil {
		if err = serve.Cause(err); len(t.held) == 0 { // in a sandbox it is not the mode of the folder
			err = serve.Denied(err, path)
		}
		return fmt.Errorf("cannot make a socket in %s: %w", folder, err)
	}
	return ln.Close()
}

// listens reports whether a process listens on a socket. Asking the socket would
// start a service that systemd starts for its first client.
func (t *trial) listens(path string) bool {
	listens, _, _ := holder("unix", path)
	if listens || len(t.held) == 0 {
		return listens
	}
	nc, err := net.Dial("unix", path) // in the sandbox of the running sensor there is no /proc
	if err != nil {
		return false
	}
	nc.Close()
	return true
}

// makeAll makes a folder, and returns the folders that were made for it, the
// innermost first. A symbolic link that leads nowhere is not made.
func makeAll(folder string) (made []string, err error) {
	for dir := folder; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		made = append(made, dir)
	}
	return made, os.MkdirAll(folder, 0o755)
}

func removeAll(made []string) {
	for _, dir := range made {
		os.Remove(dir)
	}
}

// tryAppend tries whether a log can be written, which may be open in the running
// sensor.
func tryAppend(path string) error {
	_, err := os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	f, err := appendable(path)
	if err != nil {
		return err
	}
	f.Close()
	if isNew { // it would belong to the user that checks
		return os.Remove(path)
	}
	return nil
}

// tryReplace tries whether a file can be replaced, and read if it is there.
func tryReplace(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	f.Close()
	os.Remove(f.Name())
	if f, err = signature.OpenFile(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return f.Close()
}
