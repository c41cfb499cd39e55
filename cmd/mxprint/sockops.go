package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/mxprint/mxprint/internal/sockops"
)

// The values of sensor.source.
const (
	sourceCapture = "capture"
	sourceSockops = "sockops"
	sourceProxy   = "proxy"
)

// sourceFaults are keys that do not fit the source.
func (c *sensorConfig) sourceFaults() []fault {
	usual := defaultConfig().Sensor
	bySockops := c.Source == sourceSockops
	const other, ports = `it is for source = "sockops"`, `it has no meaning with source = "sockops"; ports say what to take`
	return []fault{
		{!bySockops && c.Source != sourceCapture && c.Source != sourceProxy, "sensor.source", `want "capture", "sockops" or "proxy"`},
		{len(c.Ports) < 1 || len(c.Ports) > sockops.MaxPorts || slices.ContainsFunc(c.Ports, func(p int) bool { return p < 1 || p > 65535 }),
			"sensor.ports", fmt.Sprintf("want 1 to %d ports, each from 1 to 65535", sockops.MaxPorts)},
		{bySockops && c.Ask != "", "sensor.ask", `source = "sockops" is given too: give one of them`},
		{bySockops && !slices.Equal(c.Interfaces, usual.Interfaces), "sensor.interfaces", ports},
		{bySockops && c.Filter != usual.Filter, "sensor.filter", ports},
		{bySockops && c.FilterProgram != "", "sensor.filter_program", ports},
		{!bySockops && !slices.Equal(c.Ports, usual.Ports), "sensor.ports", other},
		{!bySockops && c.Cgroup != "", "sensor.cgroup", other},
	}
}

// defaultPorts are those of the kernel program, as the configuration has them.
func defaultPorts() (ports []int) {
	for _, p := range sockops.DefaultPorts() {
		ports = append(ports, int(p))
	}
	return ports
}

// where says what the sensor looks at, for the log.
func (c *sensorConfig) where() slog.Attr {
	if c.Source == sourceSockops {
		return slog.Any("ports", c.Ports)
	}
	if c.Source == sourceProxy {
		return slog.String("source", c.Source)
	}
	return slog.Any("interfaces", c.Interfaces)
}

// describePorts is Ports as text.
func (c *sensorConfig) describePorts() string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(c.Ports), "[]")), ", ")
}

// openSockops adds the source that the kernel hands SYNs to.
func (s *settings) openSockops(in *sensor, log *slog.Logger) error {
	cfg := sockops.Config{Cgroup: s.Sensor.Cgroup, Missed: in.engine.Missed, Log: log}
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
