package shared

import (
	"context"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/mxprint/mxprint/note"
)

// asks notes that a mail server asked about a connection that is known, adds what
// the fleet remembers of the sender, and has the connection counted. What a
// connection was told once stays.
func (s *Store) asks(ctx context.Context, q *note.Query, n *note.Note, up bool) {
	now := time.Now()
	r := &s.recent
	r.mu.Lock()
	c := r.get(clientOf(q), false, now)
	publish := n.ByConnection && !c.published && s.Connection != nil && q.Server.IsValid()
	if publish {
		c.published = true
	}
	w := c.wants(n, q.Hello)
	w.visit = w.visit && q.Client.Port() != 0
	have := c.past
	if !w.none() {
		c.took(&w)
	}
	r.mu.Unlock()
	if publish { // the handshake was not seen, as by a kernel's source
		s.push(item{what: opened, client: q.Client, server: q.Server, opened: now})
	}
	if w.none() && have == nil {
		return
	}
	p, found := have, counts{}
	if up && !w.none() {
		p, found = s.recall(ctx, q, &w, have)
	}
	r.mu.Lock()
	if p != nil {
		c.past = p
	}
	c.counts.add(found)
	total := c.counts
	r.mu.Unlock()
	if p != nil {
		n.Memory = p.memory(n, total, now)
	}
	if w.none() {
		return
	}
	if p != nil && w.visit {
		w.past = p.next(n, now)
	}
	s.push(item{what: visited, client: q.Client, server: q.Server, visit: &w})
}

// add takes the counts that were read.
func (c *counts) add(o counts) {
	c.names, c.addresses = max(c.names, o.names), max(c.addresses, o.addresses)
	c.ja4, c.dialect = max(c.ja4, o.ja4), max(c.dialect, o.dialect)
}

// recall reads what is remembered of an address, unless that is known, and the
// sketches that the connection is about to go into. Without an answer in time it
// is what was known.
func (s *Store) recall(ctx context.Context, q *note.Query, w *counted, have *past) (*past, counts) {
	type answer struct {
		past   *past
		counts counts
	}
	got, err := ask(s, ctx, func(ctx context.Context, c valkey.Client) (answer, error) {
		a := answer{past: have}
		tag := s.names.tag(q.Client.Addr())
		cmds := make(valkey.Commands, 0, 6)
		var into []func(valkey.ValkeyResult) error
		add := func(cmd valkey.Completed, f func(valkey.ValkeyResult) error) {
			cmds, into = append(cmds, cmd), append(into, f)
		}
		sketch := func(key string, to *uint32) {
			add(c.B().Pfcount().Key(key).Build(), func(r valkey.ValkeyResult) error {
				n, err := r.AsInt64()
				*to = uint32(min(max(n, 0), 1<<31))
				return err
			})
		}
		if have == nil {
			a.past = &past{}
			visits := uint32(0)
			add(c.B().Getrange().Key(prefix+kindMemory+tag).Start(0).End(maxRecord).Build(), func(r valkey.ValkeyResult) error {
				return s.readPast(r, &a.past)
			})
			add(c.B().Getrange().Key(prefix+kindVisits+tag).Start(0).End(20).Build(), func(r valkey.ValkeyResult) error {
				b, err := r.AsBytes()
				n, _ := strconv.ParseUint(string(b), 10, 32)
				visits = uint32(n)
				a.past.visits = visits
				return err
			})
			sketch(prefix+kindNames+tag, &a.counts.names)
		}
		if w.name != "" {
			sketch(s.names.named(w.name), &a.counts.addresses)
		}
		if w.ja4 != "" {
			sketch(prefix+kindJA4+w.ja4, &a.counts.ja4)
		}
		if w.dialect != "" {
			sketch(dialect(w.dialect), &a.counts.dialect)
		}
		for i, r := range c.DoMulti(ctx, cmds...) {
			if err := into[i](r); err != nil {
				return a, err
			}
		}
		return a, nil
	})
	if err != nil {
		s.failedAsk(ctx, err)
		return have, counts{}
	}
	s.breaker.row.Store(0)
	return got.past, got.counts
}

// readPast reads the past of an address; a malformed one is as none.
func (s *Store) readPast(r valkey.ValkeyResult, to **past) error {
	b, err := r.AsBytes()
	if err != nil || len(b) == 0 {
		return err
	}
	if p, err := decodePast(b); err == nil {
		*to = p
	} else {
		s.malformed.Add(1)
	}
	return nil
}
