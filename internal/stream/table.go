package stream

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/clienthello"
)

// Key names a connection.
type Key struct {
	Client, Server netip.AddrPort
}

// Config bounds a Table and says who gets what was read. Zero values are the
// defaults.
type Config struct {
	MaxConns  int           // that are read at a time: 10,000
	MaxSource int           // of them from one IPv4 address or IPv6 /64: 100
	MaxBytes  int           // of all together: 32 MiB
	Idle      time.Duration // without a segment, until a connection is given up: 5 minutes

	// Hello gets each complete ClientHello. It is valid during the call.
	Hello func(Key, *clienthello.Hello)
	// Done gets each session that is not read further. It is the caller's.
	Done func(Key, *Session)
}

// Table reads many connections. Who opens one must have seen its handshake
// complete, so that a flood of forged segments costs a look-up each and opens
// none. Where a bound is reached the connection that was idle for longest gives
// way, of the same source first. A Table is not safe for concurrent use.
type Table struct {
	cfg     Config
	conns   map[Key]*entry
	sources map[uint64]int32
	idle    entry // of a ring: next is the one that was idle for longest
	hello   func(*clienthello.Hello)
	key     Key // of the connection that takes a segment, for hello
	bytes   int
	Refused uint64 // connections that a source had too many of
	Evicted uint64 // connections that gave way
}

type entry struct {
	conn       Conn
	key        Key
	last       time.Duration
	next, prev *entry
	bytes      int32
}

// remove takes an entry out of its ring.
func (e *entry) remove() { e.next.prev, e.prev.next = e.prev, e.next }

// busy makes an entry the one that was idle for the shortest time.
func (t *Table) busy(e *entry) {
	e.prev, e.next = t.idle.prev, &t.idle
	e.prev.next, e.next.prev = e, e
}

// oldest returns the entry that was idle for longest, or nil.
func (t *Table) oldest() *entry {
	if t.idle.next == &t.idle {
		return nil
	}
	return t.idle.next
}

// New returns an empty Table.
func New(cfg Config) *Table {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&cfg.MaxConns, 10_000)
	def(&cfg.MaxSource, 100)
	def(&cfg.MaxBytes, 32<<20)
	if cfg.Idle <= 0 {
		cfg.Idle = 5 * time.Minute
	}
	t := &Table{cfg: cfg, conns: make(map[Key]*entry), sources: make(map[uint64]int32)}
	t.idle.next, t.idle.prev = &t.idle, &t.idle
	if cfg.Hello != nil {
		t.hello = func(h *clienthello.Hello) { cfg.Hello(t.key, h) }
	}
	return t
}

// Open begins to read a connection whose handshake is complete; client and
// server are the initial sequence numbers. It replaces one of the same name.
func (t *Table) Open(key Key, client, server uint32, implicitTLS bool, now time.Duration) {
	if old := t.conns[key]; old != nil {
		t.drop(old, Lost)
	}
	source := SourceOf(key.Client.Addr())
	if int(t.sources[source]) >= t.cfg.MaxSource {
		t.Refused++
		return
	}
	for len(t.conns) >= t.cfg.MaxConns {
		t.evict()
	}
	e := &entry{key: key, last: now}
	e.conn.open(client, server, implicitTLS, t.hello)
	t.busy(e)
	t.conns[key] = e
	t.sources[source]++
	t.account(e)
}

// SourceOf returns what counts as one source, as a number: an IPv4 address, an
// IPv6 /64.
func SourceOf(a netip.Addr) uint64 {
	if a.Is4() {
		b := a.As4()
		return uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:])
}

// Segment takes a segment of a connection, and ignores it where that is not
// read.
func (t *Table) Segment(key Key, s *Segment) {
	e := t.conns[key]
	if e == nil {
		return
	}
	e.last = s.Time
	e.remove()
	t.busy(e)
	t.key = key
	e.conn.Segment(s)
	if e.conn.Done() {
		t.drop(e, e.conn.session.State)
		return
	}
	t.account(e)
	for t.bytes > t.cfg.MaxBytes {
		t.evict()
	}
}

// Session returns what was read so far of a connection, or nil where it is not
// being read. It changes with the next segment.
func (t *Table) Session(key Key) *Session {
	if e := t.conns[key]; e != nil {
		return &e.conn.session
	}
	return nil
}

// Drop gives a connection up: its end was not seen, and no more comes of it.
func (t *Table) Drop(key Key) {
	if e := t.conns[key]; e != nil {
		t.drop(e, Lost)
	}
}

// Len returns how many connections are read.
func (t *Table) Len() int { return len(t.conns) }

// Expire gives up what has been idle for too long.
func (t *Table) Expire(now time.Duration) {
	for first := t.oldest(); first != nil && now-first.last > t.cfg.Idle; first = t.oldest() {
		t.drop(first, TimedOut)
	}
}

// Close gives up all connections, as at the end of a file.
func (t *Table) Close() {
	for first := t.oldest(); first != nil; first = t.oldest() {
		t.drop(first, TimedOut)
	}
}

func (t *Table) account(e *entry) {
	now := e.conn.Bytes()
	t.bytes += now - int(e.bytes)
	e.bytes = int32(now)
}

func (t *Table) evict() {
	t.Evicted++
	t.drop(t.oldest(), Full)
}

func (t *Table) drop(e *entry, state State) {
	e.conn.session.stop(state)
	delete(t.conns, e.key)
	e.remove()
	source := SourceOf(e.key.Client.Addr())
	if t.sources[source]--; t.sources[source] == 0 {
		delete(t.sources, source)
	}
	t.bytes -= int(e.bytes)
	if t.cfg.Done != nil {
		t.cfg.Done(e.key, &e.conn.session)
	}
}
