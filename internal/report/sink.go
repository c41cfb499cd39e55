package report

import (
	"bytes"
	"io"
)

// writeAt is how many gathered bytes are written without waiting for a Flush: the
// kernel takes a byte of 256 KiB with a tenth less work than one of 64.
const writeAt = 256 << 10

// sink gathers lines and writes them at Flush, or when many have come together.
type sink struct {
	w    io.Writer
	end  string // of a line
	buf  []byte
	lost int // lines since the last Flush, because of
	err  error
}

// take makes b, which is the buffer with a line more, the buffer.
func (s *sink) take(b []byte) {
	if s.buf = b; len(s.buf) >= writeAt {
		s.write()
	}
}

func (s *sink) write() {
	if len(s.buf) == 0 {
		return
	}
	if n, err := s.w.Write(s.buf); err != nil {
		end := []byte(s.end)
		s.fail(bytes.Count(s.buf, end)-bytes.Count(s.buf[:n], end), err)
	}
	s.buf = s.buf[:0]
}

func (s *sink) fail(lines int, err error) {
	if s.lost += lines; s.err == nil {
		s.err = err
	}
}

// Flush writes what was gathered. It returns how many lines could not be
// written since the last Flush, and the first reason.
func (s *sink) Flush() (lost int, err error) {
	s.write()
	lost, err = s.lost, s.err
	s.lost, s.err = 0, nil
	return lost, err
}
