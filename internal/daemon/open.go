package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/export"
	"github.com/mxprint/mxprint/internal/inherit"
	"github.com/mxprint/mxprint/internal/shared"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/p0f"
)

// Opened is a daemon that has opened everything and serves nothing yet. Only
// Drop leads on from here.
type Opened struct{ *opener }

// Dropped is a daemon that has given up the privileges it no longer needs. Only
// Serve leads on from here.
type Dropped struct{ opened *Opened }

// opener opens what a configuration names, for good or on trial. What fails is
// gathered, so that all of it is reported.
type opener struct {
	*Settings
	log     *slog.Logger
	process *inherit.Process // nil on trial
	trial   *trial           // nil for good
	user    *account         // to become; nil: none

	in       *sensor
	memory   *memory          // nil: none is kept
	store    *store.Store     // nil: none is configured
	exporter *export.Exporter // nil likewise
	rowFile  *LogFile         // of exporter
	shared   *shared.Store    // nil likewise: what several sensors share
	proxied  []task           // those of [proxy]
	tasks    []task           // all others
	closes   []io.Closer
	errs     []error
	fronts   []listening
	ownEnd   time.Time // until when own waits; zero: no file was in use yet
	ready    bool      // everything is open: what is opened from now on is closed by its task
}

// listening is a front and where it listens.
type listening struct{ name, at string }

// Open opens the sources, logs and sockets of the configuration. check are the
// arguments with which SIGUSR2 has the new program check its configuration.
// Close what is returned; after an error nothing stays open.
func (s *Settings) Open(process *inherit.Process, check []string, log *slog.Logger) (*Opened, error) {
	for _, w := range s.Warnings() {
		log.Warn("the configuration works, but look at this", "reason", w)
	}
	o := &opener{Settings: s, log: log, process: process}
	if err := o.open(); err != nil {
		o.closeAll()
		return nil, err
	}
	process.Check = process.Asks(held(s.Config), check...)
	switch {
	case len(s.Proxy.Listen) > 0:
		process.Refuse = "the connections of [proxy] would be cut"
	default:
		process.Refuse = refused()
	}
	return &Opened{o}, nil
}

// Try opens what Open opens, on trial, and closes it again: it returns
// everything that Open would fail for. What the running sensor holds is no
// fault. Nothing is left behind, and no file that exists is changed.
func (s *Settings) Try(log *slog.Logger) error {
	o := &opener{Settings: s, log: log, trial: newTrial()}
	defer o.closeAll()
	return o.open()
}

// open opens everything, in an order in which nothing answers before the sensor
// is open, and gathers the tasks.
func (o *opener) open() error {
	var err error
	if o.user, err = unprivileged(o.Sensor.User); err != nil { // what was opened by then would stay behind
		return o.At("sensor.user", err)
	}
	o.openExport()
	o.openStore()
	o.openShared()
	o.in = o.sensor()
	o.openMemory()
	if o.exporter != nil {
		o.exporter.Who = o.in.who
	}
	o.remember()
	o.exports()
	r := &reloader{database: o.database(), sensor: o.in, log: o.log}
	if o.remote.server != nil || o.remote.web != nil {
		r.certificate = o.loadCertificates
	}
	if o.trial == nil {
		o.shareFiles(o.log)
	}
	o.in.monitor.begin(o.in.who, o.in.engine)
	o.openFronts(o.in.monitor, r.command)
	others := len(o.tasks)
	o.proxies(o.in)
	o.tasks, o.proxied = o.tasks[:others:others], o.tasks[others:]
	o.tasks = append(o.tasks, o.in.run(len(o.Proxy.Listen) > 0, o.log)...)
	o.socket()
	o.unknown()
	o.savesRows()
	if err = errors.Join(o.errs...); err != nil || o.trial != nil {
		return err
	}
	o.restore() // last, so that clients that connect meanwhile wait and are not refused
	o.tasks = append(o.tasks, o.in.monitor.run, o.process.Watch, r.watch(o.process.Notify(syscall.SIGHUP)),
		reopens(o.log, o.process.Notify(syscall.SIGUSR1), o.in.monitor.reopened, o.in.logs...))
	return nil
}

