package main

import (
	"context"
	"log/slog"

	"github.com/mxprint/mxprint/internal/sockops"
)

// openSockops adds the source that the kernel hands SYNs to.
func (s *settings) openSockops(in *sensor, log *slog.Logger) error {
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
