package export

import (
	"fmt"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/status"
)

// Stats returns how the Exporter is. Counters begin with the process.
func (e *Exporter) Stats() (s status.Export) {
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

func (s *spool) stats(to *status.Export) {
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

func (s *sender) stats(to *status.Export) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.ClickHouse = s.to.String()
	to.Sent, to.Batches, to.Failures, to.Dropped.Refused, to.Last = s.sent, s.batches, s.failures, s.refused, s.last
	if s.fault != nil {
		to.Fault, to.Since = s.fault.Error(), s.since
	}
}

// why is the reason of what was dropped, in words.
func why(d *status.ExportDropped) string {
	var words []string
	for _, lost := range []struct {
		n    uint64
		text string
	}{
		{d.Full, "the spool was over its bound"}, {d.Disk, "the disk of the spool is full or fails"},
		{d.Memory, "the disk was too slow"}, {d.Damaged, "files of the spool were damaged"},
		{d.Refused, "ClickHouse refused them"}, {d.File, "the file could not be written"},
	} {
		if lost.n > 0 {
			words = append(words, fmt.Sprintf("%s (%d)", lost.text, lost.n))
		}
	}
	return strings.Join(words, ", ")
}
