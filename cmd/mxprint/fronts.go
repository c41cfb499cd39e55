package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/front/amavis"
	"github.com/mxprint/mxprint/internal/front/milter"
	"github.com/mxprint/mxprint/internal/front/policyd"
	"github.com/mxprint/mxprint/internal/proxyproto"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
	"github.com/mxprint/mxprint/query"
)

// queryConfig is [query], the socket of text lines.
type queryConfig struct {
	Listen    []string `toml:"listen"`
	Mode      string   `toml:"mode"`
	TLSListen []string `toml:"tls_listen"`
	TLSCert   string   `toml:"tls_cert"`
	TLSKey    string   `toml:"tls_key"`
	TokenFile string   `toml:"token_file"`
	ProxyFrom []string `toml:"proxy_from"`
}

// headerConfig is [milter] and [policy], which put the note into a header.
type headerConfig struct {
	Listen    []string      `toml:"listen"`
	Mode      string        `toml:"mode"`
	ProxyFrom []string      `toml:"proxy_from"`
	Header    string        `toml:"header"`
	Form      string        `toml:"form"`
	Deadline  time.Duration `toml:"deadline"`
}

func defaultHeaderConfig() headerConfig {
	return headerConfig{Mode: "0666", Header: "X-p0f-Result", Form: "haraka", Deadline: 50 * time.Millisecond}
}

// headerForms are the texts that a header can have.
var headerForms = map[string]func(*note.Note) string{
	"haraka": (*note.Note).Header,
	"v2":     (*note.Note).V2Text,
}

func (c *headerConfig) faults(table string) []fault {
	_, known := headerForms[c.Form]
	return append(append(endpointFaults(table, c.Listen, c.Mode), networkFaults(table+".proxy_from", c.ProxyFrom)...),
		fault{!known, table + ".form", `want "haraka" or "v2"`},
		fault{c.Deadline < time.Millisecond || c.Deadline > 10*time.Second, table + ".deadline", `want a duration from "1ms" to "10s"`})
}

// endpointFaults checks where a front listens.
func endpointFaults(table string, listen []string, mode string) []fault {
	_, err := parseMode(mode)
	faults := []fault{{err != nil, table + ".mode", `want permission bits in octal, such as "0660"`}}
	for _, at := range listen {
		_, _, err := endpoint(at)
		faults = append(faults, fault{err != nil, table + ".listen", fmt.Sprintf("%q is neither a path nor HOST:PORT", at)})
	}
	return faults
}

// endpoint reads where to listen: a path, HOST:PORT, or either after "unix:"
// or "inet:", as mail servers write it.
func endpoint(s string) (network, addr string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		s = path
	}
	if strings.HasPrefix(s, "/") {
		return "unix", s, nil
	}
	s = strings.TrimPrefix(s, "inet:")
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return "tcp", s, err
}

func parseMode(s string) (fs.FileMode, error) {
	mode, err := strconv.ParseUint(s, 8, 32)
	if err == nil && mode > 0o777 {
		err = strconv.ErrRange
	}
	return fs.FileMode(mode), err
}

// listen opens a listener for a front. Connections by TCP come through the load
// balancers of proxyFrom, if there are any.
func listen(at, mode string, proxyFrom []string, log *slog.Logger) (net.Listener, error) {
	network, addr, err := endpoint(at)
	if err != nil {
		return nil, err
	}
	if network != "unix" {
		from, err := networks(proxyFrom)
		if err != nil {
			return nil, err
		}
		ln, err := net.Listen(network, addr)
		if err != nil || len(from) == 0 {
			return ln, err
		}
		return proxyproto.Listen(ln, proxyproto.Config{From: from, Logger: log}), nil
	}
	if err := os.MkdirAll(filepath.Dir(addr), 0o755); err != nil {
		return nil, fmt.Errorf("folder of the socket: %w", err)
	}
	bits, err := parseMode(mode)
	if err != nil {
		return nil, err
	}
	return p0f.Listen(addr, bits)
}

// amavisConfig is [amavis], the UDP protocol of its p0f-analyzer.
type amavisConfig struct {
	Listen []string `toml:"listen"`
	Form   string   `toml:"form"`
	Allow  []string `toml:"allow"`
}

