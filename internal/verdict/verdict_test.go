package verdict

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/note"
)

const someID = "abcdefghijklmnopqrst"

func TestLine(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       store.Verdict
		err        string
	}{
		{"score far over the threshold", `{"id":"abcdefghijklmnopqrst","source":"haraka","score":12.5,"threshold":6}`,
			store.Verdict{ID: someID, Source: "haraka", HasScore: true, Score: 12.5, Threshold: 6, Spam: true, Sure: true}, ""},
		{"score over the threshold", `{"id":"a","source":"x","score":7,"threshold":6}`, store.Verdict{ID: "a", Source: "x", HasScore: true, Score: 7, Threshold: 6, Spam: true}, ""},
		{"score of ham", `{"id":"a","source":"x","score":-1,"threshold":6}`, store.Verdict{ID: "a", Source: "x", HasScore: true, Score: -1, Threshold: 6, Sure: true}, ""},
		{"client and time", `{"client":"192.0.2.1:40000","time":"2026-11-28T12:00:00Z","source":"own","verdict":"spam","sure":true}`,
			store.Verdict{Client: netip.MustParseAddrPort("192.0.2.1:40000"), At: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), Source: "own", Spam: true, Sure: true}, ""},
		{"client without port", `{"client":"::ffff:192.0.2.1","source":"own","verdict":"ham"}`, store.Verdict{Client: netip.MustParseAddrPort("192.0.2.1:0"), Source: "own"}, ""},
		{"person", `{"id":"a","source":"learn","verdict":"ham","person":true}`, store.Verdict{ID: "a", Source: "learn", Sure: true, Person: true}, ""},
		{"rspamd rejects", `{"ip":"192.0.2.1","action":"reject","score":17.2,"symbols":[{"name":"X"}],"qid":"1"}`,
			store.Verdict{Client: netip.MustParseAddrPort("192.0.2.1:0"), Source: "rspamd", HasScore: true, Score: 17.2, Threshold: 6, Spam: true, Sure: true}, ""},
		{"rspamd adds a header", `{"ip":"2001:db8::1","action":"add header","score":7}`,
			store.Verdict{Client: netip.MustParseAddrPort("[2001:db8::1]:0"), Source: "rspamd", HasScore: true, Score: 7, Threshold: 6, Spam: true}, ""},
		{"rspamd does nothing", `{"ip":"192.0.2.1","action":"no action","score":-0.2}`,
			store.Verdict{Client: netip.MustParseAddrPort("192.0.2.1:0"), Source: "rspamd", HasScore: true, Score: -0.2, Threshold: 6, Sure: true}, ""},
		{"rspamd puts off", `{"ip":"192.0.2.1","action":"greylist","score":4}`, store.Verdict{}, "no verdict"},
		{"neither", `{"id":"a","source":"x"}`, store.Verdict{}, "want a verdict, or score and threshold"},
		{"odd word", `{"id":"a","source":"x","verdict":"maybe"}`, store.Verdict{}, `want "spam" or "ham"`},
		{"odd client", `{"client":"host.example","source":"x","verdict":"ham"}`, store.Verdict{}, "client: want an address"},
		{"no JSON", `hello`, store.Verdict{}, "want one JSON object"},
	} {
		l, err := Parse([]byte(tt.line))
		var got store.Verdict
		if err == nil {
			got, err = l.Of()
		}
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%s: %+v, %v\nwant %+v", tt.name, got, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
	}
}

