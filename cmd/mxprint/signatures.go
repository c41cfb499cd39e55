package main

import (
	"context"
	"fmt"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/explain"
	"github.com/mxprint/mxprint/internal/offline"
	"github.com/mxprint/mxprint/internal/view"
)

var signaturesCommand = command{
	name:    "signatures",
	summary: "check, list and test signatures; show the SYNs that none matches",
	usage: `Usage: mxprint signatures check FILE…
       mxprint signatures list [-json] [-with FP] [FILE]
       mxprint signatures test [-f FP] [-with FP] [-filter RULE] CAPTURE…
       mxprint signatures unknown [-f FP] [-with FP] [-filter RULE] CAPTURE…
       mxprint signatures unknown [-s SOCKET]

check    reports every error of signature files, a line each: where, what is
         wrong, the remedy. Warnings name what can never match. FILE - is
         the standard input. The exit status is 1 when there is an error,
         and not for warnings.
list     shows labels, with the number of their signatures, how they are known
         and since when: of FILE, or of the built-in database.
test     prints what each SYN and SYN+ACK of captures matches, how well, and by
         which line. The exit status is 1 when one matches nothing, and when
         there is nothing to match.
unknown  prints the SYNs and SYN+ACKs that nothing matches as signatures, with
         counts: of captures, or what a running sensor has seen (default
         ` + config.DefaultQuerySocket + `; root and the sensor's user may
         ask). It keeps 1000 different ones; the rarest give way.

` + databaseUsage + `  -filter R   take only what this pcap-filter expression takes
  -json       one JSON object a line
  -s SOCKET   the query socket of a sensor: [query] listen

docs/signatures.md explains the language, and how to write and test one.

Examples:
  mxprint signatures check local.fp
  mxprint signatures list | less
  mxprint signatures test -with local.fp mail.pcap
  mxprint signatures unknown mail.pcap >local.fp
`,
	run: runSignatures,
}

func runSignatures(ctx context.Context, args []string, std *stdio) error {
	verbs := map[string]func(context.Context, []string, *stdio) error{
		"check": checkSignatures, "list": listSignatures, "test": testSignatures, "unknown": unknownSignatures,
	}
	if len(args) == 0 {
		return usagef("signatures: want check, list, test or unknown; mxprint signatures -h shows examples")
	}
	run, ok := verbs[args[0]]
	if !ok {
		return usagef("signatures: %q is not check, list, test or unknown; mxprint signatures -h shows examples", args[0])
	}
	return run(ctx, args[1:], std)
}

func checkSignatures(_ context.Context, args []string, std *stdio) error {
	fs := newFlags("signatures check")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return usagef("signatures check: name a file; mxprint signatures -h shows examples")
	}
	wrong, err := daemon.CheckAll(std.forPeople(), fs.Args(), std.in)
	if err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("signatures check: %s", view.Count(wrong, "error"))
	}
	return nil
}

func listSignatures(_ context.Context, args []string, std *stdio) error {
	fs := newFlags("signatures list")
	var d daemon.Database
	fs.Var((*textList)(&d.With), "with", "")
	asJSON := fs.Bool("json", false, "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 1 {
		return usagef("signatures list: name one file, or none; mxprint signatures -h shows examples")
	}
	d.File = fs.Arg(0)
	db, err := d.Load()
	if err != nil {
		return err
	}
	if *asJSON {
		return explain.ListJSON(std.out, db)
	}
	return explain.List(std.forPeople(), db)
}

func testSignatures(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("signatures test")
	c := comparingFlags(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return usagef("signatures test: name a capture file; mxprint signatures -h shows examples")
	}
	db, err := c.Load()
	if err != nil {
		return err
	}
	out := offline.NewOutput(std.out)
	tally := explain.Tally{Out: out, DB: db}
	err = c.each(ctx, db, fs.Args(), out, std, tally.Take)
	_, not := tally.Sum()
	if err == nil && not > 0 {
		return errSilent
	}
	return err
}
