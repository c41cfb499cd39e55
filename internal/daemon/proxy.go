package daemon

import (
	"context"
	"net"
	"net/netip"
	"os"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/proxy"
	"github.com/mxprint/mxprint/internal/proxyproto"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/savedsyn"
)

// proxies opens the listeners of [proxy].
func (o *opener) proxies(in *sensor) {
	c, log := &o.Proxy, o.log
	if len(c.Listen) == 0 {
		return
	}
	_, backend, err := config.Endpoint(c.Backend)
	if err != nil {
		o.fail("proxy.backend", "proxy", err)
		return
	}
	from, err := config.Networks(c.ProxyFrom)
	if err != nil {
		o.fail("proxy.proxy_from", "proxy", err)
		return
	}
	name, _ := os.Hostname()
	watched := in.monitor.front("proxy", c.MaxConnections)
	server := &proxy.Server{
		Backend: backend, Send: config.Sends[c.Send], Source: in.syns, Name: name, MaxConns: c.MaxConnections,
		Idle: c.Idle, Drain: c.Drain, Logger: log,
	}
	watched.stats = func() serve.Stats { return server.Stats().Stats }
	if c.Drain == 0 {
		server.Drain = -1
	}
	if in.engine != nil {
		server.Missed = in.engine.Missed
	}
	if in.sender != nil && in.syns != nil { // else the capture sees the same connections
		feed := in.sender.Feeds(in.engine.Observe)
		server.Observe = func(client, server netip.AddrPort) proxy.Observer { return feed(client, server) }
	}
	if c.SendNote {
		server.Notes = watched.counter
	}
	for _, at := range c.Listen {
		o.keepUp("proxy.listen", watched, at, func() (task, error) {
			_, addr, err := config.Endpoint(at)
			if err != nil {
				return nil, err
			}
			kept, err := savedsyn.Listen("tcp", addr)
			if err = o.opened(kept, err, "tcp", addr); err != nil {
				return nil, err
			}
			if o.trial != nil {
				return nil, nil
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
	}
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
