package daemon

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/follow"
	"github.com/mxprint/mxprint/query"
)

// API is how a command names the [http] listener of a sensor: by a place, with
// the files that it wants, or by a configuration.
type API struct {
	At, TokenFile, CertFile string
	Config                  string
}

// Client is a client of it.
func (a *API) Client() (*follow.Client, error) {
	if a.At == "" {
		if err := a.fromConfig(); err != nil {
			return nil, err
		}
	}
	var token string
	var pinned *tls.Config
	var err error
	if a.TokenFile != "" {
		if token, err = readToken(a.TokenFile); err != nil {
			return nil, err
		}
	}
	if a.CertFile != "" {
		text, err := readPEM(a.CertFile)
		if err == nil {
			pinned, err = query.Pin(text)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.CertFile, err)
		}
	}
	return follow.New(a.At, token, pinned)
}

// fromConfig takes the first place of a configuration: a unix socket wants no
// token.
func (a *API) fromConfig() error {
	path := cmp.Or(a.Config, config.DefaultPath)
	c, err := config.Load(path)
	if errors.Is(err, fs.ErrNotExist) && a.Config == "" {
		return fmt.Errorf("there is no %s: name the sensor by -s", path)
	} else if err != nil {
		return err
	}
	for _, l := range c.Listeners() {
		switch {
		case l.Key == "http.listen" && l.Network == "unix":
			a.At = l.Addr
			return nil
		case l.Key == "http.listen" && a.At == "":
			a.At, a.TokenFile = "http://"+reachable(l.Addr), c.HTTP.TokenFile
		case l.Key == "http.tls_listen" && a.At == "":
			a.At, a.TokenFile, a.CertFile = "https://"+reachable(l.Addr), c.HTTP.TokenFile, c.HTTP.TLSCert
		}
	}
	if a.At == "" {
		return fmt.Errorf("%s: [http] listens nowhere (docs/web.md), or name the sensor by -s", path)
	}
	return nil
}
