package capture

import (
	"fmt"
	"sync"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// group is rings that share the frames of an interface.
type group struct {
	fanout Fanout

	mu    sync.Mutex
	index int // of the interface
	id    int // the kernel's, for this interface; below zero before the first ring has joined
}

// OpenRings opens n rings on one interface, which share its frames as a Fanout
// says (PACKET_FANOUT of packet(7)): one for each worker.
func OpenRings(cfg Config, n int, f Fanout) ([]*Ring, error) {
	g := &group{fanout: f, id: -1}
	var rings []*Ring
	for range n {
		r, err := openRing(cfg, g)
		if err != nil {
			for _, r := range rings {
				r.Close()
			}
			return nil, err
		}
		rings = append(rings, r)
	}
	return rings, nil
}

// join makes the socket one of its group. The kernel's groups belong to an
// interface: for one that was recreated there must be a new one.
func (r *Ring) join(index int) error {
	g := r.group
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.index != index {
		g.index, g.id = index, -1
	}
	arg := unix.PACKET_FANOUT_CBPF<<16 | max(g.id, 0)
	if g.id < 0 {
		arg |= unix.PACKET_FANOUT_FLAG_UNIQUEID << 16
	}
	err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, arg)
	if err == nil && g.id < 0 {
		var all int
		all, err = unix.GetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
		g.id = all & 0xffff
	}
	var program []bpf.RawInstruction
	if err == nil {
		program, err = bpf.Assemble(g.fanout.program())
	}
	if err == nil {
		err = unix.SetsockoptSockFprog(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, sockFprog(program))
	}
	if err != nil {
		return fmt.Errorf("capture: sharing %s among workers: %w", r.cfg.Interface, err)
	}
	return nil
}

// rebind takes up an interface that was recreated. The kernel binds no socket
// of a group a second time, so that another takes its place, with its ring.
func (r *Ring) rebind(index int) error {
	if r.group == nil {
		return r.bind(index)
	}
	r.handing.Lock()
	defer r.handing.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addDrops()
	fd, mem := r.fd, r.mem
	r.mem = nil
	err := r.openSocket(index)
	if err != nil {
		fd, mem, r.fd, r.mem = r.fd, r.mem, fd, mem // stays as it was
	} else {
		r.next = 0
	}
	if mem != nil {
		unix.Munmap(mem)
	}
	if fd >= 0 {
		unix.Close(fd)
	}
	return err
}
