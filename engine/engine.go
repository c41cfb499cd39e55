// Package engine is the pipeline: frames from a capture are filtered and
// decoded, matched with the signatures, entered into the host table, and passed
// to observers; look-ups are answered from the table meanwhile.
//
//	capture → filter → packet → signature → host → observers
//	                                          ↑
//	                              Lookup (a note.Lookuper)
//
// Use it to run a sensor inside a Go program; the command mxprint is built on
// it. An Engine is safe for concurrent use.
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/internal/await"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/observe"
	core "github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/unread"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

// Config is what an Engine needs. The zero value works: it uses the built-in
// database, p0f's bounds, and all TCP.
type Config struct {
	DB        *signature.DB // nil: the built-in database
	Hosts     Hosts         // of all workers together
	Workers   int           // parts of the memory, which sources feed at one time; at most 64, default 1
	Rule      filter.Rule   // which frames count
	Observers []event.Observer

	// Tunnels opens what is encapsulated; with Rule.P0f give none. The zero value
	// opens none, and of an interface looks for none.
	Tunnels packet.Opener

	// Wants reports whether any Observer needs an observation; nil stands for all. It is called
	// while frames are entered, by several goroutines at once, with no RawSig of a fingerprint.
	Wants func(*event.Observation) bool

	// Follow makes what reads the payload of a worker's connections, and reports what
	// it finds out to observe, which keeps nothing of it. It needs Hosts.Recent.
	Follow func(observe func(*event.Observation)) event.Follower

	// Prompt has frames of an interface entered as they come, for Observers and Follow to learn of them at once, and in
	// order where the two directions of a connection come by two interfaces. It wakes the process for each packet of a
	// mail. Without it frames are entered when a look-up asks, or within 20 ms.
	Prompt bool

	Logger *slog.Logger // nil: slog.New(slog.DiscardHandler)
}

// Hosts bounds what an Engine remembers. Zero and negative values mean p0f's defaults, numbers beyond 2^30 mean 2^30.
type Hosts struct {
	MaxConns int           // connections under way; default 1,000
	MaxHosts int           // addresses; default 10,000
	ConnAge  time.Duration // a connection is forgotten after; default 30 s
	HostAge  time.Duration // an address is forgotten after; default 2 h
	Recent   int           // connections whose SYN is kept, for queries with a port; default none

	// Trusted says that a SYN comes when its connection is there, as from sockops
	// or a proxy: nothing can be forged.
	Trusted bool

	// Unverified is how many of MaxHosts may be addresses that sent nothing but
	// SYNs: a flood evicts no others. 0: the oldest goes, as in p0f.
	Unverified int

	HTTPBytes  int  // kept of unfinished HTTP headers together; default 16 MiB
	HTTPWhole  bool // read HTTP responses across segments; p0f loses a field at each boundary
	LoneSYNACK bool // observe SYN+ACKs whose SYN was not seen, too
}

// Engine runs the pipeline. Make one with New.
//
// With one worker everything happens in the order of the frames, as p0f's log
// shows it. With more, what concerns different clients is independent.
type Engine struct {
	rule    filter.Rule
	db      atomic.Pointer[core.DB]
	log     *slog.Logger
	shards  []*shard
	fanout  capture.Fanout
	caller  *observe.Caller
	recent  bool // the tables know connections, too
	prompt  bool
	waiting await.Queue

	tunnels   packet.Opener
	unread    unread.Counts
	readsLone bool        // SYN+ACKs without their SYN, too
	live      atomic.Bool // there was an interface

	sourcesMu sync.RWMutex             // held where sources changes
	sources   atomic.Pointer[[]*input] // that run; a list does not change

	began   time.Time
	running atomic.Int32          // sources
	failed  atomic.Pointer[error] // why the last one to fail ended
}

const (
	maxWorkers = 64
	liveSeen   = 1 << 15 // observations that all shards hold of interfaces, 16 MiB; more are lost
)

