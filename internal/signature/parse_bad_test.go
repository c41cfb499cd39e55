package signature

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The beginnings of small databases. What follows tcpHead and userHead stands
// on line 4, what follows mtuHead on line 3, what follows httpHead on line 5.
const (
	tcpHead  = "classes = c,d\n[tcp:request]\nlabel = s:c:N:f\n"
	userHead = "classes = c,d\n[tcp:request]\nlabel = s:!:N:f\n"
	mtuHead  = "[mtu]\nlabel = x\n"
	httpHead = "classes = c,d\n[http:request]\nlabel = s:!:N:f\nsys = @c\n"
	anySig   = "sig = *:64:0:*:*,*:mss::0\n"
)

func manyNOPs(n int) string { return strings.TrimSuffix(strings.Repeat("nop,", n), ",") }

func manyHeaders(n int) string { return strings.TrimSuffix(strings.Repeat("A,", n), ",") }

// badDatabases are the fatal forms of p0f-v3.md §2.1 to §2.6. Their error texts
// are in testdata/bad.golden.
var badDatabases = []struct{ name, text string }{
	// Lines (p0f-v3.md §2.1).
	{"no statement", "hello\n"},
	{"blanks before no statement", "\n \t hello\n"},
	{"name without value", "classes\n"},
	{"value without name", "= 5\n"},
	{"unknown name", "colour = red\n"},
	{"name in capitals", "Classes = c\n"},
	{"name with a digit", "classes2 = c\n"},
	{"CRLF", "; written on Windows\r\n\r\nclasses = c\r\n"},
	{"CRLF behind a value", "classes = c\r\n"},
	{"CRLF behind a section", "[tcp:request]\r\n"},
	{"carriage return in a flavor", "classes = c\n[tcp:request]\nlabel = s:c:N:f\r\n"},
	{"carriage return alone", "\r"},
	{"byte order mark", "\ufeffclasses = c\n[tcp:request]\nlabel = s:c:N:f\nsig = *:64:0:*:8192,0:mss:df:0\n"},
	{"comment behind a value", tcpHead + strings.TrimSuffix(anySig, "\n") + " ; why\n"},
	{"blank behind a value", tcpHead + strings.TrimSuffix(anySig, "\n") + " \n"},
	{"control character", "classes = c\x00\n"},
	{"text is cut in the message", "[tcp:request, and so on and so on until it is too long to read]\n"},

	// Sections and the order of statements (p0f-v3.md §2.2).
	{"unknown section", "[udp]\n"},
	{"section in capitals", "[MTU]\n"},
	{"section without direction", "[tcp]\n"},
	{"section without bracket", "[mtu\n"},
	{"blank behind a section", "[mtu] \n"},
	{"classes in a section", "[mtu]\nclasses = c\n"},
	{"ua_os before a section", "ua_os = A\n"},
	{"ua_os in another section", "[http:response]\nua_os = A\n"},
	{"ua_os after a label", httpHead + "ua_os = A\n"},
	{"label before a section", "classes = c\nlabel = s:c:N:f\n"},
	{"label while sys is missing", userHead + "label = s:c:N:f\n"},
	{"sig before a section", anySig},
	{"sig without label", "[tcp:request]\n" + anySig},
	{"sig while sys is missing", userHead + anySig},
	{"sig after a section cut sys off", userHead + "[tcp:request]\n" + anySig},
	{"sys before a section", "sys = A\n"},
	{"sys of a system", tcpHead + "sys = A\n"},
	{"sys of a link", mtuHead + "sys = A\n"},
	{"sys twice", userHead + "sys = A\nsys = B\n"},
	{"sys after sig", userHead + "sys = A\n" + anySig + "sys = B\n"},

	// Values (p0f-v3.md §2.3).
	{"classes, comma at the end", "classes = a,\n"},
	{"classes, comma alone", "classes = ,\n"},
	{"classes, blank before a comma", "classes = a ,b\n"},
	{"classes, hyphen", "classes = a-b\n"},
	{"classes, blank at the end", "classes = a \n"},
	{"empty link label", "[mtu]\nlabel =\n"},
	{"MTU 0", mtuHead + "sig = 0\n"},
	{"MTU 65536", mtuHead + "sig = 65536\n"},
	{"no MTU", mtuHead + "sig =\n"},
	{"MTU with a blank behind", mtuHead + "sig = 1500 \n"},
	{"MTU in words", mtuHead + "sig = any\n"},
	{"MTU beyond all numbers", mtuHead + "sig = 99999999999999999999\n"},
	{"empty label", "classes = c\n[tcp:request]\nlabel =\n"},
	{"label type unknown", "classes = c\n[tcp:request]\nlabel = x:c:N:f\n"},
	{"label type in capitals", "classes = c\n[tcp:request]\nlabel = S:c:N:f\n"},
	{"label type of two letters", "classes = c\n[tcp:request]\nlabel = sg:c:N:f\n"},
	{"label of a type alone", "classes = c\n[tcp:request]\nlabel = s:c\n"},
	{"class unknown", "classes = c\n[tcp:request]\nlabel = s:win:N:f\n"},
	{"class empty", "classes = c\n[tcp:request]\nlabel = s::N:f\n"},
	{"class and !", "classes = c\n[tcp:request]\nlabel = s:!c:N:f\n"},
	{"name empty", "classes = c\n[tcp:request]\nlabel = s:c::f\n"},
	{"name with a comma", "classes = c\n[tcp:request]\nlabel = s:c:a,b:f\n"},
	{"name of eight-bit letters", "classes = c\n[tcp:request]\nlabel = s:c:\xe9:f\n"},
	{"label without flavor colon", "classes = c\n[tcp:request]\nlabel = s:c:N\n"},
	{"sys, comma at the end", userHead + "sys = A,\n"},
	{"sys, class unknown", userHead + "sys = @win\n"},
	{"sys, @ alone", userHead + "sys = @\n"},
	{"sys, plus sign", userHead + "sys = A+B\n"},
	{"ua_os, empty text", "[http:request]\nua_os = A=[]\n"},
	{"ua_os, bracket open", "[http:request]\nua_os = A=[x\n"},
	{"ua_os, no bracket", "[http:request]\nua_os = A=x\n"},
	{"ua_os, two commas", "[http:request]\nua_os = A,,B\n"},
	{"ua_os, plus sign", "[http:request]\nua_os = A+B\n"},

	// sig of TCP (p0f-v3.md §2.4), from left to right.
	{"empty", tcpHead + "sig =\n"},
	{"IP version 5", tcpHead + "sig = 5:64:0:*:*,*:mss::0\n"},
	{"IP version 46", tcpHead + "sig = 46:64:0:*:*,*:mss::0\n"},
	{"nothing but a version", tcpHead + "sig = *:\n"},
	{"TTL 0", tcpHead + "sig = *:0:0:*:*,*:mss::0\n"},
	{"TTL 256", tcpHead + "sig = *:256:0:*:*,*:mss::0\n"},
	{"TTL empty", tcpHead + "sig = *::0:*:*,*:mss::0\n"},
	{"TTL negative", tcpHead + "sig = *:-64:0:*:*,*:mss::0\n"},
	{"TTL 0 and 4", tcpHead + "sig = *:0+4:0:*:*,*:mss::0\n"},
	{"TTL sum 256", tcpHead + "sig = *:200+56:0:*:*,*:mss::0\n"},
	{"TTL of three", tcpHead + "sig = *:64+4+1:0:*:*,*:mss::0\n"},
	{"TTL with a letter", tcpHead + "sig = *:64x:0:*:*,*:mss::0\n"},
	{"random TTL 0", tcpHead + "sig = *:0-:0:*:*,*:mss::0\n"},
	{"random TTL and nothing else", tcpHead + "sig = *:64-:\n"},
	{"random TTL, empty option length", tcpHead + "sig = *:64-::*:*,*:mss::0\n"},
	{"option length 256", tcpHead + "sig = *:64:256:*:*,*:mss::0\n"},
	{"option length any", tcpHead + "sig = *:64:*:*:*,*:mss::0\n"},
	{"MSS 65536", tcpHead + "sig = *:64:0:65536:*,*:mss::0\n"},
	{"MSS any and more", tcpHead + "sig = *:64:0:*1:*,*:mss::0\n"},
	{"MSS in words", tcpHead + "sig = *:64:0:mss:*,*:mss::0\n"},
	{"window 65536", tcpHead + "sig = *:64:0:*:65536,*:mss::0\n"},
	{"window without scale", tcpHead + "sig = *:64:0:*:1024:mss::0\n"},
	{"window divisor 1", tcpHead + "sig = *:64:0:*:%1,*:mss::0\n"},
	{"window divisor 65536", tcpHead + "sig = *:64:0:*:%65536,*:mss::0\n"},
	{"window mss*0", tcpHead + "sig = *:64:0:*:mss*0,*:mss::0\n"},
	{"window mss*1001", tcpHead + "sig = *:64:0:*:mss*1001,*:mss::0\n"},
	{"window mtu*0", tcpHead + "sig = *:64:0:*:mtu*0,*:mss::0\n"},
	{"window in capitals", tcpHead + "sig = *:64:0:*:MSS*4,*:mss::0\n"},
	{"window mss", tcpHead + "sig = *:64:0:*:mss,*:mss::0\n"},
	{"scale 256", tcpHead + "sig = *:64:0:*:*,256:mss::0\n"},
	{"scale negative", tcpHead + "sig = *:64:0:*:*,-1:mss::0\n"},
	{"option unknown", tcpHead + "sig = *:64:0:*:*,*:foo::0\n"},
	{"option with more letters", tcpHead + "sig = *:64:0:*:*,*:mssx::0\n"},
	{"option empty", tcpHead + "sig = *:64:0:*:*,*:mss,,nop::0\n"},
	{"option in capitals", tcpHead + "sig = *:64:0:*:*,*:MSS::0\n"},
	{"option kind 256", tcpHead + "sig = *:64:0:*:*,*:?256::0\n"},
	{"eol without padding", tcpHead + "sig = *:64:0:*:*,*:eol::0\n"},
	{"eol+256", tcpHead + "sig = *:64:0:*:*,*:eol+256::0\n"},
	{"eol in the middle", tcpHead + "sig = *:64:0:*:*,*:eol+1,nop::0\n"},
	{"25 options", tcpHead + "sig = *:64:0:*:*,*:" + manyNOPs(25) + "::0\n"},
	{"layout is the end", tcpHead + "sig = *:64:0:*:*,*:mss\n"},
	{"quirk unknown", tcpHead + "sig = *:64:0:*:*,*:mss:foo:0\n"},
	{"quirk with more letters", tcpHead + "sig = *:64:0:*:*,*:mss:dfx:0\n"},
	{"quirk empty", tcpHead + "sig = *:64:0:*:*,*:mss:df,,ecn:0\n"},
	{"df in version 6", tcpHead + "sig = 6:64:0:*:*,*:mss:df:0\n"},
	{"id+ in version 6", tcpHead + "sig = 6:64:0:*:*,*:mss:id+:0\n"},
	{"id- in version 6", tcpHead + "sig = 6:64:0:*:*,*:mss:ecn,id-:0\n"},
	{"0+ in version 6", tcpHead + "sig = 6:64:0:*:*,*:mss:0+:0\n"},
	{"flow in version 4", tcpHead + "sig = 4:64:0:*:*,*:mss:df,flow:0\n"},
	{"quirks are the end", tcpHead + "sig = *:64:0:*:*,*:mss:df\n"},
	{"payload empty", tcpHead + "sig = *:64:0:*:*,*:mss::\n"},
	{"payload 1", tcpHead + "sig = *:64:0:*:*,*:mss::1\n"},
	{"something behind the payload", tcpHead + "sig = *:64:0:*:*,*:mss::0:\n"},

	// sig of HTTP (p0f-v3.md §2.5).
	{"HTTP version 2", httpHead + "sig = 2:Host::\n"},
	{"HTTP, nothing but a version", httpHead + "sig = *\n"},
	{"HTTP header empty", httpHead + "sig = *:Host,,Via::\n"},
	{"HTTP header with a dot", httpHead + "sig = *:Ho.st::\n"},
	{"HTTP header twice optional", httpHead + "sig = *:??Host::\n"},
	{"HTTP value empty", httpHead + "sig = *:Host=[]::\n"},
	{"HTTP value open", httpHead + "sig = *:Host=[a::\n"},
	{"HTTP value without brackets", httpHead + "sig = *:Host=a::\n"},
	{"33 HTTP headers", httpHead + "sig = *:" + manyHeaders(33) + "::\n"},
	{"33 absent HTTP headers", httpHead + "sig = *::" + manyHeaders(33) + ":\n"},
	{"absent header optional", httpHead + "sig = *:Host:?Via:\n"},
	{"absent header with a value", httpHead + "sig = *:Host:Via=[a]:\n"},
	{"HTTP, absent headers are the end", httpHead + "sig = *:Host:Via\n"},
	{"HTTP software with a colon", httpHead + "sig = *:Host::a:b\n"},

	// Already covered (p0f-v3.md §2.6); TestCovered has the rules.
	{"covered", tcpHead + "sig = 4:64:0:*:*,*:mss::0\nsig = 4:64:0:*:*,*:mss::0\n"},
	{"HTTP, covered", httpHead + "sig = 1:Host::\nsig = 1:Host,Via::\n"},

	// The terms beyond p0f's language (docs/signatures.md).
	{"TTL, no alternative", tcpHead + "sig = *:64|:0:*:*,*:mss::0\n"},
	{"TTL, alternative 256", tcpHead + "sig = *:64|256:0:*:*,*:mss::0\n"},
	{"TTL, five", tcpHead + "sig = *:64|1|2|3|4:0:*:*,*:mss::0\n"},
	{"TTL, random alternative", tcpHead + "sig = *:64|255-:0:*:*,*:mss::0\n"},
	{"range without end", tcpHead + "sig = *:64:0:*:5..,*:mss::0\n"},
	{"range backwards", tcpHead + "sig = *:64:0:*:5..4,*:mss::0\n"},
	{"range beyond 65535", tcpHead + "sig = *:64:0:*:5..65536,*:mss::0\n"},
	{"set open", tcpHead + "sig = *:64:0:*:{5,6:mss::0\n"},
	{"set empty", tcpHead + "sig = *:64:0:*:{},*:mss::0\n"},
	{"set of 17", tcpHead + "sig = *:64:0:*:{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17},*:mss::0\n"},
	{"window, nine alternatives", tcpHead + "sig = *:64:0:*:1|2|3|4|5|6|7|8|9,*:mss::0\n"},
	{"window, * as an alternative", tcpHead + "sig = *:64:0:*:1|*,*:mss::0\n"},
	{"window, no alternative", tcpHead + "sig = *:64:0:*:1|,*:mss::0\n"},
	{"window, divisor 1 as an alternative", tcpHead + "sig = *:64:0:*:1|%1,*:mss::0\n"},
	{"fit without a space", tcpHead + "sig = *:64:0:*:fit(),*:mss::0\n"},
	{"fit of 0", tcpHead + "sig = *:64:0:*:fit(0),*:mss::0\n"},
	{"fit beyond all spaces", tcpHead + "sig = *:64:0:*:fit(1073741824),*:mss::0\n"},
	{"fit open", tcpHead + "sig = *:64:0:*:fit(5,*:mss::0\n"},
	{"fit, unknown unit", tcpHead + "sig = *:64:0:*:fit(5/mtu),*:mss::0\n"},
	{"fit, nine spaces", tcpHead + "sig = *:64:0:*:fit(1|2|3|4|5|6|7|8|9),*:mss::0\n"},
	{"seg of 1001", tcpHead + "sig = *:64:0:*:seg(1001),*:mss::0\n"},
	{"seg of a range", tcpHead + "sig = *:64:0:*:seg(1..2),*:mss::0\n"},
	{"unknown function", tcpHead + "sig = *:64:0:*:fill(5),*:mss::0\n"},
	{"scale, range beyond 255", tcpHead + "sig = *:64:0:*:*,5..256:mss::0\n"},
	{"scale, set open", tcpHead + "sig = *:64:0:*:*,{5:mss::0\n"},
	{"scale, alternatives", tcpHead + "sig = *:64:0:*:*,5|6:mss::0\n"},
	{"layout, group open", tcpHead + "sig = *:64:0:*:*,*:[mss::0\n"},
	{"layout, group closed otherwise", tcpHead + "sig = *:64:0:*:*,*:[mss)::0\n"},
	{"layout, group in a group", tcpHead + "sig = *:64:0:*:*,*:[mss,[ts]]::0\n"},
	{"layout, unknown option in a group", tcpHead + "sig = *:64:0:*:*,*:[mss,tss]::0\n"},
	{"layout, erased MSS", tcpHead + "sig = *:64:0:*:*,*:mss~::0\n"},
	{"layout, 65 forms and more", tcpHead + "sig = *:64:0:*:*,*:[nop],[?1],[?3],[?5],[?6],[?7],[?9]::0\n"},
	{"layout, more than 24 options in a form", tcpHead + "sig = *:64:0:*:*,*:ts~,ts~,nop,nop,nop,nop,nop::0\n"},
	{"layout, behind an optional eol", tcpHead + "sig = *:64:0:*:*,*:[eol+1],nop::0\n"},
	{"quirk twice in doubt", tcpHead + "sig = *:64:0:*:*,*:mss:df??:0\n"},
	{"optional quirk of IPv4 for IPv6", tcpHead + "sig = 6:64:0:*:*,*:mss:df?:0\n"},
	{"optional quirk of IPv6 for IPv4", tcpHead + "sig = 4:64:0:*:*,*:mss:flow?:0\n"},
	{"rule covered", tcpHead + "sig = *:64|255:0:*:fit(65536),5..9:mss::0\nsig = *:64:0:*:fit(65536),7:mss::0\n"},
	{"or before a label", "[tcp:request]\nor = A:\n"},
	{"or of a link", mtuHead + "or = A:\n"},
	{"or after sig", tcpHead + anySig + "or = A:\n"},
	{"or without colon", tcpHead + "or = A\n"},
	{"or without name", tcpHead + "or = :A\n"},
	{"or, nine", tcpHead + strings.Repeat("or = A:\n", 9)},
	{"source before a label", "source = x\n"},
	{"source empty", tcpHead + "source =\n"},
	{"uptime before a label", "uptime = boot\n"},
	{"uptime of a link", mtuHead + "uptime = boot\n"},
	{"uptime of a program before sys", userHead + "uptime = boot\n"},
	{"uptime empty", tcpHead + "uptime =\n"},
	{"uptime, another word", tcpHead + "uptime = Random\n"},
	{"source of a program before sys", userHead + "source = x\n"},
	{"date in words", tcpHead + "date = November\n"},
	{"date, month 13", tcpHead + "date = 2026-13\n"},
	{"date, day 0", tcpHead + "date = 2026-11-00\n"},
}

