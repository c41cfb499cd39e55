package main

import (
	"errors"
	"flag"
	"strings"

	"github.com/mxprint/mxprint/signature"
)

// database is which signatures a command uses.
type database struct {
	file string   // in place of the built-in ones; empty for those
	with textList // before them
}

const databaseUsage = `  -f FP       signatures to use (default: the built-in ones)
  -with FP    signatures to use before those; may be given again
`

// textList is a flag that may be given several times.
type textList []string

func (l *textList) String() string { return strings.Join(*l, ",") }

func (l *textList) Set(s string) error {
	if s == "" {
		return errors.New("want the name of a file")
	}
	*l = append(*l, s)
	return nil
}

// databaseFlags adds -f and -with.
func databaseFlags(fs *flag.FlagSet) *database {
	d := new(database)
	fs.StringVar(&d.file, "f", "", "")
	fs.Var(&d.with, "with", "")
	return d
}

// load reads the files, or takes the built-in database.
func (d *database) load() (*signature.DB, error) {
	if d.file == "" && len(d.with) == 0 {
		return signature.Builtin(), nil
	}
	return signature.Load(append(d.with[:len(d.with):len(d.with)], d.file)...)
}

// faults are all that Check finds in the files, a line each.
func (d *database) faults() []byte {
	var lines []byte
	for _, path := range append(d.with[:len(d.with):len(d.with)], d.file) {
		if path == "" {
			continue
		}
		rep, err := checkFile(path, nil)
		for _, e := range rep.Errors {
			lines = append(append(lines, finding(e, "")...), '\n')
		}
		if err != nil {
			lines = append(append(lines, err.Error()...), '\n')
		}
	}
	return lines
}
