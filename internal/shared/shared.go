// Package shared is the memory that several sensors have in common, in a server of
// Valkey or Redis: notes by connection and by address, counters, evidence, and the
// list of sensors. Use it where more than one machine takes mail; what one machine
// remembers is in package store.
//
// The sensor's own answer comes first, and nothing waits for the server: a look-up
// asks it for at most five milliseconds and not at all while it does not answer;
// what is to be written is queued, bounded, and written by goroutines of Run. Where
// the server is away, full or slow, mail and answers go on as on a single machine,
// and Stats says why. docs/shared-store.md lists the keys. What is read from the
// server is bounded and checked: others may write there too.
package shared

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/note"
)

// Config says where the server is. Servers and Sensor are needed.
type Config struct {
	Servers  []string // HOST:PORT, or the path of a unix socket
	Primary  string   // Servers are Sentinels, and this is the name of what they watch
	Cluster  bool     // Servers are nodes of a Cluster
	User     string   // of ACL; empty: "default"
	Password string
	TLS      *tls.Config // nil: without

	SentinelPassword string // of the Sentinels; empty: none

	Sensor  string        // the name of this sensor, one of the fleet
	Version string        // of the program
	Age     time.Duration // of what is kept by address, name and fingerprint; 0: 30 days
	Secret  []byte        // addresses and host names are stored as hashes with this key; nil: as they are
	Logger  *slog.Logger  // nil: none

	deadline time.Duration // for tests
}

// The bounds of waiting and of memory.
const (
	readTime   = 5 * time.Millisecond // that a look-up waits
	writeTime  = 2 * time.Second      // that a batch waits
	dialTime   = time.Second
	stalled    = time.Second // after which a connection that does not answer is given up
	maxReads   = 128         // look-ups that wait at one time
	probeEvery = 250 * time.Millisecond
	maxRecent  = 50_000 // connections that are known again, times two
)

// Store is the memory that sensors share. Make one with Open; safe for concurrent
// use. Connection and Counts are set before Run.
type Store struct {
	// Connection returns what this sensor knows of a connection by itself; nil: it
	// captures nothing, and publishes nothing.
	Connection func(client, server netip.AddrPort) (note.Note, bool)
	// Sessions says that Connection has what sessions say while they go on.
	Sessions bool
	// Counts makes the evidence of this site with a key for its senders; nil: none
	// is published.
	Counts func(ctx context.Context, seed uint64) (*evidence.Counts, error)

	cfg   Config
	names names
	log   *slog.Logger

	read, write atomic.Pointer[link]
	reads       chan struct{} // places for look-ups
	breaker     breaker
	queue       queue
	recent      recent
	later       later
	since       time.Time
	spoke       atomic.Bool   // this sensor has said that it lives
	soon        chan struct{} // the evidence is to be published now

	mu         sync.Mutex
	fault      string    // why look-ups go on without the store, or ""
	writeFault string    // why nothing is written, or ""
	denied     time.Time // when the server last refused a command for writing, as not allowed

	asked, found, missed, errors, malformed atomic.Uint64
	emptied                                 atomic.Uint64
	published, dropped                      atomic.Uint64
}

// link is a client of the server, which connects again by itself.
type link struct{ valkey.Client }

// Open makes the store. It connects to nothing: Run does.
func Open(cfg Config) *Store {
	cfg.Age = cmp.Or(cfg.Age, 30*24*time.Hour)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	cfg.deadline = cmp.Or(cfg.deadline, readTime)
	s := &Store{cfg: cfg, names: names{cfg.Secret}, log: cfg.Logger, reads: make(chan struct{}, maxReads), since: time.Now(), soon: make(chan struct{}, 1)}
	s.queue.wake = make(chan struct{}, writers)
	s.recent.since = s.since
	s.recent.make()
	s.fault, s.writeFault = errConnecting.Error(), errConnecting.Error()
	return s
}

var errConnecting = errors.New("not connected yet")

// Run connects, writes what is queued, and keeps an eye on the server until ctx
// ends.
func (s *Store) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() { s.writeAll(ctx) })
	}
	wg.Go(func() { s.keepCounts(ctx) })
	wg.Go(func() { s.lookAgain(ctx) })
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	k := &keeper{s: s}
	for ctx.Err() == nil {
		k.look(ctx)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	wg.Wait()
	for _, l := range []*link{s.read.Swap(nil), s.write.Swap(nil)} {
		if l != nil {
			l.Close()
		}
	}
	return nil
}

// keeper connects, and finds out when a server that did not answer answers again:
// no mail pays for that.
type keeper struct {
	s        *Store
	wait     time.Duration // between attempts to connect
	waitTill time.Time
	beat     time.Time // of the last heartbeat
}

// The time between attempts to connect.
const (
	firstWait = probeEvery
	lastWait  = 5 * time.Second
)

func (k *keeper) look(ctx context.Context) {
	s := k.s
	if s.read.Load() == nil || s.write.Load() == nil {
		k.connect()
	}
	if s.read.Load() != nil && s.breaker.open.Load() {
		s.probe(ctx)
	}
	if now := time.Now(); s.write.Load() != nil && now.Sub(k.beat) >= beatEvery {
		if s.heartbeat(ctx) == nil {
			k.beat = now
		}
	}
}

