package signature

import (
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/http1"
)

// messageOf reads a message in one segment; nil where its header has no end.
func messageOf(text string) *http1.Message {
	r := http1.Reader{Response: strings.HasPrefix(text, "HTTP/")}
	if r.Read([]byte(text)) != http1.Done {
		return nil
	}
	m := new(http1.Message)
	r.Message([]byte(text), m)
	return m
}

// ask is a request with these fields.
func ask(fields ...string) string {
	return "GET / HTTP/1.1\n" + strings.Join(fields, "\n") + "\n\n"
}

const webHead = "classes = c\n[http:request]\nua_os = Beta,Alpha=[BetaLike]\n"

// TestMatchHTTP holds one request against signatures, each under a label of the
// same number: "s" and "g" stand for specific and generic (p0f-v3.md §8.6).
func TestMatchHTTP(t *testing.T) {
	usual := ask("Host: a", "User-Agent: Reader/2", "Accept: */*", "Via:", "Host: b")
	for _, tt := range []struct {
		name string
		sigs []string
		in   string
		want int // 0: none
	}{
		{"no signature", nil, usual, 0},
		{"in order", []string{"s 1:Host,Accept::"}, usual, 1},
		{"out of order", []string{"s 1:Accept,User-Agent::"}, usual, 0},
		{"one later again", []string{"s 1:Accept,Host::"}, usual, 1},
		{"nothing wanted", []string{"s *:::"}, usual, 1},
		{"version", []string{"s 0:Host::", "s *:Host::"}, usual, 2},
		{"case of names", []string{"s *:host::"}, usual, 0},
		{"missing", []string{"s *:Host,Cookie::"}, usual, 0},
		{"optional and missing", []string{"s *:Host,?Cookie,Accept::"}, usual, 1},
		{"optional and out of order", []string{"s *:User-Agent,Accept,?User-Agent::"}, usual, 0},
		{"a value", []string{"s *:Accept=[/]::"}, usual, 1},
		{"another value", []string{"s *:Accept=[x]::"}, usual, 0},
		{"a value of none", []string{"s *:Via=[x]::"}, usual, 0},
		{"no second try", []string{"s *:Host=[b]::"}, usual, 0},
		{"optional with another value", []string{"s *:?Accept=[x]::"}, usual, 0},
		{"forbidden", []string{"s *:Host:Accept:"}, usual, 0},
		{"forbidden and empty", []string{"s *:Host:Via:"}, usual, 0},
		{"forbidden and absent", []string{"s *:Host:Cookie,Date:"}, usual, 1},
		{"the first of two", []string{"s *:Host,Accept::", "s *:Host::"}, usual, 1},
		{"specific after generic", []string{"g *:Host::", "s *:Host::"}, usual, 2},
		{"the first generic", []string{"g *:Host::", "g *:Accept::"}, usual, 1},
		{"responses are apart", []string{"s *:Server::"}, "HTTP/1.1 200 OK\nServer: a\n\n", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := webHead
			for _, s := range tt.sigs {
				text += "label = " + s[:1] + ":c:x:" + s[2:] + "\nsig = " + s[2:] + "\n"
			}
			m := parse(t, text).MatchHTTP(messageOf(tt.in))
			got := 0
			if m.Label() != nil {
				got = m.Label().ID
			}
			if got != tt.want {
				t.Errorf("label %d, want %d", got, tt.want)
			}
		})
	}
}

func TestDishonest(t *testing.T) {
	db := parse(t, webHead+"label = s:!:Reader:\nsys =\nsig = 1:Host::Reader/\nlabel = s:!:Other:\nsys =\nsig = 0:Host::\n")
	for in, want := range map[string]bool{
		ask("Host: a", "User-Agent: Mozilla (Reader/2)"): false,
		ask("Host: a", "User-Agent: reader/2"):           true,
		ask("Host: a", "User-Agent: \x00Reader/2"):       true,
		ask("Host: a", "User-Agent:"):                    false,
		ask("Host: a"):                                   false,
		ask("User-Agent: x"):                             false, // no match
		"GET / HTTP/1.0\nHost: a\nUser-Agent: x\n\n":     false, // nothing expected
	} {
		if m := db.MatchHTTP(messageOf(in)); m.Dishonest != want {
			t.Errorf("%q: dishonest %v, want %v", in, m.Dishonest, want)
		}
	}
}

