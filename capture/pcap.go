package capture

import (
	"encoding/binary"
	"io"
	"math/bits"

	"github.com/mxprint/mxprint/packet"
)

// pcap is the inside of a pcap file. Frames are handed over where the file was
// read to: they are copied only where a read ended inside one.
type pcap struct {
	window
	big  bool // numbers are big-endian
	nano bool
	link packet.LinkType
	snap uint32 // longer frames are cut to it, as libpcap does
}

const (
	pcapHeader = 24 // bytes of the file's header
	pcapRecord = 16 // bytes before each frame
)

func newPcap(in *window, magic uint32) (*pcap, error) {
	p := &pcap{window: *in}
	p.big = magic == magicMicroBig || magic == magicNanoBig
	p.nano = magic == magicNano || magic == magicNanoBig
	h, err := p.take(pcapHeader)
	if err != nil {
		return nil, err
	}
	version := uint32(2 | 4<<16) // two numbers of 16 bits
	if p.big {
		version = 2<<16 | 4
	}
	if p.number(h[4:]) != version {
		return nil, errVersion
	}
	p.snap, p.link = p.number(h[16:]), linkType(p.number(h[20:])&0x03ffffff) // above it is the length of the FCS
	if p.snap == 0 || p.snap > maxFrame {
		p.snap = maxFrame
	}
	return p, nil
}

func (p *pcap) next(f *Frame) error {
	if err := p.fill(pcapRecord); err != nil {
		return err
	}
	h := (*[pcapRecord]byte)(p.left)
	sec, fraction := binary.LittleEndian.Uint32(h[0:]), binary.LittleEndian.Uint32(h[4:])
	size, wire := binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
	if p.big {
		sec, fraction = bits.ReverseBytes32(sec), bits.ReverseBytes32(fraction)
		size, wire = bits.ReverseBytes32(size), bits.ReverseBytes32(wire)
	}
	if size > maxFrame {
		return errTooBig
	}
	n := pcapRecord + int(size)
	if len(p.left) < n {
		if err := p.more(n); err == io.EOF {
			return io.ErrUnexpectedEOF
		} else if err != nil {
			return err
		}
	}
	if p.nano {
		fraction /= 1000
	}
	// Field by field, for this is most of what it costs to read; there are no tags.
	f.Time, f.WireLen, f.Link = int64(sec)*1e6+int64(fraction), int(wire), p.link
	f.Data = p.left[pcapRecord : pcapRecord+min(size, p.snap) : n]
	p.consume(n)
	return nil
}

// number reads a number of a header.
func (p *pcap) number(b []byte) uint32 {
	n := binary.LittleEndian.Uint32(b)
	if p.big {
		n = bits.ReverseBytes32(n)
	}
	return n
}

func (p *pcap) waiting() bool {
	return len(p.left) < pcapRecord || uint64(len(p.left)) < pcapRecord+uint64(p.number(p.left[8:]))
}

// window is the part of a file that is in memory.
type window struct {
	r        io.Reader
	buf      []byte
	left     []byte // what of buf is read and not consumed
	consumed int64  // bytes
}

func newWindow(r io.Reader) *window {
	w := &window{r: r, buf: make([]byte, fileBuffer)}
	w.left = w.buf[:0]
	return w
}

func (w *window) offset() int64 { return w.consumed }

// fill sees to it that n bytes are left, maxFrame and a header at most, which
// stay valid until the next call. It returns io.EOF where there is none, and
// io.ErrUnexpectedEOF where there are fewer.
func (w *window) fill(n int) error {
	if len(w.left) >= n {
		return nil
	}
	return w.more(n)
}

// more reads until n bytes are left.
func (w *window) more(n int) error {
	for empty := 0; len(w.left) < n; {
		if cap(w.left) < cap(w.buf) { // it begins behind the beginning
			w.left = w.buf[:copy(w.buf, w.left)]
		}
		have := len(w.left)
		k, err := w.r.Read(w.buf[have:])
		w.left = w.buf[:have+k]
		switch {
		case k > 0:
			empty = 0
			continue
		case err == io.EOF && have > 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		if empty++; empty > 100 {
			return io.ErrNoProgress
		}
	}
	return nil
}

// consume goes on behind bytes that are there.
func (w *window) consume(n int) {
	w.left = w.left[n:]
	w.consumed += int64(n)
}

// peek returns the next n bytes; see fill.
func (w *window) peek(n int) ([]byte, error) {
	if err := w.fill(n); err != nil {
		return nil, err
	}
	return w.left[:n:n], nil
}

// take is peek, and consumes the bytes.
func (w *window) take(n int) ([]byte, error) {
	b, err := w.peek(n)
	if err == nil {
		w.consume(n)
	}
	return b, err
}

// Read makes a window a reader of what is not consumed yet.
func (w *window) Read(p []byte) (int, error) {
	if err := w.fill(1); err != nil {
		return 0, err
	}
	n := copy(p, w.left)
	w.consume(n)
	return n, nil
}
