package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/query"
)

// remote is what the files for sensors on other machines hold: of the one that
// we are, and of the one that we ask.
type remote struct {
	server *tls.Config // nil where [query] has no tls_listen
	cert   atomic.Pointer[tls.Certificate]
	token  string

	client   *tls.Config // nil where sensor.ask is not by TLS
	askToken string
}

// tlsAddr is the address of a sensor that is asked by TLS.
func (c *sensorConfig) tlsAddr() (string, bool) { return strings.CutPrefix(c.Ask, "tls:") }

func (c *sensorConfig) askFaults() []fault {
	addr, byTLS := c.tlsAddr()
	network, _, err := endpoint(addr)
	faults := []fault{
		{c.Ask != "" && (err != nil || byTLS && network != "tcp"), "sensor.ask", "want the path of a query socket, HOST:PORT, or tls:HOST:PORT"},
		{byTLS && c.AskTokenFile == "", "sensor.ask_token_file", "name the file with the token that the sensor wants"},
		{c.AskCert != "" && c.AskCA != "", "sensor.ask_ca", "ask_cert is given too: give one of them"},
		{c.AskCert != "" && c.AskName != "", "sensor.ask_name", "ask_cert is given too, whose names do not count"},
	}
	for _, k := range []struct{ key, value string }{
		{"ask_cert", c.AskCert}, {"ask_ca", c.AskCA}, {"ask_name", c.AskName}, {"ask_token_file", c.AskTokenFile},
	} {
		faults = append(faults, fault{!byTLS && k.value != "", "sensor." + k.key, "it is for ask = \"tls:HOST:PORT\""})
	}
	return faults
}

func (c *queryConfig) faults() []fault {
	faults := append(endpointFaults("query", c.Listen, c.Mode), networkFaults("query.proxy_from", c.ProxyFrom)...)
	for _, at := range c.TLSListen {
		network, _, err := endpoint(at)
		faults = append(faults, fault{err != nil || network != "tcp", "query.tls_listen", fmt.Sprintf("%q is not ADDRESS:PORT", at)})
	}
	for _, k := range []struct{ key, value string }{
		{"tls_cert", c.TLSCert}, {"tls_key", c.TLSKey}, {"token_file", c.TokenFile},
	} {
		faults = append(faults, fault{len(c.TLSListen) > 0 && k.value == "", "query." + k.key, "name the file; tls_listen needs it"})
	}
	return faults
}

// loadRemote reads the files.
func (s *settings) loadRemote() error {
	s.remote = &remote{}
	if len(s.Query.TLSListen) > 0 {
		if err := s.loadCertificate(); err != nil {
			return s.at("query.tls_cert", err)
		}
		var err error
		if s.remote.token, err = readToken(s.Query.TokenFile); err != nil {
			return s.at("query.token_file", err)
		}
		cert := &s.remote.cert
		s.remote.server = &tls.Config{
			MinVersion:     tls.VersionTLS13,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.Load(), nil },
		}
	}
	if _, byTLS := s.Sensor.tlsAddr(); byTLS {
		return s.loadAsk()
	}
	return nil
}

// loadCertificate reads the certificate of the query socket, which may be a new
// one.
func (s *settings) loadCertificate() error {
	cert, err := tls.LoadX509KeyPair(s.Query.TLSCert, s.Query.TLSKey)
	if err != nil {
		return err
	}
	s.remote.cert.Store(&cert)
	return nil
}

// loadAsk reads how to ask a sensor by TLS.
func (s *settings) loadAsk() (err error) {
	if s.remote.askToken, err = readToken(s.Sensor.AskTokenFile); err != nil {
		return s.at("sensor.ask_token_file", err)
	}
	s.remote.client = &tls.Config{MinVersion: tls.VersionTLS13, ServerName: s.Sensor.AskName}
	switch {
	case s.Sensor.AskCert != "":
		text, err := os.ReadFile(s.Sensor.AskCert)
		if err == nil {
			s.remote.client, err = query.Pin(text)
		}
		if err != nil {
			return s.at("sensor.ask_cert", err)
		}
	case s.Sensor.AskCA != "":
		text, err := os.ReadFile(s.Sensor.AskCA)
		if err != nil {
			return s.at("sensor.ask_ca", err)
		}
		s.remote.client.RootCAs = x509.NewCertPool()
		if !s.remote.client.RootCAs.AppendCertsFromPEM(text) {
			return s.at("sensor.ask_ca", errors.New("no certificate in PEM in "+s.Sensor.AskCA))
		}
	}
	return nil
}

// readToken reads a file with a token, which is nobody else's.
func readToken(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !st.Mode().IsRegular() || st.Size() > 1024 {
		return "", fmt.Errorf("%s: not a file with a token", path)
	}
	if st.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("%s: everybody may read it; chmod o= %s", path, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if err := query.CheckToken(token); err != nil {
		return "", fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "query: "))
	}
	return token, nil
}

// ask is a client of the sensor that the configuration names.
func (s *settings) ask(log *slog.Logger) (*askedSensor, error) {
	at, byTLS := s.Sensor.tlsAddr()
	_, addr, err := endpoint(at)
	if err != nil {
		return nil, err
	}
	a := &askedSensor{Client: query.NewClient(addr), log: log}
	if byTLS {
		a.TLS, a.Token = s.remote.client, s.remote.askToken
	}
	return a, nil
}

// askedSensor is a sensor in another process. The log says why it cannot be
// asked, once a second at most.
type askedSensor struct {
	*query.Client
	log   *slog.Logger
	lines serve.Lines
}

// Lookup implements note.Lookuper.
func (a *askedSensor) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	n, err := a.Client.Lookup(ctx, q)
	if err != nil && !errors.Is(err, context.Canceled) { // the client has gone
		if ok, more := a.lines.Allow(time.Now()); ok {
			a.log.Warn("the sensor cannot be asked", "reason", err, "suppressed", more)
		}
	}
	return n, err
}
