//go:build linux

package mailtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/mail"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// Listens says if connections to the port are accepted inside ns. It connects
// from ns itself, which the sensor on the interface does not see.
func Listens(ns *lab.NetNS, addr netip.Addr, port uint16) bool {
	err := ns.Do(func() error {
		c, err := net.DialTimeout("tcp", netip.AddrPortFrom(addr, port).String(), time.Second)
		if err == nil {
			c.Close()
		}
		return err
	})
	return err == nil
}

// Envelope of every mail; mail servers of the tests take mails for domain.
const (
	Domain    = "dest.example"
	Sender    = "alice@source.example"
	Recipient = "bob@" + Domain
)

// A test must not fail because the machine is busy, or stands still for a
// moment: no time of these is near what anything takes.
const (
	// MailTimeout bounds one whole SMTP conversation, and the delivery.
	MailTimeout = time.Minute

	// StartTimeout is how long a daemon may take to be there.
	StartTimeout = time.Minute

	// hang is what a mail may take above its usual time and the bound of a
	// recipe. What mail servers do without the recipe takes longer.
	hang = 15 * time.Second
)

// Families are the two ways a mail takes in tests that try both.
func Families(pair *lab.Pair) []Family {
	return []Family{
		{"ipv4", pair.Client.IPv4, pair.Server.IPv4},
		{"ipv6", pair.Client.IPv6, pair.Server.IPv6},
	}
}

type Family struct {
	Name     string
	From, To netip.Addr
}

// SendMail sends one mail from the address from in the namespace to port 25 of
// the address to, on a connection of its own. The mail is known by its id,
// which becomes the header X-Test-Id. It returns after the server has taken
// responsibility for it.
func SendMail(ns *lab.NetNS, from, to netip.Addr, id string) error {
	var conn net.Conn
	d := net.Dialer{Timeout: MailTimeout, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	if err := ns.Do(func() (err error) {
		conn, err = d.Dial("tcp", netip.AddrPortFrom(to, 25).String())
		return err
	}); err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(MailTimeout))
	if err := converse(conn, id); err != nil {
		return fmt.Errorf("mail %s from %s: %w", id, from, err)
	}
	return nil
}

// converse is the SMTP conversation of SendMail.
func converse(conn net.Conn, id string) error {
	c, err := smtp.NewClient(conn, Domain)
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	defer c.Close()
	if err := c.Hello("client.source.example"); err != nil {
		return err
	}
	if err := c.Mail(Sender); err != nil {
		return err
	}
	if err := c.Rcpt(Recipient); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "From: <%s>\r\nTo: <%s>\r\nSubject: test %s\r\nDate: %s\r\nMessage-ID: <%s@source.example>\r\nX-Test-Id: %s\r\n\r\nHello.\r\n",
		Sender, Recipient, id, time.Now().Format(time.RFC1123Z), id, id)
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// SendBlind is SendMail by a client that says HELO, and sends MAIL and RCPT with
// it: it waits for no reply, and was offered nothing.
func SendBlind(ns *lab.NetNS, from, to netip.Addr, id string) error {
	var conn net.Conn
	d := net.Dialer{Timeout: MailTimeout, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	if err := ns.Do(func() (err error) {
		conn, err = d.Dial("tcp", netip.AddrPortFrom(to, 25).String())
		return err
	}); err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(MailTimeout))
	c := textproto.NewConn(conn)
	for _, step := range []struct {
		say     string
		replies []int
	}{
		{"", []int{220}},
		{fmt.Sprintf("HELO client.source.example\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\n", Sender, Recipient), []int{250, 250, 250}},
		{"DATA\r\n", []int{354}},
		{MailText(id) + ".\r\n", []int{250}},
		{"QUIT\r\n", []int{221}},
	} {
		if _, err := conn.Write([]byte(step.say)); err != nil {
			return err
		}
		for _, code := range step.replies {
			if _, _, err := c.ReadResponse(code); err != nil {
				return fmt.Errorf("mail %s: after %q: %w", id, step.say, err)
			}
		}
	}
	return nil
}

// Swaks is SendMail by the program of that name, a client that is not ours.
func Swaks(t testing.TB, ns *lab.NetNS, from, to netip.Addr, id string) {
	t.Helper()
	program := lab.NeedProgram(t, "swaks")
	ctx, cancel := context.WithTimeout(context.Background(), MailTimeout)
	defer cancel()
	cmd := ns.Command(ctx, program, "--server", to.String(), "--port", "25", "--local-interface", from.String(),
		"--helo", "client.source.example", "--from", Sender, "--to", Recipient, "--header", "X-Test-Id: "+id)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("swaks: %v\n%s", err, out)
	}
}

// Greets says if an SMTP server answers on port 25 of addr. It connects from
// inside ns, over loopback, where a sensor on the interface does not see it.
func Greets(ns *lab.NetNS, addr netip.Addr) bool {
	var c net.Conn
	if err := ns.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", netip.AddrPortFrom(addr, 25).String(), time.Second)
		return err
	}); err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	var code [4]byte
	if _, err := c.Read(code[:]); err != nil || string(code[:]) != "220 " {
		return false
	}
	_, err := c.Write([]byte("QUIT\r\n"))
	return err == nil
}

// Delivered waits until the mail with this id is among the files below dir and
// returns its header. Each file is one mail.
func Delivered(t testing.TB, dir, id string) (h mail.Header) {
	t.Helper()
	lab.Eventually(t, func() (err error) {
		if h, err = findMail(dir, id); err != nil {
			t.Fatal(err)
		}
		if h == nil {
			return fmt.Errorf("mail %s did not arrive below %s", id, dir)
		}
		return nil
	})
	return h
}

// findMail returns the header of the mail with this id, or nil.
func findMail(dir, id string) (found mail.Header, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // not made yet, or moved meanwhile
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return nil // a maildir moves it from tmp to new
		}
		defer f.Close()
		m, err := mail.ReadMessage(f)
		if err != nil || m.Header.Get("X-Test-Id") != id {
			return nil // half written, or another
		}
		found = m.Header
		return fs.SkipAll
	})
	return found, err
}
