package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/note"
)

// How long look-ups wait for the file, and how long a connection is taken for
// the same: a client's port may be used again.
const (
	readTime     = 2 * time.Millisecond
	sameConn     = 2 * time.Hour
	sameAddress  = time.Minute // where the port is not known
	sameEnded    = time.Minute // and after the session has ended
	recentChange = 7 * 24 * time.Hour
	maxNames     = 1000 // that are counted
)

// Lookuper adds to a note what is remembered, and remembers that it was asked.
// Its deadline is short: without an answer of the store the note is as it was.
// Safe for concurrent use.
type Lookuper struct {
	Who   note.Lookuper
	Store *Store
}

// Lookup implements note.Lookuper.
func (l *Lookuper) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	n, err := l.Who.Lookup(ctx, q)
	if err != nil || n.State == note.NotSeen && n.TLS == nil && n.Software == nil {
		return n, err
	}
	l.Store.asked(ctx, q.Unmapped(), &n)
	return n, nil
}

// host is what is remembered of an address.
type host struct {
	first, last   int64
	visits, names uint32
	parts         Parts
	changed       string
	changedAt     int64
	known         bool
}

// asked adds the memory to a note, and queues the connection.
func (s *Store) asked(ctx context.Context, q note.Query, n *note.Note) {
	if !q.Client.IsValid() {
		return
	}
	now := s.cfg.now()
	v, again := s.visit(q.Client, now)
	name := CleanName(q.Hello)
	s.recall(ctx, v, string(Key(q.Client.Addr())), traits(name, n))
	s.mu.Lock()
	defer s.mu.Unlock()
	m := v.memory(name, n, now)
	join(m, n.Memory)
	n.Memory = m
	s.push(item{connection: &connection{id: v.id, at: v.began, client: q.Client, name: name, mark: v.mark, note: v.contradicted(*n), again: again}})
}

// contradicted returns a note with what was found of the mails of the connection
// before: only questions at the end of a mail have claims, and others come later.
func (v *visit) contradicted(n note.Note) note.Note {
	if c := n.Contradictions; c != nil && (v.contradictions == nil || len(c.List) > 0) {
		v.contradictions = reduceFindings(c)
	}
	n.Contradictions = v.contradictions
	return n
}

// join adds what other sensors remember of the sender; nil: nothing.
func join(m, other *note.Memory) {
	if other == nil {
		return
	}
	if m.FirstSeen.IsZero() || !other.FirstSeen.IsZero() && other.FirstSeen.Before(m.FirstSeen) {
		m.FirstSeen = other.FirstSeen
	}
	m.Visits, m.Names, m.Addresses = max(m.Visits, other.Visits), max(m.Names, other.Names), max(m.Addresses, other.Addresses)
	m.JA4Addresses, m.DialectAddresses = other.JA4Addresses, other.DialectAddresses
	m.New = other.New && m.Visits == 0
	if len(m.Changed) == 0 {
		m.Changed, m.ChangedAt = other.Changed, other.ChangedAt
	}
}

// visit finds the connection in memory, or begins one.
func (s *Store) visit(client netip.AddrPort, now time.Time) (v *visit, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	same := sameConn
	if client.Port() == 0 {
		same = sameAddress
	}
	if v, ok := s.recent.Get(client); ok && now.Sub(v.began) < same && (v.ended.IsZero() || now.Sub(v.ended) < sameEnded) {
		return v, true
	}
	v = &visit{id: s.nextID, began: now, mark: newMark(s.seed, s.nextID)}
	s.nextID++
	s.recent.Put(client, v)
	return v, false
}

// traits are what is looked for at the whole site: KIND VALUE.
func traits(name string, n *note.Note) (list []string) {
	if name != "" {
		list = append(list, "name "+name)
	}
	if t := n.TLS; t != nil && t.State == note.Complete && t.JA4 != "" {
		list = append(list, "ja4 "+cut(t.JA4))
	}
	if s := n.Software; s != nil && s.Reading == note.Complete && s.Dialect != "" {
		list = append(list, "dialect "+cut(s.Dialect))
	}
	return list
}

// recall reads what was known before a connection, of its address and of its
// traits, as far as that was not read before and can be had in time.
func (s *Store) recall(ctx context.Context, v *visit, k string, wanted []string) {
	s.mu.Lock()
	if v.host == nil {
		if h, ok := s.hosts.Get(k); ok && h.last >= s.cfg.now().Add(-s.cfg.MaxAge).UnixMilli() {
			v.host = &h
		}
	}
	q := question{key: k, host: v.host == nil}
	for _, trait := range wanted {
		if _, ok := v.traits[trait]; ok {
			continue
		}
		if n, ok := s.traits.Get(trait); ok {
			v.knows(trait, n)
		} else {
			q.traits = append(q.traits, trait)
		}
	}
	s.mu.Unlock()
	if !q.host && len(q.traits) == 0 {
		return
	}
	a, err := s.read(ctx, &q)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v.host = cmp.Or(v.host, &a.host)
	for i, n := range a.traits {
		if _, ok := v.traits[q.traits[i]]; !ok {
			v.knows(q.traits[i], n)
		}
	}
}

