package stream

import (
	"container/list"
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
	sources map[netip.Prefix]int
	idle    *list.List // of *entry, the longest idle first
	bytes   int
	Refused uint64 // connections that a source had too many of
	Evicted uint64 // connections that gave way
}

type entry struct {
	conn   Conn
	key    Key
	source netip.Prefix
	last   time.Duration
	place  *list.Element
	bytes  int
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
	return &Table{cfg: cfg, conns: make(map[Key]*entry), sources: make(map[netip.Prefix]int), idle: list.New()}
}

// Open begins to read a connection whose handshake is complete; client and
// server are the initial sequence numbers. It replaces one of the same name.
func (t *Table) Open(key Key, client, server uint32, implicitTLS bool, now time.Duration) {
	if old := t.conns[key]; old != nil {
		t.drop(old, Lost)
	}
	source := SourceOf(key.Client.Addr())
	if t.sources[source] >= t.cfg.MaxSource {
		t.Refused++
		return
	}
	for len(t.conns) >= t.cfg.MaxConns {
		t.evict()
	}
	e := &entry{key: key, source: source, last: now}
	var onHello func(*clienthello.Hello)
	if t.cfg.Hello != nil {
		onHello = func(h *clienthello.Hello) { t.cfg.Hello(key, h) }
	}
	e.conn.open(client, server, implicitTLS, onHello)
	e.place = t.idle.PushBack(e)
	t.conns[key] = e
	t.sources[source]++
	t.account(e)
}

// SourceOf returns what counts as one source: an IPv4 address, an IPv6 /64.
func SourceOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits)
	return p
}

// Segment takes a segment of a connection, and ignores it where that is not
// read.
func (t *Table) Segment(key Key, s *Segment) {
	e := t.conns[key]
	if e == nil {
		return
	}
	e.last = s.Time
	t.idle.MoveToBack(e.place)
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
	for first := t.idle.Front(); first != nil && now-first.Value.(*entry).last > t.cfg.Idle; first = t.idle.Front() {
		t.drop(first.Value.(*entry), TimedOut)
	}
}

// Close gives up all connections, as at the end of a file.
func (t *Table) Close() {
	for first := t.idle.Front(); first != nil; first = t.idle.Front() {
		t.drop(first.Value.(*entry), TimedOut)
	}
}

func (t *Table) account(e *entry) {
	now := e.conn.Bytes()
	t.bytes += now - e.bytes
	e.bytes = now
}

func (t *Table) evict() {
	t.Evicted++
	t.drop(t.idle.Front().Value.(*entry), Full)
}

func (t *Table) drop(e *entry, state State) {
	e.conn.session.stop(state)
	delete(t.conns, e.key)
	t.idle.Remove(e.place)
	if t.sources[e.source]--; t.sources[e.source] == 0 {
		delete(t.sources, e.source)
	}
	t.bytes -= e.bytes
	if t.cfg.Done != nil {
		t.cfg.Done(e.key, &e.conn.session)
	}
}
