package conduct

import (
	"slices"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
)

// seen are the findings that a mail server may make itself: they need no
// acknowledgements where it is sure that it had not answered yet.
var seen = []string{EarlyTalker, Pipelining, PipeliningOrder}

// Heard returns what the lines show that a mail server reports of its client, and
// what it has found itself. What needs acknowledgements or replies is not among
// it, and neither is what the server does not report: there is no "no".
func Heard(h *note.Heard) []note.Finding {
	r := reader{s: stream.Lines(h.Lines), heard: true}
	hello := 0
	r.n = 1
	for i := range r.s.Events {
		e := &r.s.Events[i]
		if e.Kind != stream.Command || r.n == maxAsked {
			continue
		}
		if e.Verb == stream.EHLO {
			hello = r.n
		}
		r.asked[r.n] = exchange{verb: e.Verb, event: e}
		r.n++
	}
	r.lines()
	r.hellos()
	if !h.Gaps {
		r.storms()
	}
	if offer, ok := dialect.ParseOffer(h.Offer); ok && h.OfferKnown && hello > 0 {
		for k := hello + 1; k < r.n; k++ {
			r.unoffered(r.asked[k].event, stream.OfferFrom(offer), true)
		}
	}
	for _, id := range seen {
		if slices.Contains(h.Saw, id) {
			r.find(id, evidence{word: "the mail server saw it"})
		}
	}
	return r.list()
}
