// Package export sends what a sensor saw to ClickHouse, and to a file of lines of
// JSON: observations, notes and verdicts. Use it for history beyond one machine;
// what one machine remembers for its own answers is in package store.
//
// Nothing waits for it. Rows are gathered in memory for a second at most, then
// lie in the spool, a folder of batches, until ClickHouse has taken them. Each row
// has an id (run, n), and each batch may be sent more than once: the tables keep
// one row of an id. Where the spool is full, or its disk, the oldest batch is
// dropped, and counted.
//
// docs/clickhouse.md describes tables, settings and faults.
package export

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/note"
)

// Table is where a row goes.
type Table uint8

// The tables.
const (
	Observations Table = iota
	Notes
	Verdicts
	tables // how many there are
)

var tableNames = [tables]string{"observations", "notes", "verdicts"}

// String returns the table's name.
func (t Table) String() string {
	if t < tables {
		return tableNames[t]
	}
	return "unknown"
}

// ParseTable finds a table by its name.
func ParseTable(name string) (Table, bool) {
	for t, known := range tableNames {
		if name == known {
			return Table(t), true
		}
	}
	return 0, false
}

// The bounds of memory, and the times between steps.
const (
	gatherTime = time.Second // in memory
	maxRows    = 32 << 20    // bytes of rows in memory; more are dropped
	maxAsked   = 20_000      // notes in memory that are no rows yet
	maxVisits  = 20_000      // connections whose rows may be replaced, times two
	complain   = 10 * time.Second
)

// Config says what goes where. Of ClickHouse and File one is needed.
type Config struct {
	ClickHouse *ClickHouse
	Spool      string        // the folder of batches; with ClickHouse
	MaxSpool   int64         // bytes of it
	Every      time.Duration // how long a batch is filled; 0: DefaultEvery
	File       io.Writer     // takes rows as lines of JSON; nil: none
	Tables     []Table       // which rows; nil: all
	Sensor     string        // the name of this one in each row
	Key        []byte        // hashes addresses and names; nil: they go as they are
	Logger     *slog.Logger  // nil: none

	now     func() time.Time // for tests
	backOff time.Duration    // the first one
}

// DefaultEvery is how long a batch is filled.
const DefaultEvery = 5 * time.Second

// Exporter gathers rows. Safe for concurrent use; no method waits for a disk or
// the network but Run and Forget.
type Exporter struct {
	// Who completes the notes of sessions that have ended; nil: none does. Set it
	// before Run.
	Who note.Lookuper

	cfg   Config
	log   *slog.Logger
	wants [tables]bool
	run   uint64 // of this process, at random; part of the id of each row
	spool *spool // nil: no ClickHouse
	send  *sender

	mu      sync.Mutex
	n       uint64 // of the last row
	rows    [tables]gathered
	bytes   int
	asked   []askedNote
	visits  store.Generations[netip.AddrPort, *visit] // that were asked about lately; of what flushes
	late    uint64                                    // rows that memory had no room for
	written uint64                                    // lines of File
	unfiled uint64                                    // that File did not take
	fault   error                                     // of File
	flushMu sync.Mutex
	logged  struct {
		at      time.Time
		dropped uint64
	}
}

// gathered are rows as lines.
type gathered struct {
	lines []byte
	n     int
}

// New opens the spool. After an error nothing stays open.
func New(cfg Config) (*Exporter, error) {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if cfg.now == nil {
		cfg.now = time.Now
	}
	cfg.Every = cmp.Or(cfg.Every, DefaultEvery)
	e := &Exporter{cfg: cfg, log: cfg.Logger, visits: store.NewGenerations[netip.AddrPort, *visit](maxVisits)}
	for _, t := range cfg.Tables {
		e.wants[t] = true
	}
	if cfg.Tables == nil {
		e.wants = [tables]bool{true, true, true}
	}
	var run [8]byte
	rand.Read(run[:])
	e.run = binary.LittleEndian.Uint64(run[:]) >> 11 // exact in JSON numbers, which many read as float64
	if cfg.ClickHouse == nil {
		if cfg.File == nil {
			return nil, errors.New("export: neither ClickHouse nor a file")
		}
		return e, nil
	}
	var err error
	if e.spool, err = openSpool(cfg.Spool, cfg.MaxSpool, cfg.now, cfg.Logger); err != nil {
		return nil, err
	}
	e.send = &sender{to: cfg.ClickHouse, spool: e.spool, log: cfg.Logger, now: cfg.now, first: cmp.Or(cfg.backOff, firstWait),
		wake: make(chan struct{}, 1)}
	return e, nil
}

// Close gives the spool to the next process. Call it after Run, or instead of it.
func (e *Exporter) Close() error {
	if e.spool == nil {
		return nil
	}
	return e.spool.close()
}

// Wants reports whether Observe has a use for an observation.
func (e *Exporter) Wants(o *event.Observation) bool {
	return e.wants[Observations] || e.wants[Notes] && o.Module == event.SMTP
}

// Run writes and sends until ctx ends; then it writes what is left.
func (e *Exporter) Run(ctx context.Context) error {
	var sending sync.WaitGroup
	if e.send != nil {
		sending.Go(func() { e.send.run(ctx) })
	}
	tick := time.NewTicker(gatherTime)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		e.flush(false)
	}
	e.Save()
	sending.Wait()
	return nil
}

// Save writes what is in memory, as before the process executes another program.
func (e *Exporter) Save() { e.flush(true) }

// flush writes what was gathered: to the file, and to the spool. end: batches are
// closed that are not full.
func (e *Exporter) flush(end bool) {
	e.flushMu.Lock()
	defer e.flushMu.Unlock()
	e.makeNotes()
	e.mu.Lock()
	all := e.rows
	e.rows, e.bytes = [tables]gathered{}, 0
	e.mu.Unlock()
	for t := range all {
		if all[t].n == 0 {
			continue
		}
		e.file(&all[t])
		if e.spool != nil {
			e.spool.add(Table(t), all[t].lines, all[t].n)
		}
	}
	if e.spool != nil && e.spool.closeBatches(e.cfg.Every, end) {
		e.send.nudge()
	}
	e.warn(end)
}

// file writes rows to the file.
func (e *Exporter) file(g *gathered) {
	if e.cfg.File == nil {
		return
	}
	_, err := e.cfg.File.Write(g.lines)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault = err; err != nil {
		e.unfiled += uint64(g.n)
		return
	}
	e.written += uint64(g.n)
}

// warn logs what was lost, now and then.
func (e *Exporter) warn(end bool) {
	s := e.Stats()
	if lost := s.Dropped.Sum(); lost != e.logged.dropped && (end || e.cfg.now().Sub(e.logged.at) >= complain) {
		e.log.Warn("rows of history were dropped", "rows", lost-e.logged.dropped, "reason", why(&s.Dropped), "waiting", s.Waiting, "bytes", s.Bytes)
		e.logged.dropped, e.logged.at = lost, e.cfg.now()
	}
}

// add adds a row, unless memory is full. fill writes its members.
func (e *Exporter) add(t Table, fill func(*row)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bytes >= maxRows {
		e.late++
		return
	}
	e.n++
	g := &e.rows[t]
	before := len(g.lines)
	r := row{b: g.lines}
	r.begin(t, e.run, e.n, e.cfg.Sensor)
	fill(&r)
	g.lines = r.end()
	g.n++
	e.bytes += len(g.lines) - before
}
