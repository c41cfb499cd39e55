package shared

import (
	"context"
	"errors"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/note"
)

// Opened has the note of a connection published whose handshake is complete. It
// does not block.
func (s *Store) Opened(client, server netip.AddrPort) {
	now := time.Now()
	e := endsOf(client, server)
	s.recent.mu.Lock()
	c := s.recent.get(e, true, now)
	c.opened, c.published = c.began, true
	s.recent.put(e, c)
	s.recent.mu.Unlock()
	s.push(item{what: opened, client: client, server: server, opened: now})
	if s.Sessions {
		s.later.add(0, due{client, server, now})
	}
}

// Closed says that a connection may have ended. It does not block.
func (s *Store) Closed(client, server netip.AddrPort) {
	e := endsOf(client, server)
	s.recent.mu.Lock()
	c, known := s.recent.young[e]
	tell := known && c.published && !c.ended
	if tell {
		c.ended = true
		s.recent.put(e, c)
	}
	s.recent.mu.Unlock()
	if tell {
		s.push(item{what: closed, client: client, server: server})
	}
}

// Session has published what a session has said so far: the parts of a note about
// the sender, which are not changed any more. It does not block.
func (s *Store) Session(client, server netip.AddrPort, n *note.Note) {
	s.recent.mu.Lock()
	c := s.recent.young[endsOf(client, server)]
	s.recent.mu.Unlock()
	if c.opened > 0 && n != nil { // else it cannot be said of which connection it is
		s.push(item{what: session, client: client, server: server, opened: s.recent.since.Add(c.opened), note: n})
	}
}

func (s *Store) push(i item) {
	if !s.queue.push(i) {
		s.dropped.Add(1)
	}
}

// writeAll writes what is queued until ctx ends, and then once what is left.
func (s *Store) writeAll(ctx context.Context) {
	b := &batch{s: s}
	for {
		select {
		case <-ctx.Done():
			b.write(context.WithoutCancel(ctx))
			return
		case <-s.queue.wake:
		}
		for ctx.Err() == nil {
			n, err := b.write(ctx)
			if err != nil {
				select {
				case <-ctx.Done():
				case <-time.After(probeEvery):
				}
			} else if n == 0 {
				break
			}
		}
	}
}

// batch is what is written at once.
type batch struct {
	s     *Store
	items []item
	cmds  []valkey.Completed
	of    []int32 // of each command, the item
	buf   []byte
}

