package report

import (
	"io"

	"github.com/mxprint/mxprint/event"
)

// Blocks writes observations as the blocks that p0f prints on its standard
// output (p0f-v3.md §10.4). It implements event.Observer, and is not safe for
// concurrent use.
type Blocks struct{ sink }

// NewBlocks returns Blocks that writes to w.
func NewBlocks(w io.Writer) *Blocks { return &Blocks{sink{w: w, end: "`----\n\n"}} }

// Observe adds one block. p0f has none for TLS and SMTP.
func (r *Blocks) Observe(o *event.Observation) {
	if o.Module >= event.TLS {
		return
	}
	b := appendEnd(append(r.buf, ".-[ "...), o.Client)
	b = appendEnd(append(b, " -> "...), o.Server)
	b = append(append(append(b, " ("...), o.Module.String()...), ") ]-\n|\n| "...)
	if o.Role == event.Client {
		b = appendEnd(append(b, "client   = "...), o.Client)
	} else {
		b = appendEnd(append(b, "server   = "...), o.Server)
	}
	b = appendFields(b, o, &reportKeys)
	r.take(append(append(b, "\n|\n"...), r.end...))
}
