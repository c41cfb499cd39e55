// Package status is what a running sensor reports of itself: plain values with
// a JSON form (docs/observe.md), the judgement of them in words, and the Meter
// that counts answers. Package daemon fills a Status in; the query socket, the
// metrics and mxprint doctor read it.
package status

import (
	"time"

	"github.com/mxprint/mxprint/note"
)

// Status is a sensor at one moment. Counters begin with the process.
type Status struct {
	Health  Health   `json:"health"`
	Reasons []string `json:"reasons,omitempty"` // why it is not well, the worst first

	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Now     time.Time `json:"now"`
	Started time.Time `json:"started"`

	Asks    string   `json:"asks,omitempty"` // the sensor that answers in place of this one
	Sources []Source `json:"sources,omitempty"`
	Unread  []string `json:"unread,omitempty"` // frames that could not be read, a line for each kind
	NotRead uint64   `json:"unread_frames"`    // how many they are
	Fronts  []Front  `json:"fronts"`
	Lookups Lookups  `json:"lookups"`
	Recent  Recent   `json:"recent"`

	Hosts       Held  `json:"hosts"`
	Connections Held  `json:"connections"`
	Memory      int64 `json:"memory_bytes"` // resident; 0: not known
	Lost        Lost  `json:"lost"`

	Store    *Store    `json:"store,omitempty"`    // the memory that lasts; nil: none is configured
	Shared   *Shared   `json:"shared,omitempty"`   // the memory that several sensors share; nil likewise
	Export   *Export   `json:"export,omitempty"`   // history for ClickHouse or a file; nil: none is configured
	Restored *Restored `json:"restored,omitempty"` // from an earlier process

	Database      Database      `json:"database"`
	Configuration Configuration `json:"configuration"`
	// Certificate is when that of [query] tls_listen expires.
	Certificate *time.Time `json:"certificate_expires,omitempty"`
}

// Uptime is how long the process runs.
func (s *Status) Uptime() time.Duration { return s.Now.Sub(s.Started) }

// Store is the memory that lasts.
type Store struct {
	Path     string `json:"path"`
	Fault    string `json:"fault,omitempty"`     // why nothing is remembered now
	Aside    string `json:"set_aside,omitempty"` // the damaged file that was kept, and what was wrong with it
	Gone     bool   `json:"gone,omitempty"`      // the file was removed or replaced: what it had is lost
	Bytes    int64  `json:"bytes"`               // on the disk
	MaxBytes int64  `json:"max_bytes"`
	Queued   int    `json:"queued"`             // to be written
	Written  uint64 `json:"connections"`        // written
	Dropped  uint64 `json:"dropped"`            // that could not be written in time
	Expired  uint64 `json:"expired"`            // removed for age or size
	Verdicts uint64 `json:"verdicts"`           // that found their connection
	Orphans  uint64 `json:"verdicts_unmatched"` // that found none
	Asides   uint64 `json:"set_asides"`         // damaged files
	Slow     uint64 `json:"slow"`               // look-ups that went on without a memory
}

// Shared is the memory that several sensors share.
type Shared struct {
	Servers    []string `json:"servers"`
	Sensor     string   `json:"sensor"`                // the name of this one
	Fault      string   `json:"fault,omitempty"`       // why look-ups go on without it
	WriteFault string   `json:"write_fault,omitempty"` // why nothing is published
	Asked      uint64   `json:"asked"`                 // look-ups that asked for a connection or address
	Found      uint64   `json:"found"`                 // of these, answered from another sensor
	Missed     uint64   `json:"missed"`                // look-ups that went on without it
	Errors     uint64   `json:"errors"`                // questions without a proper answer in time
	Malformed  uint64   `json:"malformed"`             // records that were not used
	Emptied    uint64   `json:"emptied"`               // times that it had lost what this sensor had said of itself
	Published  uint64   `json:"published"`             // notes
	Dropped    uint64   `json:"unpublished"`           // notes and counts that could not be published in time
	Queued     int      `json:"queued"`                // to be written
	Lag        float64  `json:"lag_seconds"`           // that the last write had waited
}

// Export is history on its way to ClickHouse, or into a file.
type Export struct {
	ClickHouse string        `json:"clickhouse,omitempty"`
	Fault      string        `json:"fault,omitempty"` // why nothing is sent or written now
	Since      time.Time     `json:"since,omitzero"`  // of the fault
	Waiting    int           `json:"waiting"`         // rows in the spool
	Oldest     time.Time     `json:"oldest,omitzero"` // row of the spool; zero: none waits
	Bytes      int64         `json:"bytes"`           // of the spool
	MaxBytes   int64         `json:"max_bytes"`
	Sent       uint64        `json:"sent"` // rows
	Batches    uint64        `json:"batches"`
	Failures   uint64        `json:"failures"`      // requests
	Last       time.Time     `json:"last,omitzero"` // batch that was taken
	Written    uint64        `json:"written"`       // lines of the file
	Dropped    ExportDropped `json:"dropped_rows"`
}

// ExportDropped are rows that nothing has, by reason.
type ExportDropped struct {
	Memory  uint64 `json:"memory"`  // the disk was too slow
	Full    uint64 `json:"full"`    // the spool was over its bound
	Disk    uint64 `json:"disk"`    // the disk of the spool was full, or failed
	Damaged uint64 `json:"damaged"` // files of the spool were damaged
	Refused uint64 `json:"refused"` // by ClickHouse
	File    uint64 `json:"file"`    // the file could not be written
}

// Sum is all of them.
func (d *ExportDropped) Sum() uint64 {
	return d.Memory + d.Full + d.Disk + d.Damaged + d.Refused + d.File
}

