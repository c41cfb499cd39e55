// Package view shows observations and notes to people: a table, a summary of a
// capture, CSV, progress. Use it for what a person reads on a terminal; the
// formats that programs read are p0f's log (internal/report) and JSON (event,
// note). It never decides anything.
package view

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// ErrColor says that a -color value is not valid.
var ErrColor = errors.New("-color wants auto, always or never")

// Colored reports whether output to w is coloured: mode is auto, always or
// never; auto colours a terminal, unless NO_COLOR is set (no-color.org) or TERM
// is dumb.
func Colored(mode string, w io.Writer) (bool, error) {
	switch mode {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "", "auto":
		return IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", nil
	}
	return false, ErrColor
}

// descriptor is a file, or what writes to one.
type descriptor interface{ Fd() uintptr }

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(descriptor)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Width returns the columns of the terminal w, or fallback where it has none.
func Width(w io.Writer, fallback int) int {
	if f, ok := w.(descriptor); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return fallback
}

// Clean returns s without what a terminal would obey: control characters and
// invalid UTF-8 are shown as Go escapes. Text from the network, a file or
// another sensor passes through it.
func Clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// Short returns s cut to n columns, with an ellipsis where it was cut.
func Short(s string, n int) string {
	if n < 1 || utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:n-1]) + "…"
}
