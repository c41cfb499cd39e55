package export

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/clickhouse"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestClickHouseSecure: by https and with a user all rows arrive; another CA and a
// wrong password are named, and the rows wait.
func TestClickHouseSecure(t *testing.T) {
	dir := t.TempDir()
	mailtest.NewCert(t, dir)
	ch := clickhouse.NewSecure(t, dir, "mxprint", "sesame")
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(readFile(t, filepath.Join(dir, "cert.pem")))) {
		t.Fatal("no certificate")
	}
	spool := t.TempDir()
	try := func(password string, ca *x509.CertPool) (*Exporter, func()) {
		c, err := NewClickHouse(ClickHouseConfig{URL: ch.URL(), Database: "mxprint", User: "mxprint", Password: password, TLS: &tls.Config{RootCAs: ca},
			Deadline: 20 * time.Second, Keep: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return running(t, Config{ClickHouse: c, Spool: spool, MaxSpool: 16 << 20, Every: time.Nanosecond, Sensor: "mx1", backOff: 10 * time.Millisecond})
	}
	for _, tt := range []struct {
		name, password, want string
		ca                   *x509.CertPool
	}{
		{"another CA", "sesame", "certificate signed by unknown authority", x509.NewCertPool()},
		{"a wrong password", "wrong", "ClickHouse answers 403: Code: 516.", roots},
	} {
		e, stop := try(tt.password, tt.ca)
		e.Observe(syn(1))
		lab.Eventually(t, func() error {
			if s := e.Stats(); !strings.Contains(s.Fault, tt.want) || s.Sent > 0 {
				return fmt.Errorf("%s: %+v", tt.name, s)
			}
			return nil
		})
		stop()
	}
	e, _ := try("sesame", roots)
	until(t, "the rows that waited", func() bool { return e.Stats().Sent == 2 && e.Stats().Fault == "" })
}
