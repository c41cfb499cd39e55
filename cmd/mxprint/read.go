package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/view"
)

var readCommand = command{
	name:    "read",
	summary: "name the senders in capture files",
	usage: `Usage: mxprint read [-f FP] [-with FP] [-o FORM] [-filter RULE | -F PROGRAM] FILE…

Reads pcap and pcapng files, - for the standard input, and prints what it finds:
on a terminal a table, elsewhere one line an observation in the form of p0f's
log. What p0f has no words for stands at the end of such a line: or= (other
systems that send the same packet), rewritten= (what a box on the way changed in
it), reliable=no (an uptime from a clock that may begin at random).
"mxprint summary" shows a capture in one screen.

` + databaseUsage + `  -o FORM     table, lines, json (docs/json.md) or csv
  -json       the same as -o json
  -color WHEN auto (on a terminal, without NO_COLOR), always or never
  -q          no progress on the standard error
  -filter R   take only what this pcap-filter expression takes
  -F PROGRAM  the same, from a file with the output of tcpdump -ddd

Examples:
  mxprint read mail.pcap
  mxprint read -json mail.pcap | jq -r 'select(.module == "syn") | .os.name'
  tcpdump -i eth0 -U -w - 'tcp port 25' | mxprint read -
  tcpdump -ddd -y EN10MB 'tcp port 25' >smtp.bpf; mxprint read -F smtp.bpf mail.pcap
`,
	run: runRead,
}

func runRead(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("read")
	r := readingFlags(fs)
	asJSON := fs.Bool("json", false, "")
	form := formFlags(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	if *asJSON {
		form.name = "json"
	}
	return r.run(ctx, fs, std, func(out *output) (event.Observer, func() error, error) {
		return form.observer(out, std)
	})
}

// reading is what the commands that show captures have in common.
type reading struct {
	name           string
	database       *daemon.Database
	rule, compiled *string
	quiet          *bool
}

func readingFlags(fs *flag.FlagSet) *reading {
	return &reading{
		name: fs.Name(), database: databaseFlags(fs),
		rule: fs.String("filter", "", ""), compiled: fs.String("F", "", ""), quiet: fs.Bool("q", false, ""),
	}
}

// run reads the files into the observer that makes returns, whose end it calls
// whatever the files hold.
func (r *reading) run(ctx context.Context, fs *flag.FlagSet, std *stdio, makes func(*output) (event.Observer, func() error, error)) error {
	if fs.NArg() == 0 {
		return usagef("%s: name a capture file; mxprint %s -h shows examples", r.name, r.name)
	}
	db, err := r.database.Load()
	if err != nil {
		return err
	}
	rule, err := daemon.Rule(*r.rule, *r.compiled)
	if err != nil {
		return err
	}
	ctx, stop := daemon.UntilSignal(ctx, false)
	defer stop()
	out := &output{w: std.out, stop: stop}
	observer, end, err := makes(out)
	if err != nil {
		return err
	}
	seen := &counting{Observer: observer}
	begun := time.Now()
	progress := view.NewProgress(std.err, *r.quiet, func() string {
		return fmt.Sprintf("%s: %d observations in %s", r.name, seen.n.Load(), time.Since(begun).Round(time.Second))
	})
	_, err = readFiles(ctx, std, out, fs.Args(), engine.Config{
		DB: daemon.Public(db), Rule: rule, Observers: []event.Observer{seen}, Hosts: host.Config{HTTPWhole: true},
	})
	progress.Stop()
	if failed := end(); failed != nil && err == nil {
		err = failed
	}
	if out.err != nil && err == nil {
		err = fmt.Errorf("writing the output: %w", out.err)
	}
	return err
}

// counting counts the observations that pass, for the progress.
type counting struct {
	event.Observer
	n atomic.Uint64
}

func (c *counting) Observe(o *event.Observation) {
	c.n.Add(1)
	c.Observer.Observe(o)
}

// output ends the reading where its output is not taken: a closed pipe, a
// full disk.
type output struct {
	w    io.Writer
	stop func()
	err  error
}

func (o *output) Write(b []byte) (int, error) {
	if o.err == nil {
		if _, o.err = o.w.Write(b); o.err != nil {
			o.stop()
		}
	}
	return len(b), nil // the command says what was wrong, once
}
