package main

import (
	"context"
	"flag"
	"io"
	"os"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/offline"
	"github.com/mxprint/mxprint/internal/signature"
)

// reading is what the commands that show captures have in common.
type reading struct {
	name           string
	database       *daemon.Database
	rule, compiled *string
	quiet, smtp    *bool
}

func readingFlags(fs *flag.FlagSet) *reading {
	return &reading{
		name: fs.Name(), database: databaseFlags(fs),
		rule: fs.String("filter", "", ""), compiled: fs.String("F", "", ""), quiet: fs.Bool("q", false, ""),
		smtp: fs.Bool("smtp", true, ""),
	}
}

// run reads the files into the observer that makes returns, whose end it calls
// whatever the files hold.
func (r *reading) run(ctx context.Context, fs *flag.FlagSet, std *stdio, makes func(io.Writer) (event.Observer, func() error)) error {
	if fs.NArg() == 0 {
		return usagef("%s: name a capture file; mxprint %s -h shows examples", r.name, r.name)
	}
	db, err := r.database.Load()
	if err != nil {
		return err
	}
	in, err := reader(r.name, db, *r.rule, *r.compiled, offline.NewOutput(std.out), std)
	if err != nil {
		return err
	}
	in.Engine.Hosts, in.Quiet, in.SMTP = engine.Hosts{HTTPWhole: true}, *r.quiet, *r.smtp
	ctx, stop := daemon.UntilSignal(ctx, false)
	defer stop()
	observer, end := makes(in.Out)
	err = in.Run(ctx, fs.Args(), observer)
	if failed := end(); failed != nil && err == nil {
		err = failed
	}
	if err == nil {
		err = in.Out.Err()
	}
	return err
}

// reader reads files for a command.
func reader(name string, db *signature.DB, expr, program string, out *offline.Output, std *stdio) (*offline.Reader, error) {
	rule, err := daemon.Rule(expr, program, os.Open)
	if err != nil {
		return nil, err
	}
	return &offline.Reader{
		Name: name, Out: out, Err: std.err,
		Engine: engine.Config{DB: daemon.Public(db), Rule: rule, Logger: daemon.NewLogger(std.err)},
	}, nil
}

// comparing is what the commands about signatures have in common: a database,
// and captures to compare with it.
type comparing struct {
	*daemon.Database
	rule *string
	name string // of the command
}

func comparingFlags(fs *flag.FlagSet) comparing {
	return comparing{databaseFlags(fs), fs.String("filter", "", ""), fs.Name()}
}

// each calls take for the SYNs, SYN+ACKs and sessions of SMTP of files, until out takes no more.
// After an error, print what was gathered all the same.
func (c *comparing) each(ctx context.Context, db *signature.DB, paths []string, out *offline.Output, std *stdio, take func(*event.Observation)) error {
	in, err := reader(c.name, db, *c.rule, "", out, std)
	if err != nil {
		return err
	}
	ctx, stop := daemon.UntilSignal(ctx, false)
	defer stop()
	in.SMTP = true
	return in.SYNs(ctx, paths, take)
}
