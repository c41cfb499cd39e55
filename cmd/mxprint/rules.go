package main

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/policy"
)

var rulesCommand = command{
	name:    "rules",
	summary: "try the rules of [policy] with capture files",
	usage: `Usage: mxprint rules test [-config FILE] [-filter RULE | -F PROGRAM] FILE…

Reads pcap and pcapng files, - for the standard input, and prints which of the
rules [[policy.rules]] would have fired on which connection, and what Postfix
would have been answered. What only a mail server knows, such as helo or
client_name, is empty. docs/policy.md describes the rules.

` + databaseUsage + `  -config FILE  the configuration with the rules (default ` + config.DefaultPath + `,
              where it exists)
  -filter R   take only what this pcap-filter expression takes
  -F PROGRAM  the same, from a file with the output of tcpdump -ddd
  -q          no progress on the standard error

Examples:
  mxprint rules test mail.pcap
  tcpdump -c 100000 -w - 'tcp port 25' | mxprint rules test -config new.toml -
`,
	run: runRules,
}

func runRules(ctx context.Context, args []string, std *stdio) error {
	if len(args) == 0 || args[0] != "test" {
		return usagef("rules: want mxprint rules test FILE…; mxprint rules -h shows examples")
	}
	fs := newFlags("rules test")
	r := readingFlags(fs)
	path := fs.String("config", "", "")
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	c, err := loadConfig(*path)
	if err != nil {
		return err
	}
	rules, _ := c.Policy.Compile() // loading has checked them
	if rules == nil {
		return errors.New("rules: there are no [[policy.rules]] in " + cmp.Or(c.Path(), config.DefaultPath) + " (docs/policy.md has some)")
	}
	trial := &policy.Trial{Rules: rules}
	return r.run(ctx, fs, std, func(out io.Writer) (event.Observer, func() error) {
		return trial, func() error { return trial.Print(out) }
	})
}
