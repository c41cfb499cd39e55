//go:build darwin || freebsd || openbsd

package capture

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/mxprint/mxprint/packet"
)

const (
	haveAny = false

	bpfBuffer  = 256 << 10 // bytes; the kernel may make it less
	bpfDevices = 256       // macOS has one for each program that captures
	bpfWait    = 200 * time.Millisecond
)

// hostBPF is how this system lays out what it hands over.
var hostBPF = func() bpfLayout {
	var h syscall.BpfHdr
	return bpfLayout{
		sec:     int(unsafe.Offsetof(h.Tstamp) + unsafe.Offsetof(h.Tstamp.Sec)),
		usec:    int(unsafe.Offsetof(h.Tstamp) + unsafe.Offsetof(h.Tstamp.Usec)),
		secSize: int(unsafe.Sizeof(h.Tstamp.Sec)), usecSize: int(unsafe.Sizeof(h.Tstamp.Usec)),
		caplen: int(unsafe.Offsetof(h.Caplen)), datalen: int(unsafe.Offsetof(h.Datalen)), hdrlen: int(unsafe.Offsetof(h.Hdrlen)),
		align: syscall.BPF_ALIGNMENT,
	}
}()

// A Ring captures from a network interface through /dev/bpf (bpf(4)). It needs
// to read that device when it is opened, which root may, and no right
// afterwards. There is no interface that stands for all.
//
// The kernel fills a buffer and hands over what is in it as soon as a frame is
// there. An interface that goes down is no error; one that is removed ends the
// capture. RingBytes and SlotBytes of Config have no meaning here.
//
// It was built and its reading of the buffer tested; it has not run on any of
// these systems.
//
// Safe for concurrent use, except that only one goroutine may Read.
type Ring struct {
	cfg    Config
	link   packet.LinkType
	buf    []byte
	frame  Frame
	frames atomic.Uint64
	drops  atomic.Uint64
	away   atomic.Bool // the interface is down

	closed  atomic.Bool
	reading sync.Mutex // held by Read: the device is closed behind it, not under it

	mu sync.Mutex // guards fd
	fd int        // -1 when released
}

// OpenRing opens the interface. Its first frame is one that passes the filter.
// An error wraps ErrNoInterface or fs.ErrPermission where that is the reason.
func OpenRing(cfg Config) (*Ring, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	link, err := RingLink(cfg.Interface)
	if err != nil {
		return nil, err
	}
	r := &Ring{cfg: cfg, link: link, fd: -1}
	if r.fd, err = openBPF(); err != nil {
		return nil, err
	}
	if err := r.setUp(); err != nil {
		r.Close()
		return nil, fmt.Errorf("capture: %s: %w", cfg.Interface, err)
	}
	return r, nil
}

// OpenRings opens one: here the kernel does not spread frames over several.
func OpenRings(cfg Config, n int, _ Fanout) ([]*Ring, error) {
	if n != 1 {
		return nil, fmt.Errorf("capture: %d workers for an interface: %w on this system, only 1", n, errors.ErrUnsupported)
	}
	r, err := OpenRing(cfg)
	return []*Ring{r}, err
}

// RingLink returns the link type of the frames of an interface: Ethernet, or what
// the system writes for loopback and tunnels. It is what a filter must be
// compiled for.
func RingLink(name string) (packet.LinkType, error) {
	it, err := net.InterfaceByName(name)
	if err != nil {
		return 0, fmt.Errorf("capture: %w %q (there are: %s)", ErrNoInterface, name, interfaceNames())
	}
	if it.Flags&net.FlagLoopback == 0 && len(it.HardwareAddr) == 6 {
		return packet.LinkEthernet, nil
	}
	return bpfLoopback, nil
}

// openBPF opens an unused device.
func openBPF() (fd int, err error) {
	open := func(path string) bool {
		for {
			if fd, err = syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err != syscall.EINTR {
				return err == nil
			}
		}
	}
	if open("/dev/bpf") {
		return fd, nil
	}
	for i := 0; err == syscall.ENOENT || err == syscall.EBUSY; i++ {
		if i == bpfDevices || open("/dev/bpf"+strconv.Itoa(i)) {
			break
		}
		if err == syscall.ENOENT {
			break
		}
	}
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, fs.ErrPermission):
		return -1, fmt.Errorf("capture: opening /dev/bpf needs root, or the right to read it: %w", err)
	}
	return -1, fmt.Errorf("capture: opening /dev/bpf: %w", err)
}

