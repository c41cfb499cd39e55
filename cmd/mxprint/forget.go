package main

import (
	"context"
	"fmt"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/internal/verdict"
)

var forgetCommand = command{
	name:    "forget",
	summary: "remove a sender from the store",
	usage: `Usage: mxprint forget [-s SOCKET] ADDRESS|NETWORK|NAME

Has the running sensor remove all that its store remembers of an address, a
network, or a name that clients called themselves: connections, verdicts, and
the sender's part in the evidence. No byte of it is left in the store's files;
logs, copies and the memory of hosts (limits.state) are not touched. What other
sensors share ([store] valkey) and what ClickHouse has ([export]) goes too; of the
latter by ALTER TABLE DELETE, which waits until ClickHouse is there.

  -s SOCKET  that of [store] listen (default unix:` + config.DefaultVerdictSocket + `)

Examples:
  mxprint forget 192.0.2.1
  mxprint forget 2001:db8::/32
`,
	run: runForget,
}

func runForget(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("forget")
	socket := fs.String("s", "unix:"+config.DefaultVerdictSocket, "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usagef("forget: want one ADDRESS, NETWORK or NAME")
	}
	if sub, err := store.ParseSubject(fs.Arg(0)); err != nil || sub.JA4 != "" {
		return usagef("forget: %.60q is no address, network or name", fs.Arg(0))
	}
	c, err := verdict.Dial(ctx, *socket)
	if err != nil {
		return err
	}
	defer c.Close()
	a, err := c.Send(&verdict.Line{Forget: fs.Arg(0)})
	if err == nil && a.Forgotten != nil {
		_, err = fmt.Fprintf(std.out, "%d connections are forgotten\n", *a.Forgotten)
	}
	return err
}
