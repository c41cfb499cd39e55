package report

import (
	"io"

	"github.com/mxprint/mxprint/event"
)

// JSON writes one JSON object an observation (event.Observation.AppendJSON). It
// implements event.Observer, and is not safe for concurrent use.
type JSON struct{ sink }

// NewJSON returns a JSON that writes to w.
func NewJSON(w io.Writer) *JSON { return &JSON{sink{w: w, end: "\n"}} }

// Observe adds one line.
func (l *JSON) Observe(o *event.Observation) {
	line, err := o.AppendJSON(l.buf)
	if err != nil {
		l.fail(1, err)
		return
	}
	l.take(line)
}
