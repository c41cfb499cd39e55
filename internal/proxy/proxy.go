// Package proxy is a transparent front for mail servers: it accepts SMTP
// connections, takes the SYN that the kernel saved of each, and copies the bytes
// in both directions, unchanged.
//
// The mail server learns the real client from the PROXY protocol, or Postfix
// from XCLIENT; the SYNs go through a Source to an engine, which answers the
// fronts (milter, query socket) about that very client. No mail is stored, and
// no byte is added. An Observer may see what a session begins with.
//
// Use it where no capture is possible, as in a container without privileges.
// A mail server in Go does not need it: there is package savedsyn. Without saved
// SYNs, as on other systems than Linux, connections are proxied all the same.
//
// A connection has two descriptors, two goroutines, and no buffer while it is
// idle. Nothing is opened for it later: at no limit is it cut.
//
// PROXY protocol: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt.
// XCLIENT: https://www.postfix.org/XCLIENT_README.html.
package proxy

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

// Send is how the mail server learns the client.
type Send uint8

const (
	V2      Send = iota // PROXY protocol, version 2
	V1                  // PROXY protocol, version 1: a line of text
	XClient             // XCLIENT, which Postfix has to allow
	Nothing             // it does not: the mail server sees the proxy
)

// Defaults of Server.
const (
	DefaultIdle  = 15 * time.Minute // RFC 5321 §4.5.3.2: 10 minutes at the longest
	DefaultDrain = 30 * time.Second

	dialTimeout    = 5 * time.Second
	xclientTimeout = 30 * time.Second // Postfix may ask the DNS before it greets
	noteTimeout    = 50 * time.Millisecond
)

// Server proxies SMTP connections. Set the fields before Serve. Its methods
// are safe for concurrent use; a Server may serve several listeners at once,
// and must not be copied.
type Server struct {
	// Backend is the mail server: HOST:PORT, or the path of a unix socket.
	Backend string

	// Send is how it learns the client.
	Send Send

	// Source gets the SYN of each connection, unless it came through another
	// load balancer (package proxyproto), whose SYN that would be. It may be nil.
	Source *Source

	// Missed is called for a connection whose SYN the kernel has not kept, as
	// when it was answered with a SYN cookie. It may be nil.
	Missed func(client, server netip.AddrPort)

	// Notes is asked for the note of each client, for the mail server that can
	// read it in the header of version 2 (proxyproto.TypeNote). Nil: no note is
	// sent, which Postfix and others would skip.
	Notes note.Lookuper

	// Observe returns the observer of a new connection, or nil. It may be nil.
	Observe func(client, server netip.AddrPort) Observer

	// Name is how the proxy calls itself where it has to answer by itself; empty
	// means "localhost".
	Name string

	// MaxConns is how many connections of each listener are proxied at once;
	// 0 means 10,000. One more is answered 421.
	MaxConns int

	// Idle closes a connection on which nothing has passed for that time; 0 means
	// DefaultIdle. A client that does not read what the mail server sends is
	// closed after one to two minutes.
	Idle time.Duration

	// Drain is how long connections may go on when the server ends; 0 means
	// DefaultDrain, and less than 0 not at all.
	Drain time.Duration

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger

	stalled time.Duration // for tests; 0 means a minute

	group  serve.Group
	failed atomic.Uint64
}

// Stats is what a Server did since its start. Missed are connections without
// their SYN.
type Stats struct {
	serve.Stats
	Failed uint64 // connections that the mail server did not take
}

// Stats returns the counters.
func (s *Server) Stats() Stats { return Stats{Stats: s.group.Stats(), Failed: s.failed.Load()} }

// serving is a Server with its defaults filled in, on one listener.
type serving struct {
	*Server
	log     *slog.Logger
	name    string
	idle    time.Duration
	stalled time.Duration
	cutting context.Context // its end ends every connection
}

// Serve proxies the connections of ln until ctx ends or ln fails. It closes
// ln at once then, and the connections when they have ended, or when the time
// of Drain is over; it returns when all are closed: nil after the end of ctx,
// else why ln failed. SYNs are those of the listeners of package savedsyn, which
// may be inside of others that have a method NetConn.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	cutting, cut := context.WithCancel(context.Background())
	defer cut()
	v := &serving{
		Server: s, log: serve.Log(s.Logger), cutting: cutting, name: cmp.Or(s.Name, "localhost"),
		idle: cmp.Or(max(s.Idle, 0), DefaultIdle), stalled: cmp.Or(s.stalled, unreadTime),
	}
	grace := max(cmp.Or(s.Drain, DefaultDrain), 0)
	return s.group.Serve(ctx, ln, serve.Config{
		MaxConns: s.MaxConns, Grace: grace, GoOn: true, Full: v.turnAway, Logger: v.log,
		Ending: func(open int) {
			if open > 0 {
				v.log.Info("no more connections are accepted; open ones may go on", "open", open, "for", grace)
			}
			timer := time.AfterFunc(grace, cut)
			context.AfterFunc(cutting, func() { timer.Stop() })
		},
	}, func(_ context.Context, nc net.Conn) { v.serve(nc) })
}
