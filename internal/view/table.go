package view

import (
	"cmp"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
)

// pageRows is how many rows one table has: columns are aligned within it, and
// memory is bounded.
const pageRows = 500

// Table is an event.Observer that prints an aligned table, a row a SYN,
// SYN+ACK, HTTP header or sign of a change; the link of a SYN stands in its
// row. Rows are written a page at a time; Close writes the last. Not safe for
// concurrent use.
type Table struct {
	w     io.Writer
	color bool
	width int
	rows  []row
	first bool
	err   error
}

// row is one line of the table before it is laid out.
type row struct {
	at                           time.Time
	client, kind, system, detail string
	quality                      string
	hops, link                   string
	matched                      bool
}

// NewTable returns a Table of at most width columns; 0 is as wide as needed.
func NewTable(w io.Writer, color bool, width int) *Table {
	return &Table{w: w, color: color, width: width, first: true}
}

// Observe adds a row, or completes the last one.
func (t *Table) Observe(o *event.Observation) {
	switch o.Module {
	case event.MTU:
		if n := len(t.rows); n > 0 && t.rows[n-1].at.Equal(time.UnixMicro(o.At)) {
			t.rows[n-1].link = linkName(o)
		}
		return
	case event.Uptime:
		return
	}
	if len(t.rows) >= pageRows { // before, so that a SYN's link still finds its row
		t.page()
	}
	subject := o.Client
	if o.Role == event.Server {
		subject = o.Server
	}
	r := row{at: time.UnixMicro(o.At), client: subject.String(), kind: o.Module.String()}
	switch {
	case o.Module.Fingerprint():
		r.system, r.quality, r.matched = systemName(&o.System), matchName(&o.System), o.System.Matched
		r.hops, r.detail = hops(o), Clean(string(o.RawSig))
	case o.Module == event.HTTPRequest || o.Module == event.HTTPResponse:
		r.system, r.matched, r.detail = systemName(&o.System), o.System.Matched, Clean(string(o.RawSig))
	case o.Module == event.TLS || o.Module == event.SMTP:
		var flavor string
		r.system, flavor, r.quality, r.detail, r.matched = program(o)
		r.system = Clean(strings.TrimSpace(cmp.Or(r.system, "unknown") + " " + flavor))
	default:
		for reason := range o.Reasons.All {
			if r.detail != "" {
				r.detail += ", "
			}
			r.detail += reason
		}
	}
	t.rows = append(t.rows, r)
}

// Flush does nothing: rows wait for their page.
func (t *Table) Flush() (lost int, err error) { return 0, nil }

// Close writes what is left and returns the first error of a write.
func (t *Table) Close() error {
	if len(t.rows) > 0 {
		t.page()
	}
	return t.err
}

func (t *Table) page() {
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.Style().Options = table.OptionsNoBordersAndSeparators
	w.Style().Format.Header = text.FormatUpper
	if t.width > 0 {
		w.Style().Size.WidthMax = t.width
	}
	w.AppendHeader(table.Row{"time", "sender", "seen", "system", "match", "hops", "link", "detail"})
	for _, r := range t.rows {
		system := r.system
		if t.color && r.system != "" {
			color := text.Colors{text.FgGreen}
			if !r.matched {
				color = text.Colors{text.FgYellow}
			}
			system = color.Sprint(system)
		}
		w.AppendRow(table.Row{r.at.UTC().Format("15:04:05.000"), r.client, r.kind, system, r.quality, r.hops, r.link, r.detail})
	}
	out := w.Render() + "\n"
	if !t.first {
		out = "\n" + out
	}
	if _, err := io.WriteString(t.w, out); err != nil && t.err == nil {
		t.err = err
	}
	t.first, t.rows = false, t.rows[:0]
}

// program is what a ClientHello or a session says of the program: its name,
// releases, how well it matched, and what it was known by.
func program(o *event.Observation) (name, flavor, quality, by string, matched bool) {
	switch n := o.Sender; {
	case n == nil:
	case o.Module == event.TLS && n.TLS != nil:
		return n.TLS.Library, n.TLS.Release, "", n.TLS.JA4, n.TLS.Library != ""
	case o.Module == event.SMTP && n.Software != nil:
		s := n.Software
		if s.State == note.Matched {
			quality = matchName(&event.System{Matched: true, Quality: s.Quality})
		}
		return s.Name, s.Flavor, quality, Clean(s.Dialect), s.State == note.Matched
	}
	return "", "", "", "", false
}

// systemName is the name that people read; "unknown" where nothing matches.
func systemName(s *event.System) string {
	if !s.Matched {
		return "unknown"
	}
	name := s.Name
	if s.Flavor != "" {
		name += " " + s.Flavor
	}
	return Clean(name)
}

// matchName says how well a signature matched: exact, fuzzy, generic or both.
func matchName(s *event.System) string {
	if !s.Matched {
		return ""
	}
	return strings.ReplaceAll(s.Quality.String(), " ", ", ")
}

// hops is the distance of a fingerprint; a guess has a "~".
func hops(o *event.Observation) string {
	n := strconv.Itoa(o.Distance)
	if !o.System.Matched || o.System.RandomTTL || o.System.Quality == note.Fuzzy {
		return "~" + n
	}
	return n
}

func linkName(o *event.Observation) string {
	if o.Link != "" {
		return Clean(o.Link)
	}
	return "MTU " + strconv.Itoa(o.MTU)
}
