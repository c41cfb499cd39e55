package main

import (
	"context"
	"flag"

	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/follow"
	"github.com/mxprint/mxprint/internal/view"
)

// apiUsage are the flags that name a sensor's API.
const apiUsage = `  -config FILE  the configuration of serve, for [http] listen and token_file
                (default: /etc/mxprint.toml where it exists)
  -s PLACE      the sensor: http://HOST:PORT, https://HOST:PORT, or the path of
                the unix socket of [http]
  -token FILE   the file with the token of that place
  -cert FILE    with https: the sensor's certificate
`

var watchCommand = command{
	name:    "watch",
	summary: "print connections as mail servers ask about them",
	usage: `Usage: mxprint watch [-json] [-color WHEN] [FILTER…]

Prints each connection that a mail server asks about, as it comes: a line with
time, client, system, match, program, hops and link. It asks the [http] listener
of a running mxprint serve (docs/web.md), and goes on when that is restarted.

A FILTER is an address, ADDRESS:PORT or a network, or client=, system=,
program=, finding=, state= or since= with a value.

` + apiUsage + `  -json         print each connection as a line of JSON
  -color WHEN   auto, always or never (default auto)

Examples:
  sudo mxprint watch
  sudo mxprint watch system=Windows state=matched
  sudo mxprint watch -json 192.0.2.0/24 | jq .note
`,
	run: runWatch,
}

// apiFlags are the flags of commands that ask the API.
func apiFlags(fs *flag.FlagSet) *daemon.API {
	a := &daemon.API{}
	fs.StringVar(&a.At, "s", "", "")
	fs.StringVar(&a.TokenFile, "token", "", "")
	fs.StringVar(&a.CertFile, "cert", "", "")
	fs.StringVar(&a.Config, "config", "", "")
	return a
}

func runWatch(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("watch")
	api := apiFlags(fs)
	asJSON := fs.Bool("json", false, "")
	mode := fs.String("color", "auto", "")
	if err := parse(fs, args); err != nil {
		return err
	}
	filter, err := feed.Words(fs.Args())
	if err != nil {
		return usagef("watch: %v", err)
	}
	color, err := view.Colored(*mode, std.out)
	if err != nil {
		return usagef("watch: %v", err)
	}
	client, err := api.Client()
	if err != nil {
		return err
	}
	ctx, stop := daemon.UntilSignal(ctx, false)
	defer stop()
	return follow.Watch(ctx, client, &follow.Config{Filter: filter, JSON: *asJSON, Color: color, Width: view.Width(std.out, 0), Out: std.out, Err: std.err})
}
