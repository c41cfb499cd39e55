package report

import (
	"cmp"
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
	defer writeSender(line, n)
	if !n.Known() {
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
	case n.Clock == note.ClockUnknown: // an answer of p0f's protocol has no word on it
		line("uptime", "%s (modulo %d days), if its clock counts from boot; that of Linux since 4.10 does not",
			time.Duration(n.UptimeMin)*time.Minute, n.UpModDays)
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

// writeSender writes what is known of the program and what it does.
func writeSender(line func(key, format string, args ...any), n *note.Note) {
	if t := n.TLS; t != nil {
		if t.State != note.Complete {
			line("tls", "%s", t.State)
		} else {
			line("tls", "%s, TLS %s, JA4 %s", cmp.Or(strings.TrimSpace(t.Library+" "+t.Release), "unknown library"), t.Version, t.JA4)
		}
	}
	if s := n.Software; s != nil && s.State != note.Unavailable {
		text := s.Title()
		if s.State == note.Matched {
			text += " (" + s.Quality.String() + ")"
		}
		if len(s.Others) > 0 {
			text += ", or " + strings.Join(s.Others, ", ")
		}
		line("program", "%s", text)
		if s.Dialect != "" {
			line("dialect", "%s", s.Dialect)
		}
	}
	writeFindings(line, "conduct", n.Conduct)
	writeFindings(line, "claims", n.Contradictions)
	if f := n.Flow; f != nil {
		if f.HandshakeRTT > 0 || f.TCPRTT > 0 || f.SMTPRTT > 0 {
			line("round trips", "handshake %s, TCP %s, SMTP %s", orUnknown(f.HandshakeRTT), orUnknown(f.TCPRTT), orUnknown(f.SMTPRTT))
		}
		if f.Counted {
			line("packets", "%d sent again, window closed %d times", f.Retransmits, f.ZeroWindows)
		}
	}
	if m := n.Memory; m != nil {
		line("memory", "%d connections before this one", m.Visits)
	}
}

func writeFindings(line func(key, format string, args ...any), key string, f *note.Findings) {
	if f == nil {
		return
	}
	for i := range f.List {
		text := f.List[i].ID
		if f.List[i].MayBe {
			text += " (may be)"
		}
		if f.List[i].Words != "" {
			text += ": " + f.List[i].Words
		}
		if f.List[i].Evidence != "" {
			text += " [" + f.List[i].Evidence + "]"
		}
		line(key, "%s", text)
	}
}

func orUnknown(d time.Duration) string {
	if d <= 0 {
		return "unknown"
	}
	return d.Round(10 * time.Microsecond).String()
}
