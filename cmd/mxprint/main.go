// Command mxprint tells a mail server who is really at the other end of an
// SMTP connection.
//
// Called as p0f, or as "mxprint p0f", it takes p0f's options and stands in for
// it.
//
// The voice of the command: standard output is for results; all else goes to
// standard error, in one line, with the prefix "mxprint: ", no capital, no
// full stop. The exit status is 0, 1 when what was asked for did not succeed,
// or 2 when the command line is wrong; that of mxprint query says what the
// answer is. Called as p0f it is p0f's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/view"
)

// command is one subcommand.
type command struct {
	name    string
	summary string
	usage   string // what -h prints
	run     func(ctx context.Context, args []string, std *stdio) error
}

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// commands returns the subcommands in the order in which the usage lists
// them.
func commands() []command {
	return []command{
		demoCommand, p0fCommand, readCommand, summaryCommand, decodeCommand, queryCommand, filterCommand,
		serveCommand, checkCommand, rulesCommand, reloadCommand, statusCommand, webCommand, watchCommand, topCommand, doctorCommand,
		historyCommand, reportCommand, verdictsCommand, learnCommand, forgetCommand,
		proxyCommand, signaturesCommand, explainCommand, sendsynCommand, completionCommand(), versionCommand,
	}
}

func main() {
	out := &stdout{File: os.Stdout}
	status := run(os.Args, &stdio{os.Stdin, out, os.Stderr})
	if status == 0 && out.err != nil {
		status = exit(fmt.Errorf("writing the output: %w", out.err), &stdio{err: os.Stderr})
	}
	os.Exit(status)
}

// stdout is the standard output, and keeps the first error: a command that
// prints line by line does not look at each, and a full disk must be noticed.
type stdout struct {
	*os.File // for those who ask whether it is a terminal
	err      error
}

func (o *stdout) Write(b []byte) (int, error) {
	n, err := o.File.Write(b)
	if o.err == nil && !errors.Is(err, syscall.EPIPE) { // a reader that has enough is no fault
		o.err = err
	}
	return n, err
}

func (o *stdout) WriteString(s string) (int, error) { return o.Write([]byte(s)) }

// forPeople is where text for people goes that quotes the network, a file or
// another sensor.
func (s *stdio) forPeople() io.Writer { return view.Cleaner(s.out) }

// errSilent ends a command with status 1 when it has said already what is
// wrong.
var errSilent = errors.New("")

// errState ends mxprint query with a status that says what the answer is.
type errState int

func (e errState) Error() string { return "" }

// run runs the command line and returns the exit status.
func run(args []string, std *stdio) int {
	name, rest := "help", args[1:]
	if filepath.Base(args[0]) == "p0f" {
		name = "p0f"
	} else if len(args) > 1 {
		name, rest = args[1], args[2:]
	}
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-v", "-V", "-version", "--version":
		name = "version"
	case "help":
		if len(rest) > 0 { // help COMMAND is COMMAND -h
			name, rest = rest[0], []string{"-h"}
		}
	}
	if name == "help" {
		help(std.out)
		if len(args) == 1 {
			return exitUsage
		}
		return 0
	}
	for _, c := range commands() {
		if c.name == name {
			asP0f := filepath.Base(args[0]) == "p0f" // which has no help
			return exit(c.start(rest, !asP0f, std), std)
		}
	}
	return exit(usagef("unknown command %q; mxprint help lists them", name), std)
}

// start runs a command, or has it explain itself.
func (c *command) start(args []string, helps bool, std *stdio) error {
	var err error = flag.ErrHelp
	if !helps || !wantsHelp(args) {
		err = c.run(context.Background(), args, std)
	}
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(std.out, c.usage)
	}
	return err
}

// The exit statuses. mxprint query has more.
const (
	exitFailed = 1
	exitUsage  = 2
)

// exit prints an error and returns the exit status.
func exit(err error, std *stdio) int {
	var state errState
	switch {
	case err == nil:
		return 0
	case errors.As(err, &state):
		return int(state)
	case err != errSilent && err != daemon.ErrReported:
		for line := range strings.Lines(err.Error() + "\n") { // of a configuration all faults, a line each
			fmt.Fprintf(view.Cleaner(std.err), "mxprint: %s", line)
		}
	}
	if errors.As(err, new(*usageError)) {
		return exitUsage
	}
	return exitFailed
}

func wantsHelp(args []string) bool {
	return len(args) > 0 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help")
}

func help(w io.Writer) {
	fmt.Fprint(w, "mxprint tells a mail server who is really at the other end of an SMTP connection.\n\nUsage: mxprint COMMAND …\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-17s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\n\"mxprint help COMMAND\" shows options and examples. Called as p0f, mxprint takes p0f's options.\n")
}
