package capture

import (
	"encoding/binary"
	"io"
)

// firstBuffer is all that a small file needs, in bytes; others get fileBuffer.
const firstBuffer = 32 << 10

// window is the part of a file that is in memory.
type window struct {
	r        io.Reader
	buf      []byte
	left     []byte // what of buf is read and not consumed
	consumed int64  // bytes
	stream   bool   // a writer may be at the other end: wait for no more than is needed
}

func newWindow(r io.Reader, stream bool) *window {
	w := &window{r: r, buf: make([]byte, firstBuffer), stream: stream}
	w.left = w.buf[:0]
	return w
}

func (w *window) offset() int64 { return w.consumed }

// fill sees to it that n bytes are left, maxFrame and a header at most, which
// stay valid until the next call. It returns io.EOF at the end, and
// io.ErrUnexpectedEOF where there are fewer.
func (w *window) fill(n int) error {
	if len(w.left) >= n {
		return nil
	}
	return w.more(n)
}

// more reads until n bytes are left.
func (w *window) more(n int) error {
	if len(w.buf) < fileBuffer && (n > len(w.buf) || w.consumed >= firstBuffer/2) {
		buf := make([]byte, fileBuffer)
		w.buf, w.left = buf, buf[:copy(buf, w.left)]
	}
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

// consume skips n bytes of what is left; there must be that number.
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

// numbers reads the numbers of a file, which are little-endian unless they are big.
type numbers struct{ big bool }

func (n numbers) short(b []byte) uint16 {
	if n.big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (n numbers) number(b []byte) uint32 {
	if n.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (n numbers) long(b []byte) int64 {
	if n.big {
		return int64(binary.BigEndian.Uint64(b))
	}
	return int64(binary.LittleEndian.Uint64(b))
}
