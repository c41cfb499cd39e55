package note_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"net/smtp"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/note"
)

// backend is an SMTP server that asks about each client. It needs a
// note.Lookuper and nothing else of mxprint: the engine itself, or a
// query.Client or p0f.Client of a sensor that runs elsewhere.
type backend struct{ who note.Lookuper }

// NewSession asks as soon as the client has connected. Without an answer the
// mail goes on.
func (b backend) NewSession(c *gosmtp.Conn) (gosmtp.Session, error) {
	client, err := netip.ParseAddrPort(c.Conn().RemoteAddr().String())
	if err != nil {
		return session{}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	n, err := b.who.Lookup(ctx, note.Query{Client: client, Wait: 10 * time.Millisecond})
	if err != nil {
		log.Print(err)
	}
	return session{n}, nil
}

// session is one SMTP session, with the note of its client.
type session struct{ note note.Note }

func (session) Mail(string, *gosmtp.MailOptions) error { return nil }
func (session) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (session) Reset()                                 {}
func (session) Logout() error                          { return nil }

// Data puts the note into the mail.
func (s session) Data(r io.Reader) error {
	if text := s.note.Header(); text != "" {
		fmt.Printf("X-p0f-Result: %s\n", text)
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

// The engine here has read a capture of a connection over loopback; on a mail
// server it runs on a capture.Ring.
func ExampleLookuper() {
	e, err := engine.New(engine.Config{Hosts: engine.Hosts{Recent: 1000}})
	if err != nil {
		log.Fatal(err)
	}
	file, err := capture.OpenFile("testdata/loopback.pcap")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	if err := e.Run(context.Background(), file); err != nil {
		log.Fatal(err)
	}

	server := gosmtp.NewServer(backend{who: e})
	server.Domain = "localhost"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(ln)
	defer server.Close()

	err = smtp.SendMail(ln.Addr().String(), nil, "a@example.org", []string{"b@example.org"}, []byte("Subject: x\r\n\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// X-p0f-Result: os="Linux 6.16 and newer (or tuned)" link_type="loopback" distance=0 total_conn=2 shared_ip=N
}
