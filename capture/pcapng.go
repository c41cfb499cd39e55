package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/mxprint/mxprint/packet"
)

// What a pcapng may hold beside its frames, so that a hostile one costs neither
// memory nor time: nothing is kept but a line for each interface.
const (
	maxBetween    = 64 << 20 // bytes from one frame to the next
	maxBlock      = 16 << 20 // bytes; libpcap's limit, too
	maxInterfaces = 4096
)

// Block types (draft-ietf-opsawg-pcapng). All others are skipped.
const (
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6

	blockHead  = 8  // bytes: type and length
	blockLeast = 12 // head, and the length again

	byteOrderMagic = 0x1a2b3c4d
)

var (
	errTooFar     = fmt.Errorf("no frame for %d bytes", maxBetween)
	errInterfaces = fmt.Errorf("more than %d interfaces", maxInterfaces)
	errBlock      = errors.New("a block is shorter than what it must hold")
	errBigBlock   = fmt.Errorf("a block claims more than %d bytes", maxBlock)
	errByteOrder  = errors.New("a section without a byte order")
)

// pcapNG is the inside of a pcapng file.
type pcapNG struct {
	window
	numbers               // of this section
	ifaces  []ngInterface // of this section
	good    int64         // offset of the end of the last good frame
	behind  int64         // bytes of that frame's block that are not read yet
}

// ngInterface is what a frame needs of the interface it came by.
type ngInterface struct {
	link    packet.LinkType
	snap    uint32 // bytes; 0: no limit
	second  uint64 // units of its time stamps in one
	seconds int64  // to be added to them
}

func newPcapNG(in *window) (*pcapNG, error) {
	p := &pcapNG{window: *in}
	length, err := p.head()
	if err == nil {
		err = p.section(length)
	}
	p.good = p.consumed
	return p, err
}

func (p *pcapNG) next(f *Frame) error {
	if p.behind > 0 {
		if err := p.skip(p.behind); err != nil {
			return inside(err)
		}
		p.good, p.behind = p.consumed, 0
	}
	for {
		if err := p.fill(blockHead); err != nil {
			return err
		}
		kind := p.number(p.left)
		length, err := p.head()
		if err != nil {
			return inside(err)
		}
		switch kind {
		case magicNG:
			err = p.section(length)
		case blockInterface:
			err = p.describe(length)
		case blockEnhanced, blockPacket, blockSimple:
			if err = p.packet(kind, length, f); err == nil {
				return nil
			}
		default:
			err = p.skip(int64(length))
		}
		if err != nil {
			return inside(err)
		}
	}
}

// inside is an error that was met inside a block, where the file must not end.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// head looks at the head of a block, and at the byte order if a section begins,
// and returns the block's length in bytes. It consumes nothing.
func (p *pcapNG) head() (length uint32, err error) {
	b, err := p.peek(blockLeast)
	if err != nil {
		return 0, err
	}
	if binary.LittleEndian.Uint32(b) == magicNG { // the same in both byte orders
		switch uint32(byteOrderMagic) {
		case binary.LittleEndian.Uint32(b[8:]):
			p.big = false
		case binary.BigEndian.Uint32(b[8:]):
			p.big = true
		default:
			return 0, errByteOrder
		}
	}
	switch length = p.number(b[4:]); {
	case length < blockLeast:
		return 0, errBlock
	case length > maxBlock:
		return 0, errBigBlock
	}
	return length, nil
}

// section begins a section: its interfaces are others.
func (p *pcapNG) section(length uint32) error {
	const least = 28
	if length < least {
		return errBlock
	}
	b, err := p.peek(16)
	if err != nil {
		return err
	}
	// Some writers say 1.2 and write 1.0 (draft-ietf-opsawg-pcapng, Section
	// Header Block).
	if major, minor := p.short(b[12:]), p.short(b[14:]); major != 1 || minor != 0 && minor != 2 {
		return &versionError{"pcapng", major, minor, "1.0 and 1.2"}
	}
	p.ifaces = p.ifaces[:0]
	return p.skip(int64(length))
}

// describe reads the description of an interface.
func (p *pcapNG) describe(length uint32) error {
	const fixed, micro = 16, 6
	if length < fixed+4 {
		return errBlock
	}
	if len(p.ifaces) == maxInterfaces {
		return errInterfaces
	}
	b, err := p.take(fixed)
	if err != nil {
		return err
	}
	i := ngInterface{link: linkType(uint32(p.short(b[8:]))), snap: p.number(b[12:])}
	resolution := uint8(micro)
	rest, err := p.options(int64(length)-fixed, func(code uint16, value []byte) {
		switch {
		case code == 9 && len(value) >= 1: // if_tsresol
			resolution = value[0]
		case code == 14 && len(value) >= 8: // if_tsoffset
			i.seconds = p.long(value)
		}
	})
	if err != nil {
		return err
	}
	if i.second, err = unitsPerSecond(resolution); err != nil {
		return err
	}
	p.ifaces = append(p.ifaces, i)
	return p.skip(rest)
}

