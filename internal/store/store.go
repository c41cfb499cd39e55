// Package store remembers senders and what the mail server's filter said of
// their mail, in a SQLite file: for the memory in a note, for mxprint history,
// and for mxprint report. Use it beside a running sensor; what only lives as long
// as a process is in package host.
//
// Nothing waits for it. A look-up reads from memory, or for at most two
// milliseconds from the file; what is to be written is queued and written in
// batches by one goroutine. Where the file is damaged, locked, gone or its disk
// full, mail and answers go on without a memory, and Stats says why.
package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/note"
)

// Config says where and how much is remembered. Path alone is needed.
type Config struct {
	Path    string
	MaxSize int64         // bytes of the file and what lies beside it; 0: 2 GiB
	MaxAge  time.Duration // of connections, verdicts, names and addresses; 0: 30 days
	Marks   time.Duration // how long an id in a header is good; 0: 14 days
	// Judged is called with each verdict that was written, and with those whose
	// connection is not here but may be at another sensor: by its id. It must not
	// wait. It may be nil.
	Judged func(connection string, v *Verdict)
	Logger *slog.Logger // nil: none

	// For tests.
	commit, read time.Duration
	now          func() time.Time
}

// What Config's zero values mean, and bounds of memory.
const (
	DefaultMaxSize = 2 << 30
	DefaultMaxAge  = 30 * 24 * time.Hour
	DefaultMarks   = 14 * 24 * time.Hour

	commitEvery = 100 * time.Millisecond
	maxQueue    = 20_000 // of what waits to be written
	maxHosts    = 50_000 // addresses of which a copy is in memory, times two
	maxRecent   = 50_000 // connections that may be looked up again, times two
	maxTraits   = 20_000 // names, JA4 and dialects, times two
)

// Store remembers. Safe for concurrent use.
type Store struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex // of what follows
	queue  []item
	nextID int64
	recent Generations[netip.AddrPort, *visit]
	hosts  Generations[string, host]
	traits Generations[string, uint32] // how many addresses had one; of others than names 1
	seed   uint64                      // of evidence, and of the ids in headers
	fault  string                      // why nothing is written, or ""
	size   int64
	aside  string // where a damaged file was put
	gone   bool   // the file was removed or replaced

	wake     chan struct{}
	grown    chan struct{} // the log is to be emptied
	emptying sync.Mutex    // while it is
	reads    chan struct{} // places for look-ups that read the file
	breaker  breaker
	db       atomic.Pointer[database]

	// Who is asked about sessions that ended without a question; nil: no one.
	Who note.Lookuper

	written, dropped, verdicts, orphans, asides, expired atomic.Uint64
}

// visit is a connection that may be looked up again.
type visit struct {
	id     int64
	mark   mark
	began  time.Time
	ended  time.Time         // zero: not that we know
	host   *host             // what was known of the address before; nil: not read yet
	traits map[string]uint32 // and how many addresses had a trait

	contradictions *note.Findings // of its mails; the last that were found
}

// item is something to be written.
type item struct {
	connection *connection
	verdict    *Verdict
	completed  *note.Query         // a session ended: ask who it was
	do         func(*writer) error // runs between batches
	done       chan error          // of do
}

// connection is one, to be written or written again.
type connection struct {
	id     int64
	at     time.Time
	client netip.AddrPort
	name   string
	mark   mark
	note   note.Note
	again  bool // the note has more than the one before
}

// Open opens the store, and makes its file. A file that is damaged is set aside, and
// one of an older version is left to Run: the error is not nil only where the folder
// cannot be used, or the file belongs to another program or a newer version.
func Open(cfg Config) (*Store, error) {
	cfg.MaxSize, cfg.MaxAge, cfg.Marks = cmp.Or(cfg.MaxSize, DefaultMaxSize), cmp.Or(cfg.MaxAge, DefaultMaxAge), cmp.Or(cfg.Marks, DefaultMarks)
	cfg.commit, cfg.read = cmp.Or(cfg.commit, commitEvery), cmp.Or(cfg.read, readTime)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if cfg.now == nil {
		cfg.now = time.Now
	}
	s := &Store{
		cfg: cfg, log: cfg.Logger, wake: make(chan struct{}, 1), grown: make(chan struct{}, 1), reads: make(chan struct{}, 4), nextID: 1,
		recent: NewGenerations[netip.AddrPort, *visit](maxRecent), hosts: NewGenerations[string, host](maxHosts),
		traits: NewGenerations[string, uint32](maxTraits),
	}
	var seed [8]byte
	rand.Read(seed[:])
	s.seed = binary.LittleEndian.Uint64(seed[:])
	if err := s.open(nil); err != nil {
		if isFatal(err) {
			return nil, fmt.Errorf("store %s: %w", cfg.Path, err)
		}
		s.failed(err)
	}
	return s, nil
}

