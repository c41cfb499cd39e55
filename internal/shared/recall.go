package shared

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/note"
)

// asks notes that a mail server asked about a connection that is known, adds what
// the fleet remembers of the sender, and has the connection counted. What was
// answered once about a connection stays. pre is what was read already; nil: nothing.
func (s *Store) asks(ctx context.Context, q *note.Query, n *note.Note, up bool, pre *recalled) {
	now := time.Now()
	r := &s.recent
	r.mu.Lock()
	e := clientOf(q)
	c := r.get(e, false, now)
	publish := n.ByConnection && !c.published && s.Connection != nil && q.Server.IsValid()
	if publish {
		c.published = true
		r.put(e, c)
	}
	a := r.questions(e)
	w := a.wants(n, q.Hello)
	w.visit = w.visit && q.Client.Port() != 0
	have := a.past
	if !w.none() {
		a.took(&w)
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
		p, found = s.recall(ctx, q, w, have, pre)
	}
	r.mu.Lock()
	if p != nil {
		a.past = p
	}
	a.counts.add(found)
	total := a.counts
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

// recalled is what was read of the past.
type recalled struct {
	past   *past
	counts counts
	name   bool // with the addresses of the name
}

// remembered is a question about the past: that of the address unless it is known,
// and the sketches that the connection is about to go into.
type remembered struct {
	tag                string
	have               *past
	name, ja4, dialect string
}

// ahead is what a connection will want of the past, as far as that is known before
// its note. The name is left out of a Cluster: its key may be at a node that
// answers late, and the note would be, too.
func (s *Store) ahead(q *note.Query) remembered {
	r := &s.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	var known asked
	if a := r.asked[clientOf(q)]; a != nil {
		known = *a
	}
	m := remembered{tag: s.names.tag(q.Client.Addr()), have: known.past}
	if known.counted.name == "" && !s.cfg.Cluster {
		m.name = store.CleanName(q.Hello)
	}
	return m
}

// ask appends the commands of the question.
func (m *remembered) ask(s *Store, c valkey.Client, cmds valkey.Commands) valkey.Commands {
	if m.have == nil {
		cmds = append(cmds, c.B().Getrange().Key(prefix+kindMemory+m.tag).Start(0).End(maxRecord).Build(),
			c.B().Getrange().Key(prefix+kindVisits+m.tag).Start(0).End(20).Build(),
			c.B().Pfcount().Key(prefix+kindNames+m.tag).Build())
	}
	if m.name != "" {
		cmds = append(cmds, c.B().Pfcount().Key(s.names.named(m.name)).Build())
	}
	if m.ja4 != "" {
		cmds = append(cmds, c.B().Pfcount().Key(prefix+kindJA4+m.ja4).Build())
	}
	if m.dialect != "" {
		cmds = append(cmds, c.B().Pfcount().Key(dialect(m.dialect)).Build())
	}
	return cmds
}

// read reads the answers to the commands of ask.
func (m *remembered) read(s *Store, got []valkey.ValkeyResult) (recalled, error) {
	a := recalled{past: m.have, name: m.name != ""}
	if m.have == nil {
		a.past = &past{}
		err := s.readPast(got[0], &a.past)
		b, err2 := got[1].AsBytes()
		n, _ := strconv.ParseUint(string(b), 10, 32)
		a.past.visits = uint32(n)
		if err = errors.Join(err, err2); err != nil {
			return a, err
		}
		got = got[2:]
	}
	for _, sketch := range []struct {
		asked bool
		to    *uint32
	}{{m.have == nil, &a.counts.names}, {m.name != "", &a.counts.addresses}, {m.ja4 != "", &a.counts.ja4}, {m.dialect != "", &a.counts.dialect}} {
		if !sketch.asked {
			continue
		}
		n, err := got[0].AsInt64()
		if err != nil {
			return a, err
		}
		*sketch.to, got = uint32(min(max(n, 0), 1<<31)), got[1:]
	}
	return a, nil
}

// recall reads what is remembered of an address and the sketches, unless that is
// known or was read already. Without an answer in time it is what was known.
func (s *Store) recall(ctx context.Context, q *note.Query, w counted, have *past, pre *recalled) (*past, counts) {
	m := remembered{tag: s.names.tag(q.Client.Addr()), have: have, name: w.name, ja4: w.ja4, dialect: w.dialect}
	var known counts
	if pre != nil {
		m.have, known = pre.past, pre.counts
		if pre.name {
			m.name = ""
		}
	}
	if m.have != nil && m.name == "" && m.ja4 == "" && m.dialect == "" {
		return m.have, known
	}
	got, err := ask(s, ctx, func(ctx context.Context, c valkey.Client) (recalled, error) {
		return m.read(s, c.DoMulti(ctx, m.ask(s, c, make(valkey.Commands, 0, 6))...))
	})
	if err != nil {
		s.failedAsk(ctx, err)
		return m.have, known
	}
	s.breaker.row.Store(0)
	known.add(got.counts)
	return got.past, known
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
