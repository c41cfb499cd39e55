package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/mxprint/mxprint/internal/view"
)

// usageError is a wrong command line: the exit status is 2.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

// usagef makes a usageError.
func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// newFlags returns a flag set that leaves all printing to the command.
func newFlags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	return fs
}

// parse reads a command line. Options may stand before and after other words;
// after "--" all are words.
func parse(fs *flag.FlagSet, args []string) error {
	var words []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return flagError(fs.Name(), err)
		}
		rest := fs.Args()
		if read := args[:len(args)-len(rest)]; len(read) > 0 && read[len(read)-1] == "--" {
			words = append(words, rest...)
			break
		}
		if len(rest) == 0 {
			break
		}
		words, args = append(words, rest[0]), rest[1:]
	}
	return fs.Parse(append([]string{"--"}, words...))
}

// flagError puts an error of package flag into our words. flag.ErrHelp stays.
func flagError(name string, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	msg := err.Error()
	if option, ok := strings.CutPrefix(msg, "flag provided but not defined: "); ok {
		command, _, _ := strings.Cut(name, " ")
		return usagef("%s: unknown option %s; mxprint help %s lists them", name, option, command)
	}
	if option, ok := strings.CutPrefix(msg, "flag needs an argument: "); ok {
		return usagef("%s: option %s needs an argument", name, option)
	}
	return usagef("%s: %s", name, strings.Replace(msg, " for flag ", " for option ", 1))
}

// output is the flags -o and -color.
type output struct{ name, color string }

func formFlags(fs *flag.FlagSet) *output {
	o := &output{}
	fs.StringVar(&o.name, "o", "", "")
	fs.StringVar(&o.color, "color", "auto", "")
	return o
}

func (o *output) form(std *stdio) (view.Form, error) {
	f, err := view.NewForm(o.name, o.color, std.out)
	if err != nil {
		return f, usagef("%v", err)
	}
	return f, nil
}
