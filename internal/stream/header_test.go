package stream

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/clienthello"
	"github.com/mxprint/mxprint/dialect"
)

// sent is a session that sends some messages by DATA, or by BDAT in one chunk.
func sent(bdat bool, messages ...string) []turn {
	turns := talk(`
S: 220 mx.example.net ESMTP\r\n
C: EHLO client.example.org\r\n
S: 250-mx.example.net\r\n250 CHUNKING\r\n`)
	for _, m := range messages {
		m = strings.ReplaceAll(m, "\n", "\r\n")
		turns = append(turns, talk(`
C: MAIL FROM:<a@example.org>\r\n
S: 250 ok\r\n
C: RCPT TO:<b@example.net>\r\n
S: 250 ok\r\n`)...)
		if bdat {
			turns = append(turns, turn{Client, fmt.Sprintf("BDAT %d LAST\r\n", len(m)) + m}, turn{Server, "250 ok\r\n"})
			continue
		}
		turns = append(turns, turn{Client, "DATA\r\n"}, turn{Server, "354 go on\r\n"}, turn{Client, m + ".\r\n"}, turn{Server, "250 ok\r\n"})
	}
	return append(turns, talk(`
C: QUIT\r\n
S: 221 bye\r\n`)...)
}

// headerOf is the header of the first mail, as the dialect has it.
func headerOf(all []Segment) (string, *Session) {
	c := NewConn(clientISN, serverISN, false, nil)
	for i := range all {
		c.Segment(&all[i])
	}
	f := c.Session().Dialect(clienthello.Library{})
	return string(f.Get(dialect.Header)), c.Session()
}

func TestHeader(t *testing.T) {
	for _, test := range []struct{ message, want string }{
		{"Date: x\nFrom: a\nTo: b\nSubject: s\nMessage-ID: i\nMIME-Version: 1.0\n\ntext\n", "DFTSIM"},
		{"Date: x\nCc: secret\nX-Secret: secret\nFrom: a\n\nTo: b\n", "DF"}, // the text does not count
		{"Subject: a\n folded: line\n\tFrom: b\nmime-version: 1.0\n\n", "SM_"},
		{"Received: from secret\n\tby secret\nFrom: a\n\n", "relayed"},
		{"From: a\nReceived: from secret\nTo: b\n\n", "relayed"},
		{"DKIM-Signature: v=1\nFrom: a\nDate: x\n\n", "FD"},
		{"\ntext\n", "none"},
		{"X-Secret: secret\n\n", "none"},
		{"From: a\n", "F"}, // the final dot ends it
		{"From: a\nno field\nDate: x\n", "F"},
		{"From secret Mon Sep 17\nFrom: a\n\n", "none"},
		{"From : a\nDate: x\n\n", "none"},
		{strings.Repeat("x", 300) + ": secret\nFrom: a\n\n", "F"},
		{strings.Repeat("Subject: secret\n", 24) + "\n", strings.Repeat("S", 24)},
		{strings.Repeat("Subject: secret\n", 49) + "\n", ""},
		{"From: a\nSubject: " + strings.Repeat("secret", 1500) + "\n\n", ""},
		{"From: a\nX-\xff: secret\n\n", ""},
		{"From: a\n\x00: secret\n\n", ""},
	} {
		for _, bdat := range []bool{false, true} {
			for _, mss := range []int{1, 2, 7, 536, 1460, 1 << 15} {
				message := test.message
				if bdat && !strings.Contains(message, "\n\n") && test.want == "F" && !strings.Contains(message, "no field") {
					continue // without a dot
				}
				got, s := headerOf(segments(sent(bdat, message, "Date: x\n\n"), mss))
				if got != test.want {
					t.Errorf("%.60q, BDAT %v, MSS %d: header %q, want %q", message, bdat, mss, got, test.want)
				}
				for _, secret := range []string{"ecre", "x-s", "X-S", "xxx"} {
					if bytes.Contains(s.text, []byte(secret)) {
						t.Fatalf("%.60q: %s is kept", message, secret)
					}
				}
			}
		}
	}
}

// TestHeaderLost: of a header of which bytes are missing nothing is said.
func TestHeaderLost(t *testing.T) {
	all := segments(sent(false, "Date: x\nFrom: a\nTo: b\nSubject: s\n\ntext "+strings.Repeat("of some length ", 20)+"\n"), 16)
	if got, _ := headerOf(all); got != "DFTS" {
		t.Fatalf("header %q, want DFTS", got)
	}
	first := slices.IndexFunc(all, func(s Segment) bool { return bytes.HasPrefix(s.Data, []byte("Date")) })
	for i := first; !bytes.Contains(all[i].Data, []byte("text")); i++ {
		if got, s := headerOf(append(append([]Segment(nil), all[:i]...), all[i+1:]...)); got != "" && s.State != Lost {
			t.Errorf("without %q: header %q, want none", all[i].Data, got)
		}
	}
}

