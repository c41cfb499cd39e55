package daemon

import (
	"log/slog"
	"syscall"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/verdict"
	"github.com/mxprint/mxprint/internal/web"
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
type needs struct {
	proxied, proxies, clients, fronts, others int

	each bool // a mail server asks a front by a connection for each session
}

func filesNeeded(c *config.Config) needs {
	n := needs{proxied: c.Proxy.MaxConnections, clients: max(serve.DefaultMaxConns, c.P0f.MaxClients)}
	greeted := map[string]int{
		"proxy.listen": len(c.Proxy.ProxyFrom), "query.listen": len(c.Query.ProxyFrom),
		"milter.listen": len(c.Milter.ProxyFrom), "policy.listen": len(c.Policy.ProxyFrom),
	}
	// Clients that have not shown who they are come on top, those of known sources
	// apart: by a first byte on TCP, by a header, by a token.
	const strangers = 2 * serve.DefaultMaxStrangers
	for _, l := range c.Listeners() {
		switch l.Key {
		case "amavis.listen": // by UDP: one socket
		case "http.listen", "http.tls_listen":
			n.others += 3 * web.MaxConns
		case "store.listen":
			n.others += verdict.MaxConns + strangers
		case "proxy.listen":
			n.proxies++
			if greeted[l.Key] > 0 {
				n.others += strangers
			}
		default:
			n.fronts++
			n.each = n.each || l.Key == "milter.listen" || l.Key == "policy.listen"
			if l.Network == "tcp" || greeted[l.Key] > 0 {
				n.others += strangers
			}
		}
	}
	return n
}

// all is the number of descriptors. A proxied connection has two: nothing is
// opened for it but the connection to the mail server.
func (n needs) all() uint64 {
	return filesBeside + uint64(2*n.proxied*n.proxies) + uint64(n.clients*n.fronts) + uint64(n.others)
}

// fewClients are the connections that a front has at least: Postfix has 100
// processes that ask, by default.
const fewClients = 100

// fit returns how many connections each listener may have: the proxy all that
// it is configured for, as far as the fronts have fewClients each, or one for each
// session: a mail whose milter is refused a connection keeps a forged header.
func (n needs) fit(have uint64) (proxied, clients int) {
	left := int(min(have, 1<<30)) - filesBeside - n.others
	most := (left - fewClients*n.fronts) / 2 / n.proxies
	if n.each {
		most = min(most, left/(2*n.proxies+n.fronts))
	}
	proxied = min(n.proxied, max(most, 1))
	return proxied, max((left-2*proxied*n.proxies)/max(n.fronts, 1), 1)
}
