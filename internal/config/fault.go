package config

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Fault is one thing that is wrong with the configuration file.
type Fault struct {
	File string
	Line int    // 0: not known
	Key  string // such as "limits.hosts"; may be empty
	Msg  string
	Err  error // what Msg is the text of, or nil
}

// Error is FILE:LINE: KEY: what is wrong.
func (f *Fault) Error() string {
	where := f.File
	if f.Line > 0 {
		where += ":" + strconv.Itoa(f.Line)
	}
	if f.Key != "" && where != "" {
		where += ": "
	}
	where += shorten(f.Key)
	if where == "" {
		return shorten(f.Msg)
	}
	return where + ": " + shorten(f.Msg)
}

// maxText is how long a key or a reason may be in a line, in bytes: a file may have
// values of a megabyte.
const maxText = 1000

// shorten leaves out the middle of a text that is too long for a line.
func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	head, tail := text[:maxText/2], text[len(text)-maxText/2:]
	return strings.ToValidUTF8(head, "") + " … " + strings.ToValidUTF8(tail, "")
}

// Unwrap returns Err.
func (f *Fault) Unwrap() error { return f.Err }

// Faults are all that is wrong with a file, by line.
type Faults []*Fault

// Error is a line for each.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i := range f {
		errs[i] = f[i]
	}
	return errs
}

// byLine sorts; what is missing, and so has no line, is last.
func byLine(a, b *Fault) int {
	return cmp.Or(cmp.Compare(uint(a.Line-1), uint(b.Line-1)), cmp.Compare(a.Key, b.Key))
}

// Fault says what is wrong with the value of a key.
func (c *Config) Fault(key, msg string) *Fault {
	return &Fault{File: c.path, Line: keyLine(c.text, key), Key: key, Msg: msg}
}

// At says of which key an error is the fault, where there is a file.
func (c *Config) At(key string, err error) error {
	if c.path == "" || err == nil || errors.As(err, new(*Fault)) {
		return err
	}
	f := c.Fault(key, err.Error())
	f.Err = err
	return f
}

// keyLine finds the line of a key "table.name" or "table[2].name" in a TOML text; of
// one that is missing in the second of [[table]], that of the table; or 0. It is for
// messages only: what the text means is the TOML library's to say.
func keyLine(text, key string) int {
	table, name := "", key
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		table, name = key[:i], key[i+1:]
	}
	table, index, numbered := strings.Cut(table, "[")
	n, _ := strconv.Atoi(strings.TrimSuffix(index, "]"))
	current, count, found := "", 0, 0
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			current = strings.Trim(strings.SplitN(line, "#", 2)[0], "[] \t")
			if current == key {
				return i + 1
			}
			if current == table {
				if count++; numbered && count == n {
					found = i + 1
				}
			}
			continue
		}
		k, _, ok := strings.Cut(line, "=")
		k = strings.TrimSpace(k)
		inTable := current == table && (!numbered || count == n)
		if ok && (inTable && k == name || current == "" && k == key) {
			return i + 1
		}
	}
	return found
}

// renamed are the keys that had another name.
var renamed = map[string]string{"unproven_hosts": "unverified_hosts"}

// nearest is the name that a wrong one is most likely meant to be, or "".
func nearest(wrong string, names []string) string {
	if name := renamed[wrong]; slices.Contains(names, name) {
		return name
	}
	best, least := "", 3 // more than two changes are another word
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := distance(wrong, name); d < least && d < len(name) {
			best, least = name, d
		}
	}
	return best
}

// distance is how many letters have to be put in, left out or changed to make
// one word of another (Levenshtein).
func distance(a, b string) int {
	if len(a) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, change)
		}
	}
	return row[len(b)]
}
