package main

import (
	"context"

	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/follow"
	"github.com/mxprint/mxprint/internal/view"
)

var topCommand = command{
	name:    "top",
	summary: "show who connects, in a table that changes",
	usage: `Usage: mxprint top

Shows the rates of a running sensor, and the systems, programs and senders of
the last hour, on a terminal. It asks the [http] listener of mxprint serve
(docs/web.md). Keys: q quits, p pauses.

` + apiUsage + `
Examples:
  sudo mxprint top
  mxprint top -s https://mx.example.org:9926 -token token -cert sensor.pem
`,
	run: runTop,
}

func runTop(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("top")
	api := apiFlags(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usagef("top: unexpected argument %q", fs.Arg(0))
	}
	if !view.IsTerminal(std.out) {
		return usagef("top: the output is not a terminal; mxprint watch prints lines")
	}
	client, err := api.Client()
	if err != nil {
		return err
	}
	ctx, stop := daemon.UntilSignal(ctx, false)
	defer stop()
	return follow.Top(ctx, client, std.in, std.out)
}
