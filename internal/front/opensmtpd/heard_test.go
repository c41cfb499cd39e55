package opensmtpd

import (
	"bytes"
	"context"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/note"
)

// reported keeps the questions.
type reported struct {
	mu  sync.Mutex
	all []note.Query
}

func (r *reported) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, q)
	return note.Note{State: note.Unknown, OSName: "x", TotalConn: uint32(len(r.all))}, nil
}

func client(session, line string) string { return report(session, "protocol-client|"+line) }
func server(session, line string) string { return report(session, "protocol-server|"+line) }

const moreRegisters = "register|report|smtp-in|link-connect\nregister|report|smtp-in|link-disconnect\nregister|report|smtp-in|tx-begin\n" +
	"register|report|smtp-in|link-tls\nregister|report|smtp-in|protocol-client\nregister|report|smtp-in|protocol-server\n" +
	"register|filter|smtp-in|data-line\nregister|ready\n"

// TestHeard: with Again the question about a mail has what the client said, inside
// TLS too, what was offered, and what the mail claims. The mail waits for its
// header and no line of it is lost.
func TestHeard(t *testing.T) {
	who := new(reported)
	in := hello + connect("a", "198.18.0.1:1") + server("a", "220 mx ESMTP") + client("a", "EHLO pc.example") +
		server("a", "250-mx Hello pc.example") + server("a", "250-8BITMIME") + server("a", "250 STARTTLS") + client("a", "STARTTLS") +
		report("a", "link-tls|TLSv1.3:TLS_AES_256_GCM_SHA384:256:no") + client("a", "EHLO pc.example") +
		server("a", "250-mx Hello") + server("a", "250-SIZE 1000") + server("a", "250 AUTH PLAIN") +
		client("a", "AUTH LOGIN") + client("a", "am9l") + client("a", "c2VjcmV0") +
		client("a", "MAIL FROM:<joe@b.example> SIZE=9") + report("a", "tx-begin|1") + client("a", "RCPT TO:<bob@dest.example>") + client("a", "DATA") +
		mail("a", "Received: from pc.example (pc.example [198.18.0.1])", "\tby mx", "Received: from inner", "\tby pc.example", "X-Mailer: Acme", "\tMailer 1", "Message-Id: <1@pc.example>", "X-p0f-Result: forged", "", "body", "..")
	out := dialogue(t, &Filter{Lookuper: who, Again: true}, in)
	want := moreRegisters + answer("a", `X-p0f-Result: os="x" link_type="" total_conn=2 shared_ip=N`, "Received: from pc.example (pc.example [198.18.0.1])", "\tby mx",
		"Received: from inner", "\tby pc.example", "X-Mailer: Acme", "\tMailer 1", "Message-Id: <1@pc.example>", "", "body", "..")
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	q := who.all[1]
	heard := &note.Heard{Lines: []string{"EHLO pc.example", "STARTTLS", "EHLO pc.example", "AUTH LOGIN", "MAIL FROM:<> SIZE=", "RCPT TO:<>", "DATA"},
		Header: dialect.Relayed, Offer: "size,auth", OfferKnown: true, TLS: "1.3", Cipher: "TLS_AES_256_GCM_SHA384"}
	claims := &note.Claims{Name: "mail.example", NameKnown: true, HeadersKnown: true, Mailer: "Acme Mailer 1", MessageID: "<1@pc.example>", Received: "from inner by pc.example"}
	if !reflect.DeepEqual(q.Heard, heard) || !reflect.DeepEqual(q.Claims, claims) || q.Hello != "pc.example" || q.Wait != 0 {
		t.Errorf("asked %+v\nheard %+v, want %+v\nclaims %+v, want %+v", q, q.Heard, heard, q.Claims, claims)
	}
}

// TestHeardHostile: a mail without an end of its header, and a client that says
// too much, are bounded; the mail goes on whole.
func TestHeardHostile(t *testing.T) {
	who := new(reported)
	var in strings.Builder
	in.WriteString(hello + connect("a", "198.18.0.1:1"))
	for range 200 {
		in.WriteString(client("a", "EHLO "+strings.Repeat("x\x1b", 2000)))
	}
	in.WriteString(report("a", "tx-begin|1"))
	var lines []string
	for range 200 {
		lines = append(lines, "X-Mailer: "+strings.Repeat("y", 990))
	}
	in.WriteString(mail("a", lines...))
	out := dialogue(t, &Filter{Lookuper: who, Again: true}, in.String())
	if n := strings.Count(out, "X-Mailer: "); n != 200 || !strings.HasSuffix(out, "|.\n") {
		t.Errorf("%d of 200 lines", n)
	}
	if len(who.all) != 2 || len(who.all[1].Heard.Lines) != dialect.MaxLines || len(who.all[1].Claims.Mailer) > maxClaim {
		t.Errorf("asked %+v", who.all)
	}
}

