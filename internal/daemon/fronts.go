package daemon

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/mxprint/mxprint/internal/claim"
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
func (o *opener) listen(at, mode string, proxyFrom []string) (net.Listener, error) {
	network, addr, err := config.Endpoint(at)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		return o.listenUnix(addr, mode)
	}
	from, err := config.Networks(proxyFrom)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", addr)
	if err = o.opened(ln, err, "tcp", addr); err != nil || len(from) == 0 {
		return ln, err
	}
	return proxyproto.Listen(ln, from), nil
}

// listenUnix opens a unix socket, and makes its folder.
func (o *opener) listenUnix(path, mode string) (net.Listener, error) {
	if o.trial != nil {
		return nil, o.trial.socket(path)
	}
	bits, err := config.Mode(mode)
	if err != nil {
		return nil, err
	}
	if err := makeFolder(path, o.user); err != nil {
		return nil, err
	}
	ln, err := serve.ListenUnix(path, bits)
	if err != nil {
		return nil, err
	}
	o.close(ln)
	return ln, o.user.giveSocket(ln)
}

// makeFolder makes the folder of a socket, for the user that the process becomes.
func makeFolder(path string, user *account) error {
	folder := filepath.Dir(path)
	made, err := makeAll(folder)
	if err == nil && len(made) > 0 {
		err = user.giveFolder(folder)
	}
	if err != nil {
		return fmt.Errorf("cannot make the folder of %s: %w", path, err)
	}
	return nil
}

// amavis opens the sockets of that front.
func (o *opener) amavis(w *monitor) {
	c := &o.Amavis
	allow, err := config.Networks(c.Allow)
	if err != nil {
		o.fail("amavis.allow", "amavis", err)
		return
	}
	if len(c.Listen) == 0 {
		return
	}
	watched := w.front("amavis", 0)
	server := &amavis.Server{Lookuper: watched.counter, V3: c.Form == "v3", Wait: o.wait(), Allow: allow, Logger: o.log}
	watched.stats = server.Stats
	for _, at := range c.Listen {
		o.keepUp("amavis.listen", watched, at, func() (task, error) {
			_, addr, err := config.Endpoint(at)
			if err != nil {
				return nil, err
			}
			pc, err := net.ListenPacket("udp", addr)
			if err = o.opened(pc, err, "udp", addr); err != nil {
				return nil, err
			}
			return func(ctx context.Context) error { return server.Serve(ctx, pc) }, nil
		})
	}
}

// keepUp opens a front, and adds the task that runs it.
func (o *opener) keepUp(key string, f *watchedFront, at string, open func() (task, error)) {
	t, err := keepUp(o.log, f, at, open)
	if err != nil {
		o.fail(key, f.name, err)
		return
	}
	o.fronts = append(o.fronts, listening{f.name, at})
	o.tasks = append(o.tasks, t)
}

// server is what each front has for its listeners.
type server interface {
	Serve(context.Context, net.Listener) error
}

// commandFunc does what a line on the query socket asks for.
type commandFunc func(ctx context.Context, name string) (lines []byte, done string, err error)

// front is one protocol that the configuration may have listeners for.
type front struct {
	key, name string
	listen    []string
	mode      string
	proxyFrom []string
	tls       *tls.Config // nil: none
	most      int         // connections of a listener; 0: the default
	// serve makes the server, which asks who, and returns its counters.
	serve func(who note.Lookuper) (server, func() serve.Stats)
}

// openFronts opens the listeners that the configuration names. Fronts that are not
// configured do not exist.
func (o *opener) openFronts(w *monitor, command commandFunc) {
	for _, f := range o.frontList(command) {
		if len(f.listen) == 0 {
			continue
		}
		watched := w.front(f.name, cmp.Or(f.most, serve.DefaultMaxConns))
		server, stats := f.serve(watched.counter)
		watched.stats = stats
		for _, at := range f.listen {
			o.keepUp(f.key, watched, at, func() (task, error) {
				ln, err := o.listen(at, f.mode, f.proxyFrom)
				if err != nil {
					return nil, err
				}
				if f.tls != nil {
					ln = query.ListenTLS(ln, f.tls)
				}
				return func(ctx context.Context) error { return server.Serve(ctx, ln) }, nil
			})
		}
	}
	o.amavis(w)
	o.http(w)
	o.takeVerdicts(w)
}

// frontList is every front by TCP or unix socket but p0f's own socket.
func (o *opener) frontList(command commandFunc) []front {
	s, log := o.Settings, o.log
	ask := func(token string) func(note.Lookuper) (server, func() serve.Stats) {
		return func(who note.Lookuper) (server, func() serve.Stats) {
			q := &query.Server{Lookuper: who, MaxConns: s.clients, Command: command, Wait: s.wait(), Token: token, Logger: log}
			return q, q.Stats
		}
	}
	return []front{
		{"p0f.socket_v2", "p0f v2", s.P0f.V2Sockets(), s.P0f.Mode, nil, nil, s.P0f.MaxClients, func(who note.Lookuper) (server, func() serve.Stats) {
			v := &p0f.V2Server{Lookuper: who, MaxConns: s.P0f.MaxClients, Wait: s.wait(), Logger: log}
			return v, v.Stats
		}},
		{"query.listen", "query", s.Query.Listen, s.Query.Mode, s.Query.ProxyFrom, nil, s.clients, ask("")},
		{"query.tls_listen", "query TLS", s.Query.TLSListen, s.Query.Mode, s.Query.ProxyFrom, s.remote.server, s.clients, ask(s.remote.token)},
		{"milter.listen", "milter", s.Milter.Listen, s.Milter.Mode, s.Milter.ProxyFrom, nil, s.clients, func(who note.Lookuper) (server, func() serve.Stats) {
			var claims *claim.Table
			if s.Milter.Form == config.FormFull {
				claims = claim.Builtin()
			}
			m := &milter.Server{Lookuper: who, Claims: claims, MaxConns: s.clients, Header: s.Milter.Header, Form: config.HeaderForms[s.Milter.Form], Again: s.Milter.Form == config.FormFull,
				Deadline: s.Milter.Deadline, Logger: log}
			return m, func() serve.Stats { return m.Stats().Stats }
		}},
		{"policy.listen", "policy", s.Policy.Listen, s.Policy.Mode, s.Policy.ProxyFrom, nil, s.clients, func(who note.Lookuper) (server, func() serve.Stats) {
			rules, _ := s.Policy.Compile() // Check has compiled them
			p := &policyd.Server{Lookuper: who, Rules: rules, Claims: claim.Builtin(), MaxConns: s.clients, Header: s.Policy.Header.Header, Form: config.HeaderForms[s.Policy.Form],
				Deadline: s.Policy.Deadline, Logger: log}
			return p, func() serve.Stats { return p.Stats().Stats }
		}},
	}
}

// wait is P0f.Wait for servers whose zero is a default of their own.
func (s *Settings) wait() time.Duration {
	if s.P0f.Wait == 0 {
		return -1
	}
	return s.P0f.Wait
}
