package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	netsmtp "net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/query"
)

// sink takes mails.
type sink struct{}

func (sink) NewSession(*smtp.Conn) (smtp.Session, error) { return sink{}, nil }
func (sink) Mail(string, *smtp.MailOptions) error        { return nil }
func (sink) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (sink) Data(r io.Reader) error                      { _, err := io.Copy(io.Discard, r); return err }
func (sink) Reset()                                      {}
func (sink) Logout() error                               { return nil }

// mailServer runs a mail server with STARTTLS in a namespace.
func mailServer(t *testing.T, ns *lab.NetNS, at string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mx.example.net"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(sink{})
	s.Domain, s.TLSConfig = "mx.example.net", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	err = ns.Do(func() error {
		l, err := net.Listen("tcp", at)
		if err == nil {
			go s.Serve(l)
			t.Cleanup(func() { s.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSenderLive: what a real client says to a real server is in the note of its
// connection, in the middle of it and after, whether packets are captured or
// pass through the proxy; without smtp = true nothing is.
func TestSenderLive(t *testing.T) {
	for _, tt := range []struct {
		name, keys, proxy string
		reads             bool
	}{
		{"captured", "smtp = true", "", true},
		{"proxied", "smtp = true\nsource = \"proxy\"", "[proxy]\nlisten = [\"127.0.0.1:25\"]\nbackend = \"127.0.0.1:2525\"\nsend = \"none\"\nrelay_checked = true", true},
		{"off", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, ns := newSensorUnderTest(t), lab.NewNetNS(t)
			backend := "127.0.0.1:25"
			if tt.proxy != "" {
				backend = "127.0.0.1:2525"
			}
			mailServer(t, ns, backend)
			sock, log := filepath.Join(s.dir, "q"), filepath.Join(s.dir, "log.json")
			text := "[sensor]\n" + tt.keys + "\n[p0f]\nsocket = \"" + s.socket + "\"\n[query]\nlisten = [\"" + sock + "\"]\n[log]\njson = \"" + log + "\"\n" + tt.proxy
			if tt.proxy == "" {
				text = strings.Replace(text, "[sensor]\n", "[sensor]\ninterfaces = [\"lo\"]\n", 1)
			}
			if err := os.WriteFile(s.config(), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			s.start(ns.Command(context.Background(), s.program, "serve", "-config", s.config()))
			s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
			var nc net.Conn
			if err := ns.Do(func() (err error) { nc, err = net.Dial("tcp", "127.0.0.1:25"); return err }); err != nil {
				t.Fatal(err)
			}
			who, q := query.NewClient(sock), note.Query{Client: nc.LocalAddr().(*net.TCPAddr).AddrPort(), Server: nc.RemoteAddr().(*net.TCPAddr).AddrPort(), Wait: time.Second}
			defer who.Close()
			c, err := netsmtp.NewClient(nc, "mx.example.net")
			if err == nil {
				err = c.StartTLS(&tls.Config{InsecureSkipVerify: true, ServerName: "mx.example.net"})
			}
			if err == nil {
				err = c.Mail("someone@example.org")
			}
			if err != nil {
				t.Fatal(err)
			}
			var n note.Note
			s.wait("note of the connection in the middle", func() bool { // what captures may be behind
				n, err = who.Lookup(context.Background(), q)
				return err == nil && n.ByConnection && (!tt.reads || n.TLS != nil && n.TLS.State == note.Complete)
			})
			if (n.TLS != nil) != tt.reads || tt.reads && (n.TLS.Library != "Go" || !n.TLS.ServerName || n.Conduct == nil || n.Flow == nil) {
				t.Errorf("in the middle: %+v %+v %+v", n.TLS, n.Conduct, n.Flow)
			}
			if err := c.Quit(); err != nil {
				t.Fatal(err)
			}
			read := func() string {
				b, _ := os.ReadFile(log)
				return string(b)
			}
			s.wait("observation of the session", func() bool {
				n, err = who.Lookup(context.Background(), q)
				return err == nil && (strings.Contains(read(), `"module":"smtp"`) && n.Flow != nil && n.Flow.ClosedBy != "" || !tt.reads && n.Known()) // of an ended connection it is no longer by_connection
			})
			if strings.Contains(read(), `"module":"tls"`) != tt.reads || strings.Contains(read(), "example") {
				t.Errorf("the log:\n%s", read())
			}
			if tt.reads && len(n.Conduct.List) != 0 {
				t.Errorf("after the end: %+v %+v", n.Conduct, n.Flow)
			}
		})
	}
}
