package capture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/mxprint/mxprint/packet"
)

const (
	fileBuffer = 1 << 20   // bytes read from disk at once
	maxFrame   = 256 << 10 // bytes; libpcap's limit for a captured frame
	fileBatch  = 1024      // frames a Read hands over
)

// The magic numbers of pcap (µs and ns, as written by either kind of machine)
// and of a pcapng section header, read as little-endian.
const (
	magicMicro    = 0xa1b2c3d4
	magicMicroBig = 0xd4c3b2a1
	magicNano     = 0xa1b23c4d
	magicNanoBig  = 0x4d3cb2a1
	magicNG       = 0x0a0d0d0a
)

// A DamageError says where a capture file stops making sense. All frames
// before the damage have been handed over.
type DamageError struct {
	Path   string
	Frames uint64 // good frames before the damage
	Offset int64  // in bytes, of the end of the last good frame
	Err    error  // what is wrong
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("capture: %s: damaged after frame %d (byte %d): %v", e.Path, e.Frames, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

var (
	errCutFrame    = errors.New("the file ends inside a frame")
	errCutHeader   = errors.New("the file ends inside its header")
	errTooBig      = fmt.Errorf("a frame claims more than %d bytes", maxFrame)
	errVersion     = errors.New("a version of the format that is not 2.4")
	errTooFar      = fmt.Errorf("no frame for %d bytes", maxBetween)
	errTooManyMeta = fmt.Errorf("more than %d interfaces or %d names", maxInterfaces, maxNames)
)

// A File reads a capture file: pcap with microseconds or nanoseconds, from a
// machine of either byte order, and pcapng, also with several link types. It
// needs about 1.3 MiB; a pcapng made to waste memory gets some 20 MiB. One
// goroutine may Read while another calls Close.
type File struct {
	path   string
	rc     io.ReadCloser
	format format
	pipe   bool // or a device: somebody may be writing
	frames uint64
	frame  Frame
	err    error // what ended the reading

	closed *atomic.Bool // shared with what Again returned
}

// A format is the inside of a capture file.
type format interface {
	// next describes the next frame. It returns io.EOF behind the last one,
	// and else what is wrong.
	next(*Frame) error
	// offset is where the last good frame ends, or the header, in bytes.
	offset() int64
	// waiting reports that more must be read from the file for a next frame.
	waiting() bool
}

// OpenFile opens a capture file. The name `-` is a file like any other. The
// error is that of os.Open, one that wraps ErrFormat, or a DamageError.
func OpenFile(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	f, err := newFile(path, file)
	if err != nil {
		file.Close()
		return nil, err
	}
	st, err := file.Stat()
	f.pipe = err != nil || !st.Mode().IsRegular()
	return f, nil
}

// newFile reads the header. It closes nothing on error.
func newFile(path string, rc io.ReadCloser) (*File, error) {
	f := &File{path: path, rc: rc, closed: new(atomic.Bool)}
	if err := f.open(rc); err != nil {
		return nil, err
	}
	return f, nil
}

// open reads the header.
func (f *File) open(r io.Reader) error {
	in := newWindow(r)
	start, err := in.peek(4)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("capture: %w", err)
	}
	if err != nil {
		return fmt.Errorf("capture: %s: %w", f.path, ErrFormat)
	}
	switch magic := binary.LittleEndian.Uint32(start); magic {
	case magicMicro, magicMicroBig, magicNano, magicNanoBig:
		f.format, err = newPcap(in, magic)
	case magicNG:
		f.format, err = newPcapNG(in)
	default:
		return fmt.Errorf("capture: %s: %w", f.path, ErrFormat)
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errCutHeader
	}
	if err != nil {
		return &DamageError{Path: f.path, Err: err}
	}
	return nil
}

// Again returns n Files that read the same from its beginning, each all of it,
// so that as many goroutines can share the work. It ends for all of them where it
// ends now. To close one of them, or f, closes all. It is ErrUnsupported where f
// is a pipe or a device, or reading has begun.
func (f *File) Again(n int) ([]*File, error) {
	file, ok := f.rc.(*os.File)
	if !ok || f.pipe || f.frames > 0 || f.err != nil {
		return nil, fmt.Errorf("capture: %s: %w: reading it several times at once", f.path, errors.ErrUnsupported)
	}
	st, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	var all []*File
	for range n {
		g := &File{path: f.path, rc: f.rc, closed: f.closed}
		if err := g.open(io.NewSectionReader(file, 0, st.Size())); err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

// Read hands over up to 1024 frames, or those that a pipe has ready; see Source.
// Damage is a *DamageError. It looks at ctx before the first frame: what wakes a
// Read from a named pipe that nobody writes to is Close.
func (f *File) Read(ctx context.Context, fn func(*Frame)) error {
	if f.err != nil {
		return f.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for n := range fileBatch {
		if f.closed.Load() {
			return ErrClosed
		}
		if n > 0 && f.pipe && f.format.waiting() {
			return nil
		}
		if err := f.format.next(&f.frame); err != nil {
			f.err = f.end(err)
			return f.err
		}
		f.frames++
		fn(&f.frame)
	}
	return nil
}

// end tells the end of the file from damage.
func (f *File) end(err error) error {
	switch {
	case f.closed.Load():
		return ErrClosed
	case err == io.EOF:
		return io.EOF
	case err == io.ErrUnexpectedEOF:
		err = errCutFrame
	}
	return f.damage(err)
}

func (f *File) damage(err error) error {
	return &DamageError{Path: f.path, Frames: f.frames, Offset: f.format.offset(), Err: err}
}

// linkType turns the number in a file into a LINKTYPE. Some systems write
// their own number for raw IP (12, and 14 on OpenBSD); libpcap on Linux takes
// 12 for it too.
func linkType(n uint32) packet.LinkType {
	if n == 12 || n == 14 {
		return packet.LinkRaw
	}
	return packet.LinkType(n)
}

// Close closes the file; see Source.
func (f *File) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	return f.rc.Close()
}
