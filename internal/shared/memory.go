package shared

import (
	"cmp"
	"fmt"
	"time"

	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/note"
)

// past is what is remembered of an address.
type past struct {
	first, last, changedAt time.Time
	parts                  store.Parts
	changed                []string
	visits                 uint32 // has a key of its own
}

// counts are those of the sketches, before a connection was added to them.
type counts struct{ names, addresses, ja4, dialect uint32 }

// The bounds of what a note says.
const (
	maxJA4       = 40   // bytes
	maxCount     = 1000 // names of an address, addresses of a name
	recentChange = 7 * 24 * time.Hour
)

// append appends the past as the store has it.
func (p *past) append(b []byte) []byte {
	c := codec{b: append(b, recordVersion)}
	c.past(p)
	return c.b
}

// decodePast reads what append wrote.
func decodePast(b []byte) (*past, error) {
	if len(b) == 0 || len(b) > maxRecord || b[0] != recordVersion {
		return nil, fmt.Errorf("%w: of an address", errRecord)
	}
	c, p := codec{b: b[1:], reads: true}, &past{}
	c.past(p)
	c.end()
	c.check(!p.first.IsZero())
	for _, part := range p.changed {
		c.check(part == "os" || part == "software" || part == "tls")
	}
	if c.bad {
		return nil, fmt.Errorf("%w: of an address", errRecord)
	}
	return p, nil
}

// past is the fields of a past.
func (c *codec) past(p *past) {
	c.time(tagFirstSeen, &p.first)
	c.time(tagLastSeen, &p.last)
	c.time(tagLastChange, &p.changedAt)
	c.text(tagOSName, &p.parts[0])
	c.text(tagName, &p.parts[1])
	c.text(tagLibrary, &p.parts[2])
	c.texts(tagOther, &p.changed)
}

// next is the past of the next connection, when this one is over.
func (p *past) next(n *note.Note, now time.Time) *past {
	next := *p
	parts := store.PartsOf(n)
	if changed := parts.Changes(p.parts); len(changed) > 0 {
		next.changed, next.changedAt = changed, now
	}
	next.parts.Add(parts)
	if next.first.IsZero() || next.first.After(now) {
		next.first = now
	}
	next.last = now
	return &next
}

// memory is what a note says of the past. The clocks of the sensors that wrote it
// may differ: no time is in the future.
func (p *past) memory(n *note.Note, c counts, now time.Time) *note.Memory {
	m := &note.Memory{
		Visits: p.visits, New: p.first.IsZero() && p.visits == 0, Names: min(c.names, maxCount), Addresses: min(c.addresses, maxCount),
		JA4Addresses: c.ja4, DialectAddresses: c.dialect,
	}
	if p.first.IsZero() {
		return m
	}
	bound := func(t time.Time) time.Time {
		if t.After(now) {
			t = now
		}
		return t.UTC().Truncate(time.Second)
	}
	m.FirstSeen = bound(p.first)
	if changed := store.PartsOf(n).Changes(p.parts); len(changed) > 0 {
		m.Changed, m.ChangedAt = changed, bound(p.last)
	} else if len(p.changed) > 0 && now.Sub(p.changedAt) < recentChange {
		m.Changed, m.ChangedAt = p.changed, bound(p.changedAt)
	}
	return m
}

// wants is what is not yet known of a connection's past, and is counted with it.
func (c *asked) wants(n *note.Note, name string) counted {
	w := counted{visit: !c.counted.visit}
	if c.counted.name == "" {
		w.name = store.CleanName(name)
	}
	if n.TLS != nil && n.TLS.State == note.Complete && c.counted.ja4 == "" && len(n.TLS.JA4) <= maxJA4 {
		w.ja4 = n.TLS.JA4
	}
	if n.Software != nil && n.Software.Reading == note.Complete && c.counted.dialect == "" {
		w.dialect = n.Software.Dialect
	}
	return w
}

func (w *counted) none() bool { return !w.visit && w.name == "" && w.ja4 == "" && w.dialect == "" }

// took notes that something was counted.
func (c *asked) took(w *counted) {
	c.counted.visit = c.counted.visit || w.visit
	c.counted.name = cmp.Or(w.name, c.counted.name)
	c.counted.ja4 = cmp.Or(w.ja4, c.counted.ja4)
	c.counted.dialect = cmp.Or(w.dialect, c.counted.dialect)
}

// clientOf is the connection's key of a query: a question without the server's
// end is about another one.
func clientOf(q *note.Query) ends { return endsOf(q.Client, q.Server) }
