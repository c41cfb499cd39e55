package shared

import (
	"cmp"
	"context"
	"net/netip"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/mxprint/mxprint/note"
)

// Lookuper answers from the sensor that it decorates, and where that does not know
// the connection from what another sensor has published. It adds what the fleet
// remembers of the sender. Without an answer of the store the note is as it was.
// Safe for concurrent use.
type Lookuper struct {
	Who   note.Lookuper
	Store *Store
}

// How a look-up waits. The sensor's own answer takes microseconds if it knows the
// connection; after headStart the store is asked while the sensor waits for a SYN.
const (
	headStart  = 200 * time.Microsecond
	firstPause = 500 * time.Microsecond // before a record that is not there yet is asked for again
	lastPause  = 4 * time.Millisecond
	cacheAge   = time.Minute // of by-address notes in memory, if no invalidation comes
)

// The join of records.
const (
	sameOpen = 2 * time.Second // of a connection as two sensors see it, both by the store's clock
	maxSkew  = 24 * time.Hour  // between the clocks of two sensors: of more no time is believed
)

// Lookup implements note.Lookuper.
func (l *Lookuper) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	s := l.Store
	q = q.Unmapped()
	if !q.Client.IsValid() {
		return l.Who.Lookup(ctx, q)
	}
	if !s.up() {
		s.missed.Add(1)
		n, err := l.Who.Lookup(ctx, q)
		if err == nil {
			s.asks(ctx, &q, &n, false, nil)
		}
		return n, err
	}
	n, f, err := l.find(ctx, q)
	if f != nil && f.join(&n, &q, s) {
		s.found.Add(1)
		err = nil
	}
	if err != nil || n.State == note.NotSeen && n.TLS == nil && n.Software == nil {
		return n, err
	}
	var pre *recalled
	if f != nil {
		pre = f.past
	}
	s.asks(ctx, &q, &n, true, pre)
	return n, nil
}

// knows reports whether a note is about what was asked.
func knows(n *note.Note, err error, q *note.Query) bool {
	return err == nil && (n.ByConnection || q.Client.Port() == 0 && n.Known())
}

// find asks the sensor, and the store too if the sensor does not answer at once.
func (l *Lookuper) find(ctx context.Context, q note.Query) (n note.Note, f *found, err error) {
	s := l.Store
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	got := make(chan *found, 1)
	timer := time.AfterFunc(headStart, func() {
		f := s.search(own, q, q.Wait-headStart)
		got <- f
		if f.exact(&q) {
			cancel() // the sensor need not wait any more
		}
	})
	n, err = l.Who.Lookup(own, q)
	switch {
	case knows(&n, err, &q):
		timer.Stop()
		return n, nil, err
	case timer.Stop():
		return n, s.search(ctx, q, 0), err
	}
	end := time.NewTimer(s.cfg.deadline)
	defer end.Stop()
	select {
	case f = <-got:
	case <-end.C:
	case <-ctx.Done():
	}
	return n, f, err
}

// found is what the store has about a question.
type found struct {
	syn, session      *record
	synOpen, sessOpen time.Duration // how long ago the handshake was, by the store's clock; negative: not known
	sessAge           time.Duration // of the record
	host              *record
	hostAge           time.Duration
	past              *recalled // of the address, read on the way; nil: not read
}

// exact reports whether the record is of this very connection.
func (f *found) exact(q *note.Query) bool {
	return f != nil && f.syn != nil && f.syn.note.ByConnection && q.Server.IsValid() && f.syn.server == q.Server
}

// search asks the store for a connection, again and again for as long as the
// look-up may wait for it, and then for the address.
func (s *Store) search(ctx context.Context, q note.Query, wait time.Duration) *found {
	s.asked.Add(1)
	end := time.Now().Add(wait)
	f := &found{}
	var past *recalled
	for pause := firstPause; q.Client.Port() != 0; pause = min(2*pause, lastPause) {
		got, err := ask(s, ctx, func(ctx context.Context, c valkey.Client) (*found, error) { return s.getConn(ctx, c, &q, past == nil) })
		if err != nil {
			s.failedAsk(ctx, err)
			return nil
		}
		s.breaker.row.Store(0)
		got.past = cmp.Or(got.past, past)
		if f, past = got, got.past; f.syn != nil || time.Until(end) < pause {
			break
		}
		select {
		case <-ctx.Done():
			return f
		case <-time.After(pause):
		}
	}
	if f.syn != nil || ctx.Err() != nil {
		return f
	}
	host, err := ask(s, ctx, func(ctx context.Context, c valkey.Client) (*found, error) { return s.getHost(ctx, c, q.Client.Addr()) })
	if err != nil {
		s.failedAsk(ctx, err)
		return f
	}
	s.breaker.row.Store(0)
	f.host, f.hostAge = host.host, host.hostAge
	return f
}

// failedAsk counts a question without an answer, unless the look-up was over.
func (s *Store) failedAsk(ctx context.Context, err error) {
	if ctx.Err() == nil {
		s.late(err)
	}
}

