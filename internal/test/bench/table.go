//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// row is one line of a table.
type row struct {
	work      string
	p0f, ours string // what was measured, with its unit; p0f's, or a peer's
	ratio     string // empty if absent
	bar       string // what was asked for; may be empty
	met       bool
}

// table says what rows compare with, and between which lines of the document
// they stand.
type table struct{ with, begin, end string }

var (
	p0fTable   = table{"p0f 3.09b", "<!-- make bench writes from here -->\n", "<!-- to here -->\n"}
	peersTable = table{"the other", "<!-- make bench-peers writes from here -->\n", "<!-- peers to here -->\n"}
)

// add enters a row and shows that something goes on.
func (b *bench) add(r row) {
	b.rows = append(b.rows, r)
	fmt.Fprintln(os.Stderr, r.line())
}

func (r row) line() string {
	met := "no"
	switch {
	case r.met:
		met = "yes"
	case r.bar == "":
		met = ""
	}
	return "| " + strings.Join([]string{r.work, r.p0f, r.ours, r.ratio, r.bar, met}, " | ") + " |"
}

func (b *bench) print(w io.Writer) error {
	text := "| work | " + b.table.with + " | mxprint | ratio | bar | met |\n|---|---|---|---|---|---|\n"
	for _, r := range b.rows {
		text += r.line() + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

func (b *bench) writeInto(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(b.table.begin))
	_, after, ok2 := bytes.Cut(rest, []byte(b.table.end))
	if !ok || !ok2 {
		return fmt.Errorf("%s: there is no place for the table: want the lines %q and %q", path, b.table.begin, b.table.end)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(b.table.begin + "\n")
	fmt.Fprintf(&out, "Run on %s, %s, %d cores, %s.\n\n", time.Now().UTC().Format("2006-01-02"), cpuName(), runtime.NumCPU(), runtime.Version())
	fmt.Fprintln(&out, b.conditions()+"\n")
	if err := b.print(&out); err != nil {
		return err
	}
	out.WriteString("\n" + b.table.end)
	out.Write(after)
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func cpuName() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// median of an odd number of figures.
func median[T int64 | float64 | time.Duration](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

func times(ratio float64) string {
	if ratio < 2 { // near a bar
		return fmt.Sprintf("%.2f×", ratio)
	}
	return fmt.Sprintf("%.1f×", ratio)
}
