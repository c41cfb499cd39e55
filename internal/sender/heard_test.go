package sender

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
)

// still answers that nothing is known of a SYN.
type still struct{}

func (still) Lookup(context.Context, note.Query) (note.Note, error) {
	return note.Note{State: note.NotSeen}, nil
}

// insideTLS is what a mail server reports of Python's smtplib.
var insideTLS = &note.Heard{Lines: []string{"ehlo client.example.org", "STARTTLS", "ehlo client.example.org", "mail FROM:<> size=", "rcpt TO:<>", "data", "."},
	TLS: "1.3", Cipher: "TLS_AES_256_GCM_SHA384"}

func ask(t *testing.T, r *Reader, q note.Query) note.Note {
	t.Helper()
	n, err := r.Lookuper(still{}).Lookup(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHeard: what a mail server reports is in the answer, and in those of others
// after it, beside what the packets show; and in the observation at the end.
func TestHeard(t *testing.T) {
	var seen []event.Observation
	r := New(Config{DB: signature.Builtin})
	f := r.Feeds(func(o *event.Observation) { seen = append(seen, *o) })(client(1), mx)
	f.Observe(false, []byte("220 mx\r\n"))
	f.Observe(true, []byte("ehlo client.example.org\r\n"))
	f.Observe(false, []byte("250-mx\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"))
	f.Observe(true, []byte("STARTTLS\r\n"))
	f.Observe(false, []byte("220 go\r\n"))
	q := note.Query{Client: client(1), Server: mx}
	if n := ask(t, r, q); n.Software.Name != "" || n.TLS.Agreed != "" {
		t.Errorf("before a report: %+v %+v", n.Software, n.TLS)
	}
	q.Heard = insideTLS
	for range 2 {
		n := ask(t, r, q)
		if n.Software.Name != "Python smtplib" || n.Software.Quality&note.Generic != 0 || !strings.Contains(n.Software.Dialect, "mail=mail FROM:<> size=") ||
			!strings.Contains(n.Software.Dialect, "offer=size,starttls;greet=wait;hello=ehlo fqdn;starttls=STARTTLS") {
			t.Errorf("software: %+v", n.Software)
		}
		if n.TLS.Agreed != "1.3" || n.TLS.Cipher != "TLS_AES_256_GCM_SHA384" || n.TLS.State != note.Reading {
			t.Errorf("TLS: %+v", n.TLS)
		}
		q.Heard = nil // others ask
	}
	f.Close()
	if last := seen[len(seen)-1]; last.Module != event.SMTP || last.Sender.Software.Name != "Python smtplib" {
		t.Errorf("observed %+v", last.Sender)
	}
	if n := ask(t, r, q); n.Software.Name != "Python smtplib" {
		t.Errorf("after the end: %+v", n.Software)
	}
	if n := ask(t, r, note.Query{Client: client(2), Server: mx}); n.Software != nil || n.Conduct != nil {
		t.Errorf("of another connection: %+v", n)
	}
}

// TestHeardFindings: inside TLS the lines of a mail server, and what it finds
// itself, are findings.
func TestHeardFindings(t *testing.T) {
	r := New(Config{DB: signature.Builtin})
	f := r.Feeds(nil)(client(1), mx)
	f.Observe(false, []byte("220 mx\r\n"))
	q := note.Query{Client: client(1), Server: mx, Heard: &note.Heard{TLS: "1.3", Saw: []string{"early_talker", "after_quit", "\r\nX: y"}, Offer: "size", OfferKnown: true,
		Lines: []string{"EHLO x", "MAIL FROM:<> RET=", "XYZZY secret", "RSET", "RSET", "RSET", "RSET", "RSET", "RSET", "EHLO z", "EHLO y"}}}
	var got []string
	for _, found := range ask(t, r, q).Conduct.List {
		got = append(got, found.ID+" "+found.Evidence)
	}
	want := []string{`early_talker the mail server saw it`, `unknown_command "?" in line 3`, `hello_renamed "EHLO z" in line 10, times 2`, `rset_storm "RSET" in line 9, times 6`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found %q, want %q", got, want)
	}
	q.Heard.Lines = q.Heard.Lines[:2]
	if found := ask(t, r, q).Conduct; !found.Has("not_offered") {
		t.Errorf("a parameter that was not offered: %+v", found)
	}
	q.Heard.OfferKnown = false
	if found := ask(t, r, q).Conduct; found.Has("not_offered") {
		t.Errorf("where the offer is not known: %+v", found)
	}
}

// TestHeardAlone: without packets the report is all there is, in that answer
// alone. A connection of the same name that comes later has none of it.
func TestHeardAlone(t *testing.T) {
	r := New(Config{DB: signature.Builtin})
	q := note.Query{Client: client(1), Server: mx, Heard: insideTLS}
	if n := ask(t, r, q); n.Software.Name != "Python smtplib" || n.Software.Reading != note.NotKnown || n.TLS.State != note.NotKnown || n.TLS.Agreed != "1.3" {
		t.Errorf("%+v %+v", n.Software, n.TLS)
	}
	q.Heard = nil
	if n := ask(t, r, q); n.Software != nil {
		t.Errorf("kept: %+v", n.Software)
	}
	feed := r.Feeds(nil)
	f := feed(client(1), mx)
	f.Observe(false, []byte("220 mx\r\n"))
	q.Heard = insideTLS
	ask(t, r, q)
	f.Close()
	feed(client(1), mx)
	q.Heard = nil
	if n := ask(t, r, q); n.TLS.Agreed != "" {
		t.Errorf("of a new connection: %+v", n.TLS)
	}
}

// TestHeardWins: where packets show a session without TLS, a report that says
// otherwise changes neither the program nor what was found.
func TestHeardWins(t *testing.T) {
	r := New(Config{DB: signature.Builtin})
	f := r.Feeds(nil)(client(1), mx)
	for _, line := range []string{"220 mx", "EHLO client.example.org", "250-mx\r\n250-SIZE\r\n250-8BITMIME\r\n250-DSN\r\n250 PIPELINING",
		"MAIL FROM:<a@b.example> SIZE=1\r\nRCPT TO:<c@d.example> ORCPT=rfc822;c@d.example\r\nDATA"} {
		f.Observe(line[0] != '2', []byte(line+"\r\n"))
	}
	q := note.Query{Client: client(1), Server: mx}
	before := ask(t, r, q)
	q.Heard = &note.Heard{Lines: []string{"helo x", "GET", "mail FROM:<> size=", "EHLO y"}}
	after := ask(t, r, q)
	if before.Software.Name == "" || after.Software.Name != before.Software.Name || after.Software.Dialect != before.Software.Dialect || len(after.Conduct.List) != len(before.Conduct.List) {
		t.Errorf("before %+v %+v\nafter %+v %+v", before.Software, before.Conduct, after.Software, after.Conduct)
	}
}

// TestHeardHeader: inside TLS the header is that of the mail server, and separates
// programs that speak the same.
func TestHeardHeader(t *testing.T) {
	db, err := signature.Parse(strings.NewReader("classes = c\n[smtp:client]\nlabel = s:c:A:\nsig = mail=MAIL FROM:<>;flow=M/R/D/.;header=DFT?S?\nlabel = s:c:B:\nsig = mail=MAIL FROM:<>;flow=M/R/D/.;header=FDT?S?\n"), "x.fp")
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{DB: func() *signature.DB { return db }})
	for header, want := range map[string]string{"DFTS": "A", "FDTS": "B", "none": "", "relayed": "", "X-Secret": "A or B", "": "A or B"} {
		h := *insideTLS
		h.Header = header
		h.Lines = []string{"EHLO x", "MAIL FROM:<>"}
		s := ask(t, r, note.Query{Client: client(1), Server: mx, Heard: &h}).Software
		if got := strings.Join(append([]string{s.Name}, s.Others...), " or "); got != want {
			t.Errorf("header %q: %q, want %q", header, got, want)
		}
		if strings.Contains(s.Dialect, "ecret") {
			t.Errorf("kept: %s", s.Dialect)
		}
	}
}

// TestHeardHostile: nothing of a report comes out as it went in.
func TestHeardHostile(t *testing.T) {
	r := New(Config{DB: signature.Builtin})
	evil := "a\r\nX-Evil: 1\x00\x1b[2J\"\\ <joe@example.org>"
	h := &note.Heard{Header: evil, Saw: []string{evil}, TLS: evil, Cipher: evil, Offer: evil, OfferKnown: true}
	for _, begin := range []string{"", "EHLO ", "* ", "MAIL FROM:", "MAIL *", "RCPT TO:<x> ", "AUTH ", "X", "BDAT "} {
		h.Lines = append(h.Lines, begin+evil)
	}
	h.Lines = append(h.Lines, "AUTH PLAIN c2VjcmV0", "hunter2 c2VjcmV0")
	for range 200 {
		h.Lines = append(h.Lines, strings.Repeat("EHLO x ", 1000))
	}
	quickest := time.Hour
	for try := 0; try < 3 && quickest > time.Second; try++ { // the machine may be busy
		started := time.Now()
		ask(t, r, note.Query{Client: client(2 + try), Server: mx, Heard: h})
		quickest = min(quickest, time.Since(started))
	}
	if quickest > time.Second {
		t.Errorf("took %v", quickest)
	}
	n := ask(t, r, note.Query{Client: client(1), Server: mx, Heard: h})
	n.State = note.Unknown
	if n.TLS != nil {
		t.Errorf("of words that report no TLS: %+v", n.TLS)
	}
	for _, text := range []string{n.Full(), n.Software.Dialect} {
		for _, bad := range []string{"\r", "\n", "\x00", "\x1b", "Evil", "joe", "c2VjcmV0", "hunter"} {
			if strings.Contains(text, bad) {
				t.Errorf("%q is in %q", bad, text)
			}
		}
	}
	for _, found := range n.Conduct.List {
		if strings.Contains(found.Evidence, "c2VjcmV0") || strings.ContainsAny(found.Evidence, "\r\n\x00\x1b") {
			t.Errorf("evidence %q", found.Evidence)
		}
	}
}
