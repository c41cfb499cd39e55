// Package capture brings frames in: from capture files (File: pcap and pcapng)
// and from network interfaces (Ring: a Linux packet socket with a memory-mapped
// ring).
//
// Use it to feed package packet. Both sources hand a frame over where it lies,
// without a copy and without an allocation, and both say when they have nothing
// more to give for now. The package does not look inside frames: it compiles no
// filter (package filter does) and decodes nothing. Where the mail server is a
// Go program of your own, package savedsyn needs neither this nor a privilege.
//
// File implements the pcap and pcapng formats (draft-ietf-opsawg-pcap,
// draft-ietf-opsawg-pcapng); Ring implements packet(7) and the kernel's
// Documentation/networking/packet_mmap.rst, TPACKET_V2, and on FreeBSD, OpenBSD
// and macOS bpf(4).
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning. Source may gain no method: it can be implemented by anyone.
package capture

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/mxprint/mxprint/packet"
)

var (
	// ErrClosed is returned by Read after Close. It is os.ErrClosed.
	ErrClosed = os.ErrClosed
	// ErrFormat says that a file is neither pcap nor pcapng.
	ErrFormat = errors.New("not a pcap or pcapng file")
	// ErrNoInterface says that the system has no interface of that name.
	ErrNoInterface = errors.New("no interface")
)

// A Frame is one captured frame. It belongs to the source: neither it nor Data
// may be used after the function it was handed to has returned.
type Frame struct {
	Time    int64           // microseconds since 1970, truncated; 0 = not recorded
	Data    []byte          // what was captured, from the start of the link header
	WireLen int             // bytes on the wire; more, and seldom less, than len(Data)
	Link    packet.LinkType // of this frame: a pcapng may mix them

	// VLAN is the tag control word of an 802.1Q tag that the kernel took out
	// of the frame; Data then has no tag. Valid iff Tagged. Tags in capture
	// files stay in Data.
	VLAN   uint16
	Tagged bool
}

// AppendTagged appends the frame with the tag that the kernel took out of it. The
// frame must be Tagged, and of Ethernet.
func (f *Frame) AppendTagged(dst []byte) []byte {
	const tagAt = 12 // after both addresses
	if len(f.Data) < tagAt {
		return append(dst, f.Data...)
	}
	dst = append(dst, f.Data[:tagAt]...)
	dst = append(dst, 0x81, 0, byte(f.VLAN>>8), byte(f.VLAN))
	return append(dst, f.Data[tagAt:]...)
}

// A Source hands over frames. File and Ring are Sources. One goroutine reads;
// Close may be called from any.
type Source interface {
	// Live reports whether the frames come from the network as they arrive: what
	// takes them must keep up. The kernel or the source has chosen them by a
	// filter, and may have cut them after their headers.
	Live() bool

	// Read waits for frames, calls fn for each one that is ready, in the
	// order of their arrival, and returns nil: after the last one that is
	// ready, after a bounded number of them when they keep coming, and when
	// none came for a while (a second at most). So a caller that flushes its
	// logs after each Read never holds back a line, and does no work a frame.
	//
	// It returns io.EOF at the end of a capture file, ErrClosed after Close,
	// the error of ctx, or what went wrong; after an error there are no more
	// frames. It must not be called from fn.
	Read(ctx context.Context, fn func(*Frame)) error

	// Close ends a Read that waits and gives up what the source holds. Frames
	// stay valid until their fn has returned. Closing twice does no harm.
	Close() error
}

// Stats counts what a Ring has seen since it was opened.
type Stats struct {
	Frames uint64 // handed over
	Drops  uint64 // passed the filter, but found the ring full
	Away   bool   // the interface is down or gone, and Read waits for it
}

// An Interface is a network interface frames can be captured on.
type Interface struct {
	Name        string
	Description string     // empty if absent
	Addr        netip.Addr // the first address; invalid if absent
}

// Interfaces lists the interfaces Ring can be opened on, in the system's
// order. On Linux the last one is Any.
func Interfaces() ([]Interface, error) {
	ifs, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []Interface
	for _, i := range ifs {
		list = append(list, Interface{Name: i.Name, Addr: firstAddr(i)})
	}
	if haveAny {
		list = append(list, Interface{Name: Any, Description: "all interfaces at once"})
	}
	return list, nil
}

// firstAddr is the first address of an interface in the system's order. An
// interface that goes away meanwhile has none.
func firstAddr(i net.Interface) netip.Addr {
	addrs, err := i.Addrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			return p.Addr().Unmap()
		}
	}
	return netip.Addr{}
}

// interfaceNames lists what could have been meant.
func interfaceNames() string {
	var names []string
	list, _ := Interfaces()
	for _, i := range list {
		names = append(names, i.Name)
	}
	return strings.Join(names, ", ")
}
