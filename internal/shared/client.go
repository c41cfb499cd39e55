package shared

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

// dial connects to the server, a primary that Sentinels name, or a Cluster. The
// client connects again by itself.
func dial(cfg *Config) (valkey.Client, error) {
	o := valkey.ClientOption{
		InitAddress: cfg.Servers, Username: cfg.User, Password: cfg.Password, TLSConfig: cfg.TLS,
		ClientName: "mxprint", ClientSetInfo: valkey.DisableClientSetInfo, // what an ACL need not allow
		DialCtxFn: connect(cfg.Primary != ""), ConnWriteTimeout: stalled,
		PipelineMultiplex: -1, AlwaysPipelining: true,
		RingScaleEachConn: 12, ReadBufferEachConn: 64 << 10, WriteBufferEachConn: 64 << 10,
		CacheSizeEachConn: 8 << 20, BlockingPoolSize: 4,
	}
	o.Dialer.Timeout, o.Dialer.KeepAlive = dialTime, time.Second
	switch {
	case cfg.Primary != "":
		o.Sentinel = valkey.SentinelOption{MasterSet: cfg.Primary, TLSConfig: cfg.TLS, ClientName: "mxprint", Password: cfg.SentinelPassword}
	case !cfg.Cluster:
		o.ForceSingleClient = true
	}
	return valkey.NewClient(o)
}

// connect returns what opens a connection by TCP or to a unix socket. Nothing that
// the server sends reaches the client unchecked.
func connect(sentinel bool) func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
	return func(ctx context.Context, at string, d *net.Dialer, t *tls.Config) (c net.Conn, err error) {
		network := "tcp"
		if strings.HasPrefix(at, "/") {
			network = "unix"
		}
		if t != nil {
			c, err = (&tls.Dialer{NetDialer: d, Config: t}).DialContext(ctx, network, at)
		} else {
			c, err = d.DialContext(ctx, network, at)
		}
		if err != nil {
			return nil, err
		}
		return &guard{Conn: c, sentinel: sentinel}, nil
	}
}

// Try connects once and puts one question, for mxprint check.
func Try(ctx context.Context, cfg Config) error {
	c, err := dial(&cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	return c.Do(ctx, c.B().Strlen().Key(prefix+"probe").Build()).Error()
}
