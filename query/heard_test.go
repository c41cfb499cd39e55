package query

import (
	"encoding/base64"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/note"
)

var askedClient = netip.MustParseAddrPort("192.0.2.1:40000")

// TestReport: what a client writes is what a server reads.
func TestReport(t *testing.T) {
	for _, q := range []note.Query{
		{Client: askedClient, Heard: &note.Heard{Lines: []string{"EHLO mail.example.org", "MAIL FROM:<> SIZE=", "."}}, Hello: "mail.example.org"},
		{Client: askedClient, Server: netip.MustParseAddrPort("192.0.2.2:25"), Heard: &note.Heard{Lines: []string{"* a b", "MAIL *<>"}, Gaps: true, TLS: "1.3", Cipher: "X-Y_Z",
			Header: "DFTSI'M", Saw: []string{"early_talker", "pipelining"}, Offer: "pipelining,size", OfferKnown: true}},
		{Client: askedClient, Heard: &note.Heard{OfferKnown: true, Saw: []string{"early_talker"}}},
		{Client: askedClient, Hello: "a b", Claims: &note.Claims{NameKnown: true}},
		{Client: askedClient, Claims: &note.Claims{Name: "mx.example.org", NameKnown: true, HeadersKnown: true, Mailer: "Acme Mailer 1.0", MessageID: "<a@b>", Received: "from a by b"}},
	} {
		line := strings.TrimSuffix(string(appendRequest(nil, q)), "\n")
		r, err := parseRequest(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got := note.Query{Client: r.client, Server: r.server}
		r.report.add(&got)
		if !reflect.DeepEqual(got, q) {
			t.Errorf("%s: %+v %+v %+v, want %+v %+v", line, got, got.Heard, got.Claims, q.Heard, q.Claims)
		}
	}
	plain := note.Query{Client: askedClient, Hello: "x"}
	if got := string(appendRequest(nil, plain)); got != "json wait=0 192.0.2.1 40000\n" {
		t.Errorf("a question that reports nothing: %q", got)
	}
}

// TestReportForms: the words as docs/query.md has them.
func TestReportForms(t *testing.T) {
	for line, want := range map[string]note.Heard{
		"ask 192.0.2.1 4 line=DATA": {Lines: []string{"DATA"}},
		"ask full wait=0 192.0.2.1 4 192.0.2.2 25 verbs=EHLO,STARTTLS,EHLO,MAIL,RCPT,DATA helo=mx.example.org": {
			Lines: []string{"* mx.example.org", "STARTTLS *", "* mx.example.org", "MAIL *", "RCPT *", "DATA *", "."}},
		"ask 192.0.2.1 4 verbs=HELO,MAIL,RCPT,DATA,MAIL,RCPT,DATA": {
			Lines: []string{"HELO *", "MAIL *", "RCPT *", "DATA *", ".", "MAIL *", "RCPT *", "DATA *", "."}},
		"ask 192.0.2.1 4 verbs=RCPT,DATA":                        {Lines: []string{"RCPT *", "DATA *", "."}, Gaps: true},
		"ask 192.0.2.1 4 line:=TUFJTCBGUk9NOjxqb2VAeD4gU0laRT0x": {Lines: []string{"MAIL FROM:<> SIZE="}},
		"ask 192.0.2.1 4 tls=TLSv1.3 cipher=A:B newer=1":         {TLS: "1.3", Cipher: "A:B"},
		"ask 192.0.2.1 4 header=DFT":                             {Header: "DFT"},
		"ask 192.0.2.1 4 fields=Received,Date,X-Secret,from":     {Header: "DF_"},
		"ask 192.0.2.1 4 fields=Received,Date,Received":          {Header: "relayed"},
		"ask 192.0.2.1 4 fields=Received,":                       {Header: "none"},
		"ask 192.0.2.1 4 fields:=":                               {},
		"ask 192.0.2.1 4 fields=" + strings.Repeat("Date,", 300): {},
		"ask 192.0.2.1 4 offer=SIZE,PIPELINING,X":                {Offer: "pipelining,size", OfferKnown: true},
	} {
		r, err := parseRequest(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !reflect.DeepEqual(r.report.heard, want) {
			t.Errorf("%s: %+v, want %+v", line, r.report.heard, want)
		}
	}
	for line, want := range map[string]string{
		"ask 192.0.2.1 4 word":        `not an address: "word"`,
		"ask 192.0.2.1 4 a=b word":    `want KEY=VALUE or KEY:=BASE64 behind the client and the server, not "word"`,
		"ask 192.0.2.1 4 line:=?":     `"line" is not base64: "?"`,
		"ask":                         "no address",
		"ask line=DATA":               `not an address: "line=DATA"`,
		"192.0.2.1 4 192.0.2.2 5 a=b": `one word too many: "a=b"`,
		"ask 192.0.2.1 4 line=" + strings.Repeat("x", maxAsk): "a request that begins with ask has 8192 bytes at most",
		"text 192.0.2.1 4 " + strings.Repeat("x", 300):        "a request has 256 bytes at most",
	} {
		if _, err := parseRequest(line); err == nil || err.Error() != want {
			t.Errorf("%.60s: %v, want %s", line, err, want)
		}
	}
}

// FuzzReport: whatever is reported, what remains is printable and bounded, and the
// longest report that a client makes is one that a server takes.
func FuzzReport(f *testing.F) {
	f.Add("line", "MAIL FROM:<joe@example.org>\n", "helo", "x\x00y")
	f.Add("verbs", "EHLO,MAIL,RCPT,DATA", "mailer", "a\r\nb")
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		if strings.ContainsAny(key1+key2, " =:\n") {
			return
		}
		enc := base64.StdEncoding.EncodeToString
		line := "ask 192.0.2.1 4 " + strings.Repeat(key1+":="+enc([]byte(value1))+" ", 50) + key2 + ":=" + enc([]byte(value2))
		if len(line) > maxAsk {
			return
		}
		r, err := parseRequest(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		var q note.Query
		r.report.add(&q)
		if q.Heard != nil && len(q.Heard.Lines) > 2*dialect.MaxLines {
			t.Fatalf("%d lines", len(q.Heard.Lines))
		}
		again := appendRequest(nil, q)
		if len(again) > maxAsk {
			t.Fatalf("%d bytes", len(again))
		}
		for _, c := range again[:len(again)-1] {
			if c < ' ' || c > '~' {
				t.Fatalf("%q", again)
			}
		}
	})
}
