package daemon

import (
	"fmt"
	"io"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/view"
	public "github.com/mxprint/mxprint/signature"
)

// Database is which signatures are used.
type Database struct {
	File string   // instead of the built-in ones; empty for those
	With []string // files whose signatures go before them
}

// Load reads the files, or takes the built-in database.
func (d *Database) Load() (*signature.DB, error) {
	if d.File == "" && len(d.With) == 0 {
		return signature.Builtin(), nil
	}
	return signature.Load(append(d.With[:len(d.With):len(d.With)], d.File)...)
}

// faults are all that Check finds in the files, a line each.
func (d *Database) faults() []byte {
	var lines []byte
	for _, path := range append(d.With[:len(d.With):len(d.With)], d.File) {
		if path == "" {
			continue
		}
		rep, err := CheckSignatures(path, nil)
		for _, e := range rep.Errors {
			lines = append(append(lines, Finding(e, "")...), '\n')
		}
		if err != nil {
			lines = append(append(lines, err.Error()...), '\n')
		}
	}
	return lines
}

// CheckSignatures checks a signature file; "-" is in.
func CheckSignatures(path string, in io.Reader) (signature.Report, error) {
	if path == "-" {
		return signature.Check(in, "-")
	}
	f, err := signature.OpenFile(path)
	if err != nil {
		return signature.Report{}, err
	}
	defer f.Close()
	return signature.Check(f, path)
}

// CheckAll checks signature files, prints what it finds, and returns the number
// of errors.
func CheckAll(out io.Writer, paths []string, in io.Reader) (wrong int, err error) {
	for _, path := range paths {
		rep, err := CheckSignatures(path, in)
		for _, e := range rep.Errors {
			fmt.Fprintln(out, Finding(e, ""))
		}
		for _, w := range rep.Warnings {
			fmt.Fprintln(out, Finding(w, "warning: "))
		}
		if err != nil {
			return wrong, err
		}
		if wrong += len(rep.Errors); rep.DB != nil {
			fmt.Fprintf(out, "%s: %s, %s\n", path, view.Count(rep.DB.Count(), "signature"), view.Count(len(rep.Warnings), "warning"))
		}
	}
	return wrong, nil
}

// Finding is one line about a fault, with what to do about it.
func Finding(e *signature.SyntaxError, kind string) string {
	line := fmt.Sprintf("%s:%d:%d: %s%s", e.File, e.Line, e.Col, kind, e.Msg)
	if e.Text != "" {
		line += fmt.Sprintf(": %q", e.Text)
	}
	return line + "; " + e.Hint
}

// Public is a database as the public packages take it.
func Public(db *signature.DB) *public.DB { return (*public.DB)(db) }