// TestHeaderAllocations: what is read of a header takes no memory of its own once
// there is room for text.
func TestHeaderAllocations(t *testing.T) {
	message := []byte("Date: x\r\nFrom: a\r\nTo: b\r\nContent-Transfer-Encoding: 8bit\r\nX-Own: x\r\n\r\n")
	s := &Session{text: make([]byte, 0, maxText), Events: make([]Event, 1, 2)}
	e := &s.Events[0]
	if n := testing.AllocsPerRun(100, func() {
		s.text, *e = s.text[:0], Event{Kind: Message}
		s.beginHeader()
		s.readHeader(e, message)
	}); n != 0 || s.Text(e) != "DFTE" || e.Flags&HeaderRead == 0 {
		t.Errorf("a header allocates %v times, want 0; %q, want DFTE", n, s.Text(e))
	}
}

// TestHeaderLostName: of a name that is lost in its middle nothing is kept.
func TestHeaderLostName(t *testing.T) {
	turns := talk(`
S: 220 mx.example.net ESMTP\r\n
C: EHLO client.example.org\r\n
S: 250 mx.example.net\r\n
C: MAIL FROM:<a@example.org>\r\n
S: 250 ok\r\n
C: RCPT TO:<b@example.net>\r\n
S: 250 ok\r\n
C: DATA\r\n
S: 354 go on\r\n
C: Date: x\r\nsecret-of-a-person
C: -more: y\r\n\r\ntext
C:  and more\r\n.\r\n
S: 250 ok\r\n
C: QUIT\r\n
S: 221 bye\r\n`)
	all := segments(turns, 1460)
	for i, s := range all {
		if bytes.HasPrefix(s.Data, []byte("-more")) {
			all = append(all[:i], all[i+1:]...)
			break
		}
	}
	c := NewConn(clientISN, serverISN, false, nil)
	for i := range all {
		c.Segment(&all[i])
	}
	if bytes.Contains(c.Session().text, []byte("secret")) {
		t.Errorf("kept: %q", c.Session().text)
	}
}

// TestHeaderChunkName: neither is it where a chunk ends.
func TestHeaderChunkName(t *testing.T) {
	turns := talk(`
S: 220 mx.example.net ESMTP\r\n
C: EHLO client.example.org\r\n
S: 250-mx.example.net\r\n250 CHUNKING\r\n
C: MAIL FROM:<a@example.org>\r\n
S: 250 ok\r\n
C: RCPT TO:<b@example.net>\r\n
S: 250 ok\r\n
C: BDAT 19\r\nDate: x\r\nsecretname
S: 250 ok\r\n
C: BDAT 5 LAST\r\n: x\r\n
S: 250 ok\r\n
C: QUIT\r\n
S: 221 bye\r\n`)
	got, s := headerOf(segments(turns, 1460))
	if bytes.Contains(s.text, []byte("secret")) {
		t.Errorf("kept: %q %q %v", s.text, got, s.State)
	}
}

// TestHeaderNotCut: a client that fills the fingerprint with other values gets no
// part of a header into it.
func TestHeaderNotCut(t *testing.T) {
	for n := range 100 {
		turns := []turn{{Server, "220 mx ESMTP\r\n"},
			{Client, "EHLO a.example\r\n"}, {Server, "250 mx\r\n"},
			{Client, "MAIL FROM:<a>" + strings.Repeat(" ", 120+n) + "x\r\n"}, {Server, "250 ok\r\n"},
			{Client, "RCPT TO:<a>" + strings.Repeat(" ", 160) + "x\r\n"}, {Server, "250 ok\r\n"},
			{Client, "DATA\r\n"}, {Server, "354 go\r\n"},
			{Client, "Received: x\r\n\r\n.\r\n"}, {Server, "250 ok\r\n"}, {Client, "QUIT\r\n"}, {Server, "221 bye\r\n"}}
		if got, _ := headerOf(segments(turns, 1460)); got != "relayed" && got != "" {
			t.Errorf("%d blanks: header %q, want relayed or nothing", 120+n, got)
		}
	}
}

// TestHeaderBound: of a header that is longer than the bound nothing is said, also
// if the byte that passes it ends the header, or a name.
func TestHeaderBound(t *testing.T) {
	said := func(m string) string {
		turns := sent(false)
		turns = append(turns[:len(turns)-2], talk(`
C: MAIL FROM:<a@example.org>\r\n
S: 250 ok\r\n
C: RCPT TO:<b@example.net>\r\n
S: 250 ok\r\n
C: DATA\r\n
S: 354 go on\r\n`)...)
		turns = append(turns, turn{Client, m + "\r\nbody\r\n.\r\n"}, turn{Server, "250 ok\r\n"})
		got, _ := headerOf(segments(append(turns, talk(`
C: QUIT\r\n
S: 221 bye\r\n`)...), 1460))
		return got
	}
	if got := said("Date: x\r\nFrom: a\r\nX: " + strings.Repeat("x", 9000) + "\n\nbody\r\n"); got != "" {
		t.Errorf("header %q, want nothing", got)
	}
	if got := said("Da\rte: x\r\nFrom: a\r\n"); got == "DF" {
		t.Error("a name with CR counts as Date")
	}
	for pad := 8100; pad < 8200; pad++ {
		long := "Date: x\r\nFrom: a\r\nX: " + strings.Repeat("x", pad) + "\r\n"
		if got := said(long); got != "" && got != "DF" {
			t.Errorf("%d: header %q", pad, got)
		}
		if got := said(long + "Received: x\r\n"); got != "" && got != "relayed" {
			t.Errorf("%d: header %q", pad, got)
		}
	}
}
