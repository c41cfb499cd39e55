package export

import (
	"time"

	"github.com/mxprint/mxprint/internal/store"
)

// Judged adds the row of a verdict (store.Config.Judged). The connection is the id
// of our header; where the store does not have it, another sensor may.
func (e *Exporter) Judged(connection string, v *store.Verdict) {
	if !e.wants[Verdicts] {
		return
	}
	at := v.At
	if at.IsZero() {
		at = e.cfg.now()
	}
	e.add(Verdicts, func(r *row) {
		r.time("time", at.Truncate(time.Millisecond))
		r.text("connection", connection)
		r.text("source", v.Source)
		r.truth("spam", v.Spam)
		r.truth("sure", v.Sure)
		r.truth("person", v.Person)
		if v.HasScore {
			r.fraction("score", v.Score)
			r.fraction("threshold", v.Threshold)
		}
	})
}
