package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/inherit"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// Opened is a daemon that has opened everything and serves nothing yet. Only
// Drop leads on from here.
type Opened struct {
	settings *Settings
	process  *inherit.Process
	log      *slog.Logger
	sensor   *sensor
	proxies  []task
	tasks    []task // all others
}

// Dropped is a daemon that has given up the privileges it no longer needs. Only
// Serve leads on from here.
type Dropped struct{ opened *Opened }

// Open opens the sources, logs and sockets of the configuration. check are the
// arguments with which SIGUSR2 has the new program check its configuration.
// Close what is returned; after an error nothing stays open.
func (s *Settings) Open(process *inherit.Process, check []string, log *slog.Logger) (*Opened, error) {
	if s.Sensor.User != "" { // first: what was opened by then would stay behind
		if _, _, err := findAccount(s.Sensor.User); err != nil {
			return nil, s.At("sensor.user", err)
		}
	}
	for _, w := range s.Warnings() {
		log.Warn("the configuration is open to others", "reason", w)
	}
	in, err := s.sensor(log)
	if err != nil {
		return nil, err
	}
	o := &Opened{settings: s, process: process, log: log, sensor: in}
	if err := o.open(); err != nil {
		o.Close()
		return nil, err
	}
	process.Check = process.Asks(check...)
	switch {
	case len(s.Proxy.Listen) > 0:
		process.Refuse = "the connections of [proxy] would be cut"
	case s.Sensor.User != "":
		process.Refuse = "sensor.user took the privileges to start again"
	}
	return o, nil
}

// open opens what answers, and gathers the tasks.
func (o *Opened) open() error {
	s, in, log := o.settings, o.sensor, o.log
	r := &reloader{database: s.database(), sensor: in, log: log}
	if s.remote.server != nil {
		r.certificate = s.loadCertificate
	}
	s.shareFiles(log)
	fronts, err := s.fronts(in.who, r.command, log)
	if err != nil {
		return err
	}
	if o.proxies, err = s.proxies(in, log); err != nil {
		return err
	}
	o.tasks = append(fronts, in.run(len(o.proxies) > 0, log)...)
	if s.P0f.Socket != "" {
		socket, err := s.socket(in.who, log, o.process)
		if err != nil {
			return err
		}
		o.tasks = append(o.tasks, socket)
	}
	o.tasks = append(o.tasks, o.process.Watch, r.watch(o.process.Notify(syscall.SIGHUP)),
		reopens(log, o.process.Notify(syscall.SIGUSR1), in.logs...))
	if path := s.Signatures.Unknown; path != "" && in.unknown != nil {
		o.tasks = append(o.tasks, func(ctx context.Context) error { return in.unknown.Keep(ctx, path, s.db, log) })
		o.process.Save = func() { in.unknown.Save(path, log) }
	}
	return nil
}

// Close closes the sources and logs. It may be called at any time after Open.
func (o *Opened) Close() { o.sensor.close() }

// Drop makes the process the user of the configuration and sandboxes it.
func (o *Opened) Drop() (*Dropped, error) {
	if name := o.settings.Sensor.User; name != "" {
		if _, err := dropPrivileges(name); err != nil {
			return nil, err
		}
	}
	o.settings.confine(o.process, o.log)
	return &Dropped{o}, nil
}

// Serve reports that the daemon is ready, and answers until ctx ends or what it
// cannot do without fails.
func (d *Dropped) Serve(ctx context.Context) error {
	o := d.opened
	o.log.Info("ready", o.settings.Where(), "socket", o.settings.P0f.Socket, "signatures", o.settings.db.Count())
	o.process.Ready()
	err := drainFirst(ctx, o.proxies, o.tasks)
	if o.process.Save != nil {
		o.process.Save() // the sources have ended, and reported what they saw
	}
	return err
}

// socket opens p0f's query socket, or goes on with that of an earlier process,
// and returns the task that serves it.
func (s *Settings) socket(who note.Lookuper, log *slog.Logger, process *inherit.Process) (task, error) {
	mode, err := config.Mode(s.P0f.Mode)
	if err != nil {
		return nil, err
	}
	server := &p0f.Server{Lookuper: who, MaxConns: s.P0f.MaxClients, Wait: s.wait(), Logger: log}
	return keepUp(log, "p0f", s.P0f.Socket, func() (task, error) {
		if err := os.MkdirAll(filepath.Dir(s.P0f.Socket), 0o755); err != nil {
			return nil, fmt.Errorf("folder of the socket: %w", err)
		}
		ln, err := process.Listen(s.P0f.Socket, mode)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			return process.Serve(ctx, func(ctx context.Context) error { return server.Serve(ctx, ln) })
		}, nil
	})
}
