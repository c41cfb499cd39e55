package capture

import (
	"encoding/binary"
	"io"
)

// pcap is the inside of a pcap file. Frames are handed over where the file was
// read to: they are copied only where a read ended inside one.
type pcap struct {
	*window
	order binary.ByteOrder
	nano  bool
	link  uint32
	snap  uint32 // longer frames are cut to it, as libpcap does
}

const (
	pcapHeader = 24 // bytes of the file's header
	pcapRecord = 16 // bytes before each frame
)

func newPcap(in *window, magic uint32) (*pcap, error) {
	p := &pcap{window: in, order: binary.LittleEndian, nano: magic == magicNano || magic == magicNanoBig}
	if magic == magicMicroBig || magic == magicNanoBig {
		p.order = binary.BigEndian
	}
	h, err := p.take(pcapHeader)
	if err != nil {
		return nil, err
	}
	if p.order.Uint16(h[4:]) != 2 || p.order.Uint16(h[6:]) != 4 {
		return nil, errVersion
	}
	p.snap, p.link = p.order.Uint32(h[16:]), p.order.Uint32(h[20:])&0x03ffffff // above it is the length of the FCS
	if p.snap == 0 || p.snap > maxFrame {
		p.snap = maxFrame
	}
	return p, nil
}

func (p *pcap) next(f *Frame) error {
	h, err := p.peek(pcapRecord)
	if err != nil {
		return err
	}
	sec, fraction := p.order.Uint32(h), p.order.Uint32(h[4:])
	size, wire := p.order.Uint32(h[8:]), p.order.Uint32(h[12:])
	if size > maxFrame {
		return errTooBig
	}
	b, err := p.take(pcapRecord + int(size))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if p.nano {
		fraction /= 1000
	}
	*f = Frame{
		Time: int64(sec)*1e6 + int64(fraction), WireLen: int(wire), Link: linkType(p.link),
		Data: b[pcapRecord:][:min(size, p.snap)],
	}
	return nil
}

func (p *pcap) waiting() bool {
	have := p.have()
	return len(have) < pcapRecord || uint64(len(have)) < pcapRecord+uint64(p.order.Uint32(have[8:]))
}

// window is the part of a file that is in memory.
type window struct {
	r        io.Reader
	buf      []byte
	from, to int   // what of buf is read and not consumed
	consumed int64 // bytes
}

func newWindow(r io.Reader) *window {
	return &window{r: r, buf: make([]byte, fileBuffer)}
}

func (w *window) have() []byte { return w.buf[w.from:w.to] }

func (w *window) offset() int64 { return w.consumed }

// peek returns the next n bytes, maxFrame and a header at most, which stay
// valid until the next call. It returns io.EOF where there is none, and
// io.ErrUnexpectedEOF where there are fewer.
func (w *window) peek(n int) ([]byte, error) {
	for empty := 0; w.to-w.from < n; {
		if w.from > 0 {
			w.to, w.from = copy(w.buf, w.have()), 0
		}
		k, err := w.r.Read(w.buf[w.to:])
		w.to += k
		switch {
		case k > 0:
			empty = 0
			continue
		case err == io.EOF && w.to > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		if empty++; empty > 100 {
			return nil, io.ErrNoProgress
		}
	}
	return w.buf[w.from:][:n:n], nil
}

// take is peek, and consumes the bytes.
func (w *window) take(n int) ([]byte, error) {
	b, err := w.peek(n)
	if err == nil {
		w.from += n
		w.consumed += int64(n)
	}
	return b, err
}

// Read makes a window a reader of what is not consumed yet.
func (w *window) Read(p []byte) (int, error) {
	if len(w.have()) == 0 {
		if _, err := w.peek(1); err != nil {
			return 0, err
		}
	}
	b, _ := w.take(min(len(p), len(w.have())))
	return copy(p, b), nil
}