// options hands the options of a block to fn, those of up to 8 bytes, and
// returns how many of the block's rest bytes are left.
func (p *pcapNG) options(rest int64, fn func(code uint16, value []byte)) (int64, error) {
	const trailer = 4 // the block's length again
	for rest >= trailer+4 {
		b, err := p.take(4)
		if err != nil {
			return 0, err
		}
		rest -= 4
		code, size := p.short(b), int64(p.short(b[2:]))
		if code == 0 {
			break
		}
		padded := (size + 3) &^ 3
		if padded > rest-trailer {
			return 0, errBlock
		}
		if size <= 8 {
			value, err := p.peek(int(size))
			if err != nil {
				return 0, err
			}
			fn(code, value)
		}
		if err := p.skip(padded); err != nil {
			return 0, err
		}
		rest -= padded
	}
	return rest, nil
}

// unitsPerSecond decodes if_tsresol.
func unitsPerSecond(resolution uint8) (uint64, error) {
	if exponent := resolution & 0x7f; resolution&0x80 != 0 {
		if exponent > 63 {
			return 0, fmt.Errorf("time stamps of 2^-%d seconds", exponent)
		}
		return 1 << exponent, nil
	}
	if resolution > 19 {
		return 0, fmt.Errorf("time stamps of 10^-%d seconds", resolution)
	}
	units := uint64(1)
	for range resolution {
		units *= 10
	}
	return units, nil
}

// time converts a time stamp to microseconds since 1970.
func (i *ngInterface) time(high, low uint32) int64 {
	stamp := uint64(high)<<32 | uint64(low)
	const most = 253_402_300_799 // 9999-12-31T23:59:59Z, the last that RFC 3339 can write
	seconds := int64(min(stamp/i.second, most))
	if seconds += i.seconds; seconds < 0 || seconds > most {
		return 0 // no clock shows that
	}
	hi, lo := bits.Mul64(stamp%i.second, 1_000_000)
	micro, _ := bits.Div64(hi, lo, i.second)
	return seconds*1_000_000 + int64(micro)
}

// packet reads a block with a frame.
func (p *pcapNG) packet(kind, length uint32, f *Frame) error {
	fixed := uint32(28)
	if kind == blockSimple {
		fixed = 12
	}
	if length < fixed+4 {
		return errBlock
	}
	b, err := p.peek(int(fixed))
	if err != nil {
		return err
	}
	room := length - fixed - 4
	var id, size, wire uint32
	if kind == blockSimple {
		wire = p.number(b[8:])
		size = min(wire, room)
	} else {
		if id = p.number(b[8:]); kind == blockPacket {
			id = uint32(p.short(b[8:]))
		}
		size, wire = p.number(b[20:]), p.number(b[24:])
	}
	if int64(id) >= int64(len(p.ifaces)) {
		return fmt.Errorf("a frame of interface %d, where %d are described", id, len(p.ifaces))
	}
	i := &p.ifaces[id]
	f.Time = 0 // a simple packet block has none
	if kind == blockSimple && i.snap > 0 {
		size = min(size, i.snap)
	} else if kind != blockSimple {
		f.Time = i.time(p.number(b[12:]), p.number(b[16:]))
	}
	switch {
	case size > maxFrame:
		return errTooBig
	case size > room:
		return errBlock
	}
	if b, err = p.peek(int(fixed + size)); err != nil {
		return err
	}
	f.Data, f.WireLen, f.Link = b[fixed:], int(wire), i.link
	p.pass(int64(length))
	return nil
}

// pass consumes a block whose frame is handed over. The frame must stay where it
// is, so what is not in memory yet is left to the next call.
func (p *pcapNG) pass(n int64) {
	have := min(n, int64(len(p.left)))
	p.consume(int(have))
	p.good, p.behind = p.consumed, n-have
}

// skip consumes n bytes that need not be in memory together.
func (p *pcapNG) skip(n int64) error {
	if p.consumed+n-p.good > maxBetween {
		return errTooFar
	}
	for n > 0 {
		if err := p.fill(1); err != nil {
			return err
		}
		have := min(n, int64(len(p.left)))
		p.consume(int(have))
		n -= have
	}
	return nil
}

// waiting passes over whole blocks that hold no frame.
func (p *pcapNG) waiting() bool {
	b := p.left
	if int64(len(b)) < p.behind {
		return true
	}
	for b = b[p.behind:]; len(b) >= blockHead; {
		kind, length := p.number(b), p.number(b[4:])
		if length < blockLeast || uint64(length) > uint64(len(b)) {
			return true
		}
		if kind == blockEnhanced || kind == blockPacket || kind == blockSimple {
			return false
		}
		b = b[length:]
	}
	return true
}

func (p *pcapNG) offset() int64 { return p.good }