func TestMessage(t *testing.T) {
	const ours = "X-Mxprint: id=abcdefghijklmnopqrst os=\"Linux\"\r\n"
	for _, tt := range []struct {
		name, text string
		filtered   bool
		want, err  string
	}{
		{"learned", "From x@example.org Sat Nov 28\r\n" + ours + "Subject: x\r\n\r\nbody", false, `{"id":"abcdefghijklmnopqrst","verdict":"spam","source":"learn","person":true}`, ""},
		{"forged below", ours + "X-Mxprint: id=tsrqponmlkjihgfedcba\r\n\r\n", false, `{"id":"abcdefghijklmnopqrst","verdict":"spam","source":"learn","person":true}`, ""},
		{"forged in a value", "X-Mxprint: os=\"id=tsrqponmlkjihgfedcba \"\r\n\r\n", false, "", ErrNoID.Error()},
		{"without", "Subject: x\r\n\r\n", false, "", ErrNoID.Error()},
		{"no message", "", false, "", "that is no message"},
		{"spamassassin", "X-Spam-Status: Yes, score=15.2 required=5.0 tests=BAYES_99\r\n" + ours + "\r\n", true, `{"id":"abcdefghijklmnopqrst","source":"spamassassin","score":15.2,"threshold":5}`, ""},
		{"amavis", "X-Spam-Status: No, score=-1.9 tagged_above=-999 required=6.31\r\n\ttests=[BAYES_00=-1.9]\r\n" + ours + "\r\n", true, `{"id":"abcdefghijklmnopqrst","source":"spamassassin","score":-1.9,"threshold":6.31}`, ""},
		{"rspamd", "X-Spamd-Result: default: False [1.20 / 15.00];\r\n\tARC_NA(0.00)[]\r\n" + ours + "\r\n", true, `{"id":"abcdefghijklmnopqrst","source":"rspamd","score":1.2,"threshold":15}`, ""},
		{"no filter", ours + "\r\n", true, "", "no X-Spam-Status"},
	} {
		var l *Line
		var err error
		if tt.filtered {
			l, err = Filtered(strings.NewReader(tt.text), "X-Mxprint")
		} else {
			l, err = Learned(strings.NewReader(tt.text), "X-Mxprint", true)
		}
		got, _ := json.Marshal(l)
		switch {
		case tt.err == "" && (err != nil || string(got) != tt.want):
			t.Errorf("%s: %s, %v\nwant %s", tt.name, got, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
	}
}

func TestLog(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct{ line, want string }{
		{"2026-01-02T03:00:00.123+00:00 mx postfix/smtpd[123]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]:4711: 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example.org; from=<a@b> to=<c@d> proto=ESMTP helo=<x>",
			`{"client":"192.0.2.1:4711","time":"2026-01-02T03:00:00.123Z","verdict":"spam","source":"postfix-dnsbl","sure":true}`},
		{"Dec 31 23:00:00 mx postfix/submission/smtpd[1]: NOQUEUE: reject: RCPT from h.example[2001:db8::1]: 554 5.7.1 blocked using x",
			`{"client":"2001:db8::1","time":"2025-12-31T23:00:00Z","verdict":"spam","source":"postfix-dnsbl","sure":true}`},
		{"Jan  2 03:00:00 mx postfix/cleanup[9]: 4AB12C: milter-reject: END-OF-MESSAGE from unknown[192.0.2.9]: 5.7.1 Spam message rejected; from=<a@b>",
			`{"client":"192.0.2.9","time":"2026-01-02T03:00:00Z","verdict":"spam","source":"postfix-milter","sure":true}`},
		{"Jan  2 03:00:00 mx amavis[77]: (00077-01) Passed CLEAN {RelayedInbound}, [192.0.2.5]:2000 [192.0.2.5] <a@b> -> <c@d>, Queue-ID: 1, Message-ID: <x>, mail_id: y, Hits: -2.1, size: 900, queued_as: 2, 200 ms",
			`{"client":"192.0.2.5:2000","time":"2026-01-02T03:00:00Z","verdict":"ham","source":"amavis","score":-2.1,"threshold":6.31}`},
		{"Jan  2 03:00:00 mx amavis[77]: (00077-01) Blocked SPAM {NoBounceInbound,Quarantined}, [2001:db8::5]:2000 <a@b> -> <c@d>, Hits: 14.2, size: 900",
			`{"client":"[2001:db8::5]:2000","time":"2026-01-02T03:00:00Z","verdict":"spam","source":"amavis","score":14.2,"threshold":6.31}`},
		{"Jan  2 03:00:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 450 4.7.1 greylisted", "null"},
		{"Jan  2 03:00:00 mx postfix/smtpd[1]: connect from unknown[192.0.2.1]", "null"},
		{"Jan  2 03:00:00 mx postfix/cleanup[1]: 4AB12C: message-id=<postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 blocked using x>", "null"},
		{"Jan  2 03:00:00 mx postfix/smtpd[1]: warning: non-SMTP command from unknown[192.0.2.7]: Jan  2 03:00:00 mx postfix/cleanup[9]: 4AB12C: milter-reject: END-OF-MESSAGE from unknown[192.0.2.9]: 5.7.1 Spam message rejected", "null"},
		{"Jan  2 03:00:00 mx postfix/cleanup[1]: 4AB12C: message-id=<amavis[77]: (1-1) Blocked SPAM, [192.0.2.1]:2000 <a@b> -> <c@d>, Hits: 14.2>", "null"},
		{"Jan  2 03:00:00 mx amavis[77]: (00077-01) Passed CLEAN {RelayedInbound}, [192.0.2.5]:2000 <a@b> -> <c@d>, Message-ID: <, Hits: -50, size>, mail_id: y, Hits: 5.1, size: 900",
			`{"client":"192.0.2.5:2000","time":"2026-01-02T03:00:00Z","verdict":"ham","source":"amavis"}`},
		{`Jan  2 03:00:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 550 5.1.1 <x@y>: Recipient address rejected: User unknown; from=<"blocked using "@b> to=<x@y> proto=ESMTP helo=<x>`, "null"},
		{"Jan  2 03:00:00 mx postfix/cleanup[9]: 4AB12C: milter-reject: END-OF-MESSAGE from unknown[192.0.2.9]: 5.7.1 no thanks; from=<not.spam@b> to=<c@d>", "null"},
		{"Jan  2 03:00:00 mx postfix/smtpd[1]: warning: from=<NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 blocked using x>", "null"},
	} {
		if got, _ := json.Marshal(FromLog(tt.line, now)); string(got) != tt.want {
			t.Errorf("%.60s…\nis   %s\nwant %s", tt.line, got, tt.want)
		}
	}
}

// known answers each look-up with the same note.
type known struct{}

func (known) Lookup(context.Context, note.Query) (note.Note, error) {
	return note.Note{State: note.Matched, OSName: "Linux"}, nil
}

// serveStore runs a store and its server on a socket, and returns both and the id
// of a connection.
func serveStore(t *testing.T) (s *store.Store, at, id string) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(store.Config{Path: filepath.Join(dir, "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	at = filepath.Join(dir, "s")
	ln, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- s.Run(ctx) }()
	go func() { done <- (&Server{Store: s}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	who := store.Lookuper{Who: known{}, Store: s}
	n, err := who.Lookup(t.Context(), note.Query{Client: netip.MustParseAddrPort("192.0.2.1:4711")})
	if err != nil {
		t.Fatal(err)
	}
	return s, at, n.Memory.ID
}

func TestServer(t *testing.T) {
	s, at, id := serveStore(t)
	c, err := Dial(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	score, threshold := 20.0, 6.0
	if a, err := c.Send(&Line{ID: id, Source: "test", Score: &score, Threshold: &threshold}); err != nil || !a.OK {
		t.Errorf("a verdict: %+v, %v", a, err)
	}
	if _, err := c.Send(&Line{ID: someID, Source: "test", Verdict: "spam"}); err == nil || err.Error() != store.ErrUnknownID.Error() {
		t.Errorf("an unknown id: %v", err)
	}
	if _, err := c.Send(&Line{ID: id, Verdict: "spam"}); err == nil {
		t.Error("a verdict without source is taken")
	}
	if a, err := c.Send(&Line{Forget: "192.0.2.1"}); err != nil || a.Forgotten == nil || *a.Forgotten != 1 {
		t.Errorf("forget: %+v, %v", a, err)
	}
	if _, err := c.Send(&Line{ID: id, Source: "test", Verdict: "spam"}); err == nil {
		t.Error("a forgotten connection takes a verdict")
	}
	if st := s.Stats(); st.Verdicts != 1 || st.Orphans != 2 {
		t.Errorf("counted are %+v", st)
	}
}

// TestHTTP posts as rspamd does, over TCP, where nothing is forgotten.
func TestHTTP(t *testing.T) {
	s, _, _ := serveStore(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&Server{Store: s}).Serve(ctx, ln) }()
	defer func() { cancel(); <-done }()
	for body, want := range map[string]int{
		`{"ip":"192.0.2.1","action":"reject","score":20}`: 200, `{"ip":"192.0.2.77","action":"reject"}`: 400, `{`: 400, `{"forget":"192.0.2.1"}`: 400,
		strings.Repeat(" ", maxLine+1): 400,
	} {
		r, err := http.Post("http://"+ln.Addr().String()+"/x", "application/json", strings.NewReader(body))
		if err != nil {
			t.Errorf("%.40s: %v", body, err)
			continue
		}
		if r.Body.Close(); r.StatusCode != want {
			t.Errorf("%.40s: status %d, want %d", body, r.StatusCode, want)
		}
	}
	if st := s.Stats(); st.Verdicts != 1 {
		t.Errorf("counted are %+v", st)
	}
}

// TestHostile sends what no client sends.
func TestHostile(t *testing.T) {
	_, at, id := serveStore(t)
	for name, text := range map[string]string{
		"a long line": strings.Repeat("x", maxLine+10) + "\n", "empty lines": "\n\n\n", "half a line": `{"id":"`, "binary": "\x00\xff\x00\n", "half of HTTP": "POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nx",
	} {
		nc, err := net.Dial("unix", at)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprint(nc, text)
		nc.(*net.UnixConn).CloseWrite()
		var got bytes.Buffer
		if _, err := got.ReadFrom(nc); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", name, err)
		}
		nc.Close()
	}
	nc, err := net.Dial("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "{\"id\":%q,\"source\":\"pipe\",\"verdict\":\"spam\"}\n{\"id\":%q,\"source\":\"pipe\",\"verdict\":\"ham\"}\n", id, id)
	in := bufio.NewScanner(nc)
	for range 2 {
		if !in.Scan() || in.Text() != `{"ok":true}` {
			t.Fatalf("after all that the answer is %q, %v", in.Text(), in.Err())
		}
	}
}

// TestHostileHTTP: a request is read to a bound, whatever it says of itself.
func TestHostileHTTP(t *testing.T) {
	_, at, _ := serveStore(t)
	for name, text := range map[string]struct{ begin, more string }{
		"a header without end":  {"POST / HTTP/1.1\r\n", "X: y\r\n"},
		"a line without end":    {"POST / HTTP/1.1\r\nX: ", "xxxxxxxxxxxxxxxx"},
		"a body without end":    {"POST / HTTP/1.1\r\nContent-Length: 1099511627776\r\n\r\n", "xxxxxxxxxxxxxxxx"},
		"chunks without end":    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
		"a trailer without end": {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", "X: y\r\n"},
	} {
		nc, err := net.Dial("unix", at)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprint(nc, text.begin)
		begin := time.Now()
		taken, more := 0, []byte(strings.Repeat(text.more, 1000))
		for taken < 8<<20 {
			n, err := nc.Write(more)
			if taken += n; err != nil {
				break
			}
		}
		nc.Close()
		if took := time.Since(begin); taken > 2<<20 || took > 30*time.Second { // the kernel keeps a part
			t.Errorf("%s: %d bytes of one request are taken, in %v", name, taken, took)
		}
	}
}

// TestLongLine: the end of a line that is too long is no line.
func TestLongLine(t *testing.T) {
	_, at, _ := serveStore(t)
	const reject = "Jan  2 03:00:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 blocked using x\n"
	for _, text := range []string{strings.Repeat("x", maxLine) + reject, strings.Repeat("x", 3*maxLine-1) + reject} {
		c, err := Dial(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		n, err := SendLog(t.Context(), strings.NewReader(text+reject), c, false)
		if err != nil || n.Verdicts != 1 {
			t.Errorf("%d verdicts, %v; want that of the second line alone", n.Verdicts, err)
		}
		c.Close()
	}
}

func TestSendLog(t *testing.T) {
	s, at, _ := serveStore(t)
	c, err := Dial(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	now := time.Now().UTC().Format(time.RFC3339)
	log := now + " mx postfix/smtpd[1]: connect from unknown[192.0.2.1]\n" +
		now + " mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]:4711: 554 5.7.1 x blocked using x\n" +
		now + " mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]:4711: 554 5.7.1 x blocked using x"
	n, err := SendLog(t.Context(), strings.NewReader(log), c, false)
	if err != nil || n.Lines != 3 || n.Verdicts != 2 || n.Taken != 1 || n.Last == nil {
		t.Errorf("%+v, %v", n, err)
	}
	if st := s.Stats(); st.Verdicts != 1 {
		t.Errorf("counted are %+v", st)
	}
}
