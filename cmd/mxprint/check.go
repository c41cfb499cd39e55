package main

import (
	"context"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
)

var checkCommand = command{
	name:    "check",
	summary: "check a configuration, and say what it means",
	usage: `Usage: mxprint check [-write] [-user NAME] [-relay] [FILE]

Reads the configuration, its signatures, its filter, certificates and tokens as
serve would, and prints what serve would do. All that is wrong is reported, a
line each, and the exit status is 1.

  -write        open everything that serve opens, too, and close it again:
                sources, logs and sockets. What the running sensor holds is no
                fault. serve has this checked before it re-executes itself
  -user NAME    do so as this user, the one of the service; takes root. The
                capabilities are those of the units
  -relay        ask the mail server behind [proxy], as a stranger, whether it
                would relay. No mail is sent
  -config FILE  the same as FILE (default ` + config.DefaultPath + `,
                where it exists)

Examples:
  mxprint check
  mxprint check -write -user mxprint /etc/mxprint.toml
  mxprint check -relay
`,
	run: runCheck,
}

func runCheck(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("check")
	write := fs.Bool("write", false, "")
	user := fs.String("user", "", "")
	relay := fs.Bool("relay", false, "")
	c, err := configuration(fs, args)
	if err != nil {
		return err
	}
	if *relay && len(c.Proxy.Listen) == 0 {
		return usagef("check: -relay: [proxy] has no listen")
	}
	k := daemon.Trying{User: *user, Write: *write, Relay: *relay, Out: std.out, Err: std.err}
	status, err := k.Run(ctx, c)
	if err == nil && status != 0 {
		return errState(status) // it has reported what is wrong
	}
	return err
}
