//go:build linux

package mailtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// A client is an SMTP client with a connection of its own.
type client struct {
	*smtp.Client
	Conn net.Conn
}

// DialSMTP connects from the address from in ns, and says EHLO.
func DialSMTP(t testing.TB, ns *lab.NetNS, from, to netip.Addr) *client {
	t.Helper()
	var conn net.Conn
	d := net.Dialer{Timeout: MailTimeout, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	err := ns.Do(func() (err error) {
		conn, err = d.Dial("tcp", netip.AddrPortFrom(to, 25).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(MailTimeout))
	c, err := smtp.NewClient(conn, Domain)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Hello("client.source.example"); err != nil {
		t.Fatal(err)
	}
	return &client{c, conn}
}

// Send sends a mail with more lines at the head of its header.
func (c *client) Send(id string, header ...string) error {
	return c.SendTo(id, []string{Recipient}, header...)
}

func (c *client) SendTo(id string, to []string, header ...string) error {
	return c.SendText(to, MailText(id, header...))
}

// SendText sends a mail as it is.
func (c *client) SendText(to []string, text string) error {
	if err := c.Mail(Sender); err != nil {
		return err
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprint(w, text)
	return w.Close()
}

// sendRaw sends a mail byte by byte as it is: bare line ends stay bare.
func (c *client) sendRaw(text string) error {
	if err := c.Mail(Sender); err != nil {
		return err
	}
	if err := c.Rcpt(Recipient); err != nil {
		return err
	}
	for _, step := range []struct {
		say  string
		code int
	}{{"DATA\r\n", 354}, {text + ".\r\n", 250}} {
		if _, err := io.WriteString(c.Conn, step.say); err != nil {
			return err
		}
		if _, _, err := c.Text.ReadResponse(step.code); err != nil {
			return err
		}
	}
	return nil
}

// isRefusal reports whether a server has refused a mail.
func isRefusal(err error) bool {
	var reply *textproto.Error
	return errors.As(err, &reply) && reply.Code >= 400
}

// MailText is a mail with an id as the others of these tests.
func MailText(id string, header ...string) string {
	var b strings.Builder
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: test\r\nDate: %s\r\nMessage-ID: <%s@source.example>\r\nX-Test-Id: %s\r\n\r\nHello.\r\n",
		Sender, Recipient, time.Now().Format(time.RFC1123Z), id, id)
	return b.String()
}
