package signature

import (
	"errors"
	"syscall"

	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// Load reads database files as one; an empty path is the built-in database.
// Each is complete in itself. What an earlier file says counts first: of a
// later one it overrides the links of the same MTU, and the signatures that it
// covers are left out.
func Load(paths ...string) (*DB, error) {
	p := newParser()
	for i, path := range paths {
		p.layer = i
		if path == "" {
			p.readBuiltin()
		} else if err := p.readFile(path); err != nil {
			return nil, err
		}
		if p.err != nil {
			return nil, p.err
		}
	}
	p.db.finish()
	return p.db, nil
}

// Parse reads a database in p0f's language (p0f-v3.md §2). name stands in the
// errors, which are of type *SyntaxError for faults of the text. As in p0f the
// first fault ends the reading: half a database would give wrong answers.
// Check reports all faults.
func Parse(r io.Reader, name string) (*DB, error) {
	text, err := readText(r, name)
	if err != nil {
		return nil, err
	}
	p := newParser()
	if p.read(name, text); p.err != nil {
		return nil, p.err
	}
	p.db.finish()
	return p.db, nil
}

func readText(r io.Reader, name string) (string, error) {
	text, err := io.ReadAll(io.LimitReader(bufio.NewReader(r), maxFile+1))
	if err != nil {
		return "", fmt.Errorf("signature: reading %s: %w", name, err)
	}
	if len(text) > maxFile {
		return "", fmt.Errorf("%w: %s has more than %d bytes", ErrTooLarge, name, maxFile)
	}
	return string(text), nil
}

func newParser() *parser {
	return &parser{db: &DB{linkIDs: make([]uint16, 1<<16)}, mtus: make(map[uint16]place), smtps: make(map[string]*SMTP), work: maxWork}
}

// ErrNotRegular means that a pipe, a device or a folder stands where a file should be:
// reading it might never end.
var ErrNotRegular = errors.New("not a regular file")

// OpenFile opens a regular file to read it whole. It does not wait, as for the
// writer of a pipe.
func OpenFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, &os.PathError{Op: "open", Path: path, Err: ErrNotRegular})
	}
	return f, nil
}

func (p *parser) readFile(path string) error {
	f, err := OpenFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := readText(f, path)
	if err == nil {
		p.read(path, text)
	}
	return err
}

// read reads the lines of a file, to the first fault or, for Check, all.
func (p *parser) read(name, text string) {
	p.file, p.line = name, 0
	p.section, p.expect, p.link = noSection, expectLabel, 0
	if line, number, ok := isP0f2(text); ok {
		p.refuseP0f2(line, number)
		return
	}
	for rest := text; rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		p.line++
		if p.all {
			p.lines = append(p.lines, line)
		}
		p.parseLine(line)
		if p.err != nil && !p.recovered() {
			return
		}
	}
}
