// Package engine is the pipeline: frames from a capture are filtered and
// decoded, held against the signatures, entered into the host table, and told
// to observers; look-ups are answered from the table meanwhile.
//
//	capture → filter → packet → signature → host → observers
//	                                          ↑
//	                              Lookup (a note.Lookuper)
//
// Use it to run a sensor inside a Go program; the command mxprint is built on
// it. An Engine is safe for concurrent use.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/host"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

// Observer is told what the engine finds out, one call at a time.
type Observer interface {
	host.Observer
	// Flush is called when no frame is waiting, and after many frames: write
	// out now what should not wait.
	Flush() error
}

// Config is what an Engine needs. The zero value works: it uses the built-in
// database, p0f's bounds, and all TCP.
type Config struct {
	DB        *signature.DB // nil: the built-in database
	Hosts     host.Config
	Rule      Rule
	Observers []Observer
	Logger    *slog.Logger // nil: slog.Default()
}

// Engine runs the pipeline. Make one with New.
type Engine struct {
	rule      Rule
	observers []Observer
	log       *slog.Logger

	mu      sync.Mutex // guards what follows
	table   *host.Table
	recent  bool // the table knows connections, too
	waiting map[netip.AddrPort]*waiter
	failed  error // why the last source ended, if it should not have
}

// New returns an engine that has seen nothing yet.
func New(cfg Config) *Engine {
	if cfg.DB == nil {
		cfg.DB = signature.Builtin()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	e := &Engine{
		rule: cfg.Rule, observers: cfg.Observers, log: cfg.Logger,
		waiting: make(map[netip.AddrPort]*waiter),
	}
	e.recent = cfg.Hosts.Recent > 0
	e.table = host.New(cfg.DB, cfg.Hosts, (*fanout)(e))
	return e
}

// fanout is the engine as its own table's observer.
type fanout Engine

// Observe runs under the engine's lock.
func (f *fanout) Observe(o *host.Observation) {
	for _, obs := range f.observers {
		obs.Observe(o)
	}
	if len(f.waiting) > 0 && (o.Module == host.SYN || o.Module == host.Probe) {
		(*Engine)(f).wake(netip.AddrPortFrom(o.Client.Addr(), 0))
		(*Engine)(f).wake(o.Client)
	}
}

// Run feeds the engine from a source until the source ends (nil at the end of
// a file), fails, or ctx does (nil too). Several sources may run at one time.
// Run does not close the source.
func (e *Engine) Run(ctx context.Context, src capture.Source) error {
	_, ring := src.(*capture.Ring)
	in := input{engine: e, headersOnly: ring}
	for {
		err := src.Read(ctx, in.frame)
		e.flush()
		switch {
		case in.err != nil:
			return e.fail(in.err)
		case err == nil:
		case errors.Is(err, io.EOF) || ctx.Err() != nil:
			return nil
		default:
			return e.fail(err)
		}
	}
}

// fail notes that a source has failed, ends the waiting, and returns err.
func (e *Engine) fail(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed = err
	for client := range e.waiting {
		e.wake(client)
	}
	return err
}

func (e *Engine) flush() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, obs := range e.observers {
		if err := obs.Flush(); err != nil {
			e.log.Error("observations lost", "reason", err)
		}
	}
}

// Frames returns how many frames have passed the filter.
func (e *Engine) Frames() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.table.Frames()
}

// SetDB changes the database while the engine runs. What is known of hosts
// stays where the new database names it too.
func (e *Engine) SetDB(db *signature.DB) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.table.SetDB(db)
}

// input is one source's way into the engine. Link types may change from frame
// to frame, so decoder and filter are kept by type.
type input struct {
	engine *Engine
	// headersOnly: the source cuts frames behind their headers.
	headersOnly bool

	link   *link // of the last frame
	links  map[packet.LinkType]*link
	warned struct{ version, offset bool }
	seg    packet.Segment
	err    error
}

func (in *input) frame(f *capture.Frame) {
	if in.link == nil || in.link.decoder.Link != f.Link {
		if in.err != nil || !in.use(f.Link) {
			return
		}
	}
	if !in.link.filter.Match(f.Data, f.WireLen) {
		return
	}
	err := in.link.decoder.Decode(f.Data, f.WireLen, &in.seg)
	if err != nil {
		in.warn(err)
	}
	e := in.engine
	e.mu.Lock()
	e.table.Frame(f.Time)
	if err == nil {
		e.table.Update(&in.seg, payload(f.Data, &in.seg))
	}
	e.mu.Unlock()
}

// use finds or makes the decoder and filter of a link type.
func (in *input) use(t packet.LinkType) bool {
	if l := in.links[t]; l != nil {
		in.link = l
		return true
	}
	l, err := in.engine.rule.newLink(t)
	if err != nil {
		in.err = fmt.Errorf("engine: frames of link type %d: %w", t, err)
		return false
	}
	l.decoder.HeadersOnly = in.headersOnly
	if in.links == nil {
		in.links = make(map[packet.LinkType]*link)
	}
	in.links[t], in.link = l, l
	return true
}

// warn says once each that frames look like no IP packet and that their IP
// header cannot be found, as p0f does (p0f v3 §1.3, §1.5).
func (in *input) warn(err error) {
	if in.link.decoder.Lost() && !in.warned.offset {
		in.warned.offset = true
		in.engine.log.Warn("Unable to find link-specific packet offset", "link", in.link.decoder.Link)
	}
	var version packet.VersionError
	if !in.warned.version && errors.As(err, &version) {
		in.warned.version = true
		in.engine.log.Warn(fmt.Sprintf("Unknown packet type %d, link detection issue?", version))
	}
}

// payload returns what was captured of a segment's data.
func payload(frame []byte, s *packet.Segment) []byte {
	from := min(int(s.PayloadOff), len(frame))
	to := min(from+int(s.PayloadLen), len(frame))
	return frame[from:to]
}