func (c *amavisConfig) faults() []fault {
	faults := []fault{{c.Form != "v2" && c.Form != "v3", "amavis.form", `want "v2" or "v3"`}}
	for _, at := range c.Listen {
		network, _, err := endpoint(at)
		faults = append(faults, fault{err != nil || network != "tcp", "amavis.listen", fmt.Sprintf("%q is not ADDRESS:PORT", at)})
	}
	return append(faults, networkFaults("amavis.allow", c.Allow)...)
}

// networkFaults checks a list of networks.
func networkFaults(key string, list []string) []fault {
	var faults []fault
	for _, network := range list {
		_, err := netip.ParsePrefix(network)
		faults = append(faults, fault{err != nil, key, fmt.Sprintf("%q is no network such as 192.0.2.0/24", network)})
	}
	return faults
}

// networks reads a list that networkFaults has checked.
func networks(list []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, network := range list {
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// tasks opens the sockets of the front and returns the tasks that serve them.
func (c *amavisConfig) tasks(who note.Lookuper, wait time.Duration, log *slog.Logger) ([]func(context.Context) error, error) {
	allow, err := networks(c.Allow)
	if err != nil {
		return nil, err
	}
	server := &amavis.Server{Lookuper: who, V3: c.Form == "v3", Wait: wait, Allow: allow, Logger: log}
	var tasks []func(context.Context) error
	for _, at := range c.Listen {
		_, addr, err := endpoint(at)
		if err != nil {
			return nil, err
		}
		pc, err := net.ListenPacket("udp", addr)
		if err != nil {
			return nil, fmt.Errorf("amavis: %w", err)
		}
		log.Info("listening", "front", "amavis", "at", at)
		tasks = append(tasks, func(ctx context.Context) error { return server.Serve(ctx, pc) })
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
func (s *settings) fronts(who note.Lookuper, command commandFunc, log *slog.Logger) ([]func(context.Context) error, error) {
	var tasks []func(context.Context) error
	for _, f := range []struct {
		name      string
		listen    []string
		mode      string
		proxyFrom []string
		tls       *tls.Config // nil: none
		server    server
	}{
		{"p0f v2", s.socketV2(), s.P0f.Mode, nil, nil,
			&p0f.V2Server{Lookuper: who, MaxConns: s.P0f.MaxClients, Wait: s.wait(), Logger: log}},
		{"query", s.Query.Listen, s.Query.Mode, s.Query.ProxyFrom, nil,
			&query.Server{Lookuper: who, Command: command, Wait: s.wait(), Logger: log}},
		{"query TLS", s.Query.TLSListen, s.Query.Mode, s.Query.ProxyFrom, s.remote.server,
			&query.Server{Lookuper: who, Wait: s.wait(), Token: s.remote.token, Logger: log}},
		{"milter", s.Milter.Listen, s.Milter.Mode, s.Milter.ProxyFrom, nil,
			&milter.Server{Lookuper: who, Header: s.Milter.Header, Form: headerForms[s.Milter.Form],
				Deadline: s.Milter.Deadline, Logger: log}},
		{"policy", s.Policy.Listen, s.Policy.Mode, s.Policy.ProxyFrom, nil,
			&policyd.Server{Lookuper: who, Header: s.Policy.Header, Form: headerForms[s.Policy.Form],
				Deadline: s.Policy.Deadline, Logger: log}},
	} {
		for _, at := range f.listen {
			ln, err := listen(at, f.mode, f.proxyFrom, log)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
			if f.tls != nil {
				ln = tls.NewListener(ln, f.tls)
			}
			log.Info("listening", "front", f.name, "at", at)
			tasks = append(tasks, func(ctx context.Context) error { return f.server.Serve(ctx, ln) })
		}
	}
	more, err := s.Amavis.tasks(who, s.wait(), log)
	return append(tasks, more...), err
}

// socketV2 is where the socket of p0f 2 is, if it is.
func (c *config) socketV2() []string {
	if c.P0f.SocketV2 == "" {
		return nil
	}
	return []string{c.P0f.SocketV2}
}

// wait is P0f.Wait for servers whose zero is a default of their own.
func (s *settings) wait() time.Duration {
	if s.P0f.Wait == 0 {
		return -1
	}
	return s.P0f.Wait
}
