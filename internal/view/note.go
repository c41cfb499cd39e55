package view

import (
	"encoding/csv"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/mxprint/mxprint/note"
)

// WriteNoteCSV writes a note as comma-separated values with a header line.
func WriteNoteCSV(w io.Writer, addr netip.Addr, n *note.Note) error {
	hops := ""
	if h, known := n.Distance.Hops(); known {
		hops = strconv.Itoa(h)
	}
	quality := ""
	if n.State == note.Matched {
		quality = n.Quality.String()
	}
	c := csv.NewWriter(w)
	err := c.WriteAll([][]string{
		{"client", "state", "by_connection", "system", "flavor", "match", "distance", "link", "connections", "raw_sig"},
		{addr.String(), n.State.String(), strconv.FormatBool(n.ByConnection), cell(n.OSName), cell(n.OSFlavor), quality, hops,
			cell(n.LinkType), strconv.FormatUint(uint64(n.TotalConn), 10), cell(n.RawSig)},
	})
	return err
}

// Paint colours the state in the first line of a note as text, and its system.
func Paint(s string, matched, color bool) string {
	if !color {
		return s
	}
	paint := text.Colors{text.FgYellow}
	if matched {
		paint = text.Colors{text.FgGreen}
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if i == 0 || strings.HasPrefix(line, "  system ") {
			lines[i] = paint.Sprint(line)
		}
	}
	return strings.Join(lines, "\n")
}
