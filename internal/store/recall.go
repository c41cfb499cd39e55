package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"errors"
	"net/netip"
	"slices"
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
	first, last           int64
	visits, names         uint32
	system, software, tls string
	changed               string
	changedAt             int64
	known                 bool
}

// asked adds the memory to a note, and queues the connection.
func (s *Store) asked(ctx context.Context, q note.Query, n *note.Note) {
	if !q.Client.IsValid() {
		return
	}
	now := s.cfg.now()
	v, again := s.visit(q.Client, now)
	name := CleanName(q.Hello)
	s.mu.Lock()
	m := v.memory
	s.mu.Unlock()
	keep := m
	if m == nil {
		if m = s.recall(ctx, q.Client.Addr(), name, n, now); m == nil {
			m = &note.Memory{ID: v.mark.String()} // of which nothing else is known
		} else {
			m.ID = v.mark.String()
			keep = m
		}
	}
	own := *m
	own.ID = v.mark.String()
	join(&own, n.Memory)
	n.Memory = &own
	s.mu.Lock()
	defer s.mu.Unlock()
	v.memory = keep
	s.push(item{connection: &connection{id: v.id, at: v.began, client: q.Client, name: name, mark: v.mark, note: *n, again: again}})
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
	if v, ok := s.recent.get(client); ok && now.Sub(v.began) < same && (v.ended.IsZero() || now.Sub(v.ended) < sameEnded) {
		return v, true
	}
	v = &visit{id: s.nextID, began: now}
	rand.Read(v.mark[:])
	s.nextID++
	s.recent.put(client, v)
	s.marks.put(v.mark, v.id)
	return v, false
}

// recall returns what is remembered of an address, or nil where that cannot be
// said in time.
func (s *Store) recall(ctx context.Context, a netip.Addr, name string, n *note.Note, now time.Time) *note.Memory {
	k := string(Key(a))
	s.mu.Lock()
	h, ok := s.hosts.get(k)
	s.mu.Unlock()
	addresses := -1
	if !ok || name != "" {
		var err error
		if h, addresses, err = s.read(ctx, k, h, ok, name); err != nil && !ok {
			return nil
		}
	}
	m := &note.Memory{New: !h.known, Visits: h.visits, Names: h.names}
	if addresses > 0 {
		m.Addresses = uint32(addresses)
	}
	if !h.known {
		return m
	}
	m.FirstSeen = time.UnixMilli(h.first).UTC().Truncate(time.Second)
	system, software, tls := Titles(n)
	if changed := h.changes(system, software, tls); len(changed) > 0 {
		m.Changed, m.ChangedAt = changed, time.UnixMilli(h.last).UTC().Truncate(time.Second)
	} else if h.changed != "" && now.Sub(time.UnixMilli(h.changedAt)) < recentChange {
		m.Changed, m.ChangedAt = strings.Split(h.changed, ","), time.UnixMilli(h.changedAt).UTC().Truncate(time.Second)
	}
	return m
}

// changes are the parts that are not what they were.
func (h *host) changes(system, software, tls string) (list []string) {
	for _, p := range []struct{ name, was, is string }{
		{"os", h.system, system}, {"software", h.software, software}, {"tls", h.tls, tls},
	} {
		if p.was != "" && p.is != "" && p.was != p.is {
			list = append(list, p.name)
		}
	}
	return list
}

// read reads an address from the file, unless it is in memory, and counts the
// addresses that called themselves by a name. It gives up after readTime.
func (s *Store) read(ctx context.Context, k string, h host, have bool, name string) (host, int, error) {
	db := s.db.Load()
	if db == nil || !s.breaker.closed(s.cfg.now()) {
		return h, -1, errSlow
	}
	select {
	case s.reads <- struct{}{}:
	default:
		s.breaker.late(s.cfg.now())
		return h, -1, errSlow
	}
	type answer struct {
		host      host
		addresses int
		err       error
	}
	got := make(chan answer, 1)
	go func() {
		defer func() { <-s.reads }()
		a := answer{host: h, addresses: -1}
		if !have {
			a.host, a.err = readHost(db.host.QueryRow([]byte(k)))
		}
		if a.err == nil && name != "" {
			a.addresses, a.err = countAddresses(db.count, name)
		}
		if a.err == nil && !have {
			s.mu.Lock()
			if _, newer := s.hosts.get(k); !newer && s.db.Load() == db && a.host.known {
				s.hosts.put(k, a.host)
			}
			s.mu.Unlock()
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
		return a.host, a.addresses, a.err
	case <-timer.C:
	case <-ctx.Done():
	}
	s.breaker.late(s.cfg.now())
	return h, -1, errSlow
}

var errSlow = errors.New("store: no answer in time")

func readHost(row *sql.Row) (h host, err error) {
	err = row.Scan(&h.first, &h.last, &h.visits, &h.names, &h.system, &h.software, &h.tls, &h.changed, &h.changedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return host{}, nil
	}
	h.known = err == nil
	return h, err
}

const countName = "SELECT count(*) FROM (SELECT 1 FROM named WHERE name = (SELECT id FROM text WHERE text = ?) LIMIT ?)"

func countAddresses(count *sql.Stmt, name string) (n int, err error) {
	err = count.QueryRow(name, maxNames).Scan(&n)
	return n, err
}

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

// letters writes marks: what survives mail software that folds case.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String returns the mark as a header has it.
func (m mark) String() string { return letters.EncodeToString(m[:]) }

// parseMark reads a mark.
func parseMark(text string) (m mark, ok bool) {
	b, err := letters.DecodeString(strings.ToLower(text))
	if err != nil || len(b) != markSize {
		return m, false
	}
	m = mark(b)
	return m, slices.Max(b) > 0
}
