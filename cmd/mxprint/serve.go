package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"syscall"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/inherit"
)

var serveCommand = command{
	name:    "serve",
	summary: "run the sensor and answer mail servers",
	usage: `Usage: mxprint serve [-config FILE]

Captures on the interfaces of the configuration, or takes the SYNs of mail
servers on this machine from the kernel (source = "sockops"), and answers queries
on p0f's socket and others. Without a file, or with an empty one, every key has its default: all
interfaces, connections to ports 25, 465 and 587, the built-in signatures, the
socket ` + config.DefaultSocket + `. docs/configuration.md lists the keys.

SIGHUP, or "mxprint reload", reloads signatures and certificate; if they are
wrong, the old ones stay.
SIGUSR2 re-executes the program (upgrade without dropping clients) with the
current configuration; if "mxprint check -write" finds a fault, the old process
goes on. SIGUSR1 opens the
logs again. SIGTERM ends the sensor; under systemd with FileDescriptorStoreMax=
the next one gets the clients.

Once all is open it keeps CAP_NET_RAW alone, becomes the user mxprint or that of
sensor.user if root started it, and opens no file but those of its configuration
(docs/privileges.md).

  -config FILE  the configuration (default ` + config.DefaultPath + `,
                where it exists)

Examples:
  mxprint check -config /etc/mxprint.toml
  mxprint serve -config /etc/mxprint.toml
`,
	run: runServe,
}

// configuration reads the command line of serve, and the file that it names.
func configuration(fs *flag.FlagSet, args []string) (*config.Config, error) {
	path := fs.String("config", "", "")
	if err := parse(fs, args); err != nil {
		return nil, err
	}
	switch {
	case fs.NArg() == 1 && *path == "":
		*path = fs.Arg(0)
	case fs.NArg() > 0:
		return nil, usagef("%s: unexpected argument %q; name one configuration", fs.Name(), fs.Arg(0))
	}
	return loadConfig(*path)
}

// loadConfig reads a file; "" is the default one, where it exists.
func loadConfig(path string) (*config.Config, error) {
	if path == "" {
		_, err := os.Stat(defaultConfig)
		if errors.Is(err, os.ErrNotExist) {
			return config.Default(), nil
		}
		path = defaultConfig
	}
	return config.Load(path)
}

// defaultConfig is a variable for the tests.
var defaultConfig = config.DefaultPath

func runServe(ctx context.Context, args []string, std *stdio) error {
	log, level := daemon.NewServiceLogger(std.err)
	process, err := inherit.New(log) // before anything else
	if err != nil {
		return err
	}
	c, err := configuration(newFlags("serve"), args)
	if err != nil {
		return err
	}
	level.UnmarshalText([]byte(c.Log.Level)) // which is one
	return runDaemon(ctx, process, c, append([]string{"check", "-write"}, args...), log)
}

// runDaemon runs serve or proxy until a signal ends it.
func runDaemon(ctx context.Context, process *inherit.Process, c *config.Config, check []string, log *slog.Logger) error {
	ctx, stop := daemon.UntilSignal(ctx, true)
	defer stop()
	process.Notify(syscall.SIGHUP) // one that comes before all is open is a reload, too
	log.Info("starting", "version", version+revision(), "config", cmp.Or(c.Path(), "none"))
	settings, err := daemon.Load(c)
	if err != nil {
		return err
	}
	settings.Version = version + revision()
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