// write writes a batch, and returns the number of its items. What was not written
// is queued again if it does no harm to write it twice.
func (b *batch) write(ctx context.Context) (int, error) {
	s := b.s
	l := s.write.Load()
	if l == nil {
		return 0, errConnecting
	}
	if b.items = s.queue.take(b.items); len(b.items) == 0 {
		return 0, nil
	}
	defer s.queue.done(len(b.items))
	b.cmds, b.of = b.cmds[:0], b.of[:0]
	now := time.Now()
	for i := range b.items {
		from := len(b.cmds)
		if it := &b.items[i]; now.Sub(it.at) < maxWait {
			b.add(l, it, now)
		} else {
			s.dropped.Add(1)
		}
		for range b.cmds[from:] {
			b.of = append(b.of, int32(i))
		}
	}
	if len(b.cmds) == 0 {
		return len(b.items), nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	err := b.settle(l.DoMulti(ctx, b.cmds...))
	if err != nil {
		b.cmds = nil // the client may still look at them
		s.recent.lost()
		s.cannotWrite(err)
		return len(b.items), err
	}
	s.canWrite()
	s.queue.wrote(time.Since(b.items[0].at))
	return len(b.items), nil
}

// settle looks what came of each command, and returns the first error.
func (b *batch) settle(answers []valkey.ValkeyResult) (first error) {
	s := b.s
	var again []item
	last := int32(-1)
	for i := range answers {
		err := answers[i].Error()
		if err == nil || valkey.IsValkeyNil(err) || b.of[i] == last {
			continue
		}
		last = b.of[i]
		if first == nil {
			first = err
			if errors.Is(err, context.DeadlineExceeded) {
				first = errors.New("no answer within 2 s")
			}
		}
		it := b.items[last]
		if it.tries++; it.what != visited && it.tries < maxTries {
			again = append(again, it)
		} else {
			s.dropped.Add(1)
		}
	}
	s.dropped.Add(uint64(s.queue.back(again)))
	return first
}

// add makes the commands of an item.
func (b *batch) add(c valkey.Client, it *item, now time.Time) {
	s := b.s
	switch it.what {
	case opened:
		b.opened(c, it, now)
	case closed:
		if s.Connection != nil {
			if n, ok := s.Connection(it.client, it.server); ok && n.ByConnection {
				return // a FIN or RST that was not of it
			}
		}
		b.cmds = append(b.cmds, c.B().Pexpire().Key(s.names.conn(it.client)+endSYN).Milliseconds(endedAge.Milliseconds()).Build())
	case session:
		if it.note == nil && !b.saidSoFar(it) {
			return
		}
		b.set(c, s.names.conn(it.client)+endSession, connAge, &record{sent: now, held: now.Sub(it.opened), server: it.server, sensor: s.cfg.Sensor, note: *it.note})
	case visited:
		b.visited(c, it, now)
	}
}

// saidSoFar sets the note of a session that goes on, and reports whether there is
// something new in it.
func (b *batch) saidSoFar(it *item) bool {
	if b.s.Connection == nil {
		return false
	}
	n, ok := b.s.Connection(it.client, it.server)
	if !ok || n.TLS == nil && n.Software == nil && n.Conduct == nil {
		return false
	}
	it.note = &note.Note{TLS: n.TLS, Software: n.Software, Conduct: n.Conduct, Flow: n.Flow}
	r := record{note: note.Note{TLS: n.TLS, Software: n.Software, Conduct: n.Conduct}} // times change always
	b.buf = r.append(b.buf[:0])
	return b.s.isNews(it, maphash.Bytes(sumSeed, b.buf))
}

// opened publishes the note of a connection, and with it that of its address.
func (b *batch) opened(c valkey.Client, it *item, now time.Time) {
	s := b.s
	if s.Connection == nil {
		return
	}
	n, ok := s.Connection(it.client, it.server)
	if !ok || !n.ByConnection {
		return
	}
	n.TLS, n.Software, n.Conduct, n.Flow = nil, nil, nil, nil // of a record of their own
	r := &record{sent: now, held: now.Sub(it.opened), server: it.server, sensor: s.cfg.Sensor, note: n}
	b.set(c, s.names.conn(it.client)+endSYN, connAge, r)
	var sum maphash.Hash
	sum.SetSeed(sumSeed)
	for _, text := range []string{n.OSName, n.OSFlavor, n.RawSig} {
		sum.WriteString(text)
	}
	if p := store.Network(it.client.Addr()); s.recent.publishes(p, sum.Sum64(), now) {
		b.set(c, prefix+kindHost+s.names.tag(it.client.Addr()), s.cfg.Age, r)
	}
}

var sumSeed = maphash.MakeSeed()

// set sets a record.
func (b *batch) set(c valkey.Client, key string, age time.Duration, r *record) {
	if b.buf = r.append(b.buf[:0]); len(b.buf) == 0 {
		b.s.dropped.Add(1)
		return
	}
	b.s.published.Add(1)
	b.cmds = append(b.cmds, c.B().Set().Key(key).Value(string(b.buf)).PxMilliseconds(age.Milliseconds()).Build())
}

// visited counts a visit, and the sketches that it goes into.
func (b *batch) visited(c valkey.Client, it *item, now time.Time) {
	s, v := b.s, it.visit
	tag, age := s.names.tag(it.client.Addr()), int64(s.cfg.Age.Seconds())
	if v.visit {
		key := prefix + kindVisits + tag
		b.cmds = append(b.cmds, c.B().Incr().Key(key).Build(), c.B().Expire().Key(key).Seconds(age).Build())
	}
	if v.past != nil {
		b.cmds = append(b.cmds, c.B().Set().Key(prefix+kindMemory+tag).Value(string(v.past.append(nil))).ExSeconds(age).Build())
	}
	network := store.Network(it.client.Addr())
	sketch := func(key, element string) {
		if !s.recent.adds(network, key, element, now) {
			return
		}
		b.cmds = append(b.cmds, c.B().Pfadd().Key(key).Element(element).Build(), c.B().Expire().Key(key).Seconds(age).Build())
	}
	if v.name != "" {
		sketch(prefix+kindNames+tag, s.names.hashed("n", v.name))
		sketch(s.names.named(v.name), tag)
	}
	if v.ja4 != "" {
		sketch(prefix+kindJA4+v.ja4, tag)
	}
	if v.dialect != "" {
		sketch(dialect(v.dialect), tag)
	}
}
