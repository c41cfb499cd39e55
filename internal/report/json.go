package report

import (
	"bytes"
	"io"

	"github.com/mxprint/mxprint/event"
)

// JSON writes one JSON object an observation (event.Observation.AppendJSON). It
// implements event.Observer, and is not safe for concurrent use.
type JSON struct {
	w   io.Writer
	buf []byte

	lost int // lines since the last Flush, because of
	err  error
}

// NewJSON returns a JSON that writes to w.
func NewJSON(w io.Writer) *JSON { return &JSON{w: w} }

// Observe adds one line.
func (l *JSON) Observe(o *event.Observation) {
	line, err := o.AppendJSON(l.buf)
	if err != nil {
		if l.lost++; l.err == nil {
			l.err = err
		}
		return
	}
	if l.buf = line; len(l.buf) >= writeAt {
		l.write()
	}
}

func (l *JSON) write() {
	if len(l.buf) == 0 {
		return
	}
	if n, err := l.w.Write(l.buf); err != nil {
		l.lost += bytes.Count(l.buf[n:], []byte("\n"))
		if l.err == nil {
			l.err = err
		}
	}
	l.buf = l.buf[:0]
}

// Flush writes what was gathered. It returns how many lines could not be
// written since the last Flush, and the first reason.
func (l *JSON) Flush() (lost int, err error) {
	l.write()
	lost, err = l.lost, l.err
	l.lost, l.err = 0, nil
	return lost, err
}
