package daemon

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/note"
)

// newMonitor begins to watch a daemon. It opens what the sandbox would not allow
// later.
func newMonitor(s *Settings, log *slog.Logger) *monitor {
	m := &monitor{settings: s, log: log, version: s.Version, started: time.Now(), memory: func() int64 { return 0 }}
	if s.HTTP.On() {
		m.feed = feed.New()
	}
	if f, err := os.Open("/proc/self/statm"); err == nil { // Linux alone has it
		m.statm = f
		m.memory = func() int64 { return resident(f) }
	}
	return m
}

// Close closes what newMonitor opened.
func (m *monitor) Close() error {
	if m.statm != nil {
		return m.statm.Close()
	}
	return nil
}

// resident reads how much memory the process has, in bytes; 0 where it cannot.
func resident(statm *os.File) int64 {
	buf := make([]byte, 128)
	n, _ := statm.ReadAt(buf, 0)
	fields := strings.Fields(string(buf[:n]))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// begin names what answers: who, of an engine or of another sensor.
func (m *monitor) begin(who note.Lookuper, e *engine.Engine) {
	m.engine = e
	m.meter = status.NewMeter(who, systems())
	m.read(m.settings.db)
}

// asked counts the questions of all fronts.
func (m *monitor) asked() (a status.Asked) {
	if m.meter != nil {
		a = m.meter.Asked()
	}
	return a
}

// systems are the names that the built-in database knows.
func systems() (names []string) {
	for _, e := range signature.Builtin().Entries() {
		if e.Label != nil && e.Section == "tcp:request" && !slices.Contains(names, e.Label.Name) {
			names = append(names, e.Label.Name)
		}
	}
	return names
}

// read notes that a database is in use from now on.
func (m *monitor) read(db *signature.DB) {
	var newest string
	for _, e := range db.Entries() {
		if len(e.Dates) > 0 {
			newest = max(newest, slices.Max(e.Dates))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loaded.db = db
	m.loaded.at, m.loaded.signatures, m.loaded.date = time.Now(), db.Count(), newest
}

// unreadable notes that the signatures in the files cannot be used, or that they can.
func (m *monitor) unreadable(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loaded.fault = ""
	if err != nil {
		m.loaded.fault, _, _ = strings.Cut(err.Error(), "\n")
	}
}

// reopened notes why logs go on in their old files, or that none does.
func (m *monitor) reopened(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.logFault = ""; err != nil {
		m.logFault, _, _ = strings.Cut(err.Error(), "\n")
	}
}

// database is the one in use.
func (m *monitor) database() *signature.DB {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loaded.db
}

// status is how the daemon is now.
func (m *monitor) status() *status.Status {
	st := m.counters()
	m.history.Fill(st)
	m.configuration(st)
	st.Judge()
	return st
}

// counters is a Status without what is recent, the configuration and Judge.
func (m *monitor) counters() *status.Status {
	s := m.settings
	st := &status.Status{
		Version: m.version, PID: os.Getpid(), Now: time.Now(), Started: m.started, Asks: s.Sensor.Ask,
		Lookups: m.meter.Lookups(), Memory: m.memory(), Restored: m.restored,
	}
	if m.store != nil {
		now := m.store.Stats()
		st.Store = &now
	}
	if m.shared != nil {
		now := m.shared.Stats()
		st.Shared = &now
	}
	if m.exporter != nil {
		now := m.exporter.Stats()
		st.Export = &now
	}
	st.Lost.LogLines = serve.Suppressed(m.log)
	m.mu.Lock()
	defer m.mu.Unlock()
	st.Lost.Fault = m.logFault
	if e := m.engine; e != nil {
		c := e.Stats()
		st.Hosts = status.Held{Now: c.Hosts, Max: s.Limits.Hosts}
		st.Connections = status.Held{Now: c.Conns, Max: s.Limits.Connections}
		st.Lost.Observations, st.Lost.Unwritten = c.Lost, c.Unwritten
		st.Unread, st.NotRead = e.Unread(), c.Unread+c.Cut
		counts := e.Sources()
		for _, src := range m.sources {
			st.Sources = append(st.Sources, src.status(counts))
		}
	}
	for _, f := range m.fronts {
		st.Fronts = append(st.Fronts, f.status())
	}
	st.Database = status.Database{Signatures: m.loaded.signatures, Date: m.loaded.date, Loaded: m.loaded.at, Fault: m.loaded.fault}
	for _, path := range append(slices.Clone(s.Signatures.Extend), s.Signatures.File) {
		if path != "" {
			st.Database.Files = append(st.Database.Files, path)
		}
	}
	if s.remote != nil {
		if cert := s.remote.cert.Load(); cert != nil && cert.Leaf != nil {
			st.Certificate = &cert.Leaf.NotAfter
		}
	}
	return st
}

// configuration compares the configuration with its file, when the file is
// another one than at the last time: a scrape comes every second.
func (m *monitor) configuration(st *status.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	path, file := m.settings.Path(), m.file
	defer func() { st.Configuration = m.configured }()
	now, err := os.Stat(path)
	if err == nil && file != nil && os.SameFile(file, now) && file.Size() == now.Size() && file.ModTime().Equal(now.ModTime()) {
		return
	}
	m.file, m.configured = now, status.Configuration{Path: path}
	if m.configured.Waiting, err = m.settings.Changed(); err != nil {
		m.configured.Fault, _, _ = strings.Cut(err.Error(), "\n")
	}
}

// run keeps the history. The watch logs what is wrong.
func (m *monitor) run(ctx context.Context) error {
	tick := time.NewTicker(status.Every)
	defer tick.Stop()
	m.history.Add(m.counters())
	return each(tick.C, func() { m.history.Add(m.counters()) })(ctx)
}
