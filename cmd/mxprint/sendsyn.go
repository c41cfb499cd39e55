package main

import (
	"context"
	"fmt"
	"time"

	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/explain"
	"github.com/mxprint/mxprint/internal/probe"
)

var sendsynCommand = command{
	name:    "sendsyn",
	summary: "send p0f's eight probes, to collect what a server answers",
	usage: `Usage: mxprint sendsyn [-f FP] [-with FP] [-wait TIME] [-force] ADDRESS PORT

Sends eight SYNs that differ in the options they offer, as p0f-sendsyn does, and
prints for each the signature of the SYN+ACK and the system it names. A server
answers with no option that was not offered, so it takes all eight to see how a
system answers. Sensors on the way, p0f among them, log them as "sendsyn probe"
and "sendsyn response". No connection is made; the system resets what is
answered.

It needs root or CAP_NET_RAW. It sends to loopback and private addresses alone,
unless -force is given: ask the owner of a server first. The exit status is 1
when there was no SYN+ACK.

` + databaseUsage + `  -wait TIME  how long to wait for the answers, a minute at most (default 2s)
  -force      send to any address

Examples:
  mxprint sendsyn 127.0.0.1 25
  mxprint sendsyn 10.0.0.7 587
  mxprint explain -response "$(mxprint sendsyn ::1 25 | awk '/^mss,ws,sok,ts /{print $2}')"
`,
	run: runSendsyn,
}

func runSendsyn(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("sendsyn")
	database := databaseFlags(fs)
	wait := fs.Duration("wait", 2*time.Second, "")
	force := fs.Bool("force", false, "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 2 {
		return usagef("sendsyn: name an address and a port; mxprint sendsyn -h shows examples")
	}
	if *wait <= 0 || *wait > probe.MaxWait {
		return usagef("sendsyn: -wait %v: want more than 0, and %v at most", *wait, probe.MaxWait)
	}
	to, err := probe.ParseTarget(fs.Arg(0), fs.Arg(1), *force)
	if err != nil {
		return usagef("sendsyn: %v", err)
	}
	db, err := database.Load()
	if err != nil {
		return err
	}
	answers, err := probe.Send(ctx, to, *wait, daemon.NewLogger(std.err))
	if err != nil {
		return fmt.Errorf("sendsyn: %w", err)
	}
	if !explain.Answers(std.out, db, answers) {
		return fmt.Errorf("sendsyn: no SYN+ACK from %s", to)
	}
	return nil
}
