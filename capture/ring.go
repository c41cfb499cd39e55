package capture

import (
	"cmp"
	"fmt"
	"log/slog"
	"math/bits"

	"golang.org/x/net/bpf"
)

// Any is the name of all interfaces together.
const Any = "any"

const (
	defaultRing = 16 << 20 // bytes
	defaultSlot = 256      // bytes
	minSlot     = 256      // link, IP and TCP headers at their longest: 134 bytes
	maxSlot     = 128 << 10
	minRing     = 64 << 10
	maxRing     = 1 << 30
	maxProgram  = 4096 // instructions; the kernel's BPF_MAXINSNS
)

// Config says what a Ring captures. The zero value captures whole headers of
// everything on all interfaces.
type Config struct {
	// Interface is a name, or Any. Empty means Any. Only Linux has Any.
	//
	// Any delivers IP packets without their link header (LINKTYPE_RAW), and so
	// does an interface that is neither Ethernet nor loopback (tun, ppp,
	// WireGuard): RingLink returns which.
	Interface string

	// Filter is a classic BPF program for the link type that RingLink returns.
	// The kernel runs it before it copies. Empty means all frames. An
	// 802.1Q tag has been taken out before the program sees the frame.
	Filter []bpf.RawInstruction

	// Promiscuous takes frames for other machines, too. It has no effect on
	// Any.
	Promiscuous bool

	// RingBytes is the size of the ring, 16 MiB when zero, rounded up to a
	// power of two. At 256 bytes a slot, 16 MiB hold 65,536 frames: a tenth
	// of a second at 600,000 frames a second. An engine may leave frames there
	// for 20 ms.
	RingBytes int

	// SlotBytes is the size of the place for one frame, 256 when zero,
	// rounded up to a power of two. The kernel uses 66 to 80 bytes of it; a
	// longer frame is cut to the rest, and its WireLen shows it. 256 hold the
	// longest headers; for payload, ask for more.
	SlotBytes int

	// Log gets a line when the interface goes away or comes back. Nil
	// discards it.
	Log *slog.Logger
}

// withDefaults fills in what is zero and refuses what cannot be.
func (c Config) withDefaults() (Config, error) {
	c.Interface = cmp.Or(c.Interface, Any)
	c.RingBytes = cmp.Or(c.RingBytes, defaultRing)
	c.SlotBytes = cmp.Or(c.SlotBytes, defaultSlot)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	switch {
	case c.RingBytes < minRing || c.RingBytes > maxRing:
		return c, fmt.Errorf("capture: ring of %d bytes: want %d to %d", c.RingBytes, minRing, maxRing)
	case c.SlotBytes < minSlot || c.SlotBytes > maxSlot:
		return c, fmt.Errorf("capture: slots of %d bytes: want %d to %d", c.SlotBytes, minSlot, maxSlot)
	case len(c.Filter) > maxProgram:
		return c, fmt.Errorf("capture: filter of %d instructions: the kernel takes %d", len(c.Filter), maxProgram)
	}
	c.SlotBytes = powerOfTwo(c.SlotBytes)
	c.RingBytes = max(powerOfTwo(c.RingBytes), 2*c.SlotBytes)
	return c, nil
}

// Live is true.
func (*Ring) Live() bool { return true }

// powerOfTwo rounds up, so that slots fill blocks, and blocks the ring.
func powerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }
