package view

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/event"
)

// csvHeader are the columns of CSV, a line an observation. New columns come at
// the end.
var csvHeader = []string{
	"time", "module", "client", "server", "subject", "system", "flavor", "match", "distance",
	"mtu", "link", "uptime_min", "language", "reasons", "raw_sig",
}

// CSV is an event.Observer that writes comma-separated values (RFC 4180) with
// one header line. Not safe for concurrent use.
type CSV struct {
	w      *csv.Writer
	record []string
}

// NewCSV returns a CSV that has written the header line.
func NewCSV(w io.Writer) *CSV {
	c := &CSV{w: csv.NewWriter(w), record: make([]string, len(csvHeader))}
	_ = c.w.Write(csvHeader) // Flush reports what fails
	return c
}

// Observe writes one line.
func (c *CSV) Observe(o *event.Observation) {
	r := c.record
	clear(r)
	r[0], r[1] = time.UnixMicro(o.At).UTC().Format("2006-01-02T15:04:05.000000Z"), o.Module.String()
	r[2], r[3], r[4] = o.Client.String(), o.Server.String(), "client"
	if o.Role == event.Server {
		r[4] = "server"
	}
	if o.System.Matched {
		r[5], r[6], r[7] = cell(o.System.Name), cell(o.System.Flavor), matchName(&o.System)
	}
	by := string(o.RawSig)
	switch {
	case o.Module.Fingerprint():
		r[8] = strconv.Itoa(o.Distance)
	case o.Module == event.MTU:
		r[9], r[10] = strconv.Itoa(o.MTU), cell(o.Link)
	case o.Module == event.TLS || o.Module == event.SMTP:
		r[5], r[6], r[7], by, _ = program(o)
		r[5], r[6] = cell(r[5]), cell(r[6])
	case o.Module == event.Uptime:
		r[11] = strconv.FormatUint(uint64(o.UptimeMin), 10)
	}
	r[12] = cell(o.HTTP.Language)
	var reasons []string
	for reason := range o.Reasons.All {
		reasons = append(reasons, reason)
	}
	r[13], r[14] = strings.Join(reasons, " "), cell(by)
	_ = c.w.Write(r) // Flush reports what fails
}

// Flush writes what is buffered.
func (c *CSV) Flush() (lost int, err error) {
	c.w.Flush()
	return 0, c.w.Error()
}

// cell keeps a spreadsheet from reading text of others as a formula.
func cell(s string) string {
	s = Clean(s)
	if s != "" && strings.ContainsRune("=+-@\t", rune(s[0])) {
		return "'" + s
	}
	return s
}
