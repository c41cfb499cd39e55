package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/proxy"
	"github.com/mxprint/mxprint/internal/proxyproto"
	"github.com/mxprint/mxprint/p0f"
	"github.com/mxprint/mxprint/savedsyn"
)

var proxyCommand = command{
	name:    "proxy",
	summary: "hand SMTP connections on to a mail server, and fingerprint the clients",
	usage: `Usage: mxprint proxy -backend HOST:PORT [-listen ADDRESS:PORT,…] [-send HOW]
                     [-query SOCKET] [-s SOCKET] [-relay-checked]

Accepts SMTP connections, keeps the SYN that the kernel saved of each (no root,
no capture), and hands the bytes on to a mail server, unchanged. The mail server
learns the real client by the PROXY protocol or XCLIENT; milters, Haraka's
plugin and others ask the query sockets about that client. SIGTERM: no more
connections are accepted, and those that are open may go on for 30 seconds.

mxprint serve does the same with [proxy] in its configuration, and more:
milter, limits, TLS, logs. docs/proxy.md says when to use which.

  -backend HOST:PORT  the mail server; a path is a unix socket
  -listen ADDRESS     where to listen, one or more (default :25)
  -send HOW           v2, v1 (PROXY protocol), xclient, or none (default v2)
  -query SOCKET       answer by connection on this path or HOST:PORT
  -s SOCKET           answer p0f's clients on this path
  -relay-checked      the mail server treats the proxy's address as a stranger's;
                      -send none wants that said, or strangers could relay

Examples:
  mxprint proxy -backend 127.0.0.1:10025 -query /run/mxprint/query.sock
  mxprint proxy -listen 192.0.2.1:25,[2001:db8::1]:25 -backend mx.example:25 -send xclient
`,
	run: runProxy,
}

func runProxy(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("proxy")
	c := config.Default()
	c.Sensor.Source = config.SourceProxy
	listen := fs.String("listen", ":25", "")
	fs.StringVar(&c.Proxy.Backend, "backend", "", "")
	fs.StringVar(&c.Proxy.Send, "send", c.Proxy.Send, "")
	fs.BoolVar(&c.Proxy.RelayChecked, "relay-checked", false, "")
	ask := fs.String("query", "", "")
	socket := fs.String("s", "", "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usagef("proxy: unexpected argument %q; the mail server is named by -backend", fs.Arg(0))
	}
	c.Proxy.Listen = strings.Split(*listen, ",")
	if *ask != "" {
		c.Query.Listen = []string{*ask}
	}
	for _, f := range c.Check() {
		_, name, _ := strings.Cut(f.Key, ".")
		if f.Key == "query.listen" {
			name = "query"
		}
		return usagef("proxy: -%s: %s", name, strings.Replace(f.Msg, "set relay_checked = true", "give -relay-checked", 1))
	}
	s := &settings{Config: c, remote: &remote{}}
	var err error
	if s.db, err = s.database().load(); err != nil {
		return err
	}
	return s.runProxy(ctx, *socket, newLogger(std.err))
}

// runProxy runs the proxy with its sensor, and the sockets that were named.
func (s *settings) runProxy(ctx context.Context, socket string, log *slog.Logger) error {
	s.warn(log)
	in, err := s.sensor(log)
	if err != nil {
		return err
	}
	defer in.close()
	tasks, err := s.fronts(in.who, nil, log)
	if err != nil {
		return err
	}
	if socket != "" {
		mode, err := config.Mode(s.P0f.Mode)
		if err != nil {
			return err
		}
		ln, err := p0f.Listen(socket, mode)
		if err != nil {
			return err
		}
		server := &p0f.Server{Lookuper: in.who, MaxConns: s.P0f.MaxClients, Wait: s.wait(), Logger: log}
		tasks = append(tasks, func(ctx context.Context) error { return server.Serve(ctx, ln) })
	}
	proxies, err := s.proxies(in, log)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx, false)
	defer stop()
	log.Info("ready", "signatures", s.db.Count())
	return together(ctx, append(append(tasks, in.run(true, log)...), proxies...)...)
}

// checkRelay asks the mail server behind the proxy whether it relays for
// strangers.
func (s *settings) checkRelay(ctx context.Context, std *stdio) error {
	if len(s.Proxy.Listen) == 0 {
		return usagef("check: -relay: [proxy] has no listen")
	}
	_, backend, err := config.Endpoint(s.Proxy.Backend)
	if err != nil {
		return err
	}
	server := &proxy.Server{Backend: backend, Send: config.Sends[s.Proxy.Send]}
	refusal, err := server.AskRelay(ctx)
	if err != nil {
		return s.At("proxy.backend", err)
	}
	fmt.Fprintf(std.out, "relay      refused: %s\n", refusal)
	return nil
}

// openProxy adds the source of the SYNs of [proxy].
func (s *settings) openProxy(in *sensor, _ *slog.Logger) error {
	in.syns = proxy.NewSource()
	in.closes = append(in.closes, in.syns.Close)
	in.tasks = append(in.tasks, func(ctx context.Context) error { return in.engine.Run(ctx, in.syns) })
	return nil
}

// proxies opens the listeners of [proxy], and returns the tasks that serve
// them.
func (s *settings) proxies(in *sensor, log *slog.Logger) ([]task, error) {
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
	raiseFiles(uint64(2*c.MaxConnections*len(c.Listen)), log)
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
