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

// row is one line of the table.
type row struct {
	work      string
	p0f, ours string // what was measured, with its unit
	ratio     string // empty where there is none
	bar       string // what was asked for
	met       bool
}

// add enters a row and shows that something goes on.
func (b *bench) add(r row) {
	b.rows = append(b.rows, r)
	fmt.Fprintln(os.Stderr, r.line())
}

func (r row) line() string {
	met := "no"
	if r.met {
		met = "yes"
	}
	return "| " + strings.Join([]string{r.work, r.p0f, r.ours, r.ratio, r.bar, met}, " | ") + " |"
}

func (b *bench) print(w io.Writer) error {
	text := "| work | p0f 3.09b | mxprint | ratio | bar | met |\n|---|---|---|---|---|---|\n"
	for _, r := range b.rows {
		text += r.line() + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// The table stands between these lines of the document.
const (
	tableBegin = "<!-- make bench writes from here -->\n"
	tableEnd   = "<!-- to here -->\n"
)

func (b *bench) writeInto(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(tableBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(tableEnd))
	if !ok || !ok2 {
		return fmt.Errorf("%s: there is no place for the table: want the lines %q and %q", path, tableBegin, tableEnd)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(tableBegin + "\n")
	fmt.Fprintf(&out, "Run on %s, %s, %d cores, %s.\n\n", time.Now().UTC().Format("2006-01-02"), cpuName(), runtime.NumCPU(), runtime.Version())
	if err := b.print(&out); err != nil {
		return err
	}
	out.WriteString("\n" + tableEnd)
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

func times(ratio float64) string { return fmt.Sprintf("%.1f×", ratio) }
