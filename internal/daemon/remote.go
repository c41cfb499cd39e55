package daemon

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
	"github.com/mxprint/mxprint/query"
)

// remote is what the files for sensors on other machines hold: of the one that
// we are, and of the one that we ask.
type remote struct {
	server *tls.Config // nil where [query] has no tls_listen
	cert   atomic.Pointer[tls.Certificate]
	token  string

	web      *tls.Config // nil where [http] has no tls_listen
	webCert  atomic.Pointer[tls.Certificate]
	webToken string // empty: none

	client   *tls.Config // nil where sensor.ask is not by TLS
	askToken string
}

// loadRemote reads the files.
func (s *Settings) loadRemote() error {
	s.remote = &remote{}
	if len(s.Query.TLSListen) > 0 {
		err := loadPair(s, "query", s.Query.TLSCert, s.Query.TLSKey, &s.remote.cert)
		if err != nil {
			return err
		}
		if s.remote.token, err = readToken(s.Query.TokenFile); err != nil {
			return s.At("query.token_file", err)
		}
		s.remote.server = serverTLS(&s.remote.cert)
	}
	if err := s.loadWeb(); err != nil {
		return err
	}
	if _, byTLS := s.Sensor.AskTLS(); byTLS {
		return s.loadAsk()
	}
	return nil
}

// serverTLS is the TLS of a listener whose certificate may change.
func serverTLS(cert *atomic.Pointer[tls.Certificate]) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.Load(), nil },
	}
}

// loadWeb reads the files of [http].
func (s *Settings) loadWeb() (err error) {
	if s.HTTP.TokenFile != "" {
		if s.remote.webToken, err = readToken(s.HTTP.TokenFile); err != nil {
			return s.At("http.token_file", err)
		}
	}
	if len(s.HTTP.TLSListen) > 0 {
		s.remote.web = serverTLS(&s.remote.webCert)
		return loadPair(s, "http", s.HTTP.TLSCert, s.HTTP.TLSKey, &s.remote.webCert)
	}
	return nil
}

// loadCertificates reads the certificates of the listeners, which may be new ones.
func (s *Settings) loadCertificates() (err error) {
	if s.remote.server != nil {
		err = loadPair(s, "query", s.Query.TLSCert, s.Query.TLSKey, &s.remote.cert)
	}
	if s.remote.web != nil {
		err = errors.Join(err, loadPair(s, "http", s.HTTP.TLSCert, s.HTTP.TLSKey, &s.remote.webCert))
	}
	return err
}

// loadPair reads a certificate with its key, which a table names.
func loadPair(s *Settings, table, certFile, keyFile string, into *atomic.Pointer[tls.Certificate]) error {
	certificate, err := readPEM(certFile)
	if err != nil {
		return s.At(table+".tls_cert", err)
	}
	key, err := readPEM(keyFile)
	if err != nil {
		return s.At(table+".tls_key", err)
	}
	cert, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return s.At(table+".tls_cert", fmt.Errorf("with tls_key %s: %w", keyFile, err))
	}
	into.Store(&cert)
	return nil
}

// loadAsk reads how to ask a sensor by TLS.
func (s *Settings) loadAsk() (err error) {
	if s.remote.askToken, err = readToken(s.Sensor.AskTokenFile); err != nil {
		return s.At("sensor.ask_token_file", err)
	}
	s.remote.client = &tls.Config{MinVersion: tls.VersionTLS13, ServerName: s.Sensor.AskName}
	switch {
	case s.Sensor.AskCert != "":
		text, err := readPEM(s.Sensor.AskCert)
		if err == nil {
			s.remote.client, err = query.Pin(text)
		}
		if err != nil {
			return s.At("sensor.ask_cert", err)
		}
	case s.Sensor.AskCA != "":
		if s.remote.client.RootCAs, err = certificates(s.Sensor.AskCA); err != nil {
			return s.At("sensor.ask_ca", err)
		}
	}
	return nil
}

// ask is a client of the sensor that the configuration names.
func (s *Settings) ask(log *slog.Logger) (*askedSensor, error) {
	at, byTLS := s.Sensor.AskTLS()
	_, addr, err := config.Endpoint(at)
	if err != nil {
		return nil, err
	}
	a := &askedSensor{Client: query.NewClient(addr), log: serve.Log(log)}
	if byTLS {
		a.TLS, a.Token = s.remote.client, s.remote.askToken
	}
	return a, nil
}

// askedSensor is a sensor in another process. The log says why it cannot be
// asked, once a second at most.
type askedSensor struct {
	*query.Client
	log *slog.Logger
}

// Lookup implements note.Lookuper.
func (a *askedSensor) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	n, err := a.Client.Lookup(ctx, q)
	if err != nil && !errors.Is(err, context.Canceled) { // the client has gone
		a.log.Warn("cannot ask the sensor", "reason", err)
	}
	return n, err
}

// Client is a client of a query socket: a path, HOST:PORT or "tls:HOST:PORT",
// with the files that a sensor by TLS wants (sensor.ask_token_file, ask_cert,
// ask_ca).
func Client(at, tokenFile, certFile, caFile string) (*query.Client, error) {
	c := config.Default()
	c.Sensor.Ask, c.Sensor.AskTokenFile, c.Sensor.AskCert, c.Sensor.AskCA = at, tokenFile, certFile, caFile
	if _, byTLS := c.Sensor.AskTLS(); !byTLS {
		return query.NewClient(at), nil
	}
	if faults := c.Check(); len(faults) > 0 {
		return nil, faults
	}
	s := &Settings{Config: c}
	if err := s.loadRemote(); err != nil {
		return nil, err
	}
	asked, err := s.ask(nil)
	if err != nil {
		return nil, err
	}
	return asked.Client, nil
}

// Asked is the client for one query at a socket, "" for the default one: p0f's
// socket has addresses alone, and is no TCP socket.
func Asked(socket string, q note.Query) (who note.Lookuper, closeWho func() error) {
	network, _, err := config.Endpoint(socket)
	if q.Client.Port() == 0 && (err != nil || network == "unix") {
		c := p0f.NewClient(cmp.Or(socket, config.DefaultSocket))
		return c, c.Close
	}
	c := query.NewClient(cmp.Or(socket, config.DefaultQuerySocket))
	return c, c.Close
}

// Answers returns a function that asks the sensor of a configuration one question at p0f's socket and
// returns why no answer came.
func Answers(c *config.Config) func(context.Context) error {
	return func(ctx context.Context) error {
		q := note.Query{Client: netip.AddrPortFrom(netip.IPv6Loopback(), 0)}
		who, closeWho := Asked(c.P0f.Socket, q)
		defer closeWho()
		_, err := who.Lookup(ctx, q)
		return err
	}
}

// Reasons returns a function that asks the sensor of a configuration why it is not well: no reason if it
// is, or may not be asked; one if it does not serve the query socket that the configuration names.
func Reasons(c *config.Config) func(context.Context) []string {
	return func(ctx context.Context) []string {
		for _, at := range c.Query.Listen {
			network, path, err := config.Endpoint(at)
			if err != nil || network != "unix" {
				continue
			}
			if st, err := status.Fetch(ctx, query.NewClient(path), query.ErrRefused); err == nil {
				return st.Reasons
			}
		}
		return nil
	}
}
