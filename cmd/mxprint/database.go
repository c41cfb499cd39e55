package main

import (
	"errors"
	"flag"
	"strings"

	"github.com/mxprint/mxprint/internal/daemon"
)

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
func databaseFlags(fs *flag.FlagSet) *daemon.Database {
	d := new(daemon.Database)
	fs.StringVar(&d.File, "f", "", "")
	fs.Var((*textList)(&d.With), "with", "")
	return d
}
