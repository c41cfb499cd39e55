// Package web is the HTTP listener of a sensor: /metrics for Prometheus, /healthz
// and /readyz for what watches services, the API under /api/v1 with its stream of
// events, and the page. It changes nothing. What names a client is for those
// with the token, with a session (Keys), or at a unix socket that is theirs.
package web

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/note"
)

// What a client may take: a scraper has one connection and asks once a second at
// the most.
const (
	// MaxConns is how many connections of one listener are served at once.
	MaxConns = 64

	maxHeader   = 16 << 10 // bytes
	maxScrapes  = 4        // at once
	headerTime  = 5 * time.Second
	requestTime = 10 * time.Second // header and body
	answerTime  = 20 * time.Second // from the header on
	idleTime    = 2 * time.Minute
	drainTime   = 250 * time.Millisecond
)

// Server serves HTTP. Set the fields before Serve. Its methods are safe for
// concurrent use.
type Server struct {
	// Status is how the sensor is now.
	Status func() *status.Status

	// Feed are the connections, and Lookuper what answers about others. Without a
	// Feed there are metrics and health alone.
	Feed     *feed.Feed
	Lookuper note.Lookuper

	// Keys let clients in; nil: no client by TCP.
	Keys *Keys
	// Private says that the mode of the unix sockets keeps strangers out: who
	// opens one may read. Otherwise root and our own user may.
	Private bool

	// DB is the database in use; Unknown are the SYNs that it does not match, as a
	// signature file; Doctor finds what is wrong; Report and History are from what
	// is remembered of senders, and become JSON. Each may be nil: the API then says
	// that it is not switched on.
	DB      func() *signature.DB
	Unknown func(context.Context) (string, error)
	Doctor  func(context.Context) ([]Finding, error)
	Report  func(context.Context) (any, error)
	History func(context.Context, netip.Addr) (any, error)
	// Forms are the texts of a note that mail servers get.
	Forms []Form

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger

	group   serve.Group
	pulse   pulse
	streams atomic.Int32
}

// Finding is one thing that is wrong, and the line to type.
type Finding struct {
	Looked string `json:"looked"`
	Found  string `json:"found"`
	Do     string `json:"do"`
}

// Form is a text of a note, as a mail server gets it.
type Form struct {
	Name string
	Text func(*note.Note) string
}

func (s *Server) log() *slog.Logger { return serve.Log(s.Logger) }

// Stats returns the counters of the connections.
func (s *Server) Stats() serve.Stats { return s.group.Stats() }

// Serve serves the connections of ln until ctx ends or ln fails. It closes ln
// and every connection: nil after the end of ctx, else why ln failed.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	log := serve.Log(s.Logger)
	in := serve.NewHandoff(ln.Addr())
	server := &http.Server{
		Handler: s.handler(), MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		ErrorLog: slog.NewLogLogger(log.With("front", "http").Handler(), slog.LevelWarn), ConnContext: s.withPeer,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(in) }()
	err := s.group.Serve(ctx, ln, serve.Config{
		MaxConns: MaxConns, MaxStrangers: MaxConns, GreetTime: headerTime, ClientFirst: true, Grace: drainTime, Logger: log,
	}, in.Take)
	server.Close()
	<-ended
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	return nil
}
