package signature

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

const (
	termsHead = "classes = unix\n[tcp:request]\nlabel = s:unix:A:\n"
	linuxRule = "*:64|255:0:*:fit(65536),5..14:mss,sok~,ts~,nop,ws,[?30],[?34,nop,nop]:df,id+,flow?,ecn?:0"
)

// linux610 is the SYN of Linux 6.10 and later on Ethernet.
func linux610() packet.Segment {
	s := linuxSYN()
	s.Window = 64240
	return s
}

// nops is n options NOP.
func nops(n int) []uint8 {
	list := make([]uint8, n)
	for i := range list {
		list[i] = packet.OptNOP
	}
	return list
}

// TestTerms has a row or more for every added term; want is "-" for no match,
// else the quality and the flags.
func TestTerms(t *testing.T) {
	sub := func(old, new string) string {
		if !strings.Contains(linuxRule, old) {
			t.Fatalf("%q is not in %q", old, linuxRule)
		}
		return strings.Replace(linuxRule, old, new, 1)
	}
	window := func(mss, w uint16) func(*packet.Segment) {
		return func(s *packet.Segment) { s.MSS, s.Window = mss, w }
	}
	layout := func(kinds ...uint8) func(*packet.Segment) {
		return func(s *packet.Segment) { s.Layout = layoutOf(kinds...) }
	}
	quirks := func(q packet.Quirks) func(*packet.Segment) {
		return func(s *packet.Segment) { s.Quirks = q }
	}
	ttl := func(n uint8) func(*packet.Segment) { return func(s *packet.Segment) { s.TTL = n } }
	scale := func(n uint8) func(*packet.Segment) { return func(s *packet.Segment) { s.Scale = n } }
	v6 := func(q packet.Quirks) func(*packet.Segment) {
		return func(s *packet.Segment) { s.Version, s.Quirks, s.MSS, s.Window = 6, q, 1440, 64800 }
	}
	with := func(at int, kinds ...uint8) []uint8 { // the Linux options with kinds from at on
		return append([]uint8{2, 4, 8, 1, 3}[:at:at], kinds...)
	}
	for _, tt := range []struct {
		name, sig string
		edit      func(*packet.Segment)
		want      string
	}{
		// The windows of Linux in every row of the kernels' rule.
		{"fit 1460", linuxRule, window(1460, 64240), "exact 0"},
		{"fit 1452", linuxRule, window(1452, 65340), "exact 0"},
		{"fit 1440", linuxRule, window(1440, 64800), "exact 0"},
		{"fit 1420", linuxRule, window(1420, 65320), "exact 0"},
		{"fit 1380", linuxRule, window(1380, 64860), "exact 0"},
		{"fit 1360", linuxRule, window(1360, 65280), "exact 0"},
		{"fit 8961", linuxRule, window(8961, 62727), "exact 0"},
		{"fit 8960", linuxRule, window(8960, 62720), "exact 0"},
		{"fit loopback", linuxRule, window(65495, 65495), "exact 0"},
		{"fit beyond 65535", linuxRule, window(1024, 65535), "exact 0"},
		{"fit, not the largest multiple", linuxRule, window(1460, 62780), "-"},
		{"fit, no multiple", linuxRule, window(1460, 64241), "-"},
		{"fit, no window", linuxRule, window(1460, 0), "-"},
		{"fit 33280", sub("65536", "65536|33280"), window(1460, 32120), "exact 0"},
		{"fit 33280 alone", sub("65536", "33280"), window(1460, 64240), "-"},
		{"fit above the MSS", sub("65536", "500"), window(1460, 500), "exact 0"},
		{"fit range", sub("65536", "40000..70000"), window(1460, 42340), "exact 0"},
		{"fit range, at its end", sub("65536", "42340..43799"), window(1460, 42340), "exact 0"},
		{"fit range, above it", sub("65536", "43800..43900"), window(1460, 42340), "-"},
		{"fit range, below it", sub("65536", "42000..42339"), window(1460, 42340), "-"},
		{"fit range, 65535", sub("65536", "70000..90000"), window(1460, 65535), "exact 0"},
		{"fit range, 65535 out of reach", sub("65536", "40000..65600"), window(1460, 65535), "-"},
		{"fit any", sub("65536", "*"), window(1400, 2800), "exact 0"},
		{"fit any, less than a segment", sub("65536", "*"), window(1460, 1000), "-"},
		{"fit, less than a segment of a larger MSS", sub("65536", "5000"), window(1400, 5000), "-"},
		{"fit any, no multiple", sub("65536", "*"), window(1459, 2800), "-"},
		{"fit mss-12", sub("65536", "65536/mss-12"), window(1460, 65160), "exact 0"},
		{"fit mss-12, the MSS whole", sub("65536", "65536/mss-12"), window(1459, 64196), "-"},
		{"fit mss-12 without timestamps", "*:64:0:*:fit(65536/mss-12),*:mss:df,id+:0", func(s *packet.Segment) {
			s.Layout, s.Window = layoutOf(2), 64240
		}, "exact 0"},
		{"fit either", sub("65536", "65536/*"), window(1460, 65160), "exact 0"},
		{"fit either, whole", sub("65536", "65536/*"), window(1460, 64240), "exact 0"},
		{"fit, a lowered MSS", linuxRule, window(1412, 64240), "exact 4"},
		{"fit, a lowered jumbo MSS", linuxRule, window(1460, 62727), "exact 4"},
		{"fit, a raised MSS", linuxRule, window(1460, 65340), "-"},
		{"fit range, a lowered MSS", sub("65536", "65000..66000"), window(1412, 64240), "exact 4"},
		{"seg", sub("fit(65536)", "seg(20)"), window(1380, 27600), "exact 0"},
		{"seg of several", sub("fit(65536)", "seg(10|20)"), window(1460, 14600), "exact 0"},
		{"seg jumbo", sub("fit(65536)", "seg(20)"), window(8961, 26883), "exact 0"},
		{"seg, two at least", sub("fit(65536)", "seg(4)"), window(8960, 17920), "exact 0"},
		{"seg, a lowered MSS", sub("fit(65536)", "seg(20)"), window(1400, 28800), "exact 4"},
		{"seg, other number", sub("fit(65536)", "seg(20)"), window(1460, 30660), "-"},
		{"alternatives", sub("fit(65536)", "8192|65535|mss*4|%4096"), window(1460, 5840), "exact 0"},
		{"alternatives, divisor", sub("fit(65536)", "8192|%4096"), window(1460, 12288), "exact 0"},
		{"set", sub("fit(65536)", "{8192,64240,16384..32768}"), window(1460, 64240), "exact 0"},
		{"set, range", sub("fit(65536)", "{8192,64240,16384..32768}"), window(1460, 20000), "exact 0"},
		{"set, outside", sub("fit(65536)", "{8192,64240,16384..32768}"), window(1460, 32769), "-"},
		{"range", sub("fit(65536)", "64000..65000"), window(1460, 65000), "exact 0"},

		{"scale, low end", linuxRule, scale(5), "exact 0"},
		{"scale, high end", linuxRule, scale(14), "exact 0"},
		{"scale, below", linuxRule, scale(4), "-"},
		{"scale set", sub("5..14", "{0,2,7..9}"), scale(8), "exact 0"},
		{"scale set, gap", sub("5..14", "{0,2,7..9}"), scale(1), "-"},

		{"MPTCP", linuxRule, layout(with(5, 30)...), "exact 0"},
		{"TFO", linuxRule, layout(with(5, 34, 1, 1)...), "exact 0"},
		{"both", linuxRule, layout(with(5, 30, 34, 1, 1)...), "exact 0"},
		{"half of a group", linuxRule, layout(with(5, 34, 1)...), "-"},
		{"ts erased", linuxRule, layout(append(append([]uint8{2, 4}, nops(11)...), 3)...), "exact 2"},
		{"ts erased and shortened", linuxRule, layout(2, 4, 1, 1, 1, 3), "exact 2"},
		{"sok erased", linuxRule, layout(2, 1, 1, 8, 1, 3), "exact 2"},
		{"both erased", linuxRule, layout(append(append([]uint8{2, 1, 1}, nops(11)...), 3)...), "exact 2"},
		{"not erased so", linuxRule, layout(append(append([]uint8{2, 4}, nops(10)...), 3)...), "-"},
		{"ws erased", sub("nop,ws", "nop,ws~"), layout(2, 4, 8, 1, 1, 1, 1), "exact 2"},
		{"order", sub("sok~,ts~", "(sok,ts|ts,sok)"), layout(2, 8, 4, 1, 3), "exact 0"},
		{"alternatives of an optional part", sub("[?30]", "[?30|?254,nop,nop]"), layout(with(5, 254, 1, 1)...), "exact 0"},
		{"what is there beats what is erased", sub("sok~", "(sok~|nop,nop)"), layout(2, 1, 1, 8, 1, 3), "exact 0"},

		{"ecn allowed", linuxRule, quirks(packet.QuirkDF | packet.QuirkIDNonZero | packet.QuirkECN), "exact 0"},
		{"id+ missing", linuxRule, quirks(packet.QuirkDF), "fuzzy 0"},
		{"id+ allowed", sub("id+", "id+?"), quirks(packet.QuirkDF), "exact 0"},
		{"seq- added", linuxRule, quirks(packet.QuirkDF | packet.QuirkIDNonZero | packet.QuirkSeqZero), "-"},
		{"IPv6, flow label", linuxRule, v6(packet.QuirkFlow), "exact 0"},
		{"IPv6, no flow label", linuxRule, v6(0), "exact 0"},
		{"IPv6, ECN", linuxRule, v6(packet.QuirkFlow | packet.QuirkECN), "exact 0"},

		{"TTL", linuxRule, ttl(64), "exact 0"},
		{"TTL reset", linuxRule, ttl(250), "exact 1"},
		{"TTL of neither", linuxRule, ttl(120), "fuzzy 0"},
		{"all at once", linuxRule, func(s *packet.Segment) {
			s.TTL, s.MSS, s.Layout = 240, 1400, layoutOf(2, 1, 1, 8, 1, 3)
		}, "exact 7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := parse(t, termsHead+"sig = "+tt.sig+"\n")
			s := linux610()
			tt.edit(&s)
			m := db.Match(Request, &s, 0)
			got := "-"
			if m.Sig != nil {
				got = fmt.Sprintf("%v %d", m.Quality(), m.Flags)
			}
			if got != tt.want {
				t.Errorf("%s of %s = %s, want %s", tt.sig, AppendRaw(nil, &s, m.Multiple), got, tt.want)
			}
			if want := walk(db.tcp[Request].sigs, &s, 0); want.Sig != m.Sig || want.Fuzzy != m.Fuzzy || want.Distance != m.Distance {
				t.Errorf("Match = %+v, the walk = %+v", m, want)
			}
		})
	}
}

