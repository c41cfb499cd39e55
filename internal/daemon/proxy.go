package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/proxy"
	"github.com/mxprint/mxprint/internal/proxyproto"
	"github.com/mxprint/mxprint/savedsyn"
)

// proxies opens the listeners of [proxy], and returns the tasks that serve
// them.
func (s *Settings) proxies(in *sensor, log *slog.Logger) ([]task, error) {
	c := &s.Proxy
	if len(c.Listen) == 0 {
		return nil, nil
	}
	_, backend, err := config.Endpoint(c.Backend)
	if err != nil {
		return nil, err
	}
	name, err := os.Hostname()
	if err != nil {
		name = ""
	}
	server := &proxy.Server{
		Backend: backend, Send: config.Sends[c.Send], Source: in.syns, Name: name, MaxConns: c.MaxConnections,
		Idle: c.Idle, Drain: c.Drain, Logger: log,
	}
	if c.Drain == 0 {
		server.Drain = -1
	}
	if in.engine != nil {
		server.Missed = in.engine.Missed
	}
	if c.SendNote {
		server.Notes = in.who
	}
	from, err := config.Networks(c.ProxyFrom)
	if err != nil {
		return nil, err
	}
	var tasks []task
	for _, at := range c.Listen {
		_, addr, err := config.Endpoint(at)
		if err != nil {
			return nil, err
		}
		t, err := keepUp(log, "proxy", at, func() (task, error) {
			kept, err := savedsyn.Listen("tcp", addr)
			if err != nil {
				return nil, err
			}
			if err := kept.Err(); err != nil && in.syns != nil {
				log.Warn("clients will have no note", "at", at, "reason", err)
			}
			ln := net.Listener(kept)
			if len(from) > 0 {
				ln = proxyproto.Listen(ln, from)
			}
			return func(ctx context.Context) error { return server.Serve(ctx, ln) }, nil
		})
		if err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		log.Info("listening", "front", "proxy", "at", at, "backend", c.Backend, "send", c.Send)
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// AskRelay asks the mail server behind the proxy, as a stranger would, whether
// it relays, and returns its refusal.
func (s *Settings) AskRelay(ctx context.Context) (refusal string, err error) {
	_, backend, err := config.Endpoint(s.Proxy.Backend)
	if err != nil {
		return "", err
	}
	server := &proxy.Server{Backend: backend, Send: config.Sends[s.Proxy.Send]}
	if refusal, err = server.AskRelay(ctx); err != nil {
		return "", s.At("proxy.backend", err)
	}
	return refusal, nil
}
