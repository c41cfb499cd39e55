package difftest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Diff is the outcome of one comparison. It is a plain value.
type Diff struct {
	Name  string // profile and seed, or file
	Lines int    // log lines of p0f
	What  string // what differs; empty when nothing does
	Line  int    // 0-based number of the first log line that differs
	Want  string // p0f's
	Got   string // mxprint's

	// Around are the log lines of both sides about Line; Packet is the 1-based
	// number of the frame that made p0f write it, 0 when not known.
	Around string
	Packet int
	Again  string // a command that repeats the comparison
}

// Equal reports whether the two programs agreed.
func (d Diff) Equal() bool { return d.What == "" }

// String describes the difference on several lines.
func (d Diff) String() string {
	if d.Equal() {
		return fmt.Sprintf("%s: %d lines, no difference", d.Name, d.Lines)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s differs", d.Name, d.What)
	if d.What == "log" {
		fmt.Fprintf(&b, " at line %d of %d", d.Line+1, d.Lines)
	}
	if d.Packet > 0 {
		fmt.Fprintf(&b, ", made by frame %d", d.Packet)
	}
	fmt.Fprintf(&b, "\n  p0f:     %s\n  mxprint: %s\n", d.Want, d.Got)
	if d.Around != "" {
		fmt.Fprintf(&b, "%s", d.Around)
	}
	if d.Again != "" {
		fmt.Fprintf(&b, "  again: %s\n", d.Again)
	}
	return b.String()
}

// Compare generates the capture of a seed in dir, runs p0f and mxprint over it
// and returns the first difference: of the logs, then of the number of packets,
// of the link detection warnings, of the exit status, and of each program's
// standard output from its own log. An error says that the comparison could not
// be made; an Equal Diff that it was and showed nothing.
func Compare(ctx context.Context, seed uint64, p Profile, p0fPath, mxprintPath, dir string) (Diff, error) {
	capture, err := Generate(seed, p)
	if err != nil {
		return Diff{}, err
	}
	name := fmt.Sprintf("%s-%d", p.Name, seed)
	file, db, err := writeInputs(dir, name, p, capture)
	if err != nil {
		return Diff{}, err
	}
	defer func() {
		os.Remove(file)
		if p.DB != "" {
			os.Remove(db)
		}
	}()
	d, err := CompareFile(ctx, file, db, p.Args, p0fPath, mxprintPath)
	d.Name = fmt.Sprintf("profile %s seed %d", p.Name, seed)
	if !d.Equal() {
		d.Again = fmt.Sprintf("go run ./internal/test/difftest/cmd/difftest -profile %s -seed %d -n 1 -shrink -write %s.pcap", p.Name, seed, name)
	}
	return d, err
}

// CompareFile is Compare for a capture that exists. The result's Packet is only
// found for little-endian classic pcap files.
func CompareFile(ctx context.Context, capture, db string, args []string, p0fPath, mxprintPath string) (Diff, error) {
	dir := filepath.Dir(capture)
	if tmp, err := os.MkdirTemp("", "difftest"); err == nil {
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	left, right := Program{p0fPath}, Program{mxprintPath, "p0f"}
	a, err := left.Run(ctx, dir, capture, db, args...)
	if err != nil {
		return Diff{}, err
	}
	b, err := right.Run(ctx, dir, capture, db, args...)
	if err != nil {
		return Diff{}, err
	}
	d := difference(a, b)
	d.Name = filepath.Base(capture)
	if d.What == "log" {
		d.Packet = frameOfLine(ctx, left, right, dir, capture, db, args, d.Line)
	}
	return d, nil
}

// difference compares two outputs. a is p0f's.
func difference(a, b Output) Diff {
	wantLog, gotLog := a.Log, b.Log
	d := Diff{Lines: len(wantLog)}
	if i := firstDifference(wantLog, gotLog); i >= 0 {
		d.What, d.Line = "log", i
		d.Want, d.Got = at(wantLog, i), at(gotLog, i)
		d.Around = around("p0f", wantLog, i) + around("mxprint", gotLog, i) + complaint(b)
		return d
	}
	differ := func(what, want, got string) bool {
		if want != got && d.What == "" {
			d.What, d.Want, d.Got, d.Around = what, want, got, complaint(b)
		}
		return want != got
	}
	differ("number of packets", fmt.Sprint(a.Packets), fmt.Sprint(b.Packets))
	differ("link detection warning", strings.Join(a.Strange, " "), strings.Join(b.Strange, " "))
	// Deviation: a damaged capture is an error, after all that came before the
	// damage; p0f stops without a word.
	if !strings.Contains(b.Stderr, "damaged after frame") || a.Exit != 0 || b.Exit != 1 {
		differ("exit status", fmt.Sprint(a.Exit), fmt.Sprint(b.Exit))
	}
	for _, o := range []struct {
		who string
		out Output
	}{{"p0f", a}, {"mxprint", b}} {
		log, shown := withoutTime(o.out.Log), o.out.Blocks
		if i := firstDifference(log, shown); i >= 0 {
			differ("standard output of "+o.who+" from its log", at(log, i), at(shown, i))
		}
	}
	return d
}

func complaint(o Output) string {
	if o.Exit == 0 {
		return ""
	}
	return fmt.Sprintf("  mxprint ended with status %d: %s\n", o.Exit, strings.TrimSpace(o.Stderr))
}

func firstDifference(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

func at(l []string, i int) string {
	if i < len(l) {
		return l[i]
	}
	return "(nothing)"
}

func around(who string, l []string, i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  --- %s, lines %d to %d\n", who, max(0, i-4)+1, min(len(l), i+3))
	for k := max(0, i-4); k < min(len(l), i+3); k++ {
		mark := ' '
		if k == i {
			mark = '>'
		}
		fmt.Fprintf(&b, "  %c %s\n", mark, l[k])
	}
	return b.String()
}

// frameOfLine finds the frame that makes p0f (or, when p0f has no such line,
// mxprint) write log line i, by running it over beginnings of the capture.
func frameOfLine(ctx context.Context, p0f, mxprint Program, dir, capture, db string, args []string, i int) int {
	raw, err := os.ReadFile(capture)
	if err != nil || len(raw) < 24 || string(raw[:4]) != "\xd4\xc3\xb2\xa1" {
		return 0
	}
	records := decodePcap(raw)
	head := raw[:24:24]
	file := filepath.Join(dir, "beginning.pcap")
	defer os.Remove(file)
	count := func(who Program, n int) int {
		body := encodePcap(pcapFormat{}, records[:n])[24:]
		if os.WriteFile(file, append(slices.Clone(head), body...), 0o600) != nil {
			return -1
		}
		out, err := who.Run(ctx, dir, file, db, args...)
		if err != nil {
			return -1
		}
		return len(out.Log)
	}
	for _, who := range []Program{p0f, mxprint} {
		if count(who, len(records)) <= i {
			continue
		}
		lo, hi := 0, len(records)
		for hi-lo > 1 {
			if mid := (lo + hi) / 2; count(who, mid) > i {
				hi = mid
			} else {
				lo = mid
			}
		}
		return hi
	}
	return 0
}

// Shrink removes frames from a capture made by Generate as long as p0f and
// mxprint still disagree on it, and returns the smaller capture. It runs both
// programs some hundred times. A capture on which they agree comes back as is.
func Shrink(ctx context.Context, capture []byte, p Profile, p0fPath, mxprintPath, dir string) ([]byte, error) {
	records := decodePcap(capture)
	differs := func(l []record) (bool, error) {
		file, db, err := writeInputs(dir, "shrink", p, encodePcap(pcapFormat{link: linkEthernet}, l))
		if err != nil {
			return false, err
		}
		a, err := Program{p0fPath}.Run(ctx, dir, file, db, p.Args...)
		if err != nil {
			return false, err
		}
		b, err := Program{mxprintPath, "p0f"}.Run(ctx, dir, file, db, p.Args...)
		return err == nil && !difference(a, b).Equal(), err
	}
	for size := len(records) / 2; size > 0; size /= 2 {
		for i := 0; i < len(records); {
			fewer := slices.Delete(slices.Clone(records), i, min(len(records), i+size))
			bad, err := differs(fewer)
			if err != nil {
				return nil, err
			}
			if bad {
				records = fewer
			} else {
				i += size
			}
		}
	}
	return encodePcap(pcapFormat{link: linkEthernet}, records), nil
}
