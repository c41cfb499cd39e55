package savedsyn

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	netsmtp "net/smtp"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/mxprint/mxprint/note"
)

// mailbox is a mail server that asks about its client at the end of each message.
type mailbox struct {
	conn  *smtp.Conn
	notes chan note.Note
}

func (m *mailbox) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &mailbox{c, m.notes}, nil
}
func (*mailbox) Mail(string, *smtp.MailOptions) error { return nil }
func (*mailbox) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (*mailbox) Reset()                               {}
func (*mailbox) Logout() error                        { return nil }

func (m *mailbox) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	m.notes <- Fingerprint(m.conn.Conn())
	return nil
}

// TestSMTP: a server in Go knows what its client said, in clear and behind TLS.
func TestSMTP(t *testing.T) {
	ln := listen(t, "tcp", "127.0.0.1:0")
	ln.SMTP = true
	web := httptest.NewUnstartedServer(nil) // for its certificate
	web.StartTLS()
	web.Close()
	box := &mailbox{notes: make(chan note.Note, 1)}
	s := smtp.NewServer(box)
	s.Domain, s.TLSConfig = "mx.example.net", &tls.Config{Certificates: web.TLS.Certificates}
	go s.Serve(ln)
	defer s.Close()
	for _, withTLS := range []bool{false, true} {
		c, err := netsmtp.Dial(ln.Addr().String())
		if err == nil && withTLS {
			err = c.StartTLS(&tls.Config{InsecureSkipVerify: true})
		}
		if err == nil {
			err = c.Mail("a@example.org")
		}
		if err == nil {
			err = c.Rcpt("b@example.net")
		}
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err == nil {
			io.WriteString(w, "Subject: x\r\n\r\n"+strings.Repeat("a line of the mail\r\n", 5000))
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		n := <-box.notes
		wantNamed(t, n)
		want := note.TLS{State: note.None}
		if withTLS {
			want = note.TLS{State: note.Complete, Library: "Go", Version: "1.3", Settings: "default"}
		}
		if n.TLS == nil || n.TLS.State != want.State || n.TLS.Library != want.Library || n.TLS.Version != want.Version || n.TLS.Settings != want.Settings {
			t.Errorf("TLS %v: note of TLS %+v, want %+v", withTLS, n.TLS, want)
		}
		if n.Conduct == nil || len(n.Conduct.List) != 0 || n.Flow == nil || n.Flow.ClosedBy != "" {
			t.Errorf("TLS %v: conduct %+v, flow %+v", withTLS, n.Conduct, n.Flow)
		}
		c.Quit()
	}
}

// TestSaid: all ways to read and write are seen, and the note stays after Close.
func TestSaid(t *testing.T) {
	ln := listen(t, "tcp", "127.0.0.1:0")
	ln.SMTP = true
	client, server := connect(t, ln, "tcp", "127.0.0.1")
	if _, err := io.Copy(server, strings.NewReader("220 mx\r\n")); err != nil { // ReadFrom
		t.Fatal(err)
	}
	read := make([]byte, 100)
	client.Read(read)
	client.Write([]byte("EHLO a\r\n"))
	server.Read(read)
	server.Write([]byte("250 mx\r\n"))
	client.Read(read)
	client.Write([]byte("MAIL FROM:<>\r\nQUIT\r\n"))
	client.(*net.TCPConn).CloseWrite()
	var rest bytes.Buffer
	if _, err := io.Copy(&rest, server); err != nil || rest.String() != "MAIL FROM:<>\r\nQUIT\r\n" { // WriteTo
		t.Fatalf("%q, %v", &rest, err)
	}
	server.(*Conn).CloseWrite()
	server.Close()
	n := Fingerprint(server)
	wantNamed(t, n)
	if n.TLS == nil || n.TLS.State != note.None || !n.Conduct.Has("pipelining") || n.Flow.ClosedBy != "client" {
		t.Errorf("TLS %+v, conduct %+v, flow %+v", n.TLS, n.Conduct, n.Flow)
	}
	without := listen(t, "tcp", "127.0.0.1:0")
	client, server = connect(t, without, "tcp", "127.0.0.1")
	client.Write([]byte("EHLO a\r\n"))
	server.Read(read)
	if n := Fingerprint(server); n.TLS != nil || n.Conduct != nil || n.Flow != nil {
		t.Errorf("read without being asked: %+v", n)
	}
}