func TestClaimedOS(t *testing.T) {
	db := parse(t, webHead+"label = s:c:alpha:\nsig = *:::\n")
	for in, want := range map[string]string{"x Beta y": "Beta", "BetaLike": "Beta", "beta": "", "": "", "Alpha": ""} {
		got := ""
		if u := db.ClaimedOS([]byte(in)); u != nil {
			got = u.Name
			if u.Names(db.Label(1)) {
				t.Errorf("%q names %s", in, db.Label(1).Name)
			}
		}
		if got != want {
			t.Errorf("ClaimedOS(%q) = %q, want %q", in, got, want)
		}
	}
	db = parse(t, "classes = c\n[http:request]\nua_os = aLPHA=[x]\nlabel = s:c:Alpha:\nsig = *:::\n")
	if u := db.ClaimedOS([]byte("ax")); u == nil || !u.Names(db.Label(1)) {
		t.Errorf("ClaimedOS = %+v, which does not name Alpha", u)
	}
}

// TestAppendRawHTTP has the two real lines of p0f-v3.md §10.5 first.
func TestAppendRawHTTP(t *testing.T) {
	db := parse(t, webHead+"label = s:c:x:\nsig = *:X-Known::\n")
	for _, tt := range []struct{ name, in, want string }{
		{"request",
			ask("Host: a", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:50.0) Gecko/20100101 Firefox/50.0", "Accept: text/html,*/*;q=0.8",
				"Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate", "Connection: keep-alive"),
			"1:Host,User-Agent,Accept=[text/html,*/*;q=0.8],Accept-Language=[en-US,en;q=0.5],Accept-Encoding=[gzip, deflate]," +
				"Connection=[keep-alive]:Accept-Charset,Keep-Alive:Mozilla/5.0 (X11; Linux x86_64; rv:50.0) Gecko/20100101 Firefox/50.0"},
		{"response",
			"HTTP/1.1 200 OK\nDate: x\nServer: Apache/2.4\nLast-Modified: y\nContent-Length: 1\nConnection: close\nContent-Type: text/html\n\n",
			"1:Date,Server,?Last-Modified,?Content-Length,Connection=[close],Content-Type:Keep-Alive,Accept-Ranges:Apache/2.4"},
		{"nothing at all", "GET / HTTP/1.0\n\n", "0::Host,User-Agent,Connection,Accept,Accept-Encoding,Accept-Language,Accept-Charset,Keep-Alive:"},
		{"a bar", ask("X-Known: a|b", "X-Own: a|b", "User-Agent: a|b", "Accept: |"),
			"1:X-Known=[a],X-Own=[a|b],User-Agent,Accept:Host,Connection,Accept-Encoding,Accept-Language,Accept-Charset,Keep-Alive:a|b"},
		{"bytes that end a value", ask("A: a\tb", "B: a\x80", "C: a]b", "D: ]", "E: \x7f", "F: a\x00b"),
			"1:A=[a],B=[a],C=[a],D,E=[\x7f],F=[a]:Host,User-Agent,Connection,Accept,Accept-Encoding,Accept-Language,Accept-Charset,Keep-Alive:"},
		{"200 bytes", ask("A: "+strings.Repeat("v", 201), "User-Agent: "+strings.Repeat("u", 201)),
			"1:A=[" + strings.Repeat("v", 200) + "],User-Agent:Host,Connection,Accept,Accept-Encoding,Accept-Language,Accept-Charset,Keep-Alive:" + strings.Repeat("u", 200)},
		{"optional to requests only", ask("Cookie: a", "Set-Cookie: a", "Content-Type: a", "Cache-Control: a"),
			"1:?Cookie,Set-Cookie=[a],Content-Type=[a],?Cache-Control:Host,User-Agent,Connection,Accept,Accept-Encoding,Accept-Language,Accept-Charset,Keep-Alive:"},
		{"optional to responses only", "HTTP/1.0 200 OK\nCookie: a\nSet-Cookie: a\nHost: a\nCache-Control: a\n\n",
			"0:Cookie=[a],?Set-Cookie,Host=[a],?Cache-Control:Content-Type,Connection,Keep-Alive,Accept-Ranges,Date:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			msg := messageOf(tt.in)
			m := db.MatchHTTP(msg)
			if got := string(AppendRawHTTP(nil, msg, &m)); got != tt.want {
				t.Errorf("raw signature\n%s, want\n%s", got, tt.want)
			}
		})
	}
}