// TestTermsPeerMSS: a SYN+ACK may be rounded to the MSS of the SYN.
func TestTermsPeerMSS(t *testing.T) {
	db := parse(t, "classes = unix\n[tcp:response]\nlabel = s:unix:A:\nsig = *:64:0:*:fit(65536/mss-12),*:mss,sok,ts,nop,ws:df:0\n")
	s := linux610()
	s.Quirks, s.Window = packet.QuirkDF, 65535/1225*1225
	if m := db.Match(Response, &s, 0); m.Sig != nil {
		t.Errorf("without the peer's MSS the match is %+v, want none", m)
	}
	if m := db.Match(Response, &s, 1237); m.Sig == nil || m.Flags != 0 {
		t.Errorf("with the peer's MSS the match is %+v, want exact and no flags", m)
	}
}

// TestStatements reads the candidates, sources and dates of labels.
func TestStatements(t *testing.T) {
	db := parse(t, termsHead+`or = Android:
or = ChromeOS:12 (any)
source = lab
date = 2026-11
uptime = random
sig = *:64:0:*:1,0:mss::0
uptime = boot
source = kernel source: x
sig = *:64:0:*:2,0:mss::0
label = s:unix:B:
sig = *:64:0:*:3,0:mss::0
date = 2026-11-23
sig = *:64:0:*:4,0:mss::0
`)
	for i, want := range []string{"lab 2026-11", "kernel source: x 2026-11", " ", " 2026-11-23"} {
		sig := db.TCP(i + 1)
		if got := sig.Source + " " + sig.Date; got != want {
			t.Errorf("signature %d: source and date %q, want %q", i+1, got, want)
		}
	}
	for i, want := range []Clock{ClockRandom, ClockBoot, ClockUnstated} {
		if got := db.TCP(i + 1).Clock; got != want {
			t.Errorf("signature %d: clock %d, want %d", i+1, got, want)
		}
	}
	if got, want := fmt.Sprint(db.Label(1).Or, db.Label(2).Or), "[{Android } {ChromeOS 12 (any)}] []"; got != want {
		t.Errorf("candidates %s, want %s", got, want)
	}
}

