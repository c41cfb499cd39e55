package capture

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/packet"
)

const (
	ringBlock = 64 << 10 // bytes the kernel allocates at once
	ringBatch = 4096     // slots a Ready looks at
	idleWait  = time.Second
	awayWait  = 200 * time.Millisecond // between looks for an absent interface
)

// A Ring captures from network interfaces, through a packet socket and a ring
// of slots that it shares with the kernel. It needs CAP_NET_RAW to open, and
// nothing afterwards.
//
// The ring is a TPACKET_V2 ring, which hands over every frame by itself. A
// TPACKET_V3 ring hands over blocks: when they are full, or when a timer of at
// least a millisecond ends. A mail server asks microseconds after the
// handshake, so it would ask before the block is there. Measured on Linux 6.18
// over a veth, from send to delivery: V2 11-36 µs in the median and 41-149 µs
// at 99 %, V3 with a timer of 1 ms 530-565 µs and 1.0-2.2 ms, with blocks of
// 1 MiB and of 4 KiB alike. Both kept all of a flood of 300,000 to 450,000
// frames a second; V2 kept 800,000 from two senders.
//
// The kernel wakes a Read, or a Wait, for each frame. It is cheaper to Wait, to
// leave the ring alone for a moment, and to fetch with Ready all that has come
// meanwhile; what is asked for before that is fetched when it is asked for.
//
// An interface that goes down or is removed is no error: Read waits, and takes
// it up again when it is back under the same name.
//
// Safe for concurrent use, except that only one goroutine may Read or Wait, and
// only one may Read or call Ready.
type Ring struct {
	cfg    Config
	link   packet.LinkType
	group  *group // of rings that share the frames; nil: it has all
	poll   [2]unix.PollFd
	away   atomic.Bool // the interface is down or gone
	looked time.Time   // for it, the last time
	stats  struct{ frames, drops atomic.Uint64 }

	// handing is held while frames are handed over, and guards what they lie in.
	handing sync.RWMutex
	mem     []byte // slots of cfg.SlotBytes each
	slots   int
	next    int // the slot the kernel fills, or has filled, next
	frame   Frame

	mu     sync.Mutex      // guards the rest; locked after handing
	fd     int             // the packet socket; -1 when released
	wake   int             // an eventfd that ends a wait
	done   <-chan struct{} // of the context that is watched
	stop   func() bool     // ends that watch
	users  int             // calls that use all this
	closed bool            // it is given back when no call uses it
}

// OpenRing opens a ring on the interface. From its first frame on, only those
// that pass the filter get in. An error wraps ErrNoInterface or
// fs.ErrPermission where that is the reason.
func OpenRing(cfg Config) (*Ring, error) { return openRing(cfg, nil) }

func openRing(cfg Config, g *group) (*Ring, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	index, link, err := findDevice(cfg.Interface)
	if err != nil {
		return nil, err
	}
	r := &Ring{cfg: cfg, link: link, group: g, fd: -1, wake: -1}
	if err := r.open(index); err != nil {
		r.Close()
		return nil, err
	}
	if cfg.Promiscuous && cfg.Interface == Any {
		cfg.Log.Warn("promiscuous mode has no effect on all interfaces at once", "interface", Any)
	}
	return r, nil
}

// RingLink returns the link type of the frames of an interface: Ethernet or raw
// IP. It is what a filter must be compiled for.
func RingLink(name string) (packet.LinkType, error) {
	_, link, err := findDevice(cmp.Or(name, Any))
	return link, err
}

// open makes the socket. The order matters: a socket of protocol 0 gets no
// frames, so that none slips in before the filter and the ring are there.
func (r *Ring) open(index int) (err error) {
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		r.wake = -1
		return fmt.Errorf("capture: %w", err)
	}
	return r.openSocket(index)
}

