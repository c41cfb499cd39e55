// Package web is the HTTP listener of a sensor: /metrics for Prometheus, /healthz
// and /readyz for what watches services. It reads a status.Status and changes
// nothing; what it serves names no client.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/status"
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

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger

	group serve.Group
}

// Stats returns the counters of the connections.
func (s *Server) Stats() serve.Stats { return s.group.Stats() }

// Serve serves the connections of ln until ctx ends or ln fails. It closes ln
// and every connection: nil after the end of ctx, else why ln failed.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	log := serve.Log(s.Logger)
	in := &admitted{conns: make(chan net.Conn), over: make(chan struct{}), addr: ln.Addr()}
	server := &http.Server{
		Handler: s.handler(), MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		ErrorLog: slog.NewLogLogger(log.With("front", "http").Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(in) }()
	err := s.group.Serve(ctx, ln, serve.Config{
		MaxConns: MaxConns, MaxStrangers: MaxConns, GreetTime: headerTime, ClientFirst: true, Grace: drainTime, Logger: log,
	}, in.take)
	server.Close()
	<-ended
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	return nil
}

// admitted is the net.Listener of the connections that the group let in.
type admitted struct {
	conns chan net.Conn
	over  chan struct{} // closed by Close
	addr  net.Addr
}

// take hands a connection on. The server closes it.
func (a *admitted) take(_ context.Context, nc net.Conn) {
	select {
	case a.conns <- nc:
	case <-a.over:
		nc.Close()
	}
}

func (a *admitted) Accept() (net.Conn, error) {
	select {
	case nc := <-a.conns:
		return nc, nil
	case <-a.over:
		return nil, net.ErrClosed
	}
}

// Close is called once, by the http.Server.
func (a *admitted) Close() error {
	close(a.over)
	return nil
}

func (a *admitted) Addr() net.Addr { return a.addr }

// handler is all that is served.
func (s *Server) handler() http.Handler {
	registry := prometheus.NewRegistry() // nothing of other packages gets in
	registry.MustRegister(collector{s.Status})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, Timeout: requestTime, ErrorLog: slog.NewLogLogger(serve.Log(s.Logger).Handler(), slog.LevelError),
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "mxprint: /metrics /healthz /readyz\n")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 { // nothing here takes a body, and none is read
			w.Header().Set("Connection", "close")
			plain(w, http.StatusRequestEntityTooLarge, "no body is taken\n")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ready answers 200 where the sensor answers questions, and 503 with the reasons
// where it is down.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	st := s.Status()
	code := http.StatusOK
	if st.Health == status.Down {
		code = http.StatusServiceUnavailable
	}
	plain(w, code, strings.Join(append([]string{string(st.Health)}, st.Reasons...), "\n")+"\n")
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	if _, err := io.WriteString(w, text); err != nil && !errors.Is(err, net.ErrClosed) {
		return // the client has gone
	}
}
