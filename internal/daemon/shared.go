package daemon

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/shared"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/packet"
)

// loadShared reads the files about the store that sensors share.
func (s *Settings) loadShared() (err error) {
	v := &s.Store.Valkey
	if !v.On() {
		return nil
	}
	c := &shared.Config{Primary: v.Primary, Cluster: v.Cluster, User: v.User,
		Sensor: v.Name(), Age: s.Store.Age}
	for _, at := range v.Servers {
		c.Servers = append(c.Servers, strings.TrimPrefix(at, "unix:"))
	}
	for _, f := range []struct {
		key, path string
		to        *string
	}{
		{"store.valkey_password_file", v.PasswordFile, &c.Password},
		{"store.valkey_sentinel_password_file", v.SentinelFile, &c.SentinelPassword},
	} {
		if f.path != "" {
			if *f.to, err = readSecret(f.path); err != nil {
				return s.At(f.key, err)
			}
		}
	}
	if v.HashKeyFile != "" {
		secret, err := readSecret(v.HashKeyFile)
		if err == nil && len(secret) < minSecret {
			err = fmt.Errorf("%s: want at least %d characters (head -c 24 /dev/urandom | base64)", v.HashKeyFile, minSecret)
		}
		if err != nil {
			return s.At("store.valkey_hash_key_file", err)
		}
		c.Secret = []byte(secret)
	}
	if v.TLS {
		if c.TLS, err = s.sharedTLS(v); err != nil {
			return err
		}
	}
	s.shared = c
	return nil
}

// minSecret is how long a key for hashes of addresses is at least.
const minSecret = 16

// sharedTLS reads how the server shows who it is, and who we are. The name that
// its certificate must have is that in the configuration, or which the server
// gives of another.
func (s *Settings) sharedTLS(v *config.Valkey) (*tls.Config, error) {
	roots, err := certificates(v.CA)
	if err != nil && v.CA == "" {
		return nil, s.At("store.valkey_tls", err)
	} else if err != nil {
		return nil, s.At("store.valkey_ca", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	if v.Cert != "" {
		certificate, err := readPEM(v.Cert)
		key, err2 := readPEM(v.Key)
		pair := tls.Certificate{}
		if err = cmp.Or(err, err2); err == nil {
			pair, err = tls.X509KeyPair(certificate, key)
		}
		if err != nil {
			return nil, s.At("store.valkey_cert", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// openShared opens the store that sensors share. That it does not answer is no
// fault: the sensor starts without it.
func (o *opener) openShared() {
	if o.Settings.shared == nil {
		return
	}
	c := *o.Settings.shared
	c.Version, c.Logger = o.Version, o.log
	if o.trial != nil {
		ctx, cancel := context.WithTimeout(context.Background(), tryTime)
		defer cancel()
		if err := shared.Try(ctx, c); err != nil {
			o.log.Warn("the shared store does not answer: serve starts without it and tries again", "key", "store.valkey", "servers", c.Servers, "reason", err)
		}
		return
	}
	o.shared = shared.Open(c)
}

// tryTime is how long check waits for the shared store.
const tryTime = 5 * time.Second

// share has the answers of the sensor pass through the shared store, and adds its
// task.
func (o *opener) share() {
	s := o.shared
	if s == nil {
		return
	}
	if e := o.in.engine; e != nil {
		s.Connection = e.Connection
		if o.in.sender != nil {
			s.Sessions, s.Connection = true, o.in.sender.Connection(e.Connection)
		}
	}
	if o.store != nil {
		s.Counts = o.siteCounts
	}
	o.in.who = &shared.Lookuper{Who: o.in.who, Store: s}
	o.in.monitor.shared = s
	o.tasks = append(o.tasks, without(o.log, "the shared store", s.Run))
}

// siteCounts makes the evidence of this site with the key of the fleet, from the
// mails that the store still has.
func (o *opener) siteCounts(ctx context.Context, seed uint64) (*evidence.Counts, error) {
	r, err := store.Read(o.Store.Path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	c := evidence.NewCounts()
	err = r.Mails(ctx, time.Time{}, func(m *evidence.Mail) error {
		m.Sender = evidence.Sender(seed, store.Key(m.Network.Addr()))
		m.Count(c)
		return nil
	})
	return c, err
}

// follower publishes connections when their handshake is complete, and hands on
// what it gets.
type follower struct {
	next  event.Follower // may be nil
	store *shared.Store
}

// newFollower is the type of engine.Config.Follow.
type newFollower = func(observe func(*event.Observation)) event.Follower

// follow has what follows connections publish them too.
func (o *opener) follow(next newFollower) newFollower {
	if o.shared == nil {
		return next
	}
	return func(observe func(*event.Observation)) event.Follower {
		f := &follower{store: o.shared}
		if next != nil {
			f.next = next(observe)
		}
		return f
	}
}

// Open implements event.Follower.
func (f *follower) Open(s *packet.Segment, client, server uint32, at int64) {
	f.store.Opened(s.Src, s.Dst)
	if f.next != nil {
		f.next.Open(s, client, server, at)
	}
}

// Segment implements event.Follower.
func (f *follower) Segment(s *packet.Segment, payload []byte, at int64) {
	if f.next != nil {
		f.next.Segment(s, payload, at)
	}
	if s.Flags&(packet.FlagFIN|packet.FlagRST) != 0 {
		f.store.Closed(s.Src, s.Dst)
		f.store.Closed(s.Dst, s.Src)
	}
}

// Close implements event.Follower.
func (f *follower) Close() {
	if f.next != nil {
		f.next.Close()
	}
}

// publisher has the shared store publish what is observed: what sessions say, and
// where the kernel or a proxy hands connections over, each of them.
type publisher struct {
	store   *shared.Store
	trusted bool
}

// Observe implements event.Observer.
func (p publisher) Observe(o *event.Observation) {
	switch {
	case o.Module == event.SYN && p.trusted:
		p.store.Opened(o.Client, o.Server)
	case o.Module == event.TLS || o.Module == event.SMTP:
		p.store.Session(o.Client, o.Server, o.Sender)
	}
	if o.Module == event.SMTP {
		p.store.Closed(o.Client, o.Server)
	}
}

// Flush implements event.Observer: the store writes by itself.
func (publisher) Flush() (int, error) { return 0, nil }

// wants reports whether an observation is for the publisher.
func (p publisher) wants(o *event.Observation) bool {
	return p.store != nil && (o.Module == event.SYN && p.trusted || o.Module == event.TLS || o.Module == event.SMTP)
}

// forgetting removes a sender from the stores and rows that there are.
func (o *opener) forgetting() func(context.Context, store.Subject) (int64, error) {
	if o.shared == nil && o.exporter == nil {
		return nil
	}
	return func(ctx context.Context, sub store.Subject) (n int64, err error) {
		if o.store != nil {
			if n, err = o.store.Forget(ctx, sub); err != nil {
				return n, err
			}
		}
		if o.shared != nil {
			keys, failed := o.shared.Forget(ctx, sub)
			if err = failed; o.store == nil {
				n = keys
			}
		}
		if o.exporter != nil {
			_, failed := o.exporter.Forget(ctx, sub)
			err = errors.Join(err, failed)
		}
		if err != nil {
			err = fmt.Errorf("this sensor has forgotten %d connections: %w", n, err)
		}
		return n, err
	}
}
