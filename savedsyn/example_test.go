//go:build linux

package savedsyn_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/smtp"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/savedsyn"
)

// session is an SMTP session with the note of its client.
type session struct{ note note.Note }

func (session) Mail(string, *gosmtp.MailOptions) error { return nil }
func (session) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (session) Reset()                                 {}
func (session) Logout() error                          { return nil }

func (s session) Data(r io.Reader) error {
	fmt.Println("a mail from", s.note.OSName)
	_, err := io.Copy(io.Discard, r)
	return err
}

// An SMTP server on github.com/emersion/go-smtp. The same line serves after
// STARTTLS.
func Example_goSMTP() {
	ln, err := savedsyn.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		return session{savedsyn.Fingerprint(c.Conn())}, nil
	}))
	server.Domain = "localhost"
	go server.Serve(ln)
	defer server.Close()

	err = smtp.SendMail(ln.Addr().String(), nil, "a@example.org", []string{"b@example.org"}, []byte("Subject: x\r\n\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// a mail from Linux
}

// An HTTP server, whose handlers find the note in the context of the request.
func Example_netHTTP() {
	ln, err := savedsyn.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		ConnContext: savedsyn.ConnContext,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := note.FromContext(r.Context())
			fmt.Fprintf(w, "%s: %s", n.State, n.OSName)
		}),
	}
	go server.Serve(ln)
	defer server.Close()

	resp, err := http.Get("http://" + ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(string(body), err)
	// Output:
	// matched: Linux <nil>
}
