package policyd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
)

const (
	client4 = "198.18.0.1:1111"
	client6 = "[2001:db8::1]:6666"
	header4 = `X-p0f-Result: os="Linux 5.x" link_type="Ethernet" distance=4 total_conn=4 shared_ip=N`
	header6 = `X-p0f-Result: os="unknown" link_type="" total_conn=6 shared_ip=N`
)

// seen has seen both clients.
func seen() *fronttest.Lookuper {
	return &fronttest.Lookuper{Notes: map[netip.AddrPort]note.Note{
		netip.MustParseAddrPort(client4): {State: note.Matched, OSName: "Linux", OSFlavor: "5.x", LinkType: "Ethernet", Distance: note.Hops(4), TotalConn: 4},
		netip.MustParseAddrPort(client6): {State: note.Unknown, TotalConn: 6},
	}}
}

// postfixRequest is what Postfix 3.7 asks at DATA, with some of its attributes
// changed: "name=value", or "-name" to leave one out.
func postfixRequest(changes ...string) string {
	attrs := []string{
		"request=smtpd_access_policy", "protocol_state=DATA", "protocol_name=ESMTP",
		"client_address=198.18.0.1", "client_name=unknown", "client_port=1111",
		"reverse_client_name=unknown", "server_address=198.18.0.2", "server_port=25",
		"helo_name=client.source.example", "sender=alice@source.example", "recipient=bob@dest.example",
		"recipient_count=1", "queue_id=", "instance=1a2b.61234567.89abc.0", "size=0", "etrn_domain=", "stress=",
		"sasl_method=", "sasl_username=", "sasl_sender=", "ccert_subject=", "ccert_issuer=",
		"ccert_fingerprint=", "ccert_pubkey_fingerprint=", "encryption_protocol=", "encryption_cipher=",
		"encryption_keysize=0", "policy_context=",
	}
	for _, c := range changes {
		name, _, _ := strings.Cut(strings.TrimPrefix(c, "-"), "=")
		kept := attrs[:0]
		for _, a := range attrs {
			if !strings.HasPrefix(a, name+"=") {
				kept = append(kept, a)
			}
		}
		if attrs = kept; c[0] != '-' {
			attrs = append(attrs, c)
		}
	}
	return strings.Join(attrs, "\n") + "\n\n"
}

// run starts s on a unix socket until stop is called or the test ends.
func run(t testing.TB, s *Server) (path string, stop func()) {
	t.Helper()
	if s.Deadline == 0 {
		s.Deadline = patience // a busy machine may be late for the default
	}
	dir, err := os.MkdirTemp("", "policyd") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	end := fronttest.Start(s.Serve, ln)
	stop = func() {
		if err := end(); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		if n := s.Stats().Open; n != 0 {
			t.Errorf("%d connections open after Serve", n)
		}
	}
	t.Cleanup(stop)
	return path, stop
}

// postfix is Postfix's side of a connection.
type postfix struct {
	net.Conn
	t testing.TB
}

// patience is for what comes within milliseconds. A busy machine takes longer.
const patience = 30 * time.Second

// dial connects, and gives up on everything when the patience is over.
func dial(t testing.TB, path string) *postfix {
	t.Helper()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &postfix{nc, t}
}

func (p *postfix) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		p.t.Fatalf("sending a request: %v", err)
	}
}