// Source is one place where SYNs come from: an interface, or "sockops", "proxy".
type Source struct {
	Name   string     `json:"name"`
	Kind   string     `json:"kind"` // sensor.source
	State  string     `json:"state"`
	Reason string     `json:"reason,omitempty"` // why it does not run
	Frames uint64     `json:"frames"`
	SYNs   uint64     `json:"syns"`
	Drops  uint64     `json:"drops"`          // lost because the sensor was slow
	Last   *time.Time `json:"last,omitempty"` // when the last frame came
}

// The states of a Source.
const (
	Running = "running"
	Waiting = "waiting" // for an interface that does not exist, or is down
	Failed  = "failed"
)

// Front is a server for one protocol, with all its listeners.
type Front struct {
	Name    string   `json:"name"`
	Listen  []string `json:"listen"`
	Failed  []Fault  `json:"failed,omitempty"` // listeners that do not listen now
	Answers Answers  `json:"answers"`

	Open     int    `json:"open"`               // connections now
	MaxConns int    `json:"max_connections"`    // of each listener; 0: it has no connections
	Served   uint64 `json:"connections"`        // so far
	Refused  uint64 `json:"refused"`            // connections over a limit
	Denied   uint64 `json:"denied"`             // connections without the token
	Dropped  uint64 `json:"dropped"`            // connections that did not read, questions that found no room
	Bad      uint64 `json:"bad"`                // malformed questions
	Late     uint64 `json:"unanswered_in_time"` // questions without an answer by their deadline, or without a sensor
}

// The names of the fronts that ask nothing.
const (
	HTTP     = "http"
	Verdicts = "verdicts"
)

// Asks reports whether a front puts questions.
func (f *Front) Asks() bool { return f.Name != HTTP && f.Name != Verdicts }

// Fault is a listener that failed and is opened again and again.
type Fault struct {
	At     string    `json:"at"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// Answers counts look-ups by the state of the note.
type Answers struct {
	Matched     uint64 `json:"matched"`
	Unknown     uint64 `json:"unknown"`
	NotSeen     uint64 `json:"not_seen"`
	Unavailable uint64 `json:"unavailable"`
}

// Sum is all of them.
func (a Answers) Sum() uint64 { return a.Matched + a.Unknown + a.NotSeen + a.Unavailable }

func (a Answers) plus(b Answers) Answers {
	return Answers{a.Matched + b.Matched, a.Unknown + b.Unknown, a.NotSeen + b.NotSeen, a.Unavailable + b.Unavailable}
}

func (a Answers) minus(b Answers) Answers {
	return Answers{a.Matched - b.Matched, a.Unknown - b.Unknown, a.NotSeen - b.NotSeen, a.Unavailable - b.Unavailable}
}

// Of is the count of one state.
func (a Answers) Of(s note.State) uint64 {
	return [...]uint64{a.Unavailable, a.NotSeen, a.Unknown, a.Matched}[s]
}

// Lookups is how long look-ups took, their wait for a SYN included.
type Lookups struct {
	P50     float64           `json:"p50_seconds"`
	P99     float64           `json:"p99_seconds"`
	Seconds float64           `json:"sum_seconds"`
	Buckets []Bucket          `json:"buckets"`
	Systems map[string]uint64 `json:"systems"` // matched ones; names of the built-in database, and "other"
}

// Count is the number of look-ups.
func (l *Lookups) Count() uint64 {
	if len(l.Buckets) == 0 {
		return 0
	}
	return l.Buckets[len(l.Buckets)-1].Count
}

// Bucket counts the look-ups of at most Seconds, those of the buckets before it
// included. The last one has Seconds 0: all look-ups.
type Bucket struct {
	Seconds float64 `json:"seconds,omitempty"`
	Count   uint64  `json:"count"`
}

// Recent is what changed within the last minutes, which the judgement looks at.
type Recent struct {
	Seconds float64 `json:"seconds"`
	Answers Answers `json:"answers"`
	Late    uint64  `json:"unanswered_in_time"`
	Frames  uint64  `json:"frames"`
	SYNs    uint64  `json:"syns"`
	Drops   uint64  `json:"drops"`
	NotRead uint64  `json:"unread_frames"`
	Lost    uint64  `json:"lost_observations"`
	Rows    uint64  `json:"dropped_rows"` // of history
}

// Restored is what the sensor had from an earlier process when it started.
type Restored struct {
	Hosts       int     `json:"hosts"`
	Connections int     `json:"connections"`
	Age         float64 `json:"age_seconds"` // since that process ended
}

// Held is how much a table holds of what it may.
type Held struct {
	Now int `json:"now"`
	Max int `json:"max"`
}

// Lost is what the sensor could not keep.
type Lost struct {
	Observations uint64 `json:"observations"`    // the log was slower than the capture
	Unwritten    uint64 `json:"unwritten"`       // a log could not be written, as on a full disk
	LogLines     uint64 `json:"log_lines"`       // left out because there were many of a kind
	Fault        string `json:"fault,omitempty"` // why a log goes on in the file that was rotated
}

// Database is the signatures in use.
type Database struct {
	Signatures int       `json:"signatures"`
	Date       string    `json:"date,omitempty"` // of the newest of them: year and month
	Files      []string  `json:"files,omitempty"`
	Loaded     time.Time `json:"loaded"`
	Fault      string    `json:"fault,omitempty"` // why a reload left the old ones
}

// Configuration is the file that the sensor was started with, and how it differs
// from what the file says now.
type Configuration struct {
	Path    string   `json:"path,omitempty"`
	Waiting []string `json:"waiting_for_restart,omitempty"` // keys
	Fault   string   `json:"fault,omitempty"`               // the file would not start now
}
