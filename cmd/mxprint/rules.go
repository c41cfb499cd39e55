package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/policy"
)

var rulesCommand = command{
	name:    "rules",
	summary: "try the rules of [policy] with capture files or with history",
	usage: `Usage: mxprint rules test [-config FILE] [-filter RULE | -F PROGRAM] FILE…
       mxprint rules test [-config FILE] -since DAYSd

Reads pcap and pcapng files, - for the standard input, and prints which of the
rules [[policy.rules]] would have fired on which connection, and what Postfix
would have been answered. What only a mail server knows, such as helo or
client_name, is empty. docs/policy.md describes the rules. With -since it shows
what they would have done with the mails of the store that have a verdict: spam
and ham by number, honest senders by name.

` + databaseUsage + `  -config FILE  the configuration with the rules (default ` + config.DefaultPath + `,
              where it exists)
  -filter R   take only what this pcap-filter expression takes
  -F PROGRAM  the same, from a file with the output of tcpdump -ddd
  -q          no progress on the standard error
  -since 14d  the last 14 days of the store ([store] path)

Examples:
  mxprint rules test mail.pcap
  mxprint rules test -since 14d
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
	path, since := fs.String("config", "", ""), fs.String("since", "", "")
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
	if *since != "" {
		return tryPast(ctx, rules, *path, *since, fs.NArg(), std)
	}
	trial := &policy.Trial{Rules: rules}
	return r.run(ctx, fs, std, func(out io.Writer) (event.Observer, func() error) {
		return trial, func() error { return trial.Print(out) }
	})
}

// tryPast tries rules with the mails of the store.
func tryPast(ctx context.Context, rules *policy.Set, path, since string, words int, std *stdio) error {
	days, err := strconv.Atoi(strings.TrimSuffix(since, "d"))
	if err != nil || days < 1 || days > 365 || words > 0 {
		return usagef("rules test: want -since with days, such as 14d, and no files")
	}
	r, err := openStore(path, "")
	if err != nil {
		return err
	}
	defer r.Close()
	list, err := rules.Past(ctx, r, time.Now().AddDate(0, 0, -days))
	if err != nil {
		return err
	}
	return evidence.PrintWould(std.forPeople(), list)
}
