package serve

import (
	"container/list"
	"errors"
	"io"
	"net/netip"
	"time"
)

// greet finds out whether a client may be served, and gives it a place then.
// Otherwise it closes the connection.
func (s *serving) greet(c *conn, greeter Greeter) bool {
	c.Conn.SetDeadline(time.Now().Add(s.GreetTime))
	var err error
	if greeter != nil {
		err = greeter.Greet()
	}
	switch {
	case err != nil:
	case s.Greet != nil:
		c.excess, err = s.Greet(s.ctx, c.Conn)
	case s.ClientFirst:
		c.excess = make([]byte, 1)
		_, err = c.Conn.Read(c.excess)
	}
	if err == nil {
		err = c.Conn.SetDeadline(time.Time{})
	}
	if err != nil {
		s.deny(c, err)
		return false
	}
	if c.budget != nil {
		c.budget.lift()
	}
	if s.promote(c) {
		return true
	}
	s.turnAway(c)
	c.Close()
	return false
}

// deny closes the connection of a client that did not show who it is.
func (s *serving) deny(c *conn, err error) {
	s.mu.Lock()
	evicted := c.evicted
	if !evicted {
		s.denied++
	}
	s.mu.Unlock()
	root(c.Conn).Close()
	c.Close()
	switch {
	case s.ctx.Err() != nil || errors.Is(err, io.EOF): // it may go as it came
	case evicted:
		s.log.Warn("too many clients without a token or first byte, closed one", "limit", s.MaxStrangers, "client", c.RemoteAddr().String())
	default:
		s.log.Warn("refused a connection", "client", c.RemoteAddr().String(), "reason", err)
	}
}

// takeStranger gives a stranger a place, for which it may evict another: the
// one that most likely is idle, so that a flood of them evicts itself.
func (s *serving) takeStranger(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.strangers
	if s.known.has(c.source) {
		p = &s.regulars
	}
	var victim *conn
	switch {
	case p.fullOf(c.source):
		victim = p.victim(c.source)
	case p.full():
		victim = p.victim(p.largest(c.source))
	}
	if victim != nil {
		s.refused++
		victim.evicted = true
		p.remove(victim)
		root(victim.Conn).Close() // its own goroutine does the rest
	}
	p.add(c)
}

// promote gives a stranger that has shown who it is a place among the served.
func (s *serving) promote(c *conn) bool {
	source := sourceOf(c.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.pool != nil { // nil: it was evicted in this moment
		c.pool.remove(c)
	}
	c.source = source
	s.known.add(source)
	return s.take(c)
}

// pool is a number of places, some of which one source may have.
type pool struct {
	max, perSource int // perSource 0: half of max, and all for this machine
	list           list.List
	bySource       map[netip.Prefix]int
}

func newPool(most, perSource int) pool {
	return pool{max: most, perSource: perSource, bySource: make(map[netip.Prefix]int)}
}

func (p *pool) len() int { return p.list.Len() }

func (p *pool) full() bool { return p.list.Len() >= p.max }

// fullOf reports whether a source has all it may have.
func (p *pool) fullOf(source netip.Prefix) bool {
	limit := p.perSource
	switch {
	case !source.IsValid():
		return false
	case limit > 0:
	case source.Addr().IsLoopback():
		return false
	default:
		limit = (p.max + 1) / 2
	}
	return p.bySource[source] >= limit
}

func (p *pool) add(c *conn) {
	c.pool, c.place = p, p.list.PushBack(c)
	p.bySource[c.source]++
}

func (p *pool) remove(c *conn) {
	if c.pool != p {
		return
	}
	p.list.Remove(c.place)
	if p.bySource[c.source]--; p.bySource[c.source] == 0 {
		delete(p.bySource, c.source)
	}
	c.pool, c.place = nil, nil
}

// largest is the source that would have most places with one more of source; where
// each has one, that of the oldest.
func (p *pool) largest(source netip.Prefix) netip.Prefix {
	most := p.bySource[source] + 1
	for s, n := range p.bySource {
		if n > most {
			source, most = s, n
		}
	}
	if most == 1 {
		return p.list.Front().Value.(*conn).source
	}
	return source
}

// victim is the oldest of a source of which nothing has come, or else the
// oldest.
func (p *pool) victim(source netip.Prefix) (oldest *conn) {
	for e := p.list.Front(); e != nil; e = e.Next() {
		c := e.Value.(*conn)
		if c.source != source {
			continue
		}
		if c.budget != nil && c.budget.silent() {
			return c
		}
		if oldest == nil {
			oldest = c
		}
	}
	return oldest
}

// maxKnown is how many sources are known at once; 16 bytes each, and the map's
// own.
const maxKnown = 4096

// sources are those of clients that were served, the latest of them.
type sources struct {
	places map[netip.Prefix]*list.Element
	order  list.List // the longest unused first
}

func (k *sources) has(source netip.Prefix) bool { return k.places[source] != nil }

func (k *sources) add(source netip.Prefix) {
	if !source.IsValid() {
		return
	}
	if e := k.places[source]; e != nil {
		k.order.MoveToBack(e)
		return
	}
	if k.places == nil {
		k.places = make(map[netip.Prefix]*list.Element)
	}
	if len(k.places) >= maxKnown {
		delete(k.places, k.order.Remove(k.order.Front()).(netip.Prefix))
	}
	k.places[source] = k.order.PushBack(source)
}