// TestHeardStalled: a sensor that does not answer delays a mail by the deadline.
func TestHeardStalled(t *testing.T) {
	in := hello + connect("a", "198.18.0.1:1") + report("a", "tx-begin|1") + mail("a", "Subject: x", "", "body")
	synctest.Test(t, func(t *testing.T) {
		near, far := io.Pipe()
		var out bytes.Buffer
		done := make(chan error, 1)
		go func() { done <- (&Filter{Lookuper: after{time.Hour}, Again: true}).Run(t.Context(), near, &out) }()
		io.WriteString(far, in)
		time.Sleep(3 * defaultDeadline)
		synctest.Wait()
		if want := moreRegisters + answer("a", "Subject: x", "", "body"); out.String() != want {
			t.Errorf("got\n%s", out.String())
		}
		far.Close()
		<-done
	})
}

// slow answers the first question after the others.
type slow struct {
	mu    sync.Mutex
	asked int
}

func (s *slow) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	s.mu.Lock()
	s.asked++
	n := s.asked
	s.mu.Unlock()
	if n == 1 {
		time.Sleep(20 * time.Millisecond)
	}
	return note.Note{State: note.Unknown, TotalConn: uint32(n)}, nil
}

// TestHeardLate: the answer about the connection does not replace a later one about
// the mail.
func TestHeardLate(t *testing.T) {
	in := hello + connect("a", "198.18.0.1:1") + report("a", "tx-begin|1") + mail("a", "Subject: x", "", "body")
	synctest.Test(t, func(t *testing.T) {
		near, far := io.Pipe()
		var out bytes.Buffer
		done := make(chan error, 1)
		go func() { done <- (&Filter{Lookuper: new(slow), Again: true}).Run(t.Context(), near, &out) }()
		for line := range strings.Lines(in) {
			io.WriteString(far, line)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !strings.Contains(out.String(), "total_conn=2 ") {
			t.Errorf("got\n%s", out.String())
		}
		far.Close()
		<-done
	})
}

// TestHeardLeft: what a client said that leaves without a mail, or after one, is
// reported too; a client that said nothing is not.
func TestHeardLeft(t *testing.T) {
	who := new(reported)
	in := hello + connect("a", "198.18.0.1:1") + client("a", "EHLO pc.example") + client("a", "XYZZY") + report("a", "link-disconnect|") +
		connect("b", "198.18.0.1:2") + report("b", "link-disconnect|")
	dialogue(t, &Filter{Lookuper: who, Again: true}, in)
	var got []string
	for _, q := range who.all {
		if q.Heard == nil {
			continue
		}
		if got = append(got, strings.Join(q.Heard.Lines, "; ")); q.Claims == nil || q.Claims.HeadersKnown || q.Hello != "pc.example" || q.Client.Port() != 1 {
			t.Errorf("asked %+v, claims %+v", q, q.Claims)
		}
	}
	if want := []string{"EHLO pc.example; X"}; !reflect.DeepEqual(got, want) {
		t.Errorf("reported %q, want %q", got, want)
	}

	who = new(reported)
	in = hello + connect("a", "198.18.0.1:1") + client("a", "EHLO pc.example") + report("a", "tx-begin|1") + mail("a", "Subject: x", "", "body") +
		client("a", "QUIT") + report("a", "link-disconnect|")
	dialogue(t, &Filter{Lookuper: who, Again: true}, in)
	last := who.all[len(who.all)-1]
	if want := []string{"EHLO pc.example", "QUIT"}; len(who.all) != 3 || !reflect.DeepEqual(last.Heard.Lines, want) || last.Claims.HeadersKnown {
		t.Errorf("asked %d times, at last %+v, want %q", len(who.all), last.Heard, want)
	}

	who = new(reported)
	dialogue(t, &Filter{Lookuper: who}, hello+connect("a", "198.18.0.1:1")+report("a", "link-disconnect|"))
	if len(who.all) != 1 {
		t.Errorf("without Again, asked %d times", len(who.all))
	}
}
