package export

import (
	"bytes"
	"testing"
)

// FuzzScan: of any file what is good is whole, and is good again by itself.
func FuzzScan(f *testing.F) {
	one, two := compress([]byte("{}\n")), compress([]byte("{\"n\":1}\n{\"n\":2}\n"))
	both := append(append([]byte(nil), one...), two...)
	f.Add(one)
	f.Add(both)
	f.Add(both[:len(both)-3])
	f.Add(append(append([]byte(nil), one...), "not gzip"...))
	f.Add(compress([]byte("no newline")))
	f.Add(compress(bytes.Repeat([]byte("{}\n"), 1000)))
	f.Fuzz(func(t *testing.T, batch []byte) {
		var all []byte
		good, rows, err := scan(batch, func(lines []byte) error {
			all = append(all, lines...)
			return nil
		})
		if good < 0 || good > len(batch) || (err == nil) != (good == len(batch)) {
			t.Fatalf("%d of %d bytes are good, %v", good, len(batch), err)
		}
		if n := bytes.Count(all, []byte{'\n'}); n != rows || len(all) > 0 && all[len(all)-1] != '\n' {
			t.Fatalf("%d rows, want %d: %q", rows, n, all)
		}
		again, rowsAgain, err := scan(batch[:good], nil)
		if err != nil || again != good || rowsAgain != rows {
			t.Fatalf("what is good is %d bytes, %d rows, %v the second time; %d, %d the first", again, rowsAgain, err, good, rows)
		}
	})
}

// FuzzName: a name that is read is written the same.
func FuzzName(f *testing.F) {
	for _, name := range []string{"0001700000000000-notes-5.gz", "0001700000000000-verdicts.open", "0001700000000000-forget.json", "lock", "0001700000000000-notes--5.gz"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if e, ok := parseName(name); ok && e.name() != name {
			t.Fatalf("%q is read as %+v, which is %q", name, e, e.name())
		}
	})
}
