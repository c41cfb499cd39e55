package status

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mxprint/mxprint/internal/view"
)

// The escape sequences of a health (ECMA-48, SGR).
var colors = map[Health]string{Well: "\x1b[32m", Degraded: "\x1b[33m", Down: "\x1b[31m"}

// Print writes a Status for people. Its texts may come from another machine:
// nothing in them reaches a terminal as a control.
func (s *Status) Print(w io.Writer, color bool) error {
	var b strings.Builder
	health := view.Clean(string(s.Health))
	if code := colors[s.Health]; color && code != "" {
		health = code + health + "\x1b[0m"
	}
	answers := s.Version != ""
	if b.WriteString(health); answers {
		fmt.Fprintf(&b, ": mxprint %s, up %s, process %d", view.Clean(s.Version), rough(s.Uptime()), s.PID)
	}
	b.WriteByte('\n')
	for _, reason := range s.Reasons {
		fmt.Fprintf(&b, "  ! %s\n", view.Clean(reason))
	}
	if !answers {
		_, err := io.WriteString(w, b.String())
		return err
	}
	s.printSources(&b)
	s.printFronts(&b)
	s.printRest(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// table writes rows in columns, under a blank line. Cells are cleaned.
func table(b *strings.Builder, rows [][]string) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t)
	for _, row := range rows {
		for i, cell := range row {
			if row[i] = view.Clean(cell); cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	t.Flush()
}

func (s *Status) printSources(b *strings.Builder) {
	if s.Asks != "" {
		fmt.Fprintf(b, "\nanswers come from the sensor at %s\n", view.Clean(s.Asks))
		return
	}
	rows := [][]string{{"SOURCE", "STATE", "FRAMES", "SYNS", "DROPS", "LAST FRAME"}}
	for _, src := range s.Sources {
		last := "never"
		if src.Last != nil {
			last = rough(s.Now.Sub(*src.Last)) + " ago"
		}
		name := src.Name
		if src.Kind != src.Name {
			name = src.Kind + " " + src.Name
		}
		rows = append(rows, []string{name, src.State, number(src.Frames), number(src.SYNs), number(src.Drops), last})
	}
	table(b, rows)
}

func (s *Status) printFronts(b *strings.Builder) {
	rows := [][]string{{"FRONT", "MATCHED", "UNKNOWN", "NOT SEEN", "UNAVAILABLE", "LATE", "BAD", "OPEN", "REFUSED", "LISTENS AT"}}
	for _, f := range s.Fronts {
		if !f.Asks() {
			continue
		}
		open := "-"
		if f.MaxConns > 0 {
			open = fmt.Sprintf("%d of %d", f.Open, f.MaxConns*len(f.Listen))
		}
		a := f.Answers
		rows = append(rows, []string{f.Name, number(a.Matched), number(a.Unknown), number(a.NotSeen), number(a.Unavailable),
			number(f.Late), number(f.Bad), open, number(f.Refused + f.Denied + f.Dropped), strings.Join(f.Listen, ", ")})
	}
	table(b, rows)
}

func (s *Status) printRest(b *strings.Builder) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(b, "%-14s %s\n", what, view.Clean(fmt.Sprintf(format, args...)))
	}
	b.WriteByte('\n')
	line("look-ups", "%s; half of them within %s, 99 %% within %s", number(s.Lookups.Count()), shortTime(s.Lookups.P50), shortTime(s.Lookups.P99))
	if s.Asks == "" {
		line("hosts", "%d of %d", s.Hosts.Now, s.Hosts.Max)
		line("connections", "%d of %d under way", s.Connections.Now, s.Connections.Max)
	}
	if r := s.Restored; r != nil {
		line("restored", "%d hosts and %d connections, %s after the sensor before had ended", r.Hosts, r.Connections, rough(time.Duration(r.Age*float64(time.Second))))
	}
	if s.Memory > 0 {
		line("memory", "%.1f MiB", float64(s.Memory)/(1<<20))
	}
	for _, kind := range s.Unread {
		line("not read", "%s", kind)
	}
	line("lost", "%d observations, %d not written, %d log lines", s.Lost.Observations, s.Lost.Unwritten, s.Lost.LogLines)
	if s.Asks == "" {
		from := "built in"
		if len(s.Database.Files) > 0 {
			from = strings.Join(s.Database.Files, ", ")
		}
		line("signatures", "%d (%s), the newest of %s; read %s ago", s.Database.Signatures, from, cmp.Or(s.Database.Date, "an unknown date"), rough(s.Now.Sub(s.Database.Loaded)))
	}
	for _, f := range s.Fronts {
		if !f.Asks() {
			line(map[string]string{HTTP: "metrics", Verdicts: "verdicts"}[f.Name], "at %s", strings.Join(f.Listen, ", "))
		}
	}
	if st := s.Store; st != nil {
		line("store", "%s, %d of %d MiB; %s connections, %s verdicts, %s without a connection, %s dropped", st.Path, st.Bytes>>20, st.MaxBytes>>20,
			number(st.Written), number(st.Verdicts), number(st.Orphans), number(st.Dropped))
	}
	if st := s.Shared; st != nil {
		line("shared store", "%s, as %s; %s asked, %s found, %s errors, %s without it; %s published, %s not, %d wait", strings.Join(st.Servers, ", "), st.Sensor,
			number(st.Asked), number(st.Found), number(st.Errors), number(st.Missed), number(st.Published), number(st.Dropped), st.Queued)
	}
	s.printExport(line)
	if s.Certificate != nil {
		line("certificate", "expires at %s", s.Certificate.UTC().Format(time.DateTime))
	}
	line("configuration", "%s", cmp.Or(s.Configuration.Path, "none: every key has its default"))
	if len(s.Configuration.Waiting) > 0 {
		line("", "waits for a restart: %s", strings.Join(s.Configuration.Waiting, ", "))
	}
}

func (s *Status) printExport(line func(what, format string, args ...any)) {
	e := s.Export
	if e == nil {
		return
	}
	if e.ClickHouse != "" {
		age := ""
		if !e.Oldest.IsZero() {
			age = ", the oldest of " + rough(s.Now.Sub(e.Oldest)) + " ago"
		}
		line("history", "to %s: %s rows sent, %s wait%s; %d of %d MiB, %s dropped", e.ClickHouse, number(e.Sent), number(uint64(e.Waiting)), age,
			e.Bytes>>20, e.MaxBytes>>20, number(e.Dropped.Sum()))
	}
	if e.Written+e.Dropped.File > 0 {
		line("history", "to its file: %s rows, %s not written", number(e.Written), number(e.Dropped.File))
	}
}

// number groups digits: 1,234,567.
func number(n uint64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// rough is a time as people say it: its first two units.
func rough(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// shortTime is the time of a look-up; two digits are what a histogram shows.
func shortTime(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	for _, unit := range []time.Duration{time.Second, time.Millisecond} {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.Round(time.Microsecond / 10).String()
}
