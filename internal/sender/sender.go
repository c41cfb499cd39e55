// Package sender names the program at the other end of a mail server's
// connection: it has the first bytes of verified connections read (package
// stream), keeps what they say of TLS library, program and conduct by
// connection, and adds it to the notes that an engine answers with.
//
//	reader := sender.New(sender.Config{})
//	e, err := engine.New(engine.Config{Follow: reader.Follow, …})
//	who := reader.Lookuper(e)
//
// Everything is bounded: connections that are read by number, source and bytes
// (stream.Config), what is kept of those that ended by number, source and age. A
// segment of no connection whose handshake was seen costs a look into a map, and
// evicts nothing.
//
// A Reader is safe for concurrent use.
package sender

import (
	"slices"
	"sync"
	"time"

	"github.com/mxprint/mxprint/clienthello"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
)

// Config bounds a Reader. Zero values are the defaults.
type Config struct {
	DB     func() *signature.DB // with the programs; nil: none is named
	Ports  []uint16             // of mail servers: 25, 465 and 587. On 465 TLS begins with the first byte
	Stream stream.Config        // bounds of what is read at a time, of each worker; Hello and Done are not used
	Kept   int                  // connections that ended and are still known, of each worker: 20,000
	Keep   time.Duration        // how long: 10 minutes
}

const (
	implicitTLS = 465
	defaultKept = 20_000
	defaultKeep = 10 * time.Minute
)

// DefaultPorts are the ports that mail servers listen on.
func DefaultPorts() []uint16 { return []uint16{25, 465, 587} }

// Reader reads connections. Make one with New.
type Reader struct {
	cfg      Config
	hellos   hellos
	programs programs

	mu    sync.Mutex
	parts []*part
}

// New returns a Reader that reads nothing yet.
func New(cfg Config) *Reader {
	if len(cfg.Ports) == 0 {
		cfg.Ports = DefaultPorts()
	}
	if cfg.Kept <= 0 {
		cfg.Kept = defaultKept
	}
	if cfg.Keep <= 0 {
		cfg.Keep = defaultKeep
	}
	return &Reader{cfg: cfg}
}

// Follow makes what reads the connections of one worker of an engine; it fits
// engine.Config.Follow.
func (r *Reader) Follow(observe func(*event.Observation)) host.Follower { return r.part(observe) }

// part adds one.
func (r *Reader) part(observe func(*event.Observation)) *part {
	p := &part{reader: r, observe: observe, kept: newKept(r.cfg.Kept, r.cfg.Keep)}
	cfg := r.cfg.Stream
	cfg.Hello, cfg.Done = p.hello, p.done
	p.table = stream.New(cfg)
	r.mu.Lock()
	r.parts = append(r.parts, p)
	r.mu.Unlock()
	return p
}

// all returns the parts there are.
func (r *Reader) all() []*part {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.parts)
}

// Stats counts what a Reader reads and knows.
type Stats struct {
	Reading int    // connections
	Kept    int    // connections whose reading is over, and that it still knows
	Read    uint64 // connections whose reading is over
	Heard   uint64 // of these, those whose server said something
	Hellos  uint64 // ClientHellos
	Refused uint64 // connections not read: their source had too many
	Evicted uint64 // connections given up for others
}

// Stats may be called at any time.
func (r *Reader) Stats() (s Stats) {
	for _, p := range r.all() {
		p.mu.Lock()
		s.Reading += p.table.Len()
		s.Kept += p.kept.count
		s.Read += p.read
		s.Heard += p.heard
		s.Hellos += p.helloCount
		s.Refused += p.table.Refused
		s.Evicted += p.table.Evicted
		p.mu.Unlock()
	}
	return s
}

// hellos keeps one note.TLS for all who send the same hello: most connections of
// a server bring one of a few.
type hellos struct {
	mu  sync.Mutex
	all map[note.TLS]*note.TLS
}

// mostHellos is how many different hellos are kept.
const mostHellos = 4096

// of returns what a hello says.
func (hs *hellos) of(h *clienthello.Hello) *note.TLS {
	t := tlsOf(h)
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if known := hs.all[*t]; known != nil {
		return known
	}
	if hs.all == nil || len(hs.all) >= mostHellos { // they come again, if they are in use
		hs.all = make(map[note.TLS]*note.TLS)
	}
	hs.all[*t] = t
	return t
}