func TestHTTPAllocatesNothing(t *testing.T) {
	db := parse(t, webHead+"label = s:!:Reader:\nsys =\nsig = 1:Host,?Cookie,Accept=[*/*]:Via:Reader/\n")
	msg := messageOf(ask("Host: a", "Accept: */*", "User-Agent: Reader/ "+strings.Repeat("x", 100)))
	b := make([]byte, 0, 1000)
	n := testing.AllocsPerRun(100, func() {
		m := db.MatchHTTP(msg)
		b = AppendRawHTTP(b[:0], msg, &m)
		db.ClaimedOS(msg.Software)
	})
	if n != 0 {
		t.Errorf("a match makes %v allocations, want 0", n)
	}
}

// FuzzMatchHTTP holds the match by numbers against one by names.
func FuzzMatchHTTP(f *testing.F) {
	f.Add("1:Host,?Via,Accept=[*/*]:Cookie,Date:x", "*:Host,Host::", "Host: a\nAccept: */*\nVia:\nHost: b\n\n", true)
	f.Add("*:?A,?B,A=[x]:C:", "0:::", "A: x\nB: y\nA: x\n\n", false)
	f.Fuzz(func(t *testing.T, first, second, fields string, generic bool) {
		kind := "s"
		if generic {
			kind = "g"
		}
		db, err := Parse(strings.NewReader(webHead+"label = "+kind+":c:x:\nsig = "+first+"\nlabel = s:c:y:\nsig = "+second+"\n"), "x.fp")
		msg := messageOf("GET / HTTP/1.1\n" + fields)
		if err != nil || msg == nil {
			return
		}
		var want *HTTP
		for _, sig := range db.http[Request] {
			if matchByName(sig, msg) && (want == nil || !sig.Label.Generic) {
				want = sig
			}
			if want != nil && !want.Label.Generic {
				break
			}
		}
		m := db.MatchHTTP(msg)
		if m.Sig != want {
			t.Fatalf("match %+v, want %+v", m.Sig, want)
		}
		raw := AppendRawHTTP(nil, msg, &m)
		if len(raw) > 32*(1+32+4+200)+600 || slices.ContainsFunc(raw, func(c byte) bool { return c < ' ' || c >= 0x80 }) {
			t.Fatalf("raw signature %q", raw)
		}
	})
}

// matchByName is p0f-v3.md §8.6 word for word.
func matchByName(sig *HTTP, msg *http1.Message) bool {
	index := func(from int, name string) int {
		for i := from; i < len(msg.Fields); i++ {
			if string(msg.Fields[i].Name) == name {
				return i
			}
		}
		return -1
	}
	if sig.Version != Any && sig.Version != msg.Version {
		return false
	}
	at := 0
	for _, h := range sig.Order {
		i := index(at, h.Name)
		switch {
		case i >= 0 && !h.takes(string(msg.Fields[i].Value)), i < 0 && !h.Optional, i < 0 && index(0, h.Name) >= 0:
			return false
		case i >= 0:
			at = i + 1
		}
	}
	return !slices.ContainsFunc(sig.Absent, func(name string) bool { return index(0, name) >= 0 })
}
