package main

import (
	"context"
	"io"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/report"
)

var readCommand = command{
	name:    "read",
	summary: "name the senders in capture files",
	usage: `Usage: mxprint read [-f FP] [-with FP] [-json] [-filter RULE | -F PROGRAM] FILE…

Reads pcap and pcapng files, - for the standard input, and prints what it finds
out: one line an observation, in the form of p0f's log, or with -json one object
a line. What p0f has no words for stands at the end of a line: or= (other
systems that send the same packet), rewritten= (what a box on the way changed in
it), reliable=no (an uptime from a clock that may begin at random).

` + databaseUsage + `  -json       print JSON (docs/json.md)
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
	var (
		fs        = newFlags("read")
		database  = databaseFlags(fs)
		asJSON    = fs.Bool("json", false, "")
		rule      = fs.String("filter", "", "")
		compiled  = fs.String("F", "", "")
		observers []event.Observer
	)
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return usagef("read: name a capture file; mxprint read -h shows examples")
	}
	db, err := database.Load()
	if err != nil {
		return err
	}
	r, err := daemon.Rule(*rule, *compiled)
	if err != nil {
		return err
	}
	ctx, stop := daemon.UntilSignal(ctx, false)
	defer stop()
	out := &output{w: std.out, stop: stop}
	if *asJSON {
		observers = append(observers, report.NewJSON(out))
	} else {
		lines := report.NewLog(out)
		lines.Doubts = true
		observers = append(observers, lines)
	}
	_, err = readFiles(ctx, std, out, fs.Args(), engine.Config{
		DB: daemon.Public(db), Rule: r, Observers: observers, Hosts: host.Config{HTTPWhole: true},
	})
	return err
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
