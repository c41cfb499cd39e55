// Package proxied is a listener for servers behind a load balancer: it reads
// the header of the PROXY protocol that the balancer puts in front of each
// connection, and its connections have the addresses of the real client.
//
// Use it where a mail server in Go, or one of our fronts, is reached through
// HAProxy, nginx or mxprint proxy, so that notes follow the real client and not
// the balancer. Which networks may send a header is configured: without that,
// anybody could be anybody.
//
// It implements versions 1 and 2 of
// https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, for TCP.
package proxyproto

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
)

const (
	defaultTimeout = 5 * time.Second
	defaultPending = 1000
)

// Config says whose headers a Listener believes.
type Config struct {
	// From are the networks of the balancers. A connection from elsewhere is
	// closed, with or without a header. None: every connection is closed.
	From []netip.Prefix

	// Timeout is how long a header may take; 0 means 5 s.
	Timeout time.Duration

	// MaxPending is how many connections may be without their header at one
	// time; 0 means 1,000. One more is closed.
	MaxPending int

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger
}

// Listener is a net.Listener whose Accept returns a *Conn when its header has
// been read. What has no header, a broken one, or may not send one, is logged
// and closed, and never seen by the server. Safe for concurrent use.
type Listener struct {
	net.Listener
	cfg    Config
	log    *slog.Logger
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	ready  chan *Conn
	failed chan error
	wg     sync.WaitGroup

	pending                         chan struct{} // has room for MaxPending
	strangers, broken, silent, many serve.Lines
}

// Conn is a connection through a load balancer. RemoteAddr and LocalAddr are
// the two ends that the balancer saw, unless the connection is its own.
type Conn struct {
	net.Conn
	header Header
}

// Listen wraps ln, and closes it with its own Close.
func Listen(ln net.Listener, cfg Config) *Listener {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.MaxPending <= 0 {
		cfg.MaxPending = defaultPending
	}
	l := &Listener{
		Listener: ln, cfg: cfg, log: cfg.Logger,
		ready: make(chan *Conn), failed: make(chan error),
		pending: make(chan struct{}, cfg.MaxPending),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.wg.Go(l.run)
	return l
}

// Accept returns the next connection that has sent its header. It fails as the
// inner listener does, and with net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close closes the inner listener and every connection without a header, and
// waits for the goroutines that read them.
func (l *Listener) Close() error {
	l.cancel()
	err := l.Listener.Close()
	l.wg.Wait()
	return err
}

// run accepts connections. A failure is handed to Accept before the next try.
func (l *Listener) run() {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			select {
			case l.failed <- err:
			case <-l.ctx.Done():
				return
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if !l.allowed(nc.RemoteAddr()) {
			nc.Close()
			l.warn(&l.strangers, nc, "closed a connection: its address may not send a PROXY header")
			continue
		}
		select {
		case l.pending <- struct{}{}:
			l.wg.Go(func() { l.greet(nc) })
		default:
			nc.Close()
			l.warn(&l.many, nc, "closed a connection: too many wait for their PROXY header", "limit", l.cfg.MaxPending)
		}
	}
}

func (l *Listener) allowed(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return false
	}
	addr := unmapped(tcp).Addr()
	for _, p := range l.cfg.From {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// greet reads the header of a connection and hands it to Accept.
func (l *Listener) greet(nc net.Conn) {
	defer func() { <-l.pending }()
	stop := context.AfterFunc(l.ctx, func() { nc.Close() })
	nc.SetReadDeadline(time.Now().Add(l.cfg.Timeout))
	h, err := Read(nc)
	if err == nil {
		err = nc.SetReadDeadline(time.Time{})
	}
	switch {
	case !stop() && l.ctx.Err() != nil: // closed meanwhile
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		nc.Close()
		l.warn(&l.silent, nc, fmt.Sprintf("closed a connection: no whole PROXY header within %v", l.cfg.Timeout))
		return
	case err != nil:
		nc.Close()
		l.warn(&l.broken, nc, "closed a connection: broken PROXY header", "reason", err)
		return
	}
	select {
	case l.ready <- &Conn{nc, h}:
	case <-l.ctx.Done():
		nc.Close()
	}
}

func (l *Listener) warn(lines *serve.Lines, nc net.Conn, what string, args ...any) {
	if ok, more := lines.Allow(time.Now()); ok {
		l.log.Warn(what, append(args, "from", nc.RemoteAddr().String(), "to", nc.LocalAddr().String(), "suppressed", more)...)
	}
}

// Header is what the balancer said.
func (c *Conn) Header() Header { return c.header }

// NetConn is the connection from the balancer.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// RemoteAddr is the real client.
func (c *Conn) RemoteAddr() net.Addr {
	if c.header.Local() {
		return c.Conn.RemoteAddr()
	}
	return net.TCPAddrFromAddrPort(c.header.Client)
}

// LocalAddr is where the real client connected to.
func (c *Conn) LocalAddr() net.Addr {
	if c.header.Local() {
		return c.Conn.LocalAddr()
	}
	return net.TCPAddrFromAddrPort(c.header.Server)
}