func (r *Ring) openSocket(index int) (err error) {
	typ := unix.SOCK_RAW
	if r.link == packet.LinkRaw {
		typ = unix.SOCK_DGRAM
	}
	if r.fd, err = unix.Socket(unix.AF_PACKET, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		r.fd = -1
		return socketError(r.cfg.Interface, err)
	}
	if err := r.attach(); err != nil {
		return fmt.Errorf("capture: attaching the filter on %s: %w", r.cfg.Interface, err)
	}
	if err := r.mapRing(); err != nil {
		return fmt.Errorf("capture: a ring of %d bytes on %s: %w", r.cfg.RingBytes, r.cfg.Interface, err)
	}
	if err := r.bind(index); err != nil {
		return err
	}
	return r.join(index)
}

// attach gives the kernel the filter.
func (r *Ring) attach() error {
	if len(r.cfg.Filter) == 0 {
		return nil
	}
	return unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, sockFprog(r.cfg.Filter))
}

func sockFprog(program []bpf.RawInstruction) *unix.SockFprog {
	prog := make([]unix.SockFilter, len(program))
	for i, ins := range program {
		prog[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	return &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
}

// mapRing has the kernel make the ring. Slots lie one after the other through
// all blocks, since both are powers of two.
func (r *Ring) mapRing() error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return err
	}
	block := max(ringBlock, r.cfg.SlotBytes)
	size := max(r.cfg.RingBytes, block)
	r.slots = size / r.cfg.SlotBytes
	req := unix.TpacketReq{
		Block_size: uint32(block),
		Block_nr:   uint32(size / block),
		Frame_size: uint32(r.cfg.SlotBytes),
		Frame_nr:   uint32(r.slots),
	}
	err := unix.SetsockoptTpacketReq(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req)
	if err != nil {
		return err
	}
	r.mem, err = unix.Mmap(r.fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return err
}

// Link is the link type of the ring's frames.
func (r *Ring) Link() packet.LinkType { return r.link }

// Read hands over up to 4096 frames; see Source.
func (r *Ring) Read(ctx context.Context, fn func(*Frame)) error {
	if err := r.Wait(ctx); err != nil {
		return err
	}
	_, err := r.Ready(fn)
	return err
}

// Wait waits until there are frames, or for a second. Its errors are those of Read.
func (r *Ring) Wait(ctx context.Context) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	r.watch(ctx)
	return r.wait()
}

// Ready hands over up to 4096 of the frames that are there, without waiting, and
// returns how many. Another goroutine may Wait meanwhile.
func (r *Ring) Ready(fn func(*Frame)) (frames int, err error) {
	if err := r.enter(); err != nil {
		return 0, err
	}
	defer r.leave()
	r.handing.Lock()
	defer r.handing.Unlock()
	return r.deliver(fn), nil
}

// Empty reports whether Ready would hand over nothing. It waits for no other call, and
// costs much less than Ready. While frames are handed over it returns false.
func (r *Ring) Empty() bool {
	if !r.handing.TryRLock() {
		return false // frames are being handed over
	}
	defer r.handing.RUnlock()
	return r.mem == nil || atomic.LoadUint32(&header(r.slot()).Status)&unix.TP_STATUS_USER == 0
}

// slot is the one the kernel fills, or has filled, next.
func (r *Ring) slot() []byte { return r.mem[r.next*r.cfg.SlotBytes:][:r.cfg.SlotBytes] }

func header(slot []byte) *unix.Tpacket2Hdr { return (*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0])) }

// enter begins a call that uses the socket and the ring.
func (r *Ring) enter() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	r.users++
	return nil
}

// leave ends it.
func (r *Ring) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users--; r.closed && r.users == 0 {
		r.release()
	}
}

// deliver hands over the frames that are ready, and returns how many. Each slot
// goes back to the kernel as soon as fn is done with it.
func (r *Ring) deliver(fn func(*Frame)) (frames int) {
	for range ringBatch {
		slot := r.slot()
		h := header(slot)
		status := atomic.LoadUint32(&h.Status)
		if status&unix.TP_STATUS_USER == 0 {
			break
		}
		if r.fill(slot, h, status) {
			frames++
			fn(&r.frame)
		}
		atomic.StoreUint32(&h.Status, unix.TP_STATUS_KERNEL)
		if r.next++; r.next == r.slots {
			r.next = 0
		}
	}
	r.stats.frames.Add(uint64(frames))
	return frames
}

