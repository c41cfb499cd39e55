package daemon

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/export"
	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/shared"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/note"
)

// monitor is what a daemon reports of itself: its sources and fronts as they were
// opened, with where their counters are. Safe for concurrent use.
type monitor struct {
	settings *Settings
	log      *slog.Logger
	version  string
	started  time.Time
	statm    *os.File // nil: the system has none
	memory   func() int64
	engine   *engine.Engine // nil where another sensor is asked
	meter    *status.Meter
	restored *status.Restored // nil: nothing
	history  status.History
	feed     *feed.Feed       // nil: there is no page to see it
	store    *store.Store     // nil: none is configured
	shared   *shared.Store    // nil likewise
	exporter *export.Exporter // nil likewise

	mu         sync.Mutex
	sources    []*watchedSource
	fronts     []*watchedFront
	file       fs.FileInfo // of the configuration, as configured is of
	configured status.Configuration
	loaded     struct { // the database
		db         *signature.DB
		at         time.Time
		signatures int
		date       string
		fault      string // of the files, since then
	}
	logFault string // why a log was not reopened
}

// watchedSource is a source, which may be several rings of one interface.
type watchedSource struct {
	name, kind string

	mu     sync.Mutex
	parts  []sourcePart
	reason error // why it ended
	ended  bool
}

type sourcePart struct {
	source capture.Source
	stats  func() capture.Stats
}

// source adds a source; it waits until it has parts.
func (m *monitor) source(kind, name string) *watchedSource {
	s := &watchedSource{name: name, kind: kind}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sources = append(m.sources, s)
	return s
}

func (s *watchedSource) part(source capture.Source, stats func() capture.Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = append(s.parts, sourcePart{source, stats})
}

// run is a task that keeps why it ended.
func (s *watchedSource) run(t task) task {
	return func(ctx context.Context) error {
		err := t(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended, s.reason = true, err
		return err
	}
}

// drops is how many frames the sources of a kind had no room for.
func (m *monitor) drops(kind string) (n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sources {
		if s.kind == kind {
			n += s.drops()
		}
	}
	return n
}

func (s *watchedSource) drops() (n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		n += p.stats().Drops
	}
	return n
}

func (s *watchedSource) status(counts []engine.SourceStats) status.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := status.Source{Name: s.name, Kind: s.kind, State: status.Running}
	switch {
	case s.ended:
		st.State = status.Failed
		if s.reason != nil {
			st.Reason = s.reason.Error()
		}
	case len(s.parts) == 0:
		st.State = status.Waiting
	}
	for _, p := range s.parts {
		now := p.stats()
		st.Drops += now.Drops
		if now.Away && !s.ended {
			st.State, st.Reason = status.Waiting, "it is down or gone"
		}
		i := slices.IndexFunc(counts, func(c engine.SourceStats) bool { return c.Source == p.source })
		if i < 0 {
			continue
		}
		c := counts[i]
		st.Frames, st.SYNs = st.Frames+c.Frames, st.SYNs+c.SYNs
		if !c.Last.IsZero() && (st.Last == nil || c.Last.After(*st.Last)) {
			st.Last = &c.Last
		}
	}
	return st
}

// watchedFront is a front with all its listeners.
type watchedFront struct {
	name    string
	counter *status.Counter    // nil: it asks for nothing
	stats   func() serve.Stats // nil: no counters
	most    int                // connections of a listener; 0: none

	mu     sync.Mutex
	at     []string
	files  map[string]fs.FileInfo // of the unix sockets among them, as they were made
	faults []status.Fault
}

// front adds a front, which asks its counter.
func (m *monitor) front(name string, most int) *watchedFront {
	f := &watchedFront{name: name, most: most, counter: m.meter.Front()}
	if m.feed != nil {
		f.counter.Heard = func(q note.Query, n note.Note, now time.Time, took time.Duration) {
			m.feed.Answered(name, q, &n, now, took)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fronts = append(m.fronts, f)
	return f
}

// listens, failed and works keep the state of a listener.
func (f *watchedFront) listens(at string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = append(f.at, at)
	f.keepFile(at)
}

// keepFile remembers the file of a unix socket. The lock is held.
func (f *watchedFront) keepFile(at string) {
	network, path, err := config.Endpoint(at)
	if err != nil || network != "unix" {
		return
	}
	if file, err := os.Lstat(path); err == nil {
		if f.files == nil {
			f.files = make(map[string]fs.FileInfo)
		}
		f.files[at] = file
	}
}

// errGone is the fault of a listener that no client reaches any more.
var errGone = errors.New("its socket was removed, or replaced by another process, and no client reaches it (mxprint doctor; systemctl restart mxprint)")

// lookAtFiles notes the unix sockets whose files are gone. A socket listens without its
// file, too, so nothing else shows it. The user of the sensor may not see a file that
// root made in a folder of others: nothing is known of it then.
func (f *watchedFront) lookAtFiles() (gone []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for at, file := range f.files {
		_, path, _ := config.Endpoint(at)
		now, err := os.Lstat(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		switch there := err == nil && os.SameFile(file, now); {
		case there:
			f.faults = slices.DeleteFunc(f.faults, func(f status.Fault) bool { return f.At == at && f.Reason == errGone.Error() })
		case slices.ContainsFunc(f.faults, func(f status.Fault) bool { return f.At == at && f.Reason != errGone.Error() }):
			// it has failed, and is opened again
		default:
			gone = append(gone, path)
			f.fault(at, errGone)
		}
	}
	return gone
}

// gone are the paths of unix sockets that clients do not reach any more.
func (m *monitor) gone() (paths []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.fronts {
		paths = append(paths, f.lookAtFiles()...)
	}
	return paths
}

func (f *watchedFront) failed(at string, reason error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault(at, reason)
}

// fault is failed with the lock held.
func (f *watchedFront) fault(at string, reason error) {
	text := "it ended"
	if reason != nil {
		text = reason.Error()
	}
	for i := range f.faults {
		if f.faults[i].At == at {
			f.faults[i].Reason = text
			return
		}
	}
	f.faults = append(f.faults, status.Fault{At: at, Reason: text, Since: time.Now()})
}

func (f *watchedFront) works(at string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = slices.DeleteFunc(f.faults, func(f status.Fault) bool { return f.At == at })
	f.keepFile(at)
}

func (f *watchedFront) status() status.Front {
	f.lookAtFiles()
	f.mu.Lock()
	defer f.mu.Unlock()
	st := status.Front{Name: f.name, Listen: slices.Clone(f.at), Failed: slices.Clone(f.faults), MaxConns: f.most}
	if f.counter != nil {
		st.Answers = f.counter.Answers()
	}
	if f.stats != nil {
		c := f.stats()
		st.Open, st.Served, st.Refused, st.Denied, st.Dropped = c.Open, c.Total, c.Refused, c.Denied, c.Dropped
		st.Bad, st.Late = c.Bad, c.Missed
	}
	return st
}
