package sockops

import (
	"bytes"
	"context"
	_ "embed" // program.o
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/packet"
)

//go:embed program.o
var program []byte

const (
	idleWait  = time.Second
	readBatch = 1024             // connections a Read hands over
	lossEvery = 10 * time.Second // between looks for losses
)

// A Source hands over the SYN of each connection to the ports it looks at, as
// raw IP packets cut behind the TCP header. It is a capture.Source.
//
// What it has put into the kernel goes when it is closed: the program is
// detached, and the listeners of its network namespace no longer keep SYNs.
// If the process is killed, the kernel detaches the program, but the listeners
// go on saving SYNs that no program reads.
//
// Safe for concurrent use, except that only one goroutine may Read.
type Source struct {
	cfg    Config
	watch  *ebpf.Collection
	link   *link.RawLink
	disarm io.ReadCloser // nil: the iterator could not be had
	ring   *ringbuf.Reader
	record ringbuf.Record
	frame  capture.Frame
	looked time.Time
	warned Stats // what was logged
	closed atomic.Bool
	stats  struct{ connections, missed, lost, foreign atomic.Uint64 }
}

// Open attaches the program, and arms the listeners that are there. Call it in
// the network namespace of the mail servers. An error wraps ErrCgroup or
// fs.ErrPermission where that is the reason.
//
// Where listeners that are there cannot be armed, the log says so, and Open
// succeeds.
func Open(cfg Config) (*Source, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.Cgroup, err = FindCgroup(cfg.Cgroup); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, frame: capture.Frame{Link: packet.LinkRaw}, looked: time.Now()}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// open goes about it in an order that leaves no gap: a listener is there before
// the program is attached, and the iterator finds it, or the program does.
func (s *Source) open() error {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("sockops: %w", err)
	}
	if s.cfg.ringBytes != 0 {
		spec.Maps["handovers"].MaxEntries = s.cfg.ringBytes
	}
	watch := only(spec, "watch")
	if !s.cfg.AnyNetNS {
		cookie, err := netNSCookie()
		if err != nil {
			return err
		}
		if err := watch.Variables["netns"].Set(cookie); err != nil {
			return fmt.Errorf("sockops: %w", err)
		}
	}
	if s.watch, err = ebpf.NewCollection(watch); err != nil {
		return privilege("loading the program", err, unix.CAP_BPF, unix.CAP_NET_ADMIN)
	}
	for _, port := range s.cfg.Ports {
		if err := s.watch.Maps["ports"].Put(uint32(port), uint8(1)); err != nil {
			return fmt.Errorf("sockops: port %d: %w", port, err)
		}
	}
	if s.ring, err = ringbuf.NewReader(s.watch.Maps["handovers"]); err != nil {
		return fmt.Errorf("sockops: %w", err)
	}
	if err := s.attach(); err != nil {
		return err
	}
	if err := s.armListeners(spec); err != nil {
		s.cfg.Log.Warn("mail servers that run already are not watched until they are restarted",
			"reason", privilege("looking for listeners", err, unix.CAP_PERFMON))
	}
	return nil
}

// netNSCookie is the number by which the kernel knows the network namespace of
// the thread.
func netNSCookie() (uint64, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("sockops: socket: %w", err)
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0, fmt.Errorf("sockops: this kernel cannot distinguish network namespaces (Linux 5.15 can): name the mail server's cgroup: %w", err)
	}
	return cookie, nil
}

// only is a copy of a specification with some of its programs.
func only(spec *ebpf.CollectionSpec, names ...string) *ebpf.CollectionSpec {
	part := spec.Copy()
	clear(part.Programs)
	for _, name := range names {
		part.Programs[name] = spec.Programs[name].Copy()
	}
	return part
}

// attach puts the program to work, by a link: the kernel detaches it when the
// process ends, however that ends. (link.AttachCgroup would do without a link
// on kernels older than 5.7.)
func (s *Source) attach() error {
	cgroup, err := os.Open(s.cfg.Cgroup)
	if err != nil {
		return fmt.Errorf("sockops: %w", err)
	}
	defer cgroup.Close()
	s.link, err = link.AttachRawLink(link.RawLinkOptions{
		Target: int(cgroup.Fd()), Program: s.watch.Programs["watch"], Attach: ebpf.AttachCGroupSockOps,
	})
	if err != nil {
		return privilege("attaching to "+s.cfg.Cgroup, err, unix.CAP_NET_ADMIN)
	}
	return nil
}

