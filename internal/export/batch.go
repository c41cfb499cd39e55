package export

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// A batch is a file of gzip members (RFC 1952 §2.2), each with whole lines of
// JSON: what one step of Run has written. zcat shows it, and ClickHouse takes it
// as it is. After kill -9 or a crash of the machine its end may be missing: what
// is good are the members whose checksums are.

// The bounds of a batch, in bytes.
const (
	fullBatch = 8 << 20   // and it is closed
	maxBatch  = 64 << 20  // that is read: more is not ours
	maxUnzip  = 512 << 20 // of its lines
	fullRows  = 200_000
)

// compressors are kept: each has tables of 800 kB.
var compressors = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return z
}}

// compress makes a member of lines.
func compress(lines []byte) []byte {
	var b bytes.Buffer
	z := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	z.Reset(&b)
	z.Write(lines)
	z.Close()
	return b.Bytes()
}

var errLines = errors.New("export: a batch without whole lines of JSON")

// scan reads a batch up to the end of its last good member, and returns where
// that is, and how many rows are before it. each, where it is not nil, is called
// with the lines of each good member, which it must not keep. The error says what
// is wrong after it.
func scan(batch []byte, each func(lines []byte) error) (good, rows int, err error) {
	in := bytes.NewReader(batch) // an io.ByteReader: a member is read to its end and no further
	var z gzip.Reader
	var lines bytes.Buffer
	total := int64(0)
	for in.Len() > 0 {
		lines.Reset()
		if err := z.Reset(in); err != nil {
			return good, rows, err
		}
		z.Multistream(false)
		n, err := io.Copy(&lines, io.LimitReader(&z, maxUnzip-total+1))
		if err != nil {
			return good, rows, err
		}
		if total += n; total > maxUnzip {
			return good, rows, fmt.Errorf("export: a batch of more than %d MiB", maxUnzip>>20)
		}
		text := lines.Bytes()
		if len(text) == 0 || text[0] != '{' || text[len(text)-1] != '\n' {
			return good, rows, errLines
		}
		if each != nil {
			if err := each(text); err != nil {
				return good, rows, err
			}
		}
		rows += bytes.Count(text, []byte{'\n'})
		good = len(batch) - in.Len()
	}
	return good, rows, nil
}

// entry is a file of the spool, by its name: TIME-TABLE-ROWS.gz of a batch,
// TIME-TABLE.open of one that is being filled, TIME-forget.json of a request to
// forget. The time is in microseconds since 1970, and unique: names sort by age.
type entry struct {
	at    int64
	table Table
	rows  int
	kind  kind
	size  int64
}

type kind uint8

const (
	closedBatch kind = iota
	openBatch
	forgetting
)

// name is the file's name.
func (f *entry) name() string {
	switch f.kind {
	case openBatch:
		return fmt.Sprintf("%016d-%s.open", f.at, f.table)
	case forgetting:
		return fmt.Sprintf("%016d-forget.json", f.at)
	}
	return fmt.Sprintf("%016d-%s-%d.gz", f.at, f.table, f.rows)
}

// parseName reads a name; others in the folder are not ours.
func parseName(name string) (f entry, ok bool) {
	digits, rest, _ := strings.Cut(name, "-")
	at, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || at <= 0 || len(digits) != 16 {
		return f, false
	}
	f.at = at
	if rest == "forget.json" {
		f.kind = forgetting
		return f, true
	}
	if table, isOpen := strings.CutSuffix(rest, ".open"); isOpen {
		f.kind = openBatch
		f.table, ok = ParseTable(table)
		return f, ok
	}
	table, count, _ := strings.Cut(strings.TrimSuffix(rest, ".gz"), "-")
	if f.table, ok = ParseTable(table); !ok {
		return f, false
	}
	f.rows, err = strconv.Atoi(count)
	return f, err == nil && f.rows > 0 && f.name() == name
}