// TestCoveredTerms: what is reported can never count, and what is plainly
// dead is reported.
func TestCoveredTerms(t *testing.T) {
	const x = "*:64|255:0:*:fit(65536|33280),5..9:mss,ts~,[?30]:df,id+,ecn?,flow?:0"
	sub := func(old, new string) string { return strings.Replace(x, old, new, 1) }
	for _, tt := range []struct {
		name, first, second string
		covered             bool
	}{
		{"equal", x, x, true},
		{"one TTL", x, sub("64|255", "64"), true},
		{"the other TTL", x, sub("64|255", "255"), true},
		{"another TTL", x, sub("64|255", "64|128"), false},
		{"a random TTL", sub("64|255", "64"), sub("64|255", "64-"), false},
		{"one space", x, sub("65536|33280", "33280"), true},
		{"another space", x, sub("65536|33280", "33281"), false},
		{"in a range of spaces", sub("65536|33280", "1000..70000"), x, true},
		{"in any space", sub("65536|33280", "*"), x, true},
		{"another unit", x, sub("33280)", "33280/mss-12)"), false},
		{"either unit", sub("33280)", "33280/*)"), x, true},
		{"any window", sub("fit(65536|33280)", "*"), x, true},
		{"any window later", x, sub("fit(65536|33280)", "*"), false},
		{"number in a set", sub("fit(65536|33280)", "{1,3..5}"), sub("fit(65536|33280)", "4"), true},
		{"set in a range", sub("fit(65536|33280)", "1..9"), sub("fit(65536|33280)", "{1,3..5}"), true},
		{"number beside a range", sub("fit(65536|33280)", "1..9"), sub("fit(65536|33280)", "10"), false},
		{"number under a divisor", sub("fit(65536|33280)", "%4"), sub("fit(65536|33280)", "8"), true},
		{"seg", sub("fit(65536|33280)", "seg(10|20)"), sub("fit(65536|33280)", "seg(20)"), true},
		{"fewer scales", x, sub("5..9", "{5,7}"), true},
		{"more scales", x, sub("5..9", "5..10"), false},
		{"any scale", x, sub("5..9", "*"), false},
		{"under any scale", sub("5..9", "*"), x, true},
		{"one layout", x, sub("ts~,[?30]", "ts"), true},
		{"the other layout", x, sub("ts~,[?30]", "ts~,?30"), true},
		{"another layout", x, sub("ts~,[?30]", "ts,[?31]"), false},
		{"erased", sub("ts~", "ts"), x, false},
		{"no option", x, sub("ecn?,flow?", "ecn,flow"), true},
		{"another option", x, sub("ecn?,flow?", "id-?"), false},
		{"a quirk less", x, sub("df,id+", "df"), false},
		{"version 6", x, "6" + sub("df,id+,ecn?,flow?", "flow")[1:], true},
		{"version 4", x, "4" + sub("df,id+,ecn?,flow?", "df,id+")[1:], true},
		{"p0f's later", x, "*:64:0:*:mss*44,7:mss,ts:df,id+:0", false}, // equal by arithmetic only
		{"p0f's earlier", "*:64:0:*:*,*:mss,ts:df,id+:0", "*:64:0:*:fit(65536),7:mss,ts:df,id+:0", true},
		{"MSS", x, sub("0:*:", "0:1460:"), true},
		{"payload", x, x[:len(x)-1] + "*", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(strings.NewReader(termsHead+"sig = "+tt.first+"\nsig = "+tt.second+"\n"), "x.fp")
			if got := err != nil && strings.Contains(err.Error(), "already covered by line 4"); got != tt.covered || err != nil && !got {
				t.Errorf("%s\n%s: %v, want covered %v", tt.first, tt.second, err, tt.covered)
			}
		})
	}
	if _, err := Parse(strings.NewReader(strings.Replace(termsHead, "s:unix", "g:unix", 1)+"sig = "+x+"\nsig = "+x+"\n"), "x.fp"); err != nil {
		t.Errorf("a catch-all covers: %v", err)
	}
}

