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

// Table bounds the reading of many connections. Its caller finds the Conn of a
// segment, as it knows more of each, and opens one when it has seen its handshake
// complete, so that a flood of forged segments opens none. Where a bound is
// reached the connection that was idle for longest gives way, of the same source
// first. A Table is not safe for concurrent use.
type Table struct {
	cfg     Config
	count   int
	sources map[uint64]int32
	idle    Conn // of a ring: next is the one that was idle for longest
	hello   func(*clienthello.Hello)
	key     Key // of the connection that takes a segment, for hello
	bytes   int
	Refused uint64 // connections that a source had too many of
	Evicted uint64 // connections that gave way
}

// remove takes a connection out of its ring.
func (c *Conn) remove() { c.next.prev, c.prev.next = c.prev, c.next }

// busy makes a connection the one that was idle for the shortest time.
func (t *Table) busy(c *Conn) {
	c.prev, c.next = t.idle.prev, &t.idle
	c.prev.next, c.next.prev = c, c
}

// oldest returns the connection that was idle for longest, or nil.
func (t *Table) oldest() *Conn {
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
	t := &Table{cfg: cfg, sources: make(map[uint64]int32)}
	t.idle.next, t.idle.prev = &t.idle, &t.idle
	if cfg.Hello != nil {
		t.hello = func(h *clienthello.Hello) { cfg.Hello(t.key, h) }
	}
	return t
}

// Open begins to read a connection whose handshake is complete; client and
// server are the initial sequence numbers. It returns nil where its source has
// too many.
func (t *Table) Open(key Key, client, server uint32, implicitTLS bool, now time.Duration) *Conn {
	source := SourceOf(key.Client.Addr())
	if int(t.sources[source]) >= t.cfg.MaxSource {
		t.Refused++
		return nil
	}
	for t.count >= t.cfg.MaxConns {
		t.evict()
	}
	c := &Conn{key: key, last: now}
	c.open(client, server, implicitTLS, t.hello)
	t.busy(c)
	t.count++
	t.sources[source]++
	t.bytes += c.Bytes()
	return c
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

// Segment takes a segment of a connection of this Table, and ignores it where
// that is nil or not read any more.
func (t *Table) Segment(c *Conn, s *Segment) {
	if c == nil || c.Done() {
		return
	}
	c.last = s.Time
	c.remove()
	t.busy(c)
	t.key = c.key
	before := c.Bytes()
	c.Segment(s)
	t.bytes += c.Bytes() - before
	if c.Done() {
		t.drop(c, c.session.State)
		return
	}
	for t.bytes > t.cfg.MaxBytes {
		t.evict()
	}
}

// Drop gives a connection of this Table up: its end was not seen, and no more
// comes of it. It ignores one that is nil or not read any more.
func (t *Table) Drop(c *Conn) {
	if c != nil && !c.Done() {
		t.drop(c, Lost)
	}
}

// Len returns how many connections are read.
func (t *Table) Len() int { return t.count }

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

func (t *Table) evict() {
	t.Evicted++
	t.drop(t.oldest(), Full)
}

func (t *Table) drop(c *Conn, state State) {
	c.session.stop(state)
	c.remove()
	t.count--
	t.bytes -= c.Bytes()
	source := SourceOf(c.key.Client.Addr())
	if t.sources[source]--; t.sources[source] == 0 {
		delete(t.sources, source)
	}
	if t.cfg.Done != nil {
		t.cfg.Done(c.key, &c.session)
	}
}
