package daemon

import (
	"context"
	"io"
	"log/slog"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/proxy"
	"github.com/mxprint/mxprint/internal/report"
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
	// syns are of the connections of [proxy]; nil where they are not the source.
	syns *proxy.Source

	tasks  []task
	closes []func() error
	logs   []*LogFile
}

func (s *sensor) close() {
	for _, f := range s.closes {
		f()
	}
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
func (s *Settings) sensor(log *slog.Logger) (*sensor, error) {
	in := &sensor{}
	if s.Sensor.Ask != "" {
		client, err := s.ask(log)
		if err != nil {
			return nil, err
		}
		in.who, in.closes = client, []func() error{client.Close}
		return in, nil
	}
	observers, err := s.observers(in)
	if err != nil {
		in.close()
		return nil, err
	}
	in.unknown = report.NewUnknowns()
	var wants func(*event.Observation) bool
	if len(observers) == 0 {
		wants = report.Unmatched
	}
	observers = append(observers, in.unknown)
	in.engine, err = engine.New(engine.Config{
		DB: Public(s.db), Rule: s.rule, Workers: s.Sensor.Workers, Observers: observers, Wants: wants, Logger: log,
		Hosts: host.Config{
			MaxConns: s.Limits.Connections, MaxHosts: s.Limits.Hosts,
			ConnAge: s.Limits.ConnectionAge, HostAge: s.Limits.HostAge, Recent: s.Limits.Recent,
			Unproven:  s.Unverified(),
			HTTPWhole: true,
		},
	})
	if err != nil {
		in.close()
		return nil, err
	}
	in.who = in.engine
	open := s.openRings
	switch s.Sensor.Source {
	case config.SourceSockops:
		open = s.openSockops
	case config.SourceProxy:
		open = s.openProxy
	}
	if err := open(in, log); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// openRings adds a capture for each interface.
func (s *Settings) openRings(in *sensor, log *slog.Logger) error {
	for _, name := range s.Sensor.Interfaces {
		on := tap{rule: s.rule, promiscuous: s.Sensor.Promiscuous, http: s.Sensor.HTTP, log: log}
		rings, err := on.openRings(name, in.engine)
		if s.waits(err) {
			log.Warn("interface is not there, waiting for it", "interface", name)
			in.tasks = append(in.tasks, func(ctx context.Context) error { return on.runLate(ctx, name, in.engine) })
			continue
		}
		if err != nil {
			return err
		}
		for _, ring := range rings {
			in.closes = append(in.closes, ring.Close)
			in.tasks = append(in.tasks, func(ctx context.Context) error { return in.engine.Run(ctx, ring) })
		}
	}
	return nil
}

// openSockops adds the source that the kernel hands SYNs to.
func (s *Settings) openSockops(in *sensor, log *slog.Logger) error {
	cfg := sockops.Config{Cgroup: s.Sensor.Cgroup, AnyNetNS: s.anyNetNS, Missed: in.engine.Missed, Log: log}
	for _, p := range s.Sensor.Ports {
		cfg.Ports = append(cfg.Ports, uint16(p))
	}
	source, err := sockops.Open(cfg)
	if err != nil {
		return err
	}
	in.closes = append(in.closes, source.Close)
	in.tasks = append(in.tasks, func(ctx context.Context) error { return in.engine.Run(ctx, source) })
	return nil
}

// openProxy adds the source of the SYNs of [proxy].
func (s *Settings) openProxy(in *sensor, _ *slog.Logger) error {
	in.syns = proxy.NewSource()
	in.closes = append(in.closes, in.syns.Close)
	in.tasks = append(in.tasks, func(ctx context.Context) error { return in.engine.Run(ctx, in.syns) })
	return nil
}

// observers opens the files that observations go to.
func (s *Settings) observers(in *sensor) ([]event.Observer, error) {
	var observers []event.Observer
	for _, l := range []struct {
		path string
		make func(io.Writer) event.Observer
	}{
		{s.Log.P0f, func(w io.Writer) event.Observer { return report.NewLog(w) }},
		{s.Log.JSON, func(w io.Writer) event.Observer { return report.NewJSON(w) }},
	} {
		if l.path == "" {
			continue
		}
		f, err := OpenLog(l.path)
		if err != nil {
			return nil, err
		}
		in.closes, in.logs = append(in.closes, f.Close), append(in.logs, f)
		observers = append(observers, l.make(f))
	}
	return observers, nil
}
