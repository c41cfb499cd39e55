//go:build linux

package balancer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

const (
	limitFiles   = 600  // descriptors of the proxy: room for 200 connections and 100 clients
	limitMails   = 1000 // genuine mails
	limitSenders = 150  // that send them at the same time
	limitUnread  = 100  // connections that do not read
)

// TestFinding08Limits: at the limit of its descriptors, with clients that do not
// read and with all places of its query socket taken, the proxy cuts no mail,
// and none is lost or delivered twice: one for which there is no room is
// answered 421, or waits.
func TestFinding08Limits(t *testing.T) {
	setpriv, prlimit := lab.NeedProgram(t, "setpriv"), lab.NeedProgram(t, "prlimit")
	lab.NeedRoot(t)
	mailtest.SensorProgram(t)
	dir := mailtest.TempDir(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	front, socket := lab.FreeAddr(t), filepath.Join(dir, "p0f.sock")
	backend, delivered := countMails(t)
	p := mailtest.Start(t, "proxy", exec.CommandContext(context.Background(), prlimit, fmt.Sprintf("--nofile=%d", limitFiles),
		setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
		filepath.Join(mailtest.BinDir, "mxprint"), "proxy", "-listen", front, "-backend", backend, "-send", "none", "-relay-checked", "-s", socket))
	p.WaitFor("SMTP", func() bool { return connects(front) })
	p.Printed("proxy.max_connections=200 clients=100")
	var hoard []net.Conn
	defer func() {
		for _, nc := range hoard {
			nc.Close()
		}
	}()
	for range limitFiles {
		if nc, err := net.Dial("unix", socket); err == nil {
			hoard = append(hoard, nc)
		}
	}
	unread := make(chan net.Conn)
	for range limitUnread {
		go func() { unread <- dontRead(t, front) }()
	}
	for range limitUnread {
		if nc := <-unread; nc != nil {
			hoard = append(hoard, nc)
		}
	}
	var cut, put atomic.Int64
	var wg sync.WaitGroup
	for w := range limitSenders {
		wg.Go(func() {
			for i := w; i < limitMails; i += limitSenders {
				for try := 0; ; try++ {
					late, err := sendSlowly(front, fmt.Sprint("mail-", i, "."))
					if err == nil {
						break
					}
					put.Add(1)
					if late {
						cut.Add(1)
						t.Errorf("mail %d was cut: %v", i, err)
						return
					}
					if try == 200 {
						t.Errorf("mail %d was never taken: %v", i, err)
						return
					}
					time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	p.Stop()
	lost, doubled := 0, 0
	for i := range limitMails {
		switch n := delivered(fmt.Sprintf("mail-%d.", i)); {
		case n == 0:
			lost++
		case n > 1:
			doubled++
		}
	}
	t.Logf("of %d mails %d were cut, %d doubled, %d lost; %d times a mail had to come again", limitMails, cut.Load(), doubled, lost, put.Load())
	if doubled > 0 || lost > 0 {
		t.Error("want none doubled, none lost")
	}
	if put.Load() == 0 {
		t.Error("no mail found the proxy full: the test shows nothing")
	}
}

// countMails starts a mail server that counts the mails it has taken, by their
// subject. (smtp-sink serves all clients in turn, and waits for one that does
// not read.)
func countMails(t *testing.T) (addr string, delivered func(subject string) int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mails sync.Map // subject to *atomic.Int64
	server := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return counter{&mails}, nil }))
	server.Domain, server.ErrorLog = "mx.example", log.New(io.Discard, "", 0)
	go server.Serve(ln)
	t.Cleanup(func() { server.Close() })
	return ln.Addr().String(), func(subject string) int {
		n, ok := mails.Load(subject)
		if !ok {
			return 0
		}
		return int(n.(*atomic.Int64).Load())
	}
}

// counter is a session of such a server.
type counter struct{ mails *sync.Map }

func (counter) Mail(string, *gosmtp.MailOptions) error { return nil }
func (counter) Reset()                                 {}
func (counter) Logout() error                          { return nil }

// refused is the recipient that it does not take. The reply is long: with short ones the server
// is busy for a minute before they have filled all that is between it and a client that does not
// read.
const refused = "refused@mx.example"

func (counter) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if to == refused {
		return &gosmtp.SMTPError{Code: 550, Message: strings.Repeat("x", 1900)}
	}
	return nil
}

func (c counter) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, m.Body); err != nil {
		return err
	}
	n, _ := c.mails.LoadOrStore(m.Header.Get("Subject"), new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
	return nil
}

// dontRead opens a connection that names recipients and does not read that they
// are refused, until the proxy takes no more of it.
func dontRead(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := fmt.Fprint(nc, "HELO client.example\r\nMAIL FROM:<a@client.example>\r\n"); err != nil {
		t.Error(err)
	}
	commands := []byte(strings.Repeat("RCPT TO:<"+refused+">\r\n", 2000))
	for range 1000 {
		nc.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := nc.Write(commands); err != nil {
			return nc
		}
	}
	t.Error("the proxy takes 60 MB of a client that does not read")
	return nc
}

// sendSlowly sends a mail of some 100 KB with pauses. It returns whether the mail
// was under way when an error came: after the greeting.
func sendSlowly(addr, id string) (late bool, err error) {
	nc, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return false, err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(nc)
	body := "Subject: " + id + "\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1400) + "."
	for _, step := range []struct{ line, want string }{
		{"", "220"}, {"HELO client.example", "250"}, {"MAIL FROM:<a@client.example>", "250"},
		{"RCPT TO:<b@mx.example>", "250"}, {"DATA", "354"}, {body, "250"}, {"QUIT", "221"},
	} {
		if step.line != "" {
			if _, err := fmt.Fprint(nc, step.line, "\r\n"); err != nil {
				return late, err
			}
		}
		got, err := in.ReadString('\n')
		if err != nil {
			return late, fmt.Errorf("after %.20q: %w", step.line, err)
		}
		if !strings.HasPrefix(got, step.want) {
			return late, errors.New(strings.TrimSpace(got))
		}
		late = true
		time.Sleep(10 * time.Millisecond)
	}
	return false, nil
}
