package report

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/mxprint/mxprint/note"
)

// WriteNote writes what a mail server learns, a line a fact.
func WriteNote(w io.Writer, addr netip.Addr, n *note.Note) {
	line := func(key, format string, args ...any) {
		fmt.Fprintf(w, "  %-11s %s\n", key, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "%s: %s\n", addr, n.State)
	if n.State != note.Matched && n.State != note.Unknown {
		return
	}
	if n.State == note.Matched {
		line("system", "%s (%s)", n.Title(), n.Quality)
		if len(n.Others) > 0 {
			line("or", "%s", strings.Join(n.Others, ", "))
		}
		if n.Rewrite != 0 {
			line("rewritten", "%s, by a box on the way", strings.ReplaceAll(n.Rewrite.String(), ",", ", "))
		}
	}
	if hops, ok := n.Distance.Hops(); ok {
		line("distance", "%d", hops)
	}
	switch {
	case n.LinkType != "" && n.MTU != 0:
		line("link", "%s, MTU %d", n.LinkType, n.MTU)
	case n.LinkType != "":
		line("link", "%s", n.LinkType)
	case n.MTU != 0:
		line("link", "MTU %d", n.MTU)
	}
	switch {
	case n.UpModDays == 0:
	case n.Clock == note.ClockRandom:
		line("uptime", "not to be known: clocks of this system may begin at random")
	default:
		line("uptime", "%s (modulo %d days)", time.Duration(n.UptimeMin)*time.Minute, n.UpModDays)
	}
	if n.HTTPName != "" {
		line("software", "%s %s", n.HTTPName, n.HTTPFlavor)
	}
	if n.Language != "" {
		line("language", "%s", n.Language)
	}
	if n.ByConnection {
		line("signature", "%s", n.RawSig)
	}
	line("connections", "%d", n.TotalConn)
	if !n.FirstSeen.IsZero() {
		line("first seen", "%s", n.FirstSeen.Local().Format(time.DateTime))
		line("last seen", "%s", n.LastSeen.Local().Format(time.DateTime))
	}
	if !n.LastNAT.IsZero() {
		line("shared", "several systems behind this address, last at %s", n.LastNAT.Local().Format(time.DateTime))
	}
	if !n.LastChange.IsZero() {
		line("changed", "another system than before, at %s", n.LastChange.Local().Format(time.DateTime))
	}
}