// Files are those that the store may have: for who gives them to a user.
func (s *Store) Files() []string {
	return []string{s.cfg.Path, s.cfg.Path + "-wal", s.cfg.Path + "-shm"}
}

// Run brings a file of an older version up to date, writes until ctx ends, and then
// what is left.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.commit)
	defer tick.Stop()
	var emptying sync.WaitGroup
	emptying.Go(func() { s.emptyLog(ctx) })
	w := &writer{s: s, passes: passes(), update: updating{ctx, s.log},
		texts: NewGenerations[string, int64](10_000), traits: NewGenerations[string, int64](maxTraits)}
	if s.db.Load() == nil && w.with(func() error { return nil }) == nil {
		w.checkpoint()
	}
	for {
		select {
		case <-ctx.Done():
			emptying.Wait()
			w.flush()
			s.close()
			return nil
		case <-tick.C:
		case <-s.wake:
		}
		w.flush()
		w.retain()
	}
}

// push queues what is to be written; it is dropped where too much waits.
func (s *Store) push(i item) bool {
	if len(s.queue) >= maxQueue && i.do == nil {
		s.dropped.Add(1)
		return false
	}
	s.queue = append(s.queue, i)
	if len(s.queue) == maxQueue/2 || i.do != nil {
		s.nudge()
	}
	return true
}

func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run has the writer do something with the file, and waits.
func (s *Store) run(ctx context.Context, do func(*writer) error) error {
	done := make(chan error, 1)
	s.mu.Lock()
	s.push(item{do: do, done: done})
	s.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats returns how the store is.
func (s *Store) Stats() status.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return status.Store{
		Path: s.cfg.Path, Fault: s.fault, Aside: s.aside, Gone: s.gone, Bytes: s.size, MaxBytes: s.cfg.MaxSize, Queued: len(s.queue),
		Written: s.written.Load(), Dropped: s.dropped.Load(), Verdicts: s.verdicts.Load(), Orphans: s.orphans.Load(),
		Asides: s.asides.Load(), Expired: s.expired.Load(), Slow: s.breaker.slow.Load(),
	}
}

// failed notes why nothing is written, and logs it once.
func (s *Store) failed(err error) {
	s.mu.Lock()
	was := s.fault
	s.fault = err.Error()
	s.mu.Unlock()
	if was == "" {
		s.log.Warn("nothing is remembered for now; mail and answers go on", "store", s.cfg.Path, "reason", err)
	}
}

// works notes that writing succeeds.
func (s *Store) works() {
	s.mu.Lock()
	was := s.fault
	s.fault = ""
	s.mu.Unlock()
	if was != "" {
		s.log.Info("the store works again", "store", s.cfg.Path)
	}
}

// database is an open file.
type database struct {
	read, write *sql.DB
	log         *sql.DB   // empties the write-ahead log
	host, count *sql.Stmt // of look-ups
	trait       *sql.Stmt
	ready       map[string]*sql.Stmt
	file        os.FileInfo // to see that it is another one now, or gone
	older       bool        // of an older version, which is not brought up to date now
}

func (d *database) close() {
	if d == nil {
		return
	}
	for _, pool := range []*sql.DB{d.log, d.read, d.write} {
		if pool != nil {
			pool.Close()
		}
	}
}

// Generations is a map that forgets what was not used for long: when the young
// part is full it becomes the old one. Not safe for concurrent use.
type Generations[K comparable, V any] struct {
	young, old map[K]V
	most       int
}

// NewGenerations returns one whose parts have most entries each.
func NewGenerations[K comparable, V any](most int) Generations[K, V] {
	return Generations[K, V]{young: make(map[K]V), most: most}
}

// Get returns what k has.
func (g *Generations[K, V]) Get(k K) (V, bool) {
	v, ok := g.young[k]
	if !ok {
		if v, ok = g.old[k]; ok {
			g.Put(k, v)
		}
	}
	return v, ok
}

// Put sets what k has.
func (g *Generations[K, V]) Put(k K, v V) {
	if len(g.young) >= g.most {
		g.young, g.old = make(map[K]V), g.young
	}
	g.young[k] = v
}

func (g *Generations[K, V]) remove(k K) {
	delete(g.young, k)
	delete(g.old, k)
}

// Clear forgets all.
func (g *Generations[K, V]) Clear() { g.young, g.old = make(map[K]V), nil }
