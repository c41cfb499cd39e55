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
	numbers
	nano    bool
	header  int // bytes before each frame
	lengths lengths
	link    packet.LinkType
	snap    uint32 // longer frames are cut to it, as libpcap does
}

const (
	pcapHeader = 24 // bytes of the file's header

	// Bytes before each frame; the first 16 are the same in both kinds.
	pcapRecord     = 16
	modifiedRecord = 24
)

// lengths says which of a record's two lengths comes first. Before version 2.3
// it was the length on the wire; in files of 2.3 it is either, and the captured
// length is the smaller one (draft-ietf-opsawg-pcap; libpcap 1.10.3 reads so).
type lengths uint8

const (
	capturedFirst lengths = iota
	wireFirst
	smallerCaptured
)

func newPcap(in *window, magic uint32) (*pcap, error) {
	p := &pcap{window: *in}
	p.big = magic == magicMicroBig || magic == magicNanoBig || magic == magicModifiedBig
	p.nano = magic == magicNano || magic == magicNanoBig
	h, err := p.take(pcapHeader)
	if err != nil {
		return nil, err
	}
	major, minor := p.short(h[4:]), p.short(h[6:])
	switch {
	case major == 2 && minor < 3, major == 543 && minor == 0: // 543.0 is DG/UX's
		p.lengths = wireFirst
	case major == 2 && minor == 3:
		p.lengths = smallerCaptured
	case major != 2 || minor != 4:
		return nil, &versionError{"pcap", major, minor, "2.0 to 2.4 and 543.0"}
	}
	p.snap, p.link = p.number(h[16:]), linkType(p.number(h[20:])&0x03ffffff) // above it is the length of the FCS
	if p.snap == 0 || p.snap > maxFrame {
		p.snap = maxFrame
	}
	marked, other := pcapRecord, modifiedRecord
	if magic == magicModified || magic == magicModifiedBig {
		marked, other = other, marked
		if p.link == packet.LinkEthernet {
			p.snap += 14 // libpcap: its writers did not count a header they made up
		}
	}
	p.header = marked
	// Some patched libpcaps wrote one kind with the other's magic number.
	// What comes by a pipe is judged by what came with the header.
	if !p.stream {
		p.fill(2*modifiedRecord + maxFrame) // an error comes again, behind the frames before it
	}
	if !p.makesSense(marked, true) && p.makesSense(other, false) {
		p.header = other
	}
	return p, nil
}

// makesSense reports whether the first two records are there and look like
// records with headers of that many bytes. Where there is one, it must end with the
// file and, if the magic number announces others, hold a frame of an EtherType.
func (p *pcap) makesSense(header int, marked bool) bool {
	const (
		year    = 365 * 86400 // s
		longest = 1 << 24     // bytes on the wire
	)
	rest := p.left
	var before uint32
	var first []byte
	for i := range 2 {
		if len(rest) == 0 && i == 1 && !p.stream {
			return marked || p.link == packet.LinkEthernet && hasEtherType(first)
		}
		if len(rest) < header {
			return false
		}
		sec := p.number(rest)
		size, wire := p.lengths.order(p.number(rest[8:]), p.number(rest[12:]))
		if size > maxFrame || wire > longest || len(rest) < header+int(size) {
			return false
		}
		if gap := int32(sec - before); i == 1 && (gap > year || gap < -year) {
			return false
		}
		before, first, rest = sec, rest[header:][:size], rest[header+int(size):]
	}
	return true
}

// hasEtherType reports whether an Ethernet frame is of IP, ARP, or something
// that wraps them.
func hasEtherType(frame []byte) bool {
	if len(frame) < 14 {
		return false
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800, 0x0806, 0x86dd, 0x8100, 0x8847, 0x8864, 0x88a8:
		return true
	}
	return false
}

func (p *pcap) next(f *Frame) error {
	if err := p.fill(p.header); err != nil {
		return err
	}
	h := (*[pcapRecord]byte)(p.left)
	sec, fraction := binary.LittleEndian.Uint32(h[0:]), binary.LittleEndian.Uint32(h[4:])
	size, wire := binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
	if p.big {
		sec, fraction = bits.ReverseBytes32(sec), bits.ReverseBytes32(fraction)
		size, wire = bits.ReverseBytes32(size), bits.ReverseBytes32(wire)
	}
	if p.lengths != capturedFirst {
		size, wire = p.lengths.order(size, wire)
	}
	if size > maxFrame {
		return errTooBig
	}
	n := p.header + int(size)
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
	// A fraction of more than a second stays in its second, which is what p0f's
	// log shows.
	fraction = min(fraction, 999_999)
	// Field by field, for this is most of what it costs to read; there are no tags.
	f.Time, f.WireLen, f.Link = int64(sec)*1e6+int64(fraction), int(wire), p.link
	f.Data = p.left[p.header : p.header+int(min(size, p.snap)) : n]
	p.consume(n)
	return nil
}

// order returns the captured length and that on the wire of the two in a record.
func (l lengths) order(first, second uint32) (captured, wire uint32) {
	if l == wireFirst || l == smallerCaptured && first > second {
		return second, first
	}
	return first, second
}

func (p *pcap) waiting() bool {
	if len(p.left) < p.header {
		return true
	}
	size, _ := p.lengths.order(p.number(p.left[8:]), p.number(p.left[12:]))
	return uint64(len(p.left)) < uint64(p.header)+uint64(size)
}
