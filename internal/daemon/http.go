package daemon

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/doctor"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/web"
	"github.com/mxprint/mxprint/query"
)

// http opens the listeners of metrics, health, the API and the page. Nothing
// waits for it.
func (o *opener) http(m *monitor) {
	if !o.HTTP.On() {
		return
	}
	server := o.webServer(m)
	watched := m.front(status.HTTP, web.MaxConns)
	watched.counter, watched.stats = nil, server.Stats
	listen := func(key, at string, wrap func(net.Listener) net.Listener) {
		o.keepUp(key, watched, at, func() (task, error) {
			ln, err := o.listen(at, o.HTTP.Mode, nil)
			if err != nil {
				return nil, err
			}
			return func(ctx context.Context) error { return server.Serve(ctx, wrap(ln)) }, nil
		})
	}
	for _, at := range o.HTTP.Listen {
		listen("http.listen", at, func(ln net.Listener) net.Listener { return ln })
	}
	for _, at := range o.HTTP.TLSListen {
		listen("http.tls_listen", at, func(ln net.Listener) net.Listener { return query.ListenTLS(ln, o.remote.web) })
	}
	o.tasks = append(o.tasks, without(o.log, "the page", server.Run))
	if o.in.engine != nil {
		o.tasks = append(o.tasks, func(ctx context.Context) error { return m.feed.Run(ctx, o.in.who) })
	}
}

// webServer is the server of [http].
func (o *opener) webServer(m *monitor) *web.Server {
	s := &web.Server{
		Status: m.status, Feed: m.feed, Lookuper: o.in.who, Logger: o.log,
	}
	for _, form := range slices.Sorted(maps.Keys(config.HeaderForms)) {
		s.Forms = append(s.Forms, web.Form{Name: form, Text: config.HeaderForms[form]})
	}
	if token := o.remote.webToken; token != "" {
		s.Keys = web.NewKeys(token)
	}
	if mode, err := config.Mode(o.HTTP.Mode); err == nil {
		s.Private = mode&0o007 == 0
	}
	o.remembers(s)
	if o.in.engine == nil {
		return s
	}
	s.DB = m.database
	s.Unknown = func(context.Context) (string, error) { return string(o.in.unknown.Text()), nil }
	s.Doctor = o.examine
	return s
}

// examine has the doctor look at what a sandboxed sensor can see.
func (o *opener) examine(ctx context.Context) ([]web.Finding, error) {
	found, err := (&doctor.Patient{Config: o.Config}).Examine(ctx)
	list := []web.Finding{}
	for _, f := range found {
		list = append(list, web.Finding{Looked: f.Looked, Found: f.Found, Do: f.Do})
	}
	return list, err
}

// WebLinks are links to the page of a configuration that let one browser in, one
// for each place where it listens; base, unless empty, is the address by which the
// browser reaches the page.
func WebLinks(c *config.Config, base string) ([]string, error) {
	if !c.HTTP.On() {
		return nil, errors.New(`there is no page: put listen = ["127.0.0.1:9925"] and token_file below [http] (docs/web.md)`)
	}
	if c.HTTP.TokenFile == "" {
		return nil, errors.New("there is no token to make a link of: set http.token_file (docs/web.md)")
	}
	token, err := readToken(c.HTTP.TokenFile)
	if err != nil {
		return nil, c.At("http.token_file", err)
	}
	link := web.NewKeys(token).Link
	if base != "" {
		return []string{strings.TrimSuffix(base, "/") + link()}, nil
	}
	var links []string
	for _, l := range c.Listeners() {
		scheme, isWeb := map[string]string{"http.listen": "http", "http.tls_listen": "https"}[l.Key]
		if isWeb && l.Network == "tcp" {
			links = append(links, scheme+"://"+reachable(l.Addr)+link())
		}
	}
	if len(links) == 0 {
		return nil, errors.New("[http] listens on unix sockets alone: forward one with ssh -L and give its address by -base (docs/web.md)")
	}
	return links, nil
}

// reachable is the host and port of a listener, for a browser.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			host = "localhost"
		}
	}
	return net.JoinHostPort(host, port)
}