// setUp joins the device to the interface. BIOCSETF throws away what came
// before it, so that no frame slips past the filter.
func (r *Ring) setUp() error {
	size, err := syscall.SetBpfBuflen(r.fd, bpfBuffer)
	if err != nil {
		return os.NewSyscallError("BIOCSBLEN", err)
	}
	r.buf = make([]byte, size)
	if err := syscall.SetBpfInterface(r.fd, r.cfg.Interface); err != nil {
		return os.NewSyscallError("BIOCSETIF", err)
	}
	if link, err := syscall.BpfDatalink(r.fd); err != nil {
		return os.NewSyscallError("BIOCGDLT", err)
	} else if linkOf(link) != r.link {
		return fmt.Errorf("its frames are of type %d (DLT), which is not read", link)
	}
	if len(r.cfg.Filter) > 0 {
		program := make([]syscall.BpfInsn, len(r.cfg.Filter))
		for i, ins := range r.cfg.Filter {
			program[i] = syscall.BpfInsn{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
		}
		if err := syscall.SetBpf(r.fd, program); err != nil {
			return os.NewSyscallError("BIOCSETF", err)
		}
	}
	if err := syscall.SetBpfImmediate(r.fd, 1); err != nil {
		return os.NewSyscallError("BIOCIMMEDIATE", err)
	}
	wait := syscall.NsecToTimeval(int64(bpfWait))
	if err := syscall.SetBpfTimeout(r.fd, &wait); err != nil {
		return os.NewSyscallError("BIOCSRTIMEOUT", err)
	}
	if r.cfg.Promiscuous {
		if err := syscall.SetBpfPromisc(r.fd, 1); err != nil {
			return os.NewSyscallError("BIOCPROMISC", err)
		}
	}
	return nil
}

// linkOf is the link type of a DLT of this system.
func linkOf(dlt int) packet.LinkType {
	switch dlt {
	case syscall.DLT_EN10MB:
		return packet.LinkEthernet
	case syscall.DLT_NULL:
		return packet.LinkNull
	case syscall.DLT_LOOP:
		return packet.LinkLoop
	}
	return ^packet.LinkType(0)
}

// Link is the link type of the ring's frames.
func (r *Ring) Link() packet.LinkType { return r.link }

// Read hands over what is in the kernel's buffer; see Source. It notices the
// end of ctx, and Close, after a fifth of a second at most.
func (r *Ring) Read(ctx context.Context, fn func(*Frame)) error {
	r.reading.Lock()
	defer r.release()
	defer r.reading.Unlock()
	if r.closed.Load() {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := syscall.Read(r.fd, r.buf)
	r.away.Store(err == syscall.ENETDOWN)
	switch {
	case err == syscall.EINTR || err == syscall.EAGAIN:
		return nil
	case err == syscall.ENETDOWN:
		r.cfg.Log.Warn("interface is down, waiting for it", "interface", r.cfg.Interface)
		time.Sleep(bpfWait)
		return nil
	case err != nil:
		return fmt.Errorf("capture: reading from %s: %w", r.cfg.Interface, err)
	}
	for rest, ok := r.buf[:max(n, 0)], true; ok; {
		var record bpfRecord
		if record, rest, ok = hostBPF.next(rest); ok {
			r.frame = Frame{Time: record.time, Data: record.data, WireLen: record.wire, Link: r.link}
			r.frames.Add(1)
			fn(&r.frame)
		}
	}
	return nil
}

// Stats counts the frames so far. It may be called at any time, also after
// Close.
func (r *Ring) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.countDrops()
	return Stats{Frames: r.frames.Load(), Drops: r.drops.Load(), Away: r.away.Load()}
}

// countDrops fetches the kernel's count.
func (r *Ring) countDrops() {
	if r.fd < 0 {
		return
	}
	if st, err := syscall.BpfStats(r.fd); err == nil {
		r.drops.Store(uint64(st.Drop))
	}
}

// Close ends the capture; see Source. The device is given back when the Read
// that runs has returned.
func (r *Ring) Close() error {
	r.closed.Store(true)
	r.release()
	return nil
}

// release gives the device back, once the ring is closed and not being read.
// The last of the two does it, the reader or Close.
func (r *Ring) release() {
	if !r.closed.Load() || !r.reading.TryLock() {
		return
	}
	defer r.reading.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.countDrops()
	if r.fd >= 0 {
		syscall.Close(r.fd)
	}
	r.fd = -1
}
