package capture

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/mxprint/mxprint/packet"
)

const (
	fileBuffer = 1 << 20   // bytes read from disk at once
	maxFrame   = 256 << 10 // bytes; libpcap's limit for a captured frame
	fileBatch  = 1024      // frames a Read hands over

	// What a pcapng may hold beside its frames, so that a hostile one cannot
	// fill the memory: pcapgo keeps every interface and every name.
	maxBetween    = 4 << 20 // bytes from one frame to the next
	maxInterfaces = 4096
	maxNames      = 1 << 16
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
	errTooFar      = fmt.Errorf("no frame for %d bytes", maxBetween)
	errTooManyMeta = fmt.Errorf("more than %d interfaces or %d names", maxInterfaces, maxNames)
)

// A File reads a capture file: pcap with microseconds or nanoseconds, from a
// machine of either byte order, and pcapng, also with several link types. It
// needs about 1.3 MiB; a pcapng made to waste memory gets some 20 MiB. One
// goroutine may Read while another calls Close.
type File struct {
	path   string
	in     limitedFile
	br     *bufio.Reader
	old    *pcapgo.Reader   // a pcap file,
	ng     *pcapgo.NgReader // or a pcapng file
	frames uint64
	good   int64 // offset of the end of the last good frame
	frame  Frame
	snap   uint32 // of a pcap file: longer frames are cut to it, as libpcap does
	long   []byte // for the frames that pcapgo refuses
	err    error  // what ended the reading

	closed atomic.Bool
}

// A limitedFile counts what is read from a file, and ends the reading where
// limit says so.
type limitedFile struct {
	rc         io.ReadCloser
	pos, limit int64 // in bytes
}

func (l *limitedFile) Read(p []byte) (int, error) {
	if l.pos >= l.limit {
		return 0, errTooFar
	}
	n, err := l.rc.Read(p[:min(int64(len(p)), l.limit-l.pos)])
	l.pos += int64(n)
	return n, err
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
	return f, nil
}

// newFile reads the header. It closes nothing on error.
func newFile(path string, rc io.ReadCloser) (*File, error) {
	f := &File{path: path, in: limitedFile{rc: rc}}
	// pcapgo uses a big enough bufio.Reader as it is, so what is buffered here
	// tells how far it has read.
	f.br = bufio.NewReaderSize(&f.in, fileBuffer)
	f.in.limit = maxBetween
	magic, err := f.br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("capture: %w", err)
	}
	if len(magic) < 4 {
		return nil, fmt.Errorf("capture: %s: %w", path, ErrFormat)
	}
	switch binary.LittleEndian.Uint32(magic) {
	case magicMicro, magicMicroBig, magicNano, magicNanoBig:
		err = f.open(func() (err error) { f.old, err = pcapgo.NewReader(f.br); return err })
		if err == nil {
			f.setSnap()
		}
	case magicNG:
		opt := pcapgo.NgReaderOptions{WantMixedLinkType: true}
		err = f.open(func() (err error) { f.ng, err = pcapgo.NewNgReader(f.br, opt); return err })
	default:
		return nil, fmt.Errorf("capture: %s: %w", path, ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	f.good = f.offset()
	return f, nil
}

// open runs one of pcapgo's constructors.
func (f *File) open(fn func() error) (err error) {
	defer f.rescue(&err)
	switch err := fn(); err {
	case nil:
		return nil
	case io.EOF, io.ErrUnexpectedEOF:
		return f.damage(errCutHeader)
	default:
		return f.damage(err)
	}
}

// setSnap notes the snap length of a pcap file, and has pcapgo take every
// frame up to maxFrame but no bigger one.
func (f *File) setSnap() {
	f.snap = f.old.Snaplen()
	if f.snap == 0 || f.snap > maxFrame {
		f.snap = maxFrame
	}
	f.old.SetSnaplen(maxFrame)
}

// Read hands over up to 1024 frames; see Source. Damage is a *DamageError. It
// looks at ctx before the first frame: what wakes a Read from a named pipe that
// nobody writes to is Close.
func (f *File) Read(ctx context.Context, fn func(*Frame)) error {
	if f.err != nil {
		return f.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for range fileBatch {
		if f.closed.Load() {
			return ErrClosed
		}
		if err := f.next(); err != nil {
			f.err = err
			return err
		}
		f.frames++
		fn(&f.frame)
	}
	return nil
}

// next reads one frame into f.frame.
func (f *File) next() (err error) {
	defer f.rescue(&err)
	f.in.limit = f.in.pos + maxBetween
	var data []byte
	var ci gopacket.CaptureInfo
	if f.ng != nil {
		data, ci, err = f.ng.ZeroCopyReadPacketData()
	} else if data, ci, err = f.old.ZeroCopyReadPacketData(); err != nil {
		data, err = f.retry(ci, err)
	}
	if err != nil {
		return f.end(err)
	}
	if len(data) > maxFrame {
		return f.damage(errTooBig)
	}
	f.frame.Data, f.frame.WireLen = data, ci.Length
	f.frame.Time = 0
	if !ci.Timestamp.IsZero() { // a simple packet block has no time
		f.frame.Time = ci.Timestamp.UnixMicro()
	}
	if f.ng != nil {
		return f.finishNG(ci.InterfaceIndex)
	}
	if uint32(len(data)) > f.snap {
		f.frame.Data = data[:f.snap]
	}
	f.frame.Link = linkType(uint32(f.old.LinkType()))
	f.good = f.offset()
	return nil
}

// retry reads the frame that pcapgo has just refused because more of it was
// captured than was on the wire. libpcap reads such frames, and so does p0f.
// pcapgo has then consumed the record's header, and tells what it said.
func (f *File) retry(ci gopacket.CaptureInfo, err error) ([]byte, error) {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, err
	}
	if ci.CaptureLength < 0 || ci.CaptureLength > maxFrame {
		return nil, errTooBig
	}
	if ci.CaptureLength <= ci.Length {
		return nil, err
	}
	if f.long == nil {
		f.long = make([]byte, maxFrame)
	}
	n, err := io.ReadFull(f.br, f.long[:ci.CaptureLength])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return f.long[:n], err
}

// finishNG does what only a pcapng needs: the link type of the frame's own
// interface, and a bound on what pcapgo has gathered on the way.
func (f *File) finishNG(index int) error {
	if f.ng.NInterfaces() > maxInterfaces || f.ng.NNames() > maxNames {
		return f.damage(errTooManyMeta)
	}
	iface, err := f.ng.Interface(index)
	if err != nil {
		return f.damage(err)
	}
	f.frame.Link = linkType(uint32(iface.LinkType))
	f.good = f.offset()
	return nil
}

// end tells the end of the file from damage.
func (f *File) end(err error) error {
	if f.closed.Load() {
		return ErrClosed
	}
	// Of a pcap, pcapgo says io.EOF also right behind a record's header.
	if err == io.EOF && (f.ng != nil || f.offset() == f.good) {
		return io.EOF
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errCutFrame
	}
	return f.damage(err)
}

func (f *File) damage(err error) error {
	return &DamageError{Path: f.path, Frames: f.frames, Offset: f.good, Err: err}
}

// rescue turns a panic of pcapgo on a damaged file into the error it should
// have been. Nothing but pcapgo runs under it: the caller's fn does not.
func (f *File) rescue(err *error) {
	if v := recover(); v != nil {
		*err = f.damage(fmt.Errorf("cannot be read: %v", v))
	}
}

// offset is how many bytes of the file have been consumed.
func (f *File) offset() int64 { return f.in.pos - int64(f.br.Buffered()) }

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
	return f.in.rc.Close()
}