// armListeners runs the iterator that arms, and opens the one that disarms: it
// must need no privilege at the end, when there may be none left.
func (s *Source) armListeners(spec *ebpf.CollectionSpec) error {
	id, err := cgroupID(s.cfg.Cgroup)
	if err != nil {
		return err
	}
	part := only(spec, "arm", "disarm")
	if err := part.Variables["cgroup_id"].Set(id); err != nil {
		return err
	}
	iterators, err := ebpf.NewCollectionWithOptions(part, ebpf.CollectionOptions{
		MapReplacements: map[string]*ebpf.Map{"ports": s.watch.Maps["ports"], "armed": s.watch.Maps["armed"]},
	})
	if err != nil {
		return err
	}
	defer iterators.Close()
	arm, err := iterate(iterators.Programs["arm"])
	if err != nil {
		return err
	}
	defer arm.Close()
	if s.disarm, err = iterate(iterators.Programs["disarm"]); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, arm)
	return err
}

// iterate opens an iterator over the sockets of the thread's network
// namespace. It runs when it is read.
func iterate(p *ebpf.Program) (io.ReadCloser, error) {
	it, err := link.AttachIter(link.IterOptions{Program: p})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	return it.Open()
}

// Live is true: the kernel chooses, and cuts the frames behind their headers.
func (*Source) Live() bool { return true }

// Read implements capture.Source.
func (s *Source) Read(ctx context.Context, fn func(*capture.Frame)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { s.ring.Flush() }) // ends the waiting
	defer stop()
	defer s.logLosses()
	s.ring.SetDeadline(time.Now().Add(idleWait))
	for range readBatch {
		switch err := s.ring.ReadInto(&s.record); {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrFlushed):
			return ctx.Err()
		case errors.Is(err, ringbuf.ErrClosed):
			return capture.ErrClosed
		default:
			return fmt.Errorf("sockops: %w", err)
		}
		s.hand(fn)
		if s.record.Remaining == 0 {
			return nil
		}
	}
	return nil
}

// hand gives one connection to fn, or to Config.Missed.
func (s *Source) hand(fn func(*capture.Frame)) {
	h, ok := decodeHandover(s.record.RawSample)
	if !ok {
		return
	}
	s.stats.connections.Add(1)
	if h.syn == nil {
		s.stats.missed.Add(1)
		s.cfg.Missed(h.client, h.server)
		return
	}
	s.frame.Time = time.Now().UnixMicro()
	s.frame.Data, s.frame.WireLen = h.syn, wireLen(h.syn)
	fn(&s.frame)
}

// logLosses looks now and then for connections that were not handed over.
func (s *Source) logLosses() {
	if time.Since(s.looked) < lossEvery {
		return
	}
	s.looked = time.Now()
	now := s.Stats()
	if now.Lost > s.warned.Lost {
		s.cfg.Log.Warn("connections were lost: they came faster than they were read", "lost", now.Lost-s.warned.Lost)
	}
	if now.Foreign > 0 && s.warned.Foreign == 0 {
		s.cfg.Log.Warn("connections to the mail ports in other network namespaces are not taken; name the cgroup of the mail server if it is in a container",
			"connections", now.Foreign)
	}
	s.warned = now
}

// Stats returns the counts so far.
func (s *Source) Stats() Stats {
	if !s.closed.Load() {
		load(s.watch.Variables["lost"], &s.stats.lost)
		load(s.watch.Variables["foreign"], &s.stats.foreign)
	}
	return Stats{
		Connections: s.stats.connections.Load(), Missed: s.stats.missed.Load(),
		Lost: s.stats.lost.Load(), Foreign: s.stats.foreign.Load(),
	}
}

// load reads a counter of the kernel's part.
func load(from *ebpf.Variable, to *atomic.Uint64) {
	var n uint64
	if from.Get(&n) == nil {
		to.Store(n)
	}
}

// Close detaches the program, and disarms the listeners of its network
// namespace. It ends a Read that waits.
func (s *Source) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var errs []error
	if s.link != nil { // first: from now on nothing is armed
		errs = append(errs, s.link.Close())
	}
	if s.disarm != nil {
		_, err := io.Copy(io.Discard, s.disarm)
		errs = append(errs, err, s.disarm.Close())
	}
	if s.ring != nil {
		errs = append(errs, s.ring.Close())
	}
	if s.watch != nil {
		s.watch.Close()
	}
	return errors.Join(errs...)
}
