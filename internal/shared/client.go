package shared

import (
	"context"
	"crypto/tls"
	"fmt"
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

// Try connects once and has the server do, on a key of its own that is gone after a
// second, all that a Store asks of it: for mxprint check. The error names what the
// user may not do.
func Try(ctx context.Context, cfg Config) error {
	c, err := dial(&cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	if err := looksUp(ctx, c); err != nil {
		return err
	}
	const text, set, sketch = probeKey + ":t", probeKey + ":s", probeKey + ":h"
	b := c.B
	for _, r := range c.DoMulti(ctx,
		b().Setnx().Key(text).Value("1").Build(), b().Set().Key(text).Value("1").PxMilliseconds(1000).Build(), b().Incr().Key(text).Build(),
		b().Pexpire().Key(text).Milliseconds(1000).Build(), b().Expire().Key(text).Seconds(1).Build(),
		b().Sadd().Key(set).Member("1").Build(), b().Srandmember().Key(set).Count(1).Build(), b().Expire().Key(set).Seconds(1).Build(),
		b().Pfadd().Key(sketch).Element("1").Build(), b().Expire().Key(sketch).Seconds(1).Build(),
		b().Scan().Cursor(0).Match(prefix+"none").Build(), b().Del().Key(text, set, sketch).Build()) {
		if err := r.Error(); err != nil {
			return err
		}
	}
	return nil
}

// probeKey is a key that no sensor needs. All keys that begin with it are in one
// slot.
const probeKey = prefix + "{probe}"

// looksUp has the server do what look-ups ask of it.
func looksUp(ctx context.Context, c valkey.Client) error {
	for _, r := range c.DoMulti(ctx, c.B().Strlen().Key(probeKey).Build(), c.B().Getrange().Key(probeKey).Start(0).End(1).Build(),
		c.B().Pttl().Key(probeKey).Build(), c.B().Pfcount().Key(probeKey).Build()) {
		if err := r.Error(); err != nil {
			return err
		}
	}
	err := c.DoCache(ctx, c.B().Getrange().Key(probeKey).Start(0).End(1).Cache(), time.Second).Error()
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("caching (the user needs +multi +exec +pttl +client|caching): %w", err)
	}
	return err
}
