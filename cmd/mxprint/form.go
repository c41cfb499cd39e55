package main

import (
	"flag"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/view"
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
