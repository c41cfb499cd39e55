package synlab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// An Observation is one line of p0f's log: what it says of one SYN or SYN+ACK.
type Observation struct {
	Module string   // "syn", "syn+ack" or "sendsyn probe"
	Others []string // other systems that our label names
	Name   string   // operating system or program, with its flavor; "???" when unknown
	Params string   // "none", or of generic, fuzzy, random_ttl, excess_dist
	RawSig string
}

// Database writes all .fp files of a directory as one to a file, in the order
// of their names, and returns its path.
func Database(t testing.TB, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.fp"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no database in %s: %v", dir, err)
	}
	sort.Strings(files)
	var all bytes.Buffer
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	path := filepath.Join(t.TempDir(), "builtin.fp")
	if err := os.WriteFile(path, all.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// P0f lets the real p0f read a capture with a database. A database that p0f
// does not load fails the test with p0f's own words.
func P0f(t testing.TB, database, pcap string) []Observation {
	t.Helper()
	p0f := lab.NeedProgram(t, "p0f")
	log := filepath.Join(t.TempDir(), "p0f.log")
	if out, err := exec.Command(p0f, "-f", database, "-r", pcap, "-o", log).CombinedOutput(); err != nil {
		t.Fatalf("p0f -f %s -r %s: %v\n%s", filepath.Base(database), filepath.Base(pcap), err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var list []Observation
	for line := range strings.Lines(string(text)) {
		o, err := parseLine(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		if o.Module == "syn" || o.Module == "syn+ack" || o.Module == "sendsyn probe" {
			list = append(list, o)
		}
	}
	return list
}

// parseLine reads one line of the log (p0f v3 section 10.4). Nothing in our
// captures can put a "|" into a value.
func parseLine(line string) (Observation, error) {
	var o Observation
	_, fields, ok := strings.Cut(line, "] ")
	if !ok {
		return o, fmt.Errorf("synlab: no time in p0f's line %q", line)
	}
	for field := range strings.SplitSeq(fields, "|") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "mod":
			o.Module = value
		case "os", "app":
			o.Name = value
		case "params":
			o.Params = value
		case "raw_sig":
			o.RawSig = value
		}
	}
	return o, nil
}