// knows notes how many addresses had a trait before the connection. The caller
// locks.
func (v *visit) knows(trait string, n uint32) {
	if v.traits == nil {
		v.traits = make(map[string]uint32)
	}
	v.traits[trait] = n
}

// memory is what a note says of it. The caller locks.
func (v *visit) memory(name string, n *note.Note, now time.Time) *note.Memory {
	m := &note.Memory{ID: v.mark.String()}
	for _, trait := range traits(name, n) {
		if known, ok := v.traits[trait]; ok && known == 0 {
			kind, _, _ := strings.Cut(trait, " ")
			m.NewHere = append(m.NewHere, kind)
		}
	}
	h := v.host
	if h == nil {
		return m // of which nothing else is known
	}
	m.New, m.Visits, m.Names, m.Addresses = !h.known, h.visits, h.names, v.traits["name "+name]
	if !h.known {
		return m
	}
	m.FirstSeen = time.UnixMilli(h.first).UTC().Truncate(time.Second)
	if changed := PartsOf(n).Changes(h.parts); len(changed) > 0 {
		m.Changed, m.ChangedAt = changed, time.UnixMilli(h.last).UTC().Truncate(time.Second)
	} else if h.changed != "" && now.Sub(time.UnixMilli(h.changedAt)) < recentChange {
		m.Changed, m.ChangedAt = strings.Split(h.changed, ","), time.UnixMilli(h.changedAt).UTC().Truncate(time.Second)
	}
	return m
}

// question is what a look-up reads from the file.
type question struct {
	key    string
	host   bool
	traits []string
}

type answer struct {
	host   host
	traits []uint32
	err    error
}

// read reads from the file. It gives up after readTime.
func (s *Store) read(ctx context.Context, q *question) (answer, error) {
	db := s.db.Load()
	if db == nil || !s.breaker.closed(s.cfg.now()) {
		return answer{}, errSlow
	}
	select {
	case s.reads <- struct{}{}:
	default:
		s.breaker.late(s.cfg.now())
		return answer{}, errSlow
	}
	got := make(chan answer, 1)
	go func() {
		defer func() { <-s.reads }()
		a := db.answer(q)
		if a.err == nil {
			s.keep(db, q, a)
		}
		got <- a
	}()
	timer := time.NewTimer(s.cfg.read)
	defer timer.Stop()
	select {
	case a := <-got:
		if a.err != nil {
			s.breaker.late(s.cfg.now())
		} else {
			s.breaker.intime()
		}
		return a, a.err
	case <-timer.C:
	case <-ctx.Done():
	}
	s.breaker.late(s.cfg.now())
	return answer{}, errSlow
}

func (d *database) answer(q *question) (a answer) {
	if q.host {
		a.host, a.err = readHost(d.host.QueryRow([]byte(q.key)))
	}
	for _, trait := range q.traits {
		var n uint32
		if name, ok := strings.CutPrefix(trait, "name "); a.err == nil && ok {
			a.err = d.count.QueryRow(name, maxNames).Scan(&n)
		} else if a.err == nil {
			a.err = d.trait.QueryRow(trait).Scan(&n)
		}
		a.traits = append(a.traits, n)
	}
	return a
}

// keep has what was read in memory for the next look-ups.
func (s *Store) keep(db *database, q *question, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db.Load() != db {
		return
	}
	if _, newer := s.hosts.Get(q.key); !newer && a.host.known {
		s.hosts.Put(q.key, a.host)
	}
	for i, trait := range q.traits {
		if _, newer := s.traits.Get(trait); !newer {
			s.traits.Put(trait, a.traits[i])
		}
	}
}

var errSlow = errors.New("store: no answer in time")

func readHost(row *sql.Row) (h host, err error) {
	err = row.Scan(&h.first, &h.last, &h.visits, &h.names, &h.parts[0], &h.parts[1], &h.parts[2], &h.changed, &h.changedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return host{}, nil
	}
	h.known = err == nil
	return h, err
}

const (
	countName = "SELECT count(*) FROM (SELECT 1 FROM named WHERE name = (SELECT id FROM text WHERE text = ?) LIMIT ?)"
	hasTrait  = "SELECT EXISTS (SELECT 1 FROM trait WHERE what = ?)"
)

// breaker stops the reading of a file that does not answer.
type breaker struct {
	row   atomic.Int32
	until atomic.Int64
	slow  atomic.Uint64
}

const (
	breakAfter = 20
	breakFor   = 2 * time.Second
)

func (b *breaker) closed(now time.Time) bool {
	if now.UnixNano() < b.until.Load() {
		b.slow.Add(1)
		return false
	}
	return true
}

func (b *breaker) late(now time.Time) {
	b.slow.Add(1)
	if b.row.Add(1) >= breakAfter {
		b.row.Store(0)
		b.until.Store(now.Add(breakFor).UnixNano())
	}
}

func (b *breaker) intime() { b.row.Store(0) }

func (b *breaker) reset() {
	b.row.Store(0)
	b.until.Store(0)
}
