package report

import (
	"fmt"
	"io"
	"time"

	"github.com/mxprint/mxprint/note"
)

// WriteClient writes a note as p0f-client does, for scripts that read that
// (p0f-v3.md §9.4).
func WriteClient(w io.Writer, n *note.Note) {
	if n.State != note.Matched && n.State != note.Unknown {
		fmt.Fprintln(w, "No matching host in p0f cache. That's all we know.")
		return
	}
	line := func(label, value string) { fmt.Fprintf(w, "%-13s = %s\n", label, value) }
	date := func(t time.Time) string { return t.Local().Format("2006/01/02 15:04:05") }
	known := func(name, value string) string {
		if name == "" {
			return "???"
		}
		return value
	}
	system := n.OSName + " " + n.OSFlavor
	if n.Quality&note.Generic != 0 {
		system += " [generic]"
	}
	if n.Quality&note.Fuzzy != 0 {
		system += " [fuzzy]"
	}
	software := n.HTTPName + " " + n.HTTPFlavor + map[note.Honesty]string{
		note.Honest: " (ID seems legit)", note.OSMismatch: " (ID OS mismatch)", note.Dishonest: " (ID is fake)",
	}[n.BadSW]
	distance, ok := n.Distance.Hops()
	if !ok {
		distance = 255 // as p0f's socket says it
	}
	line("First seen", date(n.FirstSeen))
	line("Last update", date(n.LastSeen))
	line("Total flows", fmt.Sprint(n.TotalConn))
	line("Detected OS", known(n.OSName, system))
	line("HTTP software", known(n.HTTPName, software))
	line("Network link", known(n.LinkType, n.LinkType))
	line("Language", known(n.Language, n.Language))
	line("Distance", fmt.Sprint(distance))
	if !n.LastNAT.IsZero() {
		line("IP sharing", date(n.LastNAT))
	}
	if !n.LastChange.IsZero() {
		line("Sys change", date(n.LastChange))
	}
	if up := n.UptimeMin; up != 0 {
		line("Uptime", fmt.Sprintf("%d days %d hrs %d min (modulo %d days)", up/60/24, up/60%24, up%60, n.UpModDays))
	}
}