// getConn reads the records of a connection, and their ages by the store's clock.
// With past it reads what is remembered of the address, too, which saves a question
// of its own.
func (s *Store) getConn(ctx context.Context, c valkey.Client, q *note.Query, past bool) (*found, error) {
	key := s.names.conn(q.Client)
	cmds := append(make(valkey.Commands, 0, 8),
		c.B().Getrange().Key(key+endSYN).Start(0).End(maxRecord).Build(), c.B().Pttl().Key(key+endSYN).Build(),
		c.B().Getrange().Key(key+endSession).Start(0).End(maxRecord).Build(), c.B().Pttl().Key(key+endSession).Build())
	const own = 4
	var more remembered
	if past {
		more = s.ahead(q)
		cmds = more.ask(s, c, cmds)
	}
	got := c.DoMulti(ctx, cmds...)
	f := &found{synOpen: -1, sessOpen: -1}
	var err error
	var left time.Duration
	if f.syn, left, err = s.record(got[0], got[1], connAge); err != nil {
		return nil, err
	}
	if f.syn != nil && left > endedAge {
		f.synOpen = connAge - left + f.syn.held
	}
	if f.session, left, err = s.record(got[2], got[3], connAge); err != nil {
		return nil, err
	}
	if f.session != nil {
		f.sessAge = connAge - left
		f.sessOpen = f.sessAge + f.session.held
	}
	s.shift(f.syn, f.synOpen)
	if len(cmds) > own {
		if is, err := more.read(s, got[own:]); err == nil { // else it is asked for again, and that fails
			f.past = &is
		}
	}
	return f, nil
}

// record reads a record and how long it will live. One that is malformed is as
// none; one that would live for longer than ours do is not ours.
func (s *Store) record(value, ttl valkey.ValkeyResult, most time.Duration) (*record, time.Duration, error) {
	b, err := value.AsBytes()
	if err != nil {
		return nil, 0, err
	}
	ms, err := ttl.AsInt64()
	if err != nil || len(b) == 0 {
		return nil, 0, err
	}
	r, bad := decode(b)
	left := time.Duration(ms) * time.Millisecond
	if bad != nil || ms < 0 || left > most {
		s.malformed.Add(1)
		return nil, 0, nil
	}
	return r, left, nil
}

// getHost reads the note of an address. It stays in memory until the server says
// that it has changed.
func (s *Store) getHost(ctx context.Context, c valkey.Client, a netip.Addr) (*found, error) {
	key := prefix + kindHost + s.names.tag(a)
	got := c.DoCache(ctx, c.B().Getrange().Key(key).Start(0).End(maxRecord).Cache(), cacheAge)
	b, err := got.AsBytes()
	if err != nil || len(b) == 0 {
		return &found{}, err
	}
	r, err := decode(b)
	if err != nil {
		s.malformed.Add(1)
		return &found{}, nil
	}
	s.shift(r, -1)
	return &found{host: r}, nil
}

// shift moves the times of a note to the clock of this sensor. open is how long
// ago the handshake was; without it the skew between the clocks is not known, and
// only what would be in the future is moved.
func (s *Store) shift(r *record, open time.Duration) {
	if r == nil {
		return
	}
	now := time.Now()
	skew := time.Duration(0) // of the writer's clock, ahead of ours
	if open >= 0 {
		skew = r.sent.Sub(now.Add(-open + r.held))
	} else if r.sent.After(now) {
		skew = r.sent.Sub(now)
	}
	n := &r.note
	times := []*time.Time{&n.FirstSeen, &n.LastSeen, &n.LastNAT, &n.LastChange}
	for _, t := range times {
		switch {
		case t.IsZero():
		case skew > maxSkew || skew < -maxSkew:
			*t = time.Time{}
		case skew > time.Second || skew < -time.Second:
			*t = t.Add(-skew).Truncate(time.Second)
		}
		if t.After(now) {
			*t = now.Truncate(time.Second)
		}
	}
}

// join puts into a note what other sensors know better, and reports whether there
// was something. What is said to be of the connection is of its four ends and of
// its time.
func (f *found) join(n *note.Note, q *note.Query, s *Store) bool {
	switch {
	case f.exact(q):
		adopt(n, &f.syn.note)
		f.joinSession(n)
		return true
	case n.Known():
		return false // by the address, as this sensor knows it
	case f.syn != nil && f.syn.note.Known():
		// The port is the connection's; its server's end is another or not known, as
		// with a port forwarding: it may be another connection.
		adopt(n, &f.syn.note)
		n.ByConnection, n.Ambiguous, n.RawSig = false, true, ""
		return true
	case f.host != nil && f.host.note.Known():
		adopt(n, &f.host.note)
		n.ByConnection, n.Ambiguous, n.RawSig = false, false, ""
		return true
	}
	return false
}

// adopt takes a note and keeps the parts that there are.
func adopt(n, from *note.Note) {
	tls, software, conduct, contradictions, flow, memory := n.TLS, n.Software, n.Conduct, n.Contradictions, n.Flow, n.Memory
	*n = *from
	n.TLS, n.Software, n.Conduct, n.Contradictions, n.Flow, n.Memory = tls, software, conduct, contradictions, flow, memory
}

// joinSession adds what another sensor has read of the same connection: both say
// how long ago it was opened.
func (f *found) joinSession(n *note.Note) {
	switch {
	case f.session == nil || f.session.server != f.syn.server:
		return
	case f.synOpen < 0: // it has ended, and so has its session
		if f.sessAge > endedAge+sameOpen {
			return
		}
	case max(f.synOpen-f.sessOpen, f.sessOpen-f.synOpen) > sameOpen:
		return
	}
	fillParts(n, &f.session.note)
}

func fillParts(n, from *note.Note) {
	n.TLS = cmp.Or(n.TLS, from.TLS)
	n.Software = cmp.Or(n.Software, from.Software)
	n.Conduct = cmp.Or(n.Conduct, from.Conduct)
	n.Flow = cmp.Or(n.Flow, from.Flow)
}
