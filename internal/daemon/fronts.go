package daemon

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/front/amavis"
	"github.com/mxprint/mxprint/internal/front/milter"
	"github.com/mxprint/mxprint/internal/front/policyd"
	"github.com/mxprint/mxprint/internal/proxyproto"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
	"github.com/mxprint/mxprint/query"
)

// listen opens a listener for a front. Connections by TCP come through the load
// balancers of proxyFrom, if there are any.
func listen(at, mode string, proxyFrom []string) (net.Listener, error) {
	network, addr, err := config.Endpoint(at)
	if err != nil {
		return nil, err
	}
	if network != "unix" {
		from, err := config.Networks(proxyFrom)
		if err != nil {
			return nil, err
		}
		ln, err := net.Listen(network, addr)
		if err != nil || len(from) == 0 {
			return ln, err
		}
		return proxyproto.Listen(ln, from), nil
	}
	if err := os.MkdirAll(filepath.Dir(addr), 0o755); err != nil {
		return nil, fmt.Errorf("folder of the socket: %w", err)
	}
	bits, err := config.Mode(mode)
	if err != nil {
		return nil, err
	}
	return serve.ListenUnix(addr, bits)
}

// amavisTasks opens the sockets of the front and returns the tasks that serve
// them.
func amavisTasks(c *config.Amavis, who note.Lookuper, wait time.Duration, log *slog.Logger) ([]task, error) {
	allow, err := config.Networks(c.Allow)
	if err != nil {
		return nil, err
	}
	server := &amavis.Server{Lookuper: who, V3: c.Form == "v3", Wait: wait, Allow: allow, Logger: log}
	var tasks []task
	for _, at := range c.Listen {
		_, addr, err := config.Endpoint(at)
		if err != nil {
			return nil, err
		}
		t, err := keepUp(log, "amavis", at, func() (task, error) {
			pc, err := net.ListenPacket("udp", addr)
			return func(ctx context.Context) error { return server.Serve(ctx, pc) }, err
		})
		if err != nil {
			return nil, fmt.Errorf("amavis: %w", err)
		}
		log.Info("listening", "front", "amavis", "at", at)
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// server is what each front has for its listeners.
type server interface {
	Serve(context.Context, net.Listener) error
}

// commandFunc does what a line on the query socket asks for.
type commandFunc func(ctx context.Context, name string) (lines []byte, done string, err error)

// fronts opens the listeners that the configuration names, and returns the
// tasks that serve them. Fronts that are not configured do not exist.
func (s *Settings) fronts(who note.Lookuper, command commandFunc, log *slog.Logger) ([]task, error) {
	var tasks []task
	for _, f := range []struct {
		name      string
		listen    []string
		mode      string
		proxyFrom []string
		tls       *tls.Config // nil: none
		server    server
	}{
		{"p0f v2", s.P0f.V2Sockets(), s.P0f.Mode, nil, nil,
			&p0f.V2Server{Lookuper: who, MaxConns: s.P0f.MaxClients, Wait: s.wait(), Logger: log}},
		{"query", s.Query.Listen, s.Query.Mode, s.Query.ProxyFrom, nil,
			&query.Server{Lookuper: who, MaxConns: s.clients, Command: command, Wait: s.wait(), Logger: log}},
		{"query TLS", s.Query.TLSListen, s.Query.Mode, s.Query.ProxyFrom, s.remote.server,
			&query.Server{Lookuper: who, MaxConns: s.clients, Wait: s.wait(), Token: s.remote.token, Logger: log}},
		{"milter", s.Milter.Listen, s.Milter.Mode, s.Milter.ProxyFrom, nil,
			&milter.Server{Lookuper: who, MaxConns: s.clients, Header: s.Milter.Header, Form: config.HeaderForms[s.Milter.Form],
				Deadline: s.Milter.Deadline, Logger: log}},
		{"policy", s.Policy.Listen, s.Policy.Mode, s.Policy.ProxyFrom, nil,
			&policyd.Server{Lookuper: who, MaxConns: s.clients, Header: s.Policy.Header, Form: config.HeaderForms[s.Policy.Form],
				Deadline: s.Policy.Deadline, Logger: log}},
	} {
		for _, at := range f.listen {
			t, err := keepUp(log, f.name, at, func() (task, error) {
				ln, err := listen(at, f.mode, f.proxyFrom)
				if err == nil && f.tls != nil {
					ln = query.ListenTLS(ln, f.tls)
				}
				return func(ctx context.Context) error { return f.server.Serve(ctx, ln) }, err
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
			log.Info("listening", "front", f.name, "at", at)
			tasks = append(tasks, t)
		}
	}
	more, err := amavisTasks(&s.Amavis, who, s.wait(), log)
	return append(tasks, more...), err
}

// wait is P0f.Wait for servers whose zero is a default of their own.
func (s *Settings) wait() time.Duration {
	if s.P0f.Wait == 0 {
		return -1
	}
	return s.P0f.Wait
}
