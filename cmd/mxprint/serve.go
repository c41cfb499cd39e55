package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/inherit"
	"github.com/mxprint/mxprint/internal/sockops"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
	"github.com/mxprint/mxprint/signature"
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

// settings is a configuration with what its files hold.
type settings struct {
	*config.Config
	db     *signature.DB
	rule   engine.Rule
	remote *remote

	anyNetNS bool // sensor.cgroup was named
}

func loadSettings(fs *flag.FlagSet, args []string) (*settings, error) {
	name := fs.Name()
	path := fs.String("config", "", "")
	if err := parse(fs, args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, usagef("%s: unexpected argument %q; the configuration is named by -config", name, fs.Arg(0))
	}
	c := config.Default()
	if *path != "" {
		var err error
		if c, err = config.Load(*path); err != nil {
			return nil, err
		}
	}
	s := &settings{Config: c}
	if err := s.loadRemote(); err != nil {
		return nil, err
	}
	var err error
	if s.db, err = s.database().load(); err != nil {
		return nil, err
	}
	return s, s.loadSource()
}

// loadSource reads the filter, and looks for what the sensor is to look at.
func (s *settings) loadSource() (err error) {
	if s.Sensor.Source == config.SourceSockops {
		s.anyNetNS = s.Sensor.Cgroup != ""
		if s.Sensor.Cgroup, err = sockops.FindCgroup(s.Sensor.Cgroup); err != nil {
			return s.At("sensor.cgroup", err)
		}
		return nil
	}
	if s.Sensor.Source == config.SourceProxy {
		return nil // all that is accepted counts
	}
	expr, key := s.Sensor.Filter, "sensor.filter"
	if s.Sensor.FilterProgram != "" {
		expr, key = "", "sensor.filter_program"
	}
	if s.rule, err = makeRule(expr, s.Sensor.FilterProgram); err != nil {
		return s.At(key, err)
	}
	if s.Sensor.Ask != "" {
		return nil // nothing is captured here
	}
	for _, name := range s.Sensor.Interfaces {
		link, err := capture.RingLink(name)
		if err != nil {
			return s.At("sensor.interfaces", err)
		}
		if _, err := s.rule.Kernel(link); err != nil {
			return s.At(key, err)
		}
	}
	return nil
}

func runCheck(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("check")
	write := fs.Bool("write", false, "")
	relay := fs.Bool("relay", false, "")
	s, err := loadSettings(fs, args)
	if err != nil {
		return err
	}
	if *write {
		if err := s.tryWrites(); err != nil {
			return err
		}
	}
	fmt.Fprint(std.out, s.Describe(s.db.Count()))
	for _, w := range s.Warnings() {
		fmt.Fprintln(std.err, "mxprint: warning:", w)
	}
	if *relay {
		return s.checkRelay(ctx, std)
	}
	return nil
}

// warn logs what works and an operator should know of.
func (s *settings) warn(log *slog.Logger) {
	for _, w := range s.Warnings() {
		log.Warn("the configuration is open to others", "reason", w)
	}
}

func runServe(ctx context.Context, args []string, std *stdio) error {
	log := newLogger(std.err)
	over, err := inherit.New(log)
	if err != nil {
		return err
	}
	s, err := loadSettings(newFlags("serve"), args)
	if err != nil {
		return err
	}
	if s.Sensor.User != "" { // now: what was opened by then would stay behind
		if _, _, err := findAccount(s.Sensor.User); err != nil {
			return s.At("sensor.user", err)
		}
	}
	s.warn(log)
	in, err := s.sensor(log)
	if err != nil {
		return err
	}
	defer in.close()
	r := &reloader{database: s.database(), sensor: in, log: log}
	if s.remote.server != nil {
		r.certificate = s.loadCertificate
	}
	tasks, err := s.fronts(in.who, r.command, log)
	if err != nil {
		return err
	}
	proxies, err := s.proxies(in, log)
	if err != nil {
		return err
	}
	tasks = append(append(tasks, in.run(len(proxies) > 0, log)...), proxies...)
	tasks = append(tasks, reopens(log, over.Notify(syscall.SIGUSR1), in.logs...))
	serveSocket, err := s.socket(in.who, log, over)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx, true)
	defer stop()
	over.Check = over.Asks(append([]string{"check", "-write"}, args...)...)
	tasks = append(tasks, serveSocket, over.Watch, r.watch(over.Notify(syscall.SIGHUP)))
	if path := s.Signatures.Unknown; path != "" && in.unknown != nil {
		tasks = append(tasks, func(ctx context.Context) error { return in.unknown.Keep(ctx, path, s.db, log) })
		over.Save = func() { in.unknown.Save(path, log) }
	}
	if len(s.Proxy.Listen) > 0 {
		over.Refuse = "the connections of [proxy] would be cut"
	}
	if s.Sensor.User != "" {
		over.Refuse = "sensor.user took the privileges to start anew"
		if _, err := dropPrivileges(s.Sensor.User); err != nil {
			return err
		}
	}
	s.confine(over, log)
	log.Info("ready", s.Where(), "socket", s.P0f.Socket, "signatures", s.db.Count())
	over.Ready()
	err = together(ctx, tasks...)
	if over.Save != nil {
		over.Save() // the sources have ended, and told what they saw
	}
	return err
}

// socket opens p0f's query socket, or goes on with that of an earlier process,
// and returns the task that serves it.
func (s *settings) socket(who note.Lookuper, log *slog.Logger, over *inherit.Process) (task, error) {
	mode, err := config.Mode(s.P0f.Mode)
	if err != nil {
		return nil, err
	}
	server := &p0f.Server{Lookuper: who, MaxConns: s.P0f.MaxClients, Wait: s.wait(), Logger: log}
	return keepUp(log, "p0f", s.P0f.Socket, func() (task, error) {
		if err := os.MkdirAll(filepath.Dir(s.P0f.Socket), 0o755); err != nil {
			return nil, fmt.Errorf("folder of the socket: %w", err)
		}
		ln, err := over.Listen(s.P0f.Socket, mode)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			return over.Serve(ctx, func(ctx context.Context) error { return server.Serve(ctx, ln) })
		}, nil
	})
}