// want reads the answer: a header, or empty for DUNNO.
func (p *postfix) want(header string) {
	p.t.Helper()
	want := "action=DUNNO\n\n"
	if header != "" {
		want = "action=PREPEND " + header + "\n\n"
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(p, got)
	if string(got[:n]) != want {
		p.t.Fatalf("answer %q, %v, want %q", got[:n], err, want)
	}
}

func (p *postfix) wantClosed() {
	p.t.Helper()
	if rest, err := io.ReadAll(p); err != nil || len(rest) > 0 {
		p.t.Errorf("read %q, %v, want the connection closed", rest, err)
	}
}

func TestRequests(t *testing.T) {
	ask := func(client, server string) note.Query {
		q := note.Query{Client: netip.MustParseAddrPort(client), Wait: sightTime}
		if server != "" {
			q.Server = netip.MustParseAddrPort(server)
		}
		return q
	}
	for _, tt := range []struct {
		name    string
		changes []string
		want    string
		query   note.Query // without a client: no question
	}{
		{"DATA", nil, header4, ask(client4, "198.18.0.2:25")},
		{"RCPT", []string{"protocol_state=RCPT"}, header4, ask(client4, "198.18.0.2:25")},
		{"MAIL", []string{"protocol_state=MAIL"}, header4, ask(client4, "198.18.0.2:25")},
		{"IPv6", []string{"client_address=2001:db8::1", "client_port=6666", "server_address=2001:db8::2"}, header6, ask(client6, "[2001:db8::2]:25")},
		{"not seen", []string{"client_port=2222"}, "", ask("198.18.0.1:2222", "198.18.0.2:25")},
		{"before Postfix 3.1", []string{"-client_port", "-server_address", "-server_port"}, "", ask("198.18.0.1:0", "")},
		{"port unknown", []string{"client_port=unknown"}, "", ask("198.18.0.1:0", "198.18.0.2:25")},
		{"server's port unknown", []string{"server_port=unknown"}, header4, ask(client4, "")},
		{"client unknown", []string{"client_address=unknown"}, "", note.Query{}},
		{"no client", []string{"-client_address"}, "", note.Query{}},
		{"empty client", []string{"client_address="}, "", note.Query{}},
		{"connect", []string{"protocol_state=CONNECT"}, "", note.Query{}},
		{"HELO", []string{"protocol_state=HELO"}, "", note.Query{}},
		{"after the message", []string{"protocol_state=END-OF-MESSAGE"}, "", note.Query{}},
		{"VRFY", []string{"protocol_state=VRFY"}, "", note.Query{}},
		{"no state", []string{"-protocol_state"}, "", note.Query{}},
		{"no instance", []string{"-instance"}, header4, ask(client4, "198.18.0.2:25")},
		{"long sender", []string{"sender=" + strings.Repeat("x", 10000)}, header4, ask(client4, "198.18.0.2:25")},
		{"equals signs", []string{"sender=a=b=c@d", "helo_name=client_address=198.18.0.9"}, header4, ask(client4, "198.18.0.2:25")},
		{"unknown attributes", []string{"compatibility_level=3.6", "mail_version=3.8.1"}, header4, ask(client4, "198.18.0.2:25")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			who := seen()
			s := &Server{Lookuper: who}
			path, _ := run(t, s)
			p := dial(t, path)
			p.send(postfixRequest(tt.changes...))
			p.want(tt.want)
			got := who.Queries()
			for i := range got { // the same in all of them, but for one
				if got[i].Hello != "client.source.example" && got[i].Hello != "client_address=198.18.0.9" {
					t.Errorf("asked for the name %q", got[i].Hello)
				}
				got[i].Hello = ""
			}
			if len(got) == 0 && tt.query.Client.IsValid() || len(got) == 1 && got[0] != tt.query || len(got) > 1 {
				t.Errorf("asked %+v, want %+v", got, tt.query)
			}
			if got := s.Stats(); got.Requests != 1 || got.Bad != 0 || (got.Prepended == 1) != (tt.want != "") {
				t.Errorf("Stats = %+v", got)
			}
		})
	}
}

// TestOncePerMail: a request for each recipient, one header a mail.
func TestOncePerMail(t *testing.T) {
	fronttest.Leaks(t)
	path, _ := run(t, &Server{Lookuper: seen()})
	p := dial(t, path)
	for range 2 {
		for _, instance := range []string{"1.1.1.0", "1.1.1.1"} {
			for i := range 3 {
				p.send(postfixRequest("protocol_state=RCPT", "instance="+instance))
				if i == 0 {
					p.want(header4)
				} else {
					p.want("")
				}
			}
		}
	}
	// What was not prepended is not done.
	p.send(postfixRequest("protocol_state=RCPT", "instance=2", "client_port=2"))
	p.want("")
	p.send(postfixRequest("protocol_state=DATA", "instance=2"))
	p.want(header4)
}

// TestBadRequests are answered like those without a note, and do
// not disturb the next.
func TestBadRequests(t *testing.T) {
	for _, tt := range []struct {
		name, request, log string
	}{
		{"empty", "\n", `request=\"\"`},
		{"another protocol", postfixRequest("request=junk"), `request=\"junk\"`},
		{"no equals sign", "request=smtpd_access_policy\nclient_address\n\n", "want name=value"},
		{"no name", "request=smtpd_access_policy\n=x\n\n", "want name=value"},
		{"twice", "request=smtpd_access_policy\nclient_address=198.18.0.1\nclient_address=198.18.0.1\n\n", "client_address twice"},
		{"long value", postfixRequest("instance=" + strings.Repeat("x", maxValue+1)), "instance is longer than 256 bytes"},
		{"bytes", "\x00\xff\x80=\xfe\n\x00\n\n", "want name=value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			var log fronttest.Log
			s := &Server{Lookuper: seen(), Logger: log.Logger()}
			path, _ := run(t, s)
			p := dial(t, path)
			p.send(tt.request + tt.request)
			p.want("")
			p.want("")
			p.send(postfixRequest())
			p.want(header4)
			if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], tt.log) {
				t.Errorf("log %q, want one line with %s", lines, tt.log)
			}
			if got := s.Stats(); got.Bad != 2 || got.Requests != 3 {
				t.Errorf("Stats = %+v, want 2 of 3 requests bad", got)
			}
		})
	}
}

