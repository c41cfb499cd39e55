package amavis

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/note"
)

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct{ in, want string }{ // want is empty for an error
		{"[198.18.0.1]:39435 sHrsEzXDnFbm", "198.18.0.1:39435"},
		{"[2001:db8::1]:39435 sHrsEzXDnFbm", "[2001:db8::1]:39435"},
		{"[2001:0db8:0000:0000:0000:0000:0000:0001]:65535 sHrsEzXDnFbm", "[2001:db8::1]:65535"},
		{"[2001:DB8::A]:1 n", "[2001:db8::a]:1"},
		{"[IPv6:2001:db8::1]:1 n", "[2001:db8::1]:1"},
		{"[::ffff:198.18.0.1]:1 n", "198.18.0.1:1"},
		{"[fe80::1%eth0]:1 n", "[fe80::1]:1"},
		{"[198.18.0.1] n", "198.18.0.1:0"},
		{"[198.18.0.1]:0 n", "198.18.0.1:0"},
		{"[198.18.0.1]:00025 n", "198.18.0.1:25"},
		{"[198.18.0.1]:25 ", "198.18.0.1:25"},
		{"[198.18.0.1]:25 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "198.18.0.1:25"},
		{"[198.18.0.1]:25 " + strings.Repeat("x", 64-16), "198.18.0.1:25"},

		{"[198.18.0.1]:25 " + strings.Repeat("x", 65-16), ""},
		{"", ""},
		{" ", ""},
		{" n", ""},
		{"[", ""},
		{"[] n", ""},
		{"[]:25 n", ""},
		{"]:25 n", ""},
		{"[198.18.0.1]:25", ""},
		{"[198.18.0.1]:25\tn", ""},
		{"[198.18.0.1]:25 n\r\n", ""},
		{"[198.18.0.1]:25 n m", ""},
		{"[198.18.0.1]:25  ", ""},
		{"[198.18.0.1]:25 \x7f", ""},
		{"[198.18.0.1]:25 \xff", ""},
		{"[198.18.0.1]:25 n\x00", ""},
		{"[198.18.0.1]: n", ""},
		{"[198.18.0.1]:65536 n", ""},
		{"[198.18.0.1]:000025 n", ""},
		{"[198.18.0.1]:+25 n", ""},
		{"[198.18.0.1]:-1 n", ""},
		{"[198.18.0.1]:2_5 n", ""},
		{"[198.18.0.1]:0x1 n", ""},
		{"[198.18.0.1]:25: n", ""},
		{"[198.18.0.1]25 n", ""},
		{"[198.18.0.1]] n", ""},
		{"[[198.18.0.1]:25 n", ""},
		{"198.18.0.1:25 n", ""},
		{"[198.18.0.256]:25 n", ""},
		{"[198.18.0.1/24]:25 n", ""},
		{"[198.18.0]:25 n", ""},
		{"[0.0.0.0]:25 n", ""},
		{"[::]:25 n", ""},
		{"[2001:db8]:25 n", ""},
		{"[mx.example]:25 n", ""},
		{"[fe80::1%a\nb]:25 n", ""},
		{"[fe80::1%a b]:25 n", ""},
	} {
		got, err := parseRequest([]byte(tt.in))
		if tt.want == "" {
			if !errors.Is(err, errRequest) || got != (request{}) {
				t.Errorf("parseRequest(%q) = %+v, %v, want an error", tt.in, got, err)
			}
			continue
		}
		if err != nil || got.client.String() != tt.want || got.text != tt.in {
			t.Errorf("parseRequest(%q) = %+v, %v, want the client %s", tt.in, got, err, tt.want)
		}
	}
}

