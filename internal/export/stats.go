package export

import (
	"fmt"
	"strings"
	"time"
)

// Stats is how an Exporter is. Counters begin with the process.
type Stats struct {
	ClickHouse string    // where it is; empty: not configured
	Fault      string    // why nothing is sent or written now
	Since      time.Time // of the fault
	Waiting    int       // rows in the spool
	Oldest     time.Time // when the oldest of them came; zero: none waits
	Bytes      int64     // of the spool
	MaxBytes   int64
	Sent       uint64 // rows that ClickHouse has taken
	Batches    uint64
	Failures   uint64    // requests that failed
	Last       time.Time // when the last batch was taken
	Written    uint64    // lines of the file
	Dropped    Dropped
}

// Dropped are rows that nothing has, by reason.
type Dropped struct {
	Memory  uint64 // the disk was too slow
	Full    uint64 // the spool was over its bound
	Disk    uint64 // the disk of the spool was full, or failed
	Damaged uint64 // the file in the spool was damaged
	Refused uint64 // ClickHouse called them wrong
	File    uint64 // the file could not be written
}

// Sum is all of them.
func (d *Dropped) Sum() uint64 {
	return d.Memory + d.Full + d.Disk + d.Damaged + d.Refused + d.File
}

// Stats returns how the Exporter is.
func (e *Exporter) Stats() (s Stats) {
	e.mu.Lock()
	s.Written, s.Dropped.File, s.Dropped.Memory = e.written, e.unfiled, e.late
	if e.fault != nil {
		s.Fault = "the file: " + e.fault.Error()
	}
	e.mu.Unlock()
	if e.spool == nil {
		return s
	}
	e.spool.stats(&s)
	e.send.stats(&s)
	return s
}

func (s *spool) stats(to *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.Waiting, to.Bytes, to.MaxBytes = s.rows, s.size, s.max
	to.Dropped.Full, to.Dropped.Disk, to.Dropped.Damaged = s.dropped.full, s.dropped.disk, s.dropped.damaged
	oldest := int64(0)
	if len(s.entries) > 0 {
		oldest = s.entries[0].at
	}
	for _, of := range s.open {
		if of != nil && (oldest == 0 || of.at < oldest) {
			oldest = of.at
		}
	}
	if oldest > 0 {
		to.Oldest = time.UnixMicro(oldest)
	}
	if s.fault != nil {
		to.Fault = "the spool: " + s.fault.Error()
	}
}

// waiting is how many rows wait.
func (s *spool) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows
}

func (s *sender) stats(to *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.ClickHouse = s.to.String()
	to.Sent, to.Batches, to.Failures, to.Dropped.Refused, to.Last = s.sent, s.batches, s.failures, s.refused, s.last
	if s.fault != nil {
		to.Fault, to.Since = s.fault.Error(), s.since
	}
}

// why is the reason of what was dropped, in words.
func (s *Stats) why() string {
	var words []string
	for _, d := range []struct {
		n    uint64
		text string
	}{
		{s.Dropped.Full, "the spool was over its bound"}, {s.Dropped.Disk, "the disk of the spool is full or fails"},
		{s.Dropped.Memory, "the disk was too slow"}, {s.Dropped.Damaged, "files of the spool were damaged"},
		{s.Dropped.Refused, "ClickHouse refused them"}, {s.Dropped.File, "the file could not be written"},
	} {
		if d.n > 0 {
			words = append(words, fmt.Sprintf("%s (%d)", d.text, d.n))
		}
	}
	return strings.Join(words, ", ")
}
