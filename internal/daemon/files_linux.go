package daemon

import (
	"log/slog"
	"syscall"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/serve"
)

// filesBeside are the descriptors of everything but connections: listeners,
// sources, logs, and what Go and the libraries open for a moment.
const filesBeside = 100

// shareFiles sees to it that a connection of the proxy is never short of a
// descriptor: it raises the limit to what all connections together can need, as
// far as it may (root may, others up to the hard limit, which Go has done), or
// lowers the numbers of connections to what there is.
func (s *Settings) shareFiles(log *slog.Logger) {
	if len(s.Proxy.Listen) == 0 {
		return
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return
	}
	n := filesNeeded(s.Config)
	if limit.Cur >= n.all() {
		return
	}
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n.all(), Max: max(n.all(), limit.Max)})
	if err == nil {
		return
	}
	s.Proxy.MaxConnections, s.clients = n.fit(limit.Cur)
	s.P0f.MaxClients = min(s.P0f.MaxClients, s.clients)
	log.Warn("too few file descriptors: fewer connections are accepted; raise LimitNOFILE of the unit",
		"need", n.all(), "have", limit.Cur, "reason", err, "proxy.max_connections", s.Proxy.MaxConnections, "clients", s.clients)
}

// needs are numbers of connections, and of listeners that have as many each.
type needs struct{ proxied, proxies, clients, fronts, strangers int }

func filesNeeded(c *config.Config) needs {
	n := needs{proxied: c.Proxy.MaxConnections, proxies: len(c.Proxy.Listen)}
	n.clients = max(serve.DefaultMaxConns, c.P0f.MaxClients)
	n.fronts = len(c.Listeners()) - n.proxies
	// A listener with a header or a token has clients that have not shown one,
	// those of known sources apart.
	for _, f := range []struct{ listeners, greeted int }{
		{n.proxies, len(c.Proxy.ProxyFrom)}, {len(c.Query.TLSListen), 1}, {len(c.Query.Listen), len(c.Query.ProxyFrom)},
		{len(c.Milter.Listen), len(c.Milter.ProxyFrom)}, {len(c.Policy.Listen), len(c.Policy.ProxyFrom)},
	} {
		if f.greeted > 0 {
			n.strangers += f.listeners * 2 * serve.DefaultMaxStrangers
		}
	}
	return n
}

// all is the number of descriptors. A proxied connection has two: nothing is
// opened for it but the connection to the mail server.
func (n needs) all() uint64 {
	return filesBeside + uint64(2*n.proxied*n.proxies) + uint64(n.clients*n.fronts) + uint64(n.strangers)
}

// fewClients are the connections that a front has at least: Postfix has 100
// processes that ask, by default.
const fewClients = 100

// fit returns how many connections each listener may have: the proxy all that
// it is configured for, as far as the fronts have fewClients each.
func (n needs) fit(have uint64) (proxied, clients int) {
	left := int(min(have, 1<<30)) - filesBeside - n.strangers
	proxied = min(n.proxied, max((left-fewClients*n.fronts)/2/n.proxies, 1))
	return proxied, max((left-2*proxied*n.proxies)/n.fronts, 1)
}
