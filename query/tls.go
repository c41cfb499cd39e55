package query

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
)

// ErrCertificate means that the server has another certificate than the one
// that is pinned.
var ErrCertificate = errors.New("the server's certificate is not the one that is pinned")

// Pin is the configuration of a client that accepts one certificate, given as
// PEM, whatever its names and dates: a copy of the server's, which it may have
// signed itself.
func Pin(certificate []byte) (*tls.Config, error) {
	block, _ := pem.Decode(certificate)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("query: no certificate in PEM")
	}
	want := block.Bytes
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The chain is not looked at: VerifyConnection wants the very bytes.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if got := s.PeerCertificates[0].Raw; !bytes.Equal(got, want) {
				return fmt.Errorf("%w: it has SHA-256 %x, not %x", ErrCertificate, sha256.Sum256(got), sha256.Sum256(want))
			}
			return nil
		},
	}, nil
}

// maxHello bounds what is read of a client before its token: the messages of a
// handshake, in bytes. crypto/tls alone takes 64 KiB for each.
const maxHello = 8 << 10

// ListenTLS puts TLS in front of a Server with a Token: it makes the connections
// of ln ones of TLS, and bounds what a client sends before its token.
func ListenTLS(ln net.Listener, cfg *tls.Config) net.Listener {
	return tls.NewListener(serve.Bound(ln, maxHello), cfg)
}

// connect makes a connection, up to the point where requests can be put.
func (c *Client) connect(ctx context.Context) (net.Conn, error) {
	network := "tcp"
	if strings.Contains(c.Addr, "/") {
		network = "unix"
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, c.Addr)
	if err != nil {
		return nil, err
	}
	if c.TLS != nil {
		nc = tls.Client(nc, c.tlsConfig())
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	err = c.greet(ctx, nc)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

func (c *Client) tlsConfig() *tls.Config {
	cfg := c.TLS.Clone()
	if host, _, err := net.SplitHostPort(c.Addr); err == nil && cfg.ServerName == "" {
		cfg.ServerName = host
	}
	return cfg
}

// greet makes the handshake and shows the token, by the end of ctx.
func (c *Client) greet(ctx context.Context, nc net.Conn) error {
	if t, ok := nc.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
	}
	if c.Token == "" {
		return nil
	}
	if err := CheckToken(c.Token); err != nil {
		return err
	}
	if _, err := io.WriteString(nc, tokenPrefix+c.Token+"\n"); err != nil {
		return fmt.Errorf("showing the token: %w", err)
	}
	// Nothing comes behind the answer: no question has come yet.
	line := make([]byte, 0, 256)
	for len(line) == 0 || line[len(line)-1] != '\n' {
		if len(line) == cap(line) {
			return fmt.Errorf("%w: %s", ErrBadAnswer, quote(string(line)))
		}
		n, err := nc.Read(line[len(line):cap(line)])
		if line = line[:len(line)+n]; err != nil && n == 0 {
			return fmt.Errorf("showing the token: %w", err)
		}
	}
	answer := strings.TrimRight(string(line), "\r\n")
	if reason, ok := strings.CutPrefix(answer, errorPrefix); ok {
		return fmt.Errorf("%w: %s", ErrRefused, quote(reason))
	}
	if answer != tokenAnswer {
		return fmt.Errorf("%w: %s", ErrBadAnswer, quote(answer))
	}
	return nil
}
