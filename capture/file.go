package capture

import (
	"bytes"
	"compress/gzip"
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

// The magic numbers of pcap (µs, ns, and the "modified" one of patched libpcaps
// and of Fritz!Box routers; as written by either kind of machine) and of a pcapng
// section header, read as little-endian; and of gzip, its first three bytes.
const (
	magicMicro       = 0xa1b2c3d4
	magicMicroBig    = 0xd4c3b2a1
	magicNano        = 0xa1b23c4d
	magicNanoBig     = 0x4d3cb2a1
	magicModified    = 0xa1b2cd34
	magicModifiedBig = 0x34cdb2a1
	magicNG          = 0x0a0d0d0a
	magicGzip        = 0x088b1f
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

// versionError is about a version of a format that is not known: no damage.
type versionError struct {
	format       string
	major, minor uint16
	known        string
}

func (e *versionError) Error() string {
	return fmt.Sprintf("%s version %d.%d is not known (%s are)", e.format, e.major, e.minor, e.known)
}

// Is makes it one of what is not supported.
func (e *versionError) Is(err error) bool { return err == errors.ErrUnsupported }

var (
	errCutFrame  = errors.New("the file ends inside a frame")
	errCutGzip   = errors.New("the file ends inside what gzip compressed")
	errCutHeader = errors.New("the file ends inside its header")
	errTooBig    = fmt.Errorf("a frame claims more than %d bytes", maxFrame)
)

// A File reads a capture file: pcap 2.0 to 2.4 with microseconds or nanoseconds,
// also the "modified" kind, from a machine of either byte order, and pcapng 1.0
// and 1.2, also with several link types; either of them also compressed by gzip.
// It needs about 1.3 MiB, twice that for gzip, whatever the file claims. One
// goroutine may Read while another calls Close.
type File struct {
	path   string
	rc     io.ReadCloser
	format format
	pipe   bool // or a device: a process may be writing
	packed bool // by gzip; offsets are those of what is inside
	frames uint64
	frame  Frame
	err    error // what ended the reading

	closed atomic.Bool
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

// OpenFile opens a capture file. The name "-" is standard input; a file of that
// name is "./-". The error is that of os.Open, one that wraps ErrFormat or, for a
// version of a format that is not known, errors.ErrUnsupported, or a DamageError.
func OpenFile(path string) (*File, error) {
	var file *os.File
	var err error
	if path == "-" {
		path, file = "standard input", standardInput()
	} else if file, err = os.Open(path); err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	st, err := file.Stat()
	f, err := newFile(path, file, err != nil || !st.Mode().IsRegular())
	if err != nil {
		file.Close()
		return nil, err
	}
	return f, nil
}

// newFile reads the header. It closes nothing on error.
func newFile(path string, rc io.ReadCloser, pipe bool) (*File, error) {
	f := &File{path: path, rc: rc, pipe: pipe}
	if err := f.open(rc); err != nil {
		return nil, err
	}
	return f, nil
}

// open reads the header.
func (f *File) open(r io.Reader) error {
	in := newWindow(r, f.pipe)
	magic, err := in.magic()
	if err == nil && magic&0xffffff == magicGzip {
		var plain *gzip.Reader
		switch plain, err = gzip.NewReader(in); err {
		case io.EOF, io.ErrUnexpectedEOF:
			err = errCutGzip
		case nil:
			f.packed = true
			in = newWindow(unpacked{plain}, f.pipe)
			magic, err = in.magic()
		}
	}
	switch {
	case err == errCutGzip:
		return fmt.Errorf("capture: %s: %w: %w", f.path, ErrFormat, err)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return fmt.Errorf("capture: %s: %w%s", f.path, ErrFormat, in.other())
	case err != nil:
		return fmt.Errorf("capture: %s: %w", f.path, err)
	}
	switch magic {
	case magicMicro, magicMicroBig, magicNano, magicNanoBig, magicModified, magicModifiedBig:
		f.format, err = newPcap(in, magic)
	case magicNG:
		f.format, err = newPcapNG(in)
	default:
		return fmt.Errorf("capture: %s: %w%s", f.path, ErrFormat, in.other())
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return fmt.Errorf("capture: %s: %w", f.path, err)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		err = errCutHeader
	}
	return &DamageError{Path: f.path, Err: err}
}

// unpacked is a gzip.Reader whose own cut is not that of what is inside.
type unpacked struct{ *gzip.Reader }

func (u unpacked) Read(b []byte) (int, error) {
	n, err := u.Reader.Read(b)
	if err == io.ErrUnexpectedEOF {
		err = errCutGzip
	}
	return n, err
}

// others are files that people take for captures, by how they begin, and what to do.
var others = []struct{ begin, what string }{
	{"\x1f\x8b", "compressed by gzip more than once: decompress it first"},
	{"\x1f\x9d", "compressed by compress: decompress it first"},
	{"\x28\xb5\x2f\xfd", "compressed by zstd: decompress it first"},
	{"\xfd7zXZ\x00", "compressed by xz: decompress it first"},
	{"BZh", "compressed by bzip2: decompress it first"},
	{"\x04\x22\x4d\x18", "compressed by lz4: decompress it first"},
	{"PK\x03\x04", "a zip archive: extract it first"},
	{"7z\xbc\xaf", "a 7z archive: extract it first"},
	{"snoop\x00\x00\x00", "a capture of snoop: convert it (editcap -F pcapng IN OUT)"},
	{"GMBU", "a capture of Network Monitor: convert it (editcap -F pcapng IN OUT)"},
	{"TRSNIFF data", "a capture of Sniffer: convert it (editcap -F pcapng IN OUT)"},
}

// other returns what a file is that is no capture, as the end of an error.
func (w *window) other() string {
	if len(w.left) == 0 {
		return ": it is empty"
	}
	for _, o := range others {
		if bytes.HasPrefix(w.left, []byte(o.begin)) {
			return ", but " + o.what
		}
	}
	return ""
}

// magic looks at the number that says what a file is.
func (w *window) magic() (uint32, error) {
	b, err := w.peek(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

// Live is false: a file waits.
func (*File) Live() bool { return false }

// Read hands over up to 1024 frames, or those that a pipe has ready; see Source.
// Damage is a *DamageError. It looks at ctx before the first frame: what wakes a
// Read from a named pipe without a writer is Close.
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

// end distinguishes the end of the file from damage.
func (f *File) end(err error) error {
	switch {
	case f.closed.Load():
		return ErrClosed
	case err == io.EOF:
		return io.EOF
	case errors.Is(err, errors.ErrUnsupported):
		return fmt.Errorf("capture: %s: %w", f.path, err)
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

// Name returns the name of the file, for messages.
func (f *File) Name() string { return f.path }

// Close closes the file; see Source.
func (f *File) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	return f.rc.Close()
}
