package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/host"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// sensor is where the answers of serve come from: an engine of its own, or the
// query socket of another sensor.
type sensor struct {
	who    note.Lookuper
	engine *engine.Engine // nil where another sensor is asked
	tasks  []func(context.Context) error
	closes []func() error
}

func (s *sensor) close() {
	for _, f := range s.closes {
		f()
	}
}

// sensor opens what the configuration captures on, or a client of the sensor
// that it asks.
func (s *settings) sensor(log *slog.Logger) (*sensor, error) {
	in := &sensor{}
	if s.Sensor.Ask != "" {
		client, err := s.ask(log)
		if err != nil {
			return nil, err
		}
		in.who, in.closes = client, []func() error{client.Close}
		return in, nil
	}
	observers, err := s.logs(in)
	if err != nil {
		in.close()
		return nil, err
	}
	in.engine = engine.New(engine.Config{
		DB: s.db, Rule: s.rule, Observers: observers, Logger: log,
		Hosts: host.Config{
			MaxConns: s.Limits.Connections, MaxHosts: s.Limits.Hosts,
			ConnAge: s.Limits.ConnectionAge, HostAge: s.Limits.HostAge, Recent: s.Limits.Recent,
		},
	})
	in.who = in.engine
	for _, name := range s.Sensor.Interfaces {
		ring, err := openRing(name, s.rule, s.Sensor.Promiscuous, log)
		if err != nil {
			in.close()
			return nil, err
		}
		in.closes = append(in.closes, ring.Close)
		in.tasks = append(in.tasks, func(ctx context.Context) error { return in.engine.Run(ctx, ring) })
	}
	return in, nil
}

// logs opens the files that observations go to.
func (s *settings) logs(in *sensor) ([]engine.Observer, error) {
	var observers []engine.Observer
	for _, l := range []struct {
		path string
		make func(*os.File) engine.Observer
	}{
		{s.Log.P0f, func(f *os.File) engine.Observer { return p0f.NewLog(f) }},
		{s.Log.JSON, func(f *os.File) engine.Observer { return newJSONLog(f) }},
	} {
		if l.path == "" {
			continue
		}
		f, err := openLog(l.path)
		if err != nil {
			return nil, err
		}
		in.closes = append(in.closes, f.Close)
		observers = append(observers, l.make(f))
	}
	return observers, nil
}