// TestLargestRequest: what is just within the limits is served.
func TestLargestRequest(t *testing.T) {
	fronttest.Leaks(t)
	path, _ := run(t, &Server{Lookuper: seen()})
	p := dial(t, path)
	r := postfixRequest("-sender")
	r = "sender=" + strings.Repeat("x", maxRequest-len(r)-len("sender=\n")) + "\n" + r
	p.send(r + r)
	p.want(header4)
	p.want("")
	r = postfixRequest("instance=2")
	p.send(strings.Repeat("a=b\n", maxAttributes+1-strings.Count(r, "\n")) + r)
	p.want(header4)
}

func TestPortions(t *testing.T) {
	fronttest.Leaks(t)
	path, _ := run(t, &Server{Lookuper: seen()})
	p := dial(t, path)
	for _, b := range []byte(postfixRequest()) {
		p.send(string([]byte{b}))
	}
	p.want(header4)
	// Several in one write: answered in order.
	p.send(postfixRequest("instance=2") + postfixRequest("client_port=3", "instance=3") + postfixRequest("instance=4"))
	p.want(header4)
	p.want("")
	p.want(header4)
}

func TestStates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		who    *fronttest.Lookuper
		missed uint64
	}{
		{"not seen", &fronttest.Lookuper{}, 0},
		{"unavailable", &fronttest.Lookuper{Err: fronttest.ErrNoSensor}, 1},
		{"late", &fronttest.Lookuper{Delay: time.Hour}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			s := &Server{Lookuper: tt.who}
			if tt.who.Delay > 0 {
				s.Deadline = defaultDeadline
			}
			path, _ := run(t, s)
			p := dial(t, path)
			p.send(postfixRequest())
			p.want("")
			if got := s.Stats(); got.Missed != tt.missed || got.Bad != 0 {
				t.Errorf("Stats = %+v, want %d missed", got, tt.missed)
			}
		})
	}
}

func TestTextIsRefused(t *testing.T) {
	fronttest.Leaks(t)
	var log fronttest.Log
	path, _ := run(t, &Server{Lookuper: seen(), Logger: log.Logger(),
		Form: func(*note.Note) string { return "x\n\naction=REJECT" }})
	p := dial(t, path)
	p.send(postfixRequest())
	p.want("")
	if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "mail without a header") {
		t.Errorf("log %q", lines)
	}
}

func TestHeaderMustBeOne(t *testing.T) {
	err := (&Server{Lookuper: seen(), Header: "X:"}).Serve(context.Background(), fronttest.NewPipes())
	if !errors.Is(err, ErrHeader) {
		t.Errorf("Serve = %v, want %v", err, ErrHeader)
	}
}

// serveIn starts s in the bubble of a synctest.
func serveIn(s *Server) (ln *fronttest.Pipes, stop func() error) {
	ln = fronttest.NewPipes()
	return ln, fronttest.Start(s.Serve, ln)
}

// deaf does not mind its context.
type deaf struct{ release chan struct{} }

func (d deaf) Lookup(context.Context, note.Query) (note.Note, error) {
	<-d.release
	return note.Note{}, nil
}

// TestF19NamesTheClient: the line about a mail without a note says whose it is.
func TestF19NamesTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		d := deaf{make(chan struct{})}
		ln, stop := serveIn(&Server{Lookuper: d, Logger: log.Logger()})
		p := &postfix{ln.Connect(), t}
		p.send(postfixRequest())
		p.want("")
		if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], `msg="mail without a note" client=`) || strings.Contains(lines[0], "client=invalid") {
			t.Errorf("log %q", lines)
		}
		close(d.release)
		p.Close()
		stop()
	})
}

func TestDeadline(t *testing.T) {
	for _, set := range []time.Duration{0, 10 * time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			d := deaf{make(chan struct{})}
			ln, stop := serveIn(&Server{Lookuper: d, Deadline: set})
			p := &postfix{ln.Connect(), t}
			begin := time.Now()
			p.send(postfixRequest())
			p.want("")
			want := set
			if set == 0 {
				want = defaultDeadline
			}
			if took := time.Since(begin); took != want {
				t.Errorf("deadline %v: answered after %v, want %v", set, took, want)
			}
			close(d.release)
			p.Close()
			stop()
		})
	}
}