// connect opens two connections: what is written does not hold up look-ups.
func (k *keeper) connect() {
	s, now := k.s, time.Now()
	if now.Before(k.waitTill) {
		return
	}
	var err error
	for _, p := range []*atomic.Pointer[link]{&s.read, &s.write} {
		if p.Load() != nil {
			continue
		}
		var c valkey.Client
		if c, err = dial(&s.cfg); err != nil {
			break
		}
		p.Store(&link{c})
	}
	if err != nil {
		k.wait = min(max(2*k.wait, firstWait), lastWait)
		k.waitTill = now.Add(k.wait)
		s.isDown(err)
		s.cannotWrite(err)
		return
	}
	k.wait = 0
	s.breaker.open.Store(true) // until it has answered in time
}

// probe looks whether the server answers as fast as look-ups need it.
func (s *Store) probe(ctx context.Context) {
	for range breakAfter {
		_, err := ask(s, ctx, func(ctx context.Context, c valkey.Client) (struct{}, error) {
			return struct{}{}, looksUp(ctx, c)
		})
		if err != nil {
			s.isDown(err)
			return
		}
	}
	s.breaker.row.Store(0)
	s.breaker.open.Store(false)
	s.isUp()
}

// breaker stops the asking of a server that does not answer.
type breaker struct {
	row   atomic.Int32 // look-ups without an answer, one after the other
	since atomic.Int64 // when the first of them was late, in nanoseconds since 1970
	open  atomic.Bool
}

// When the breaker opens: many look-ups that were late at once, as by a short pause
// of the machine, are no reason.
const (
	breakAfter = 5
	breakTime  = (breakAfter - 1) * readTime
)

// up reports whether the server is asked now.
func (s *Store) up() bool { return s.read.Load() != nil && !s.breaker.open.Load() }

// late notes a look-up without an answer. A command that the user may not use is not
// asked for again.
func (s *Store) late(err error) {
	s.errors.Add(1)
	now := time.Now().UnixNano()
	row := s.breaker.row.Add(1)
	if row == 1 {
		s.breaker.since.Store(now)
	}
	lasts := row >= breakAfter && now-s.breaker.since.Load() >= int64(breakTime)
	if (lasts || strings.HasPrefix(err.Error(), noPermission)) && !s.breaker.open.Swap(true) {
		s.isDown(err)
	}
}

var (
	errLate = errors.New("no answer within 5 ms")
	errBusy = errors.New("too many look-ups wait for an answer")
)

// ask asks the server, and gives up at the deadline whatever the client does: it
// may be connecting.
func ask[T any](s *Store, ctx context.Context, do func(context.Context, valkey.Client) (T, error)) (T, error) {
	var none T
	l := s.read.Load()
	if l == nil {
		return none, errConnecting
	}
	select {
	case s.reads <- struct{}{}:
	default:
		return none, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.deadline)
	defer cancel() // not where the answer comes from: its end would race with the answer
	type answer struct {
		is  T
		err error
	}
	got := make(chan answer, 1)
	go func() {
		defer func() { <-s.reads }()
		defer func() {
			if r := recover(); r != nil { // valkey-go believes that EXEC is answered by a list of two
				got <- answer{err: fmt.Errorf("%w: %v", errProtocol, r)}
			}
		}()
		is, err := do(ctx, l)
		got <- answer{is, err}
	}()
	select {
	case a := <-got:
		if errors.Is(a.err, context.DeadlineExceeded) {
			a.err = errLate
		}
		return a.is, a.err
	case <-ctx.Done():
		if ctx.Err() == context.DeadlineExceeded {
			return none, errLate
		}
		return none, ctx.Err()
	}
}

// What a server answers to a command that its user may not use, and for how long
// that is a fault.
const (
	noPermission = "NOPERM"
	deniedFor    = 10 * time.Second
)

// isDown and isUp note whether look-ups have the store, and log a change.
func (s *Store) isDown(err error) {
	if s.change(&s.fault, err.Error()) {
		s.log.Warn("look-ups go on without the shared store", "servers", s.cfg.Servers, "reason", err)
	}
}

func (s *Store) isUp() {
	if s.change(&s.fault, "") {
		s.log.Info("look-ups have the shared store", "servers", s.cfg.Servers)
	}
}

// cannotWrite and canWrite do so for writing.
func (s *Store) cannotWrite(err error) {
	if s.change(&s.writeFault, err.Error()) {
		s.log.Warn("nothing is published for now", "servers", s.cfg.Servers, "reason", err)
	}
}

func (s *Store) canWrite() {
	if s.change(&s.writeFault, "") {
		s.log.Info("notes are published", "servers", s.cfg.Servers)
	}
}

// change sets a fault, and reports whether it came or went. The first that is
// found is one too. That a command for writing is not allowed stays until it was not
// refused for a while: others succeed meanwhile.
func (s *Store) change(fault *string, text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := *fault
	switch {
	case fault != &s.writeFault:
	case strings.HasPrefix(text, noPermission):
		s.denied = time.Now()
	case text == "" && strings.HasPrefix(was, noPermission) && time.Since(s.denied) < deniedFor:
		return false
	}
	*fault = text
	return (was == "" || was == errConnecting.Error()) != (text == "") || was == errConnecting.Error() && text == ""
}

// Stats returns how the store is.
func (s *Store) Stats() status.Shared {
	s.mu.Lock()
	fault, writeFault := s.fault, s.writeFault
	s.mu.Unlock()
	queued, lag := s.queue.state()
	return status.Shared{
		Servers: s.cfg.Servers, Sensor: s.cfg.Sensor, Fault: fault, WriteFault: writeFault,
		Asked: s.asked.Load(), Found: s.found.Load(), Missed: s.missed.Load(), Errors: s.errors.Load(), Malformed: s.malformed.Load(),
		Emptied:   s.emptied.Load(),
		Published: s.published.Load(), Dropped: s.dropped.Load(), Queued: queued, Lag: lag.Seconds(),
	}
}
