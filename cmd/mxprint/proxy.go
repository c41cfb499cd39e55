package main

import (
	"context"
	"strings"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/inherit"
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
	if faults := c.Check(); len(faults) > 0 {
		f := faults[0]
		_, name, _ := strings.Cut(f.Key, ".")
		if f.Key == "query.listen" {
			name = "query"
		}
		return usagef("proxy: -%s: %s", name, strings.Replace(f.Msg, "set relay_checked = true", "give -relay-checked", 1))
	}
	c.P0f.Socket = *socket
	log, _ := daemon.NewServiceLogger(std.err)
	process, err := inherit.New(log)
	if err != nil {
		return err
	}
	return runDaemon(ctx, process, c, nil, log)
}
