package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/claim"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/proxy"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/sender"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/sockops"
	"github.com/mxprint/mxprint/note"
)

// sensor is where the answers of serve come from: an engine of its own, or the
// query socket of another sensor.
type sensor struct {
	who    note.Lookuper
	engine *engine.Engine // nil where another sensor is asked
	// unknown are the SYNs that nothing matches; nil likewise.
	unknown *report.Unknowns
	// ways counts directions where both are needed, and is nil else.
	ways *ways
	// sender reads what clients say; nil unless it is asked for.
	sender *sender.Reader
	db     atomic.Pointer[signature.DB] // of the sender
	// syns are of the connections of [proxy]; nil where they are not the source.
	syns *proxy.Source
	// monitor is what status reports.
	monitor *monitor

	tasks []task
	logs  []*LogFile
}

// run returns the tasks of the sensor. Where mails pass through the process they
// go on without it; else it is what the process is for.
func (s *sensor) run(mails bool, log *slog.Logger) []task {
	if !mails {
		return s.tasks
	}
	tasks := make([]task, len(s.tasks))
	for i, t := range s.tasks {
		tasks[i] = without(log, "the sensor", t)
	}
	return tasks
}

// sensor opens what the configuration captures on, or a client of the sensor
// that it asks.
func (o *opener) sensor() *sensor {
	in := &sensor{monitor: newMonitor(o.Settings, o.log)}
	o.close(in.monitor)
	if o.Sensor.Ask != "" {
		client, err := o.ask(o.log)
		if err != nil {
			o.fail("sensor.ask", "sensor", err)
			return in
		}
		o.close(client)
		in.who = client
		return in
	}
	if err := o.engine(in); err != nil {
		o.fail("sensor.workers", "sensor", err)
		return in
	}
	in.who = in.engine
	if in.sender != nil {
		in.who = in.sender.Lookuper(in.engine)
	}
	in.who = claim.Builtin().Lookuper(in.who)
	switch o.Sensor.Source {
	case config.SourceSockops:
		o.sockops(in)
	case config.SourceProxy:
		in.syns = proxy.NewSource()
		o.source(in, in.monitor.source(config.SourceProxy, config.SourceProxy), in.syns, func() capture.Stats { return capture.Stats{} })
	default:
		for _, name := range o.Sensor.Interfaces {
			o.rings(in, name)
		}
	}
	return in
}

// engine makes the engine of a sensor, with all that observes and follows.
func (o *opener) engine(in *sensor) (err error) {
	s := o.Settings
	observers, wants := o.allObservers(in)
	var follow newFollower
	if s.Sensor.SMTP {
		in.db.Store(s.db)
		in.sender = sender.New(sender.Config{DB: in.db.Load})
		follow = in.sender.Follow
	}
	in.engine, err = engine.New(engine.Config{
		Follow: o.follow(follow), Prompt: prompt(&s.Sensor, o.shared != nil),
		DB: Public(s.db), Rule: s.rule, Tunnels: s.opener, Workers: s.Sensor.Workers, Observers: observers, Wants: wants, Logger: o.log,
		Hosts: engine.Hosts{
			MaxConns: s.Limits.Connections, MaxHosts: s.Limits.Hosts,
			ConnAge: s.Limits.ConnectionAge, HostAge: s.Limits.HostAge, Recent: s.Limits.Recent,
			Unverified: s.Unverified(), Trusted: s.trusted(),
			HTTPWhole: true,
		},
	})
	return err
}

// prompt reports whether frames are entered as they come: where other sensors are asked
// meanwhile, and where several rings have the packets of a connection, as with a tap
// that has an interface for each direction. Otherwise their order would be lost, and
// with it the handshake.
func prompt(s *config.Sensor, shared bool) bool {
	return shared || len(s.Interfaces) > 1 || len(s.Decapsulate) > 0 && s.Workers > 1
}

