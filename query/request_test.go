package query

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/note"
)

func end(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// The examples of docs/query.md, and what mail servers write.
func TestParseRequest(t *testing.T) {
	v4, v6 := end("203.0.113.9:39435"), end("[2001:db8::25]:39435")
	mx4, mx6 := end("198.18.0.2:25"), end("[2001:db8::2]:25")
	host := func(e netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(e.Addr(), 0) }
	for _, tt := range []struct {
		name, line string
		want       request
	}{
		{"address", "203.0.113.9", request{client: host(v4)}},
		{"IPv6 address", "2001:db8::25", request{client: host(v6)}},
		{"two words", "203.0.113.9 39435", request{client: v4}},
		{"IPv6 in two words", "2001:db8::25 39435", request{client: v6}},
		{"one word", "203.0.113.9:39435", request{client: v4}},
		{"IPv6 in one word", "[2001:db8::25]:39435", request{client: v6}},
		{"both ends in four words", "2001:db8::25 39435 2001:db8::2 25", request{client: v6, server: mx6}},
		{"both ends in two words", "203.0.113.9:39435 198.18.0.2:25", request{client: v4, server: mx4}},
		{"both ends in three words", "203.0.113.9:39435 198.18.0.2 25", request{client: v4, server: mx4}},
		{"server without a port", "203.0.113.9 39435 198.18.0.2", request{client: v4, server: host(mx4)}},
		{"two addresses", "203.0.113.9 198.18.0.2", request{client: host(v4), server: host(mx4)}},
		{"port 0", "203.0.113.9 0", request{client: host(v4)}},
		{"brackets", "[203.0.113.9] 39435", request{client: v4}},
		{"IPv6 in brackets", "[2001:db8::25] 39435", request{client: v6}},
		{"Sendmail", "IPv6:2001:db8::25 39435", request{client: v6}},
		{"address literal", "[IPv6:2001:db8::25]:39435", request{client: v6}},
		{"prefix before brackets", "ipv6:[2001:db8::25]:39435", request{client: v6}},
		{"mapped", "::ffff:203.0.113.9 39435", request{client: v4}},
		{"mapped in brackets", "[::ffff:203.0.113.9]:39435", request{client: v4}},
		{"zone", "fe80::1%eth0 39435", request{client: end("[fe80::1]:39435")}},
		{"text", "text 203.0.113.9", request{client: host(v4)}},
		{"json", "json 203.0.113.9 39435", request{form: formJSON, client: v4}},
		{"v2", "v2 203.0.113.9", request{form: formV2, client: host(v4)}},
		{"wait", "wait=20 203.0.113.9", request{wait: 20 * time.Millisecond, client: host(v4)}},
		{"no wait", "json wait=0 203.0.113.9", request{form: formJSON, wait: 0, client: host(v4)}},
		{"spaces", "  json   203.0.113.9  39435 ", request{form: formJSON, client: v4}},
		// Four digits or fewer behind the last colon are a group of the
		// address; docs/query.md warns.
		{"ambiguous", "2001:db8::25:3943", request{client: netip.AddrPortFrom(netip.MustParseAddr("2001:db8::25:3943"), 0)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(tt.line, "wait=") {
				tt.want.wait = -1
			}
			if got, err := parseRequest(tt.line); err != nil || got != tt.want {
				t.Errorf("parseRequest(%q) = %+v, %v, want %+v", tt.line, got, err, tt.want)
			}
		})
	}
}

func TestParseRequestErrors(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"", "no address"},
		{"   ", "no address"},
		{"json", "no address"},
		{"wait=5", "no address"},
		{"QUIT", `not an address: "QUIT"`},
		{"GET / HTTP/1.0", `not an address: "GET"`},
		{"203.0.113.9 39435 25", `not an address: "25"`},
		{"203.0.113.9 65536", `not a port: "65536"`},
		{"203.0.113.9:", `not a port: ""`},
		{"203.0.113.9:smtp", `not a port: "smtp"`},
		{"203.0.113.9 smtp", `not an address: "smtp"`},
		{"2001:db8::25:39435", `not an address: "2001:db8::25:39435"`},
		{"203.0.113.9 39435 198.18.0.2 25 x", `one word too many: "x"`},
		{"wait=-1 203.0.113.9", `not a number of milliseconds: "-1"`},
		{"wait= 203.0.113.9", `not a number of milliseconds: ""`},
		{"wait=99999999999 203.0.113.9", `not a number of milliseconds: "99999999999"`},
		{"JSON 203.0.113.9", `not an address: "JSON"`},
		{"203.0.113.9\t39435", `not an address: "203.0.113.9\t39435"`},
		{"\xff\n\x00", `not an address: "\xff\n\x00"`},
		{strings.Repeat("x", 200), `not an address: "` + strings.Repeat("x", 50) + `"...`},
		{strings.Repeat("x", 257), "a request has 256 bytes at most"},
	} {
		if r, err := parseRequest(tt.line); err == nil || err.Error() != tt.want {
			t.Errorf("parseRequest(%q) = %+v, %v, want %s", tt.line, r, err, tt.want)
		}
	}
}