// TestBadDatabases holds the errors to testdata/bad.golden: file, line,
// column, message and offending text.
func TestBadDatabases(t *testing.T) {
	var got strings.Builder
	for _, tt := range badDatabases {
		db, err := Parse(strings.NewReader(tt.text), "x.fp")
		var syntax *SyntaxError
		if err == nil || db != nil {
			t.Errorf("%s: Parse(%q) = %v, %v, want no database and an error", tt.name, tt.text, db, err)
		} else if !errors.As(err, &syntax) {
			t.Errorf("%s: Parse(%q) = %v, want a SyntaxError", tt.name, tt.text, err)
		} else {
			checkPlace(t, tt.name, tt.text, syntax)
		}
		fmt.Fprintf(&got, "%s\n\t%v\n", tt.name, err)
	}
	golden(t, "bad.golden", got.String())
}

// checkPlace checks that the offending text stands where the error says.
func checkPlace(t *testing.T, name, text string, e *SyntaxError) {
	t.Helper()
	lines := strings.Split(text, "\n")
	if e.Line < 1 || e.Line > len(lines) || e.Col < 1 || e.Col > len(lines[e.Line-1])+1 {
		t.Errorf("%s: there is no line %d, column %d in %q", name, e.Line, e.Col, text)
		return
	}
	shown, _ := strings.CutSuffix(e.Text, "…")
	if !strings.HasPrefix(lines[e.Line-1][e.Col-1:], shown) {
		t.Errorf("%s: line %d, column %d of %q is not %q", name, e.Line, e.Col, text, shown)
	}
}

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("%s:%d: got  %q\nwant %q", file, i+1, a, b)
		}
	}
}