// fill describes the frame in a slot, and reports whether it is wanted.
func (r *Ring) fill(slot []byte, h *unix.Tpacket2Hdr, status uint32) bool {
	// The kernel puts the address behind the header, TPACKET_ALIGNed.
	from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&slot[unix.SizeofTpacket2Hdr]))
	// What is sent over loopback arrives there, too: once is enough.
	if from.Pkttype == unix.PACKET_OUTGOING && from.Hatype == unix.ARPHRD_LOOPBACK {
		return false
	}
	start := int(h.Net)
	if r.link == packet.LinkRaw {
		// Without a link header nothing in the frame says what it is.
		if from.Protocol != bigEndian(unix.ETH_P_IP) && from.Protocol != bigEndian(unix.ETH_P_IPV6) {
			return false
		}
	} else {
		start = int(h.Mac)
	}
	end := start + int(h.Snaplen)
	if start > len(slot) || end > len(slot) {
		return false // the kernel never does this
	}
	f := &r.frame
	f.Time = int64(h.Sec)*1e6 + int64(h.Nsec)/1e3
	f.Data = slot[start:end:end]
	f.WireLen = int(h.Len)
	f.Link = r.link
	f.Tagged = status&unix.TP_STATUS_VLAN_VALID != 0
	f.VLAN = 0
	if f.Tagged {
		f.VLAN = h.Vlan_tci
	}
	return true
}

// wait sleeps until the ring has frames, it is woken or nothing came for long.
func (r *Ring) wait() error {
	timeout := unix.NsecToTimespec(int64(idleWait))
	if r.away.Load() {
		timeout = unix.NsecToTimespec(int64(awayWait))
	}
	r.poll[0] = unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN}
	r.poll[1] = unix.PollFd{Fd: int32(r.wake), Events: unix.POLLIN}
	_, err := unix.Ppoll(r.poll[:], &timeout, nil)
	switch {
	case err == unix.EINTR:
		return nil
	case err != nil:
		return fmt.Errorf("capture: waiting for %s: %w", r.cfg.Interface, err)
	case r.away.Load() && (r.poll[0].Revents == unix.POLLIN || time.Since(r.looked) >= awayWait):
		return r.look()
	}
	if r.poll[1].Revents != 0 {
		var count [8]byte
		unix.Read(r.wake, count[:])
	}
	if r.poll[0].Revents&unix.POLLERR != 0 {
		return r.fault()
	}
	return nil
}

// watch has the end of ctx wake a Wait. A caller that comes back with the same
// ctx is free.
func (r *Ring) watch(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == ctx.Done() {
		return
	}
	if r.stop != nil {
		r.stop()
	}
	r.done, r.stop = ctx.Done(), context.AfterFunc(ctx, r.interrupt)
}

// interrupt wakes the Wait that sleeps.
func (r *Ring) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signal()
}

func (r *Ring) signal() {
	if r.wake >= 0 {
		unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 1}) // not zero in either byte order
	}
}

// Stats counts the frames so far. It may be called at any time, also after
// Close.
func (r *Ring) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addDrops()
	return Stats{Frames: r.stats.frames.Load(), Drops: r.stats.drops.Load(), Away: r.away.Load()}
}

// addDrops fetches the kernel's count, which restarts each time.
func (r *Ring) addDrops() {
	if r.fd < 0 {
		return
	}
	if st, err := unix.GetsockoptTpacketStats(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		r.stats.drops.Add(uint64(st.Drops))
	}
}

// Close ends the capture; see Source. The ring is given back when the calls that
// use it have returned.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.signal()
	if r.users == 0 {
		r.release()
	}
	return nil
}

// release gives everything back.
func (r *Ring) release() {
	r.addDrops()
	if r.stop != nil {
		r.stop()
	}
	r.handing.Lock() // no call uses the ring, and so none waits for mu with it, but Empty looks
	if r.mem != nil {
		unix.Munmap(r.mem)
	}
	r.mem = nil
	r.handing.Unlock()
	for _, fd := range []int{r.fd, r.wake} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	r.fd, r.wake, r.done, r.stop = -1, -1, nil, nil
}