// TestAppendRequest: what a Client writes says what it was asked.
func TestAppendRequest(t *testing.T) {
	for _, tt := range []struct {
		q    note.Query
		want string
	}{
		{note.Query{Client: end("203.0.113.9:39435"), Wait: 5 * time.Millisecond}, "json wait=0 203.0.113.9 39435\n"},
		{note.Query{Client: end("[2001:db8::25]:0"), Server: end("[2001:db8::2]:25")}, "json wait=0 2001:db8::25 0 2001:db8::2 25\n"},
		{note.Query{Client: end("[fe80::1%eth0]:1")}, "json wait=0 fe80::1 1\n"},
		{note.Query{Client: end("[::ffff:203.0.113.9]:1")}, "json wait=0 203.0.113.9 1\n"},
	} {
		if got := string(appendRequest(nil, tt.q)); got != tt.want {
			t.Errorf("appendRequest(%+v) = %q, want %q", tt.q, got, tt.want)
		}
	}
	// The longest of all is within the promise to package ask.
	long := end("[2001:db8:1111:2222:3333:4444:5555:6666]:65535")
	if n := len(appendRequest(nil, note.Query{Client: long, Server: long})); n > 128 {
		t.Errorf("a request has %d bytes, want 128 at most", n)
	}
}

// FuzzParseRequest: an error is one line of ASCII, and what is understood means
// the same again in the words of a Client.
func FuzzParseRequest(f *testing.F) {
	for _, s := range []string{
		"203.0.113.9", "json wait=5 203.0.113.9 39435 198.18.0.2 25", "v2 [2001:db8::25]:39435",
		"IPv6:2001:db8::25 39435", "::ffff:1.2.3.4 1", "fe80::1%eth0 39435", "text [IPv6:::1]:1", "wait=1000000 ::",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := parseRequest(line)
		if err != nil {
			for _, c := range []byte(err.Error()) {
				if c < ' ' || c > '~' {
					t.Fatalf("parseRequest(%q): byte %#02x in the error %q", line, c, err)
				}
			}
			if len(err.Error()) > 400 {
				t.Fatalf("parseRequest(%q): an error of %d bytes", line, len(err.Error()))
			}
			return
		}
		if !r.client.IsValid() || r.client.Addr().Zone() != "" || r.client.Addr().Is4In6() {
			t.Fatalf("parseRequest(%q) = client %v", line, r.client)
		}
		q := note.Query{Client: r.client, Server: r.server}
		again, err := parseRequest(strings.TrimSuffix(string(appendRequest(nil, q)), "\n"))
		want := r
		want.form, want.wait = formJSON, 0
		if err != nil || again != want {
			t.Fatalf("parseRequest(%q) = %+v, and again %+v, %v", line, r, again, err)
		}
	})
}