// allObservers returns what gets the observations of a sensor, and which of them: nil
// stands for all.
func (o *opener) allObservers(in *sensor) (all []event.Observer, wants func(*event.Observation) bool) {
	in.unknown = report.NewUnknowns()
	shown, kept, publishes := in.monitor.feed != nil, o.store != nil, publisher{o.shared, o.trusted()}
	all = o.observers(in)
	if len(all) == 0 {
		wants = func(ob *event.Observation) bool {
			return report.Unmatched(ob) || shown && feed.Wants(ob) || kept && ob.Module == event.SMTP || publishes.wants(ob) || o.exporter != nil && o.exporter.Wants(ob)
		}
	}
	if o.shared != nil {
		all = append(all, publishes)
	}
	if kept {
		all = append(all, ends{o.store})
	}
	if o.exporter != nil {
		all = append(all, o.exporter)
	}
	all = append(all, in.unknown)
	if shown {
		all = append(all, in.monitor.feed)
	}
	if o.Sensor.HTTP {
		in.ways, wants = &ways{}, nil
		all = append(all, in.ways)
	}
	return all, wants
}

// trusted reports whether each SYN is of a connection that has come about.
func (s *Settings) trusted() bool {
	return s.Sensor.Source == config.SourceSockops || s.Sensor.Source == config.SourceProxy
}

// dropped is how many packets the kernel did not keep for us, those of interfaces
// that came late included.
func (s *sensor) dropped() uint64 { return s.monitor.drops(config.SourceCapture) }

// source adds one that is open, or a part of one. stats is how it is.
func (o *opener) source(in *sensor, watched *watchedSource, src source, stats func() capture.Stats) {
	o.close(src)
	watched.part(src, stats)
	in.tasks = append(in.tasks, watched.run(func(ctx context.Context) error { return in.engine.Run(ctx, src) }))
}

// source is one that can be closed.
type source interface {
	capture.Source
	io.Closer
}

// rings captures on an interface.
func (o *opener) rings(in *sensor, name string) {
	on := tap{rule: o.rule, promiscuous: o.Sensor.Promiscuous, payload: o.Sensor.HTTP || o.Sensor.SMTP, workers: o.Sensor.Workers, log: o.log}
	watched := in.monitor.source(config.SourceCapture, name)
	rings, err := on.openRings(name, in.engine)
	if errors.Is(err, capture.ErrNoInterface) {
		if o.trial == nil {
			o.log.Warn("interface is not there, waiting for it", "interface", name)
		}
		in.tasks = append(in.tasks, watched.run(func(ctx context.Context) error { return on.runLate(ctx, name, in.engine, watched) }))
		return
	}
	if err != nil {
		o.fail("sensor.interfaces", "sensor", err)
		return
	}
	for _, ring := range rings {
		o.source(in, watched, ring, ring.Stats)
	}
}

// sockops adds the source that the kernel hands SYNs to.
func (o *opener) sockops(in *sensor) {
	cfg := sockops.Config{Cgroup: o.Sensor.Cgroup, AnyNetNS: o.anyNetNS, Missed: in.engine.Missed, Log: o.log}
	for _, p := range o.Sensor.Ports {
		cfg.Ports = append(cfg.Ports, uint16(p))
	}
	if o.trial != nil && o.trial.source == config.SourceSockops {
		return // it runs; and from its sandbox no second program can be loaded
	}
	src, err := sockops.Open(cfg)
	if err != nil {
		o.fail("sensor.source", "sensor", err)
		return
	}
	o.source(in, in.monitor.source(config.SourceSockops, config.SourceSockops), src, func() capture.Stats { return capture.Stats{Drops: src.Stats().Lost} })
}

// observers opens the files that observations go to.
func (o *opener) observers(in *sensor) []event.Observer {
	var observers []event.Observer
	for _, l := range []struct {
		key, path string
		make      func(io.Writer) event.Observer
	}{
		{"log.p0f", o.Log.P0f, func(w io.Writer) event.Observer { return report.NewLog(w) }},
		{"log.json", o.Log.JSON, func(w io.Writer) event.Observer { return report.NewJSON(w) }},
	} {
		switch {
		case l.path == "":
		case o.trial != nil:
			o.fail(l.key, "log", tryAppend(l.path))
		default:
			f, err := OpenLog(l.path, o.user)
			if err != nil {
				o.fail(l.key, "log", err)
				continue
			}
			o.close(f)
			in.logs = append(in.logs, f)
			observers = append(observers, l.make(f))
		}
	}
	return observers
}