// fail notes what cannot be opened: where there is no file, by name.
func (o *opener) fail(key, name string, err error) {
	switch {
	case err == nil:
	case o.Path() == "":
		o.errs = append(o.errs, fmt.Errorf("%s: %w", name, err))
	default:
		o.errs = append(o.errs, o.At(key, err))
	}
}

// close has something closed with everything else.
func (o *opener) close(c io.Closer) {
	if !o.ready {
		o.closes = append(o.closes, c)
	}
}

// opened notes a listener that was opened, or why it was not.
func (o *opener) opened(ln io.Closer, err error, network, addr string) error {
	switch {
	case err == nil:
		o.close(ln)
	case o.trial != nil:
		return o.trial.busy(err, network, addr)
	}
	return err
}

func (o *opener) closeAll() {
	for _, c := range o.closes {
		c.Close()
	}
}

// Close closes everything. It may be called at any time after Open.
func (o *Opened) Close() { o.closeAll() }

// Drop makes a process of root's the user of the configuration, or that of the
// package, and sandboxes it.
func (o *Opened) Drop() (*Dropped, error) {
	_, _ = time.Now().Zone() // reads files
	rules := o.confinement(o.process)
	err := becomeUnprivileged(o.user, &rules, o.log)
	if err != nil && o.Sensor.User != "" {
		return nil, o.At("sensor.user", err)
	} else if err != nil {
		o.log.Warn("this process stays root", "reason", err)
	}
	o.warnOfFiles()
	o.confine(rules, o.log)
	return &Dropped{o}, nil
}

// Serve reports that the daemon is ready, and answers until ctx ends or what it
// cannot do without fails.
func (d *Dropped) Serve(ctx context.Context) error {
	o := d.opened
	o.ready = true
	for _, f := range o.fronts {
		o.log.Info("listening", "front", f.name, "at", f.at)
	}
	o.log.Info("ready", o.Where(), "socket", o.P0f.Socket, "signatures", o.db.Count())
	o.process.Ready()
	go debug.FreeOSMemory() // what the start took: most of it is not needed again
	w := &watch{config: o.Config, sensor: o.in, log: o.log}
	err := drainFirst(ctx, o.proxied, append(o.tasks, w.run))
	if o.process.Save != nil {
		o.process.Save() // the sources have ended, and reported what they saw
	}
	o.memory.save(o.in.engine)
	w.end()
	return err
}

// socket opens p0f's query socket, or goes on with that of an earlier process.
func (o *opener) socket() {
	path := o.P0f.Socket
	if path == "" {
		return
	}
	if o.trial != nil {
		o.fail("p0f.socket", "p0f", o.trial.socket(path))
		return
	}
	mode, err := config.Mode(o.P0f.Mode)
	if err != nil {
		o.fail("p0f.mode", "p0f", err)
		return
	}
	watched := o.in.monitor.front("p0f", o.P0f.MaxClients)
	server := &p0f.Server{Lookuper: watched.counter, MaxConns: o.P0f.MaxClients, Wait: o.wait(), Logger: o.log}
	watched.stats = server.Stats
	o.keepUp("p0f.socket", watched, path, func() (task, error) {
		if err := makeFolder(path, o.user); err != nil {
			return nil, err
		}
		ln, err := o.process.Listen(path, mode)
		if err != nil {
			return nil, err
		}
		o.close(ln)
		if err := o.user.giveSocket(ln.UnixListener); err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			return o.process.Serve(ctx, func(ctx context.Context) error { return server.Serve(ctx, ln) })
		}, nil
	})
}

// unknown adds the task that keeps the file of unknown SYNs.
func (o *opener) unknown() {
	path, u := o.Signatures.Unknown, o.in.unknown
	if path == "" || u == nil {
		return
	}
	err := tryReplace(path)
	if err == nil {
		err = o.own(path)
	}
	o.fail("signatures.unknown", "unknown SYNs", err)
	if o.trial == nil {
		o.tasks = append(o.tasks, func(ctx context.Context) error { return u.Keep(ctx, path, o.db, o.log) })
		o.process.Save = func() { u.Save(path, o.log) }
	}
}
