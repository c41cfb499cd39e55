package main

import (
	"context"

	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/demo"
	"github.com/mxprint/mxprint/internal/view"
)

var demoCommand = command{
	name:    "demo",
	summary: "name senders by their first packet, without root or configuration",
	usage: `Usage: mxprint demo [-web]

Names the senders of some first packets (SYNs): of connections that it makes
over loopback, from sockets tuned differently, and of six systems and programs
whose SYNs it has with it. It sends nothing to the network, and needs no root,
no capture, no configuration and no mail server. The live part needs Linux.

  -web  show the page of a sensor on loopback, with these senders coming again
        and again, and print the link to it

The output has colour on a terminal, unless NO_COLOR is set.

Examples:
  mxprint demo
  mxprint demo -web
`,
	run: runDemo,
}

func runDemo(ctx context.Context, args []string, std *stdio) error {
	flags := newFlags("demo")
	page := flags.Bool("web", false, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usagef("demo: %q is not an option; mxprint demo -h shows examples", flags.Arg(0))
	}
	ctx, stop := daemon.UntilSignal(ctx, false)
	defer stop()
	if *page {
		return demo.ServePage(ctx, std.out, "127.0.0.1:0", version)
	}
	color, err := view.Colored("auto", std.out)
	if err != nil {
		return err
	}
	return demo.Run(ctx, std.out, color)
}
