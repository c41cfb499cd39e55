package query

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/fronttest"
)

const goodToken = "correct-horse-battery-staple"

// certificate makes one that signs itself, for sensor.example and 127.0.0.1. It
// has expired, which a pin does not mind, unless valid.
func certificate(t *testing.T, valid bool) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "sensor"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
		DNSNames: []string{"sensor.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	if valid {
		c.NotAfter = time.Now().Add(24 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// startTLS starts a server that wants the token, and returns its address.
func startTLS(t *testing.T, s *Server, cert tls.Certificate) string {
	t.Helper()
	fronttest.Leaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Token = goodToken
	stop := fronttest.Start(s.Serve, tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}))
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func TestTokenByTLS(t *testing.T) {
	cert, text := certificate(t, true)
	old, oldText := certificate(t, false)
	_, other := certificate(t, true)
	ca := func(pem []byte, name string) *tls.Config {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		return &tls.Config{RootCAs: pool, ServerName: name}
	}
	pin := func(pem []byte) *tls.Config {
		cfg, err := Pin(pem)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	wrongPin := func(err error) bool { return errors.Is(err, ErrCertificate) }
	refused := func(err error) bool { return errors.Is(err, ErrRefused) && strings.Contains(err.Error(), "token") }
	unverified := func(err error) bool {
		var e *tls.CertificateVerificationError
		return errors.As(err, &e)
	}
	for _, tt := range []struct {
		name   string
		server tls.Certificate
		tls    *tls.Config
		token  string
		fails  func(error) bool // nil: it does not
		logs   string
	}{
		{"pin", cert, pin(text), goodToken, nil, ""},
		{"pin of an expired one", old, pin(oldText), goodToken, nil, ""},
		{"CA", cert, ca(text, ""), goodToken, nil, ""},
		{"CA and a name", cert, ca(text, "sensor.example"), goodToken, nil, ""},
		{"other pin", cert, pin(other), goodToken, wrongPin, "certificate"},
		{"other CA", cert, ca(other, ""), goodToken, unverified, "certificate"},
		{"other name", cert, ca(text, "mx.example"), goodToken, unverified, "certificate"},
		{"expired", old, ca(oldText, ""), goodToken, unverified, "certificate"},
		{"wrong token", cert, pin(text), goodToken + "!", refused, "wrong token"},
		{"begin of the token", cert, pin(text), goodToken[:20], refused, "wrong token"},
		{"no token", cert, pin(text), "", refused, "missing token"},
		{"no TLS", cert, nil, goodToken, func(err error) bool { return err != nil }, "TLS handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := &fronttest.Log{}
			s := &Server{Lookuper: everything{}, Logger: log.Logger()}
			c := &Client{Addr: startTLS(t, s, tt.server), TLS: tt.tls, Token: tt.token, Timeout: 20 * time.Second}
			defer c.Close()
			n, err := c.Lookup(t.Context(), about("198.18.0.1:1"))
			if tt.fails == nil {
				if err != nil || !reflect.DeepEqual(n, noteOf(end("198.18.0.1:1"))) {
					t.Errorf("Lookup = %+v, %v", n, err)
				}
				return
			}
			if !tt.fails(err) {
				t.Errorf("Lookup = %+v, %v", n, err)
			}
			for end := time.Now().Add(20 * time.Second); len(log.Lines()) == 0 && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			lines := log.Lines()
			if len(lines) != 1 || !strings.Contains(lines[0], tt.logs) || strings.Contains(lines[0], goodToken) {
				t.Errorf("log %q, want one line with %q, and no token", lines, tt.logs)
			}
			if got := s.Stats(); got.Requests != 0 || got.Denied != 1 {
				t.Errorf("Stats = %+v, want one denied and no query", got)
			}
		})
	}
}

// TestTokenLine: what a connection may begin with.
func TestTokenLine(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"with a request", "token " + goodToken + "\n198.18.0.1 1\n", "ok\n" + textOf("198.18.0.1:1") + "\n"},
		{"CRLF", "token " + goodToken + "\r\n198.18.0.1 1\n", "ok\n" + textOf("198.18.0.1:1") + "\n"},
		{"request at once", "198.18.0.1 1\n", "error: " + errNoToken.Error() + "\n"},
		{"wrong, and a request", "token " + strings.Repeat("x", 20) + "\n198.18.0.1 1\n", "error: wrong token\n"},
		{"empty", "token \n", "error: wrong token\n"},
		{"endless", "token " + strings.Repeat("x", 1000), "error: " + errNoToken.Error() + "\n"},
		{"nothing", "", ""},
		{"cut", "token " + goodToken, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &Server{Lookuper: everything{}, Token: goodToken, Logger: slog.New(slog.DiscardHandler)}
			path, _ := start(t, s)
			nc, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(nc, tt.in)
			nc.(*net.UnixConn).CloseWrite()
			got, _ := io.ReadAll(nc) // a reset may follow
			if string(got) != tt.want {
				t.Errorf("%q is answered by %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// A client that says nothing is let go.
func TestTokenSilence(t *testing.T) {
	cert, _ := certificate(t, true)
	s := &Server{Lookuper: everything{}, TokenTimeout: 30 * time.Millisecond}
	addr := startTLS(t, s, cert)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	if b, err := io.ReadAll(nc); len(b) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %q, %v, want the end", b, err)
	}
}

func TestCheckToken(t *testing.T) {
	for _, tt := range []struct {
		token string
		ok    bool
	}{
		{goodToken, true}, {strings.Repeat("x", 16), true}, {strings.Repeat("x", 128), true},
		{"", false}, {strings.Repeat("x", 15), false}, {strings.Repeat("x", 129), false},
		{"correct horse battery", false}, {"correct\thorse-battery", false}, {"pässword-pässword", false},
	} {
		err := CheckToken(tt.token)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrToken) {
			t.Errorf("CheckToken(%q) = %v", tt.token, err)
		}
		if err != nil && tt.token != "" && strings.Contains(err.Error(), tt.token) {
			t.Errorf("the error shows the token: %v", err)
		}
	}
}

func TestPinRefuses(t *testing.T) {
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})
	for _, text := range []string{"", "not PEM", string(key)} {
		if cfg, err := Pin([]byte(text)); err == nil {
			t.Errorf("Pin(%q) = %v, want an error", text, cfg)
		}
	}
}

// marshalKey is a private key as PKCS #8.
func marshalKey(key any) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(key) }

// With the token a client on another machine may ask how the sensor is, and
// changes nothing.
func TestTokenStatus(t *testing.T) {
	cert, text := certificate(t, true)
	s := &Server{Command: func(_ context.Context, name string) ([]byte, string, error) {
		return []byte(`{"asked":"` + name + `"}`), "that is all", nil
	}}
	addr := startTLS(t, s, cert)
	pinned, err := Pin(text)
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{Addr: addr, TLS: pinned, Token: goodToken}
	if body, err := c.Command(t.Context(), "status"); err != nil || string(body) != `{"asked":"status"}`+"\n" {
		t.Errorf("status = %q, %v", body, err)
	}
	for _, name := range []string{"reload", "unknown"} {
		if body, err := c.Command(t.Context(), name); !errors.Is(err, ErrRefused) || len(body) > 0 {
			t.Errorf("%s = %q, %v, want ErrRefused", name, body, err)
		}
	}
	c = &Client{Addr: addr, TLS: pinned, Token: goodToken + "x"}
	if body, err := c.Command(t.Context(), "status"); err == nil {
		t.Errorf("status with a wrong token = %q", body)
	}
}
