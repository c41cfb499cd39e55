package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/view"
	"github.com/mxprint/mxprint/note"
)

// form is in which form a command prints, and whether with colour.
type form struct{ name, color string }

func formFlags(fs *flag.FlagSet) *form {
	f := &form{}
	fs.StringVar(&f.name, "o", "", "")
	fs.StringVar(&f.color, "color", "auto", "")
	return f
}

// chosen is the form: on a terminal a table unless another is named.
func (f *form) chosen(std *stdio) (name string, color bool, err error) {
	if color, err = view.Colored(f.color, std.out); err != nil {
		return "", false, usagef("%v, not %q", err, f.color)
	}
	switch f.name {
	case "table", "lines", "json", "csv":
		return f.name, color, nil
	case "":
		if view.IsTerminal(std.out) {
			return "table", color, nil
		}
		return "lines", color, nil
	}
	return "", false, usagef("-o wants table, lines, json or csv, not %q", f.name)
}

// known refuses a form or a colour that does not exist.
func (f *form) known() error {
	_, _, err := f.chosen(&stdio{})
	return err
}

// note prints a note in this form; without one as a table.
func (f *form) note(std *stdio, addr netip.Addr, n *note.Note) error {
	_, color, err := f.chosen(std)
	if err != nil {
		return err
	}
	switch f.name {
	case "json":
		return json.NewEncoder(std.out).Encode(n)
	case "csv":
		return view.WriteNoteCSV(std.out, addr, n)
	case "lines":
		_, err = fmt.Fprintf(std.forPeople(), "%s %s %s\n", addr, n.State, n.Header())
		return err
	}
	var text strings.Builder
	report.WriteNote(view.Cleaner(&text), addr, n)
	_, err = io.WriteString(std.out, view.Paint(text.String(), n.State == note.Matched, color))
	return err
}

// observer returns what prints observations in this form, and what ends it.
func (f *form) observer(out *output, std *stdio) (event.Observer, func() error, error) {
	name, color, err := f.chosen(std)
	if err != nil {
		return nil, nil, err
	}
	end := func() error { return nil }
	switch name {
	case "table":
		t := view.NewTable(out, color, view.Width(std.out, 0))
		return t, t.Close, nil
	case "csv":
		return view.NewCSV(out), end, nil
	case "json":
		return report.NewJSON(out), end, nil
	}
	lines := report.NewLog(out)
	lines.Doubts = true
	return lines, end, nil
}
