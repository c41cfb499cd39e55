package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/inherit"
)

var serveCommand = command{
	name:    "serve",
	summary: "run the sensor and answer mail servers",
	usage: `Usage: mxprint serve [-config FILE]

Captures on the interfaces of the configuration, or has the kernel hand over
what mail servers here receive (source = "sockops"), and answers queries on p0f's
socket. Without -config, or with an empty file, every key has its default:
all interfaces, connections to ports 25, 465 and 587, the built-in signatures,
the socket ` + config.DefaultSocket + `. docs/configuration.md lists the keys.

SIGHUP, or "mxprint reload", reads signatures and certificate anew; if they are
wrong, the old ones stay.
SIGUSR2 executes the program anew, which may be a newer version, with the
configuration as it is by then; clients of p0f's socket do not notice, and if
"mxprint check -write" finds a fault the old process goes on. SIGUSR1 opens the
logs anew. SIGTERM ends the sensor; under systemd with FileDescriptorStoreMax=
the next one gets the clients.

Once all is open it keeps CAP_NET_RAW alone, and opens no file but those of its
configuration (docs/privileges.md).

  -config FILE  the configuration (default: none)

Examples:
  mxprint check -config /etc/mxprint.toml
  mxprint serve -config /etc/mxprint.toml
`,
	run: runServe,
}

var checkCommand = command{
	name:    "check",
	summary: "check a configuration, and say what it means",
	usage: `Usage: mxprint check [-config FILE] [-write] [-relay]

Reads the configuration, its signatures and its filter as serve would, and
prints what serve would do. The exit status is 1 when something is wrong.

  -config FILE  the configuration (default: none, every key has its default)
  -write        try also whether logs and sockets can be made where serve makes
                them; serve has this checked before it executes itself anew
  -relay        ask the mail server behind [proxy], as a stranger, whether it
                would relay. No mail is sent

Examples:
  mxprint check -config /etc/mxprint.toml
  mxprint check -config /etc/mxprint.toml -relay
`,
	run: runCheck,
}

// configuration reads the command line of serve and check, and the file that it
// names.
func configuration(fs *flag.FlagSet, args []string) (*config.Config, error) {
	path := fs.String("config", "", "")
	if err := parse(fs, args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, usagef("%s: unexpected argument %q; the configuration is named by -config", fs.Name(), fs.Arg(0))
	}
	if *path == "" {
		return config.Default(), nil
	}
	return config.Load(*path)
}

func runCheck(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("check")
	write := fs.Bool("write", false, "")
	relay := fs.Bool("relay", false, "")
	c, err := configuration(fs, args)
	if err != nil {
		return err
	}
	s, err := daemon.Load(c)
	if err != nil {
		return err
	}
	if *relay && len(c.Proxy.Listen) == 0 {
		return usagef("check: -relay: [proxy] has no listen")
	}
	if *write {
		if err := s.TryWrites(); err != nil {
			return err
		}
	}
	for _, err := range s.Late() {
		fmt.Fprintf(std.err, "mxprint: warning: %v: serve waits for it\n", err)
	}
	fmt.Fprint(std.out, s.Describe(s.Count()))
	for _, w := range s.Warnings() {
		fmt.Fprintln(std.err, "mxprint: warning:", w)
	}
	if !*relay {
		return nil
	}
	refusal, err := s.AskRelay(ctx)
	if err == nil {
		fmt.Fprintf(std.out, "relay      refused: %s\n", refusal)
	}
	return err
}

func runServe(ctx context.Context, args []string, std *stdio) error {
	log := daemon.NewLogger(std.err)
	process, err := inherit.New(log) // before anything else
	if err != nil {
		return err
	}
	c, err := configuration(newFlags("serve"), args)
	if err != nil {
		return err
	}
	return runDaemon(ctx, process, c, append([]string{"check", "-write"}, args...), log)
}

// runDaemon runs serve or proxy until a signal ends it.
func runDaemon(ctx context.Context, process *inherit.Process, c *config.Config, check []string, log *slog.Logger) error {
	settings, err := daemon.Load(c)
	if err != nil {
		return err
	}
	ctx, stop := daemon.UntilSignal(ctx, true)
	defer stop()
	opened, err := settings.Open(process, check, log)
	if err != nil {
		return err
	}
	defer opened.Close()
	dropped, err := opened.Drop()
	if err != nil {
		return err
	}
	return dropped.Serve(ctx)
}
