package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/note"
)

// ErrForm says that a -o value is not valid.
var ErrForm = errors.New("-o wants table, lines, json or csv")

// Form is in which form a command prints to Out, and whether with colour.
type Form struct {
	Name  string // table, lines, json, csv; empty: the command's usual one
	Color bool
	Out   io.Writer
}

// NewForm checks the values of -o and -color.
func NewForm(name, color string, out io.Writer) (f Form, err error) {
	f = Form{Name: name, Out: out}
	if f.Color, err = Colored(color, out); err != nil {
		return f, fmt.Errorf("%w, not %q", err, color)
	}
	switch name {
	case "", "table", "lines", "json", "csv":
		return f, nil
	}
	return f, fmt.Errorf("%w, not %q", ErrForm, name)
}

// Note prints a note in this form; a table is the usual one.
func (f Form) Note(addr netip.Addr, n *note.Note) error {
	switch f.Name {
	case "json":
		return json.NewEncoder(f.Out).Encode(n)
	case "csv":
		return WriteNoteCSV(f.Out, addr, n)
	case "lines":
		_, err := fmt.Fprintf(Cleaner(f.Out), "%s %s %s\n", addr, n.State, n.Header())
		return err
	}
	var text strings.Builder
	report.WriteNote(Cleaner(&text), addr, n)
	_, err := io.WriteString(f.Out, Paint(text.String(), n.State == note.Matched, f.Color))
	return err
}

// Observer returns what prints observations to w in this form, and what ends
// it. A table is the usual one on a terminal, and lines elsewhere.
func (f Form) Observer(w io.Writer) (event.Observer, func() error) {
	end := func() error { return nil }
	switch {
	case f.Name == "csv":
		return NewCSV(w), end
	case f.Name == "json":
		return report.NewJSON(w), end
	case f.Name == "table" || f.Name == "" && IsTerminal(f.Out):
		t := NewTable(w, f.Color, Width(f.Out, 0))
		return t, t.Close
	}
	lines := report.NewLog(w)
	lines.Doubts = true
	return lines, end
}
