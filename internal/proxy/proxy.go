// Package proxy is a transparent front for mail servers that can neither be
// listened to nor be told of their clients otherwise: it accepts SMTP
// connections, keeps the SYN that the kernel saved of each, and hands the bytes
// on, both ways, unchanged.
//
// The mail server learns the real client from the PROXY protocol, or Postfix
// from XCLIENT; the SYNs go by a Source to an engine, which answers the fronts
// (milter, query socket) about that very client. Nothing else is added, and no
// mail is kept: on Linux the bytes do not even pass through the process, and a
// connection has no goroutine of its own.
//
// Use it where no capture is possible, as in a container without privileges.
// A mail server in Go needs it not: there is package savedsyn. Without saved
// SYNs, as on other systems than Linux, it hands on all the same.
//
// PROXY protocol: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt.
// XCLIENT: https://www.postfix.org/XCLIENT_README.html.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

// Send is how the mail server is told of the client.
type Send uint8

const (
	V2      Send = iota // PROXY protocol, version 2
	V1                  // PROXY protocol, version 1: a line of text
	XClient             // XCLIENT, which Postfix has to allow
	Nothing             // not at all: the mail server sees the proxy
)

// Defaults of Server.
const (
	DefaultIdle  = 15 * time.Minute // RFC 5321 §4.5.3.2: 10 minutes at the longest
	DefaultDrain = 30 * time.Second

	dialTimeout    = 5 * time.Second
	xclientTimeout = 30 * time.Second // Postfix may ask the DNS before it greets
	noteTimeout    = 50 * time.Millisecond
)

// Server hands SMTP connections on. Set the fields before Serve. Its methods
// are safe for concurrent use; a Server may serve several listeners at once,
// and must not be copied.
type Server struct {
	// Backend is the mail server: HOST:PORT, or the path of a unix socket.
	Backend string

	// Send is how it is told of the client.
	Send Send

	// Source gets the SYN of each connection, unless it came through another
	// load balancer (package proxied), whose SYN that would be. Nil: nobody.
	Source *Source

	// Missed is called for a connection whose SYN the kernel has not kept, as
	// when it was answered with a SYN cookie. It may be nil.
	Missed func(client, server netip.AddrPort)

	// Notes is asked for the note of each client, for the mail server that can
	// read it in the header of version 2 (proxied.TypeNote). Nil: no note is
	// sent, which Postfix and others would skip.
	Notes note.Lookuper

	// Name is how the proxy calls itself where it has to answer by itself; empty
	// means "localhost".
	Name string

	// MaxConns is how many connections of each listener are handed on at once;
	// 0 means 10,000. One more is answered 421.
	MaxConns int

	// Idle ends a connection on which nothing has passed for so long; 0 means
	// DefaultIdle.
	Idle time.Duration

	// Drain is how long connections may go on when the server ends; 0 means
	// DefaultDrain, and less than 0 not at all.
	Drain time.Duration

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger

	pumps bool // as on other systems; for tests

	missed, failed                    atomic.Uint64
	away, refused, idled, spliceFault serve.Lines
}

// Stats is what a Server did since its start.
type Stats struct {
	Missed uint64 // connections without their SYN
	Failed uint64 // connections that the mail server did not take
}

// Stats returns the counters.
func (s *Server) Stats() Stats { return Stats{Missed: s.missed.Load(), Failed: s.failed.Load()} }

// serving is a Server with its defaults filled in, on one listener.
type serving struct {
	*Server
	ctx     context.Context
	log     *slog.Logger
	name    string
	idle    time.Duration
	direct  netip.AddrPort // Backend, where that is an address of TCP
	carrier carrier
}

// Serve hands the connections of ln on until ctx ends or ln fails. It closes
// ln at once then, and the connections when they have ended, or when the time
// of Drain is over; it returns when all are closed: nil after the end of ctx,
// else why ln failed. SYNs are those of the listeners of package savedsyn, which
// may be inside of others that have a method NetConn.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &serving{Server: s, ctx: ctx, log: s.Logger, name: s.Name, idle: s.Idle}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if v.name == "" {
		v.name = "localhost"
	}
	if v.idle <= 0 {
		v.idle = DefaultIdle
	}
	if ap, err := netip.ParseAddrPort(s.Backend); err == nil && ap.Addr().Zone() == "" {
		v.direct = ap
	}
	v.carrier = newCarrier(v)
	defer v.carrier.close()
	l := serve.Listen(ctx, ln, serve.Config{MaxConns: s.MaxConns, Logger: s.Logger, Full: v.turnAway})
	for {
		nc, err := l.Accept()
		if err == nil {
			go v.serve(nc)
			continue
		}
		cancel()
		v.drain(l)
		if errors.Is(err, net.ErrClosed) {
			err = nil
		}
		return err
	}
}

// drain waits for the end of the connections.
func (v *serving) drain(l *serve.Listener) {
	grace := v.Drain
	if grace == 0 {
		grace = DefaultDrain
	}
	if open := l.Stats().Open; open > 0 {
		v.log.Info("no more connections are taken; those that are open may go on", "open", open, "for", max(grace, 0))
	}
	cut := time.AfterFunc(max(grace, 0), v.carrier.cut)
	defer cut.Stop()
	l.Wait(max(grace, 0))
}