// FuzzParseRequest: what is a question has a client and gets an answer of one
// line that begins with the question, and which no server takes for a question,
// whether it reads all of it or 64 bytes.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte("[198.18.0.1]:39435 sHrsEzXDnFbm"), "Linux, (distance 9, link: DSL)")
	f.Add([]byte("[2001:db8::1] "), "")
	f.Add([]byte("[fe80::1%eth0]:1 n"), "\r\n")
	f.Add([]byte("[::%0] "), "")
	f.Add([]byte("[::ffff:0.0.0.0] "), "")
	f.Add([]byte("[198.18.0.1]:25 "+strings.Repeat("x", 48)), strings.Repeat("y", 2000))
	f.Fuzz(func(t *testing.T, in []byte, text string) {
		r, err := parseRequest(in)
		if err != nil {
			if r != (request{}) {
				t.Fatalf("parseRequest(%q) = %+v, %v", in, r, err)
			}
			return
		}
		a := r.client.Addr()
		if r.text != string(in) || len(in) > maxRequest || !a.IsValid() || a.IsUnspecified() || a.Is4In6() || a.Zone() != "" {
			t.Fatalf("parseRequest(%q) = %+v", in, r)
		}
		reply := appendReply(nil, r.text, text)
		body, ok := bytes.CutSuffix(reply, []byte("\r\n"))
		if !ok || len(reply) > maxReply || !bytes.HasPrefix(body, append(in, ' ')) {
			t.Fatalf("%q is answered with %q", in, reply)
		}
		for _, c := range body {
			if c < ' ' || c > '~' {
				t.Fatalf("byte %#02x in the answer %q", c, reply)
			}
		}
		if q, err := parseRequest(reply[:min(len(reply), maxRequest+1)]); err == nil {
			t.Fatalf("the answer %q is the question %+v", reply, q)
		}
	})
}

func TestReplyIsCut(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 1020, 1021, 1022, 5000} {
		got := string(appendReply(nil, "q", strings.Repeat("x", n)))
		want := "q " + strings.Repeat("x", min(n, 1024-4)) + "\r\n"
		if got != want {
			t.Errorf("text of %d bytes: answer of %d, want %d", n, len(got), len(want))
		}
	}
	if got, want := string(appendReply(nil, "q", "a\r\nb\x00\xff\x7f~")), "q a??b???~\r\n"; got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
}

func TestV3Text(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    note.Note
		want string
	}{
		{"unavailable", note.Note{}, ""},
		{"not seen", note.Note{State: note.NotSeen}, ""},
		{"matched", note.Note{
			State: note.Matched, OSName: "Linux", OSFlavor: "3.11 and newer", Distance: note.Hops(8), LinkType: "DSL",
			ByConnection: true, RawSig: "4:56+8:0:1452:mss*20,7:mss,sok,ts,nop,ws:df,id+:0",
		}, "Linux 3.11 and newer; dist: 8; link: DSL; params: none; raw_sig: 4:56+8:0:1452:mss*20,7:mss,sok,ts,nop,ws:df,id+:0"},
		{"without a flavor, of the host", note.Note{State: note.Matched, OSName: "Nintendo", Quality: note.Generic | note.Fuzzy},
			"Nintendo; params: generic fuzzy"},
		{"fuzzy", note.Note{State: note.Matched, OSName: "A", Quality: note.Fuzzy}, "A; params: fuzzy"},
		{"a newer sensor's", note.Note{State: note.Matched, OSName: "A", Quality: 1 << 7}, "A; params: none"},
		{"generic", note.Note{State: note.Matched, OSName: "A", Quality: note.Generic, Distance: note.Hops(1)}, "A; dist: 1; params: generic"},
		{"unknown", note.Note{State: note.Unknown, Distance: note.Hops(9), RawSig: "s"}, "???; dist: 9; params: none; raw_sig: s"},
		{"a random clock", note.Note{State: note.Matched, OSName: "A", UptimeMin: 3*24*60 + 4*60 + 5, UpModDays: 49, Clock: note.ClockRandom},
			"A; params: none"},
		{"uptime", note.Note{State: note.Matched, OSName: "A", UptimeMin: 3*24*60 + 4*60 + 5, UpModDays: 49},
			"A; params: none; uptime: 3 days 4 hrs 5 min (modulo 49 days)"},
		{"any bytes", note.Note{State: note.Matched, OSName: "A\r\n", LinkType: "\x00\""}, "A??; link: ?'; params: none"},
	} {
		if got := v3Text(&tt.n); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestLongestQuestionOfAmavisFits(t *testing.T) {
	long := netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").StringExpanded()
	q := "[" + long + "]:65535 " + strings.Repeat("n", 12)
	if _, err := parseRequest([]byte(q)); err != nil || len(q) != 60 {
		t.Errorf("%d bytes, %v, want 60", len(q), err)
	}
}