// New returns an engine that has seen nothing yet. It refuses a configuration
// that is out of bounds.
func New(cfg Config) (*Engine, error) {
	if cfg.Workers < 0 || cfg.Workers > maxWorkers {
		return nil, fmt.Errorf("engine: %d workers: want 1 to %d", cfg.Workers, maxWorkers)
	}
	if cfg.DB == nil {
		cfg.DB = signature.Builtin()
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	e := &Engine{
		rule: cfg.Rule, tunnels: cfg.Tunnels, readsLone: cfg.Hosts.LoneSYNACK, log: cfg.Logger, recent: cfg.Hosts.Recent > 0, prompt: cfg.Prompt,
		fanout: capture.NewFanout(), caller: observe.New(cfg.Observers, cfg.Wants, cfg.Logger), began: time.Now(),
	}
	e.db.Store((*core.DB)(cfg.DB))
	e.sources.Store(new([]*input))
	workers := max(cfg.Workers, 1)
	hosts := host.Config(cfg.Hosts).Share(workers)
	for range workers {
		s := new(shard)
		var observer host.Observer
		if s.list = e.caller.List(&s.mu, liveSeen/workers); s.list != nil {
			observer = s.list
		}
		s.table = host.New(e.db.Load(), hosts, observer)
		if len(e.shards) > 0 {
			s.table.ShareSeed(e.shards[0].table)
		}
		s.table.Follow(cfg.Follow, s.list.Observe)
		e.shards = append(e.shards, s)
	}
	return e, nil
}

// Run feeds the engine from a source until the source ends (nil at the end of
// a file), fails, or ctx does (nil too). Several sources may run at one time.
// Run does not close the source. It does not call Read where the source has Wait, Ready
// and Empty, as capture.Ring does, also if another type embeds it.
func (e *Engine) Run(ctx context.Context, src capture.Source) error {
	e.caller.Start()
	defer e.caller.Stop()
	e.running.Add(1)
	in := newInput(e, src.Live())
	in.from(src)
	e.live.CompareAndSwap(false, in.live)
	if !in.live {
		in.ahead = &host.Ahead{DB: &e.db, Raw: e.caller.TakesAll()}
		in.startPipes()
	}
	untrack := e.track(in)
	var err error
	for err == nil {
		err = in.read(ctx)
	}
	in.endPipes()
	untrack()
	e.unread.Move(&in.unread)
	switch {
	case in.err != nil:
		err = in.err
	case errors.Is(err, io.EOF):
		err = in.unread.Refused()
	case ctx.Err() != nil:
		err = nil
	}
	if err != nil {
		e.failed.Store(&err)
	}
	if e.running.Add(-1) == 0 {
		e.each((*host.Table).Unfollow)
		if err != nil {
			e.waiting.GiveUp()
		}
	}
	return err
}

// each calls do with each table, which no source writes to meanwhile.
func (e *Engine) each(do func(*host.Table)) {
	for _, s := range e.shards {
		s.mu.Lock()
		do(s.table)
		s.mu.Unlock()
	}
}

// failure returns why there is no source, or nil where one runs or none failed.
func (e *Engine) failure() error {
	if failed := e.failed.Load(); failed != nil && e.running.Load() == 0 {
		return *failed
	}
	return nil
}

// Fanout is how the engine spreads clients over its workers. Rings that share
// an interface in the same way (capture.OpenRings) never meet at a lock.
func (e *Engine) Fanout() capture.Fanout { return e.fanout }

// Stats counts what an engine has seen and holds.
type Stats struct {
	Frames uint64 // that passed the filter
	Hosts  int    // addresses known
	Conns  int    // connections under way
	Lost   uint64 // observations of an interface that slow observers did not get

	// Unwritten are observations that observers got and could not write,
	// for a full disk perhaps. What two could not write counts twice.
	Unwritten uint64

	// Unread are frames that could not be read: tunnels, but for encapsulations that
	// nothing opens, and frames of an interface that are malformed. Cut are SYNs and
	// SYN+ACKs of which a capture kept less than their headers. Engine.Unread has their
	// kinds.
	Unread, Cut uint64
}

// Stats may be called at any time.
func (e *Engine) Stats() (st Stats) {
	e.each(func(t *host.Table) {
		hosts, conns := t.Len()
		st.Frames, st.Hosts, st.Conns = st.Frames+t.Frames(), st.Hosts+hosts, st.Conns+conns
	})
	st.Unread, st.Cut = e.unread.Totals()
	st.Lost, st.Unwritten = e.caller.Counts()
	return st
}

// SetDB changes the database while the engine runs. What is known of hosts
// stays where the new database names it too.
func (e *Engine) SetDB(db *signature.DB) {
	e.db.Store((*core.DB)(db))
	e.each(func(t *host.Table) { t.SetDB((*core.DB)(db)) })
}

// SourceStats counts what came from one source that runs.
type SourceStats struct {
	Source capture.Source
	Frames uint64    // that the source handed over
	SYNs   uint64    // of these, those that open a connection
	Last   time.Time // of the last frame; zero before the first
}

// Sources returns the counts of the sources that run now. It may be called at
// any time; a count is some frames late.
func (e *Engine) Sources() []SourceStats {
	var all []SourceStats
	for _, in := range *e.sources.Load() {
		st := SourceStats{Source: in.source, Frames: in.counts.frames.Load(), SYNs: in.counts.syns.Load()}
		if at := in.counts.last.Load(); at > 0 {
			st.Last = time.UnixMicro(at)
		}
		all = append(all, st)
	}
	return all
}

// counts are of one source. Its goroutine counts in frames and syns of input,
// and publishes them here after each Read.
type counts struct {
	frames, syns atomic.Uint64
	last         atomic.Int64 // microseconds since 1970
}

// publish adds what was counted since the last time.
func (in *input) publish() {
	if in.frames == 0 {
		return
	}
	if in.live { // a file's are added at its end, with its answer
		in.engine.unread.Move(&in.unread)
	}
	in.counts.frames.Add(in.frames)
	in.counts.syns.Add(in.syns)
	in.counts.last.Store(in.at)
	in.frames, in.syns = 0, 0
}

// track lists a source that runs, until the returned function is called.
func (e *Engine) track(in *input) (done func()) {
	e.sourcesMu.Lock()
	defer e.sourcesMu.Unlock()
	all := append(slices.Clone(*e.sources.Load()), in)
	e.sources.Store(&all)
	return func() {
		e.sourcesMu.Lock()
		defer e.sourcesMu.Unlock()
		rest := slices.DeleteFunc(slices.Clone(*e.sources.Load()), func(o *input) bool { return o == in })
		e.sources.Store(&rest)
	}
}