// TestTermsAreErrorsOfP0f: a file that p0f loads holds none of the terms, so
// that no file can mean one thing there and another here.
func TestTermsAreErrorsOfP0f(t *testing.T) {
	p0f := lab.NeedProgram(t, "p0f")
	const plain = "*:64:0:*:8192,7:mss,sok,ts,nop,ws:df,id+:0"
	sub := func(old, new string) string { return "sig = " + strings.Replace(plain, old, new, 1) }
	empty := filepath.Join(t.TempDir(), "empty.pcap")
	header := "\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00"
	if err := os.WriteFile(empty, []byte(header), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line string
		ok   bool
	}{
		{"sig = " + plain, true},
		{sub("64", "64|255"), false},
		{sub("8192", "8192..9000"), false},
		{sub("8192", "8192|9000"), false},
		{sub("8192", "mss*4|mss*5"), false},
		{sub("8192", "%512|9000"), false},
		{sub("8192", "{8192,9000}"), false},
		{sub("8192", "{8192}"), false},
		{sub("8192", "fit(65536)"), false},
		{sub("8192", "fit(65536|33280)"), false},
		{sub("8192", "fit(65536/mss-12)"), false},
		{sub("8192", "seg(20)"), false},
		{sub("7", "5..12"), false},
		{sub("7", "{7,8}"), false},
		{sub("7", "{7}"), false},
		{sub("ws:", "ws,[?30]:"), false},
		{sub("mss,", "[nop],mss,"), false},
		{sub("sok,ts", "(sok,ts|ts,sok)"), false},
		{sub("ts", "ts~"), false},
		{sub("sok", "sok~"), false},
		{sub("ws", "ws~"), false},
		{sub("id+", "id+?"), false},
		{sub("id+", "id+,ecn?"), false},
		{"or = B:\nsig = " + plain, false},
		{"source = x\nsig = " + plain, false},
		{"date = 2026-11\nsig = " + plain, false},
	} {
		t.Run(tt.line, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.fp")
			if err := os.WriteFile(file, []byte(termsHead+tt.line+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(p0f, "-f", file, "-r", empty).CombinedOutput()
			if loaded := strings.Contains(string(out), "Loaded 1 signature"); loaded != tt.ok {
				t.Errorf("p0f loads it: %v, want %v (%v)\n%s", loaded, tt.ok, err, out)
			}
			parse(t, termsHead+tt.line+"\n")
		})
	}
}
