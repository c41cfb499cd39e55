package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/inherit"
	"github.com/mxprint/mxprint/internal/offline"
)

var p0fCommand = command{
	name:    "p0f",
	summary: "stand in for p0f: the same options, output and socket",
	usage:   p0fUsage,
	run:     runP0f,
}

const p0fUsage = `Usage: p0f [OPTION…] ['FILTER RULE']

Capture:
  -i IFACE  listen on this interface; "any" for all
  -r FILE   read a capture file instead
  -p        put the interface into promiscuous mode
  -L        list the interfaces, and exit

Operation:
  -f FILE   signatures to use (default: the built-in ones)
  -o FILE   append observations to this log
  -s PATH   answer queries on this unix socket
  -u USER   become this user, in a chroot of its home
  -d        run in the background (wants -o or -s)

Limits:
  -S N      clients of the socket (default 10000)
  -t C,H    age in seconds of connections, in minutes of hosts (30,120)
  -m C,H    number of connections and of hosts (1000,10000)

Examples:
  p0f -i eth0 -s /run/p0f/p0f.sock 'dst port 25 or dst port 587'
  p0f -r mail.pcap -o mail.log
`

func runP0f(ctx context.Context, args []string, std *stdio) error {
	opt, err := daemon.ParseArgs(args)
	switch {
	case errors.Is(err, daemon.ErrUsage):
		fmt.Fprint(std.err, p0fUsage)
		return err
	case err != nil:
		return err
	case opt.List:
		return daemon.ListInterfaces(std.out)
	case os.Getuid() != os.Geteuid():
		return errors.New("real and effective user differ; give the program a capability instead of the setuid bit: setcap cap_net_raw+ep")
	case opt.Daemon && !daemon.InBackground():
		return daemon.Background(std.out)
	}
	ctx, stop := daemon.UntilSignal(ctx, opt.Daemon)
	defer stop()
	log, _ := daemon.NewServiceLogger(std.err)
	process, err := inherit.New(log)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "--- mxprint %s, in place of p0f 3.09b ---\n\n", version)
	s, err := daemon.OpenStandIn(opt, process, std.out, log)
	if err != nil {
		return err
	}
	defer s.Close()
	err = s.Run(ctx)
	offline.PrintUnread(std.err, opt.File, s.Unread())
	if ctx.Err() != nil && !opt.Daemon {
		fmt.Fprintln(std.err, "mxprint: ended by a signal")
	}
	return err
}
