// Command mxprint tells a mail server who is really at the other end of an
// SMTP connection.
//
// Called as p0f, or as "mxprint p0f", it takes p0f's options and stands in for
// it.
//
// The voice of the command: standard output is for results; all else goes to
// standard error, in one line, with the prefix "mxprint: ", no capital, no
// full stop. The exit status is 0, or 1 when what was asked for did not
// succeed.
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
		demoCommand, p0fCommand, readCommand, decodeCommand, queryCommand, filterCommand, serveCommand, checkCommand, reloadCommand,
		proxyCommand, signaturesCommand, explainCommand, sendsynCommand, completionCommand(), versionCommand,
	}
}

func main() { os.Exit(run(os.Args, &stdio{os.Stdin, os.Stdout, os.Stderr})) }

// errSilent ends a command with status 1 when it has said already what is
// wrong.
var errSilent = errors.New("")

// run runs the command line and returns the exit status.
func run(args []string, std *stdio) int {
	name, rest := "help", []string(nil)
	if filepath.Base(args[0]) == "p0f" {
		name, rest = "p0f", args[1:]
	} else if len(args) > 1 {
		name, rest = args[1], args[2:]
	}
	ctx := context.Background()
	for _, c := range commands() {
		if c.name != name {
			continue
		}
		if c.name != "p0f" && wantsHelp(rest) {
			fmt.Fprint(std.out, c.usage)
			return 0
		}
		err := c.run(ctx, rest, std)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(std.out, c.usage)
			return 0
		}
		if err == nil {
			return 0
		}
		if err != errSilent {
			for line := range strings.Lines(err.Error() + "\n") { // of a configuration all faults, a line each
				fmt.Fprintf(std.err, "mxprint: %s", line)
			}
		}
		return 1
	}
	if name == "help" || name == "-h" || name == "--help" {
		help(std.out)
		if name == "help" && len(rest) == 0 && len(args) < 2 {
			return 1
		}
		return 0
	}
	if name == "--version" {
		return run([]string{args[0], "version"}, std)
	}
	fmt.Fprintf(std.err, "mxprint: unknown command %q; mxprint help lists them\n", name)
	return 1
}

func wantsHelp(args []string) bool {
	return len(args) > 0 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help")
}

func help(w io.Writer) {
	fmt.Fprint(w, "mxprint tells a mail server who is really at the other end of an SMTP connection.\n\nUsage: mxprint COMMAND …\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-17s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\n\"mxprint COMMAND -h\" shows examples. Called as p0f, mxprint takes p0f's options.\n")
}
