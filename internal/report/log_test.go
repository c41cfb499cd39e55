package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/answer"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// logDB makes the observations of the tests; their texts are p0f's own
// (p0f-v3.md §10.5).
const logDB = `classes = unix
[tcp:request]
label = s:unix:Linux:3.11 and newer
sig   = *:64:0:*:mss*20,7:mss,sok,ts,nop,ws:df,id+:0
label = g:unix:Linux:
sig   = *:64:0:*:*,7:mss,sok,ts,nop,ws:df,id+:0
label = s:unix:p0f:sendsyn utility
sig   = *:192:0:1331:1337,0:mss,nop,eol+18::0
label = s:!:NMap:SYN scan
sys   = @unix
sig   = *:64-:0:1460:1024,0:mss::0
label = s:unix:Hopper:
sig   = *:255:0:*:4096,*:mss::0
[tcp:response]
label = s:unix:Linux:3.x
sig   = *:64:0:*:mss*10,*:mss,sok,ts,nop,ws:df:0
sig   = *:64:0:*:mss*10,7:mss,nop,ws:df:0
`

// logCase is an observation, its log line without time, and its block.
type logCase struct {
	name string
	make func(testing.TB, *signature.DB) event.Observation
	line string // after "mod="
	rows []string
}

func layoutOf(pad int, kinds ...byte) packet.Layout {
	l := packet.Layout{Len: uint8(copy(new([24]byte)[:], kinds)), EOLPad: uint8(pad)}
	copy(l.Kinds[:], kinds)
	return l
}

var linuxLayout = layoutOf(0, packet.OptMSS, packet.OptSOK, packet.OptTS, packet.OptNOP, packet.OptWS)

// seg makes an observation of a SYN or SYN+ACK by matching it.
func seg(module event.Module, s packet.Segment) func(testing.TB, *signature.DB) event.Observation {
	return func(t testing.TB, db *signature.DB) event.Observation {
		o := event.Observation{Module: module}
		dir := signature.Request
		if s.Type = packet.SYN; module == event.SYNACK || module == event.ProbeResponse {
			s.Type, dir, o.Role = packet.SYNACK, signature.Response, event.Server
		}
		if s.Version == 0 {
			s.Version = 4
		}
		m := db.Match(dir, &s, 0)
		o.Segment, o.Distance = s, m.Distance
		answer.SetSystem(&o.System, &m)
		o.System.App = o.System.App || o.System.Matched && module != event.SYN && module != event.SYNACK // as of a probe
		o.RawSig = signature.AppendRaw(nil, &s, m.Multiple)
		return o
	}
}

func plain(o event.Observation) func(testing.TB, *signature.DB) event.Observation {
	return func(testing.TB, *signature.DB) event.Observation { return o }
}

func logCases() []logCase {
	linux := packet.Segment{TTL: 64, MSS: 1460, Window: 29200, Scale: 7, HeaderLen: 60, Layout: linuxLayout, Quirks: packet.QuirkDF | packet.QuirkIDNonZero}
	with := func(edit func(*packet.Segment)) packet.Segment { s := linux; edit(&s); return s }
	answer := with(func(s *packet.Segment) { s.Window, s.Quirks = 14600, packet.QuirkDF })
	return []logCase{
		{"syn", seg(event.SYN, linux),
			"syn|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|os=Linux 3.11 and newer|dist=0|params=none|raw_sig=4:64+0:0:1460:mss*20,7:mss,sok,ts,nop,ws:df,id+:0",
			[]string{"os       = Linux 3.11 and newer", "dist     = 0", "params   = none", "raw_sig  = 4:64+0:0:1460:mss*20,7:mss,sok,ts,nop,ws:df,id+:0"}},
		{"syn+ack", seg(event.SYNACK, answer),
			"syn+ack|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=srv|os=Linux 3.x|dist=0|params=none|raw_sig=4:64+0:0:1460:mss*10,7:mss,sok,ts,nop,ws:df:0",
			[]string{"os       = Linux 3.x", "dist     = 0", "params   = none", "raw_sig  = 4:64+0:0:1460:mss*10,7:mss,sok,ts,nop,ws:df:0"}},
		{"unknown", seg(event.SYN, packet.Segment{TTL: 50, Layout: layoutOf(0, 30)}),
			"syn|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|os=???|dist=14|params=none|raw_sig=4:50+14:0:0:0,0:?30::0",
			[]string{"os       = ???", "dist     = 14", "params   = none", "raw_sig  = 4:50+14:0:0:0,0:?30::0"}},
		{"random TTL", seg(event.SYN, packet.Segment{TTL: 50, MSS: 1460, Window: 1024, Layout: layoutOf(0, 2)}),
			"syn|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|app=NMap SYN scan|dist=<= 14|params=random_ttl|raw_sig=4:50+14:0:1460:1024,0:mss::0",
			[]string{"app      = NMap SYN scan", "dist     = <= 14", "params   = random_ttl", "raw_sig  = 4:50+14:0:1460:1024,0:mss::0"}},
		{"all params", seg(event.SYN, with(func(s *packet.Segment) { s.Window, s.DSCP, s.TTL = 77, 0x2e, 65; s.Quirks |= packet.QuirkECN })),
			"syn|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|os=Linux|dist=63|params=generic fuzzy excess_dist tos:0x2e|raw_sig=4:65+?:0:1460:77,7:mss,sok,ts,nop,ws:df,id+,ecn:0",
			[]string{"os       = Linux", "dist     = 63", "params   = generic fuzzy excess_dist tos:0x2e", "raw_sig  = 4:65+?:0:1460:77,7:mss,sok,ts,nop,ws:df,id+,ecn:0"}},
		{"random TTL far away", seg(event.SYN, packet.Segment{TTL: 4, MSS: 1460, Window: 1024, DSCP: 1, Layout: layoutOf(0, 2)}),
			"syn|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|app=NMap SYN scan|dist=<= 60|params=random_ttl excess_dist tos:0x01|raw_sig=4:4+28:0:1460:1024,0:mss::0",
			[]string{"app      = NMap SYN scan", "dist     = <= 60", "params   = random_ttl excess_dist tos:0x01", "raw_sig  = 4:4+28:0:1460:1024,0:mss::0"}},
		{"probe", seg(event.Probe, packet.Segment{TTL: 192, MSS: 1331, Window: 1337, Layout: layoutOf(18, 2, 1, 0)}),
			"sendsyn probe|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|app=p0f sendsyn utility|dist=0|params=none|raw_sig=4:192+?:0:1331:1337,0:mss,nop,eol+18::0",
			[]string{"app      = p0f sendsyn utility", "dist     = 0", "params   = none", "raw_sig  = 4:192+?:0:1331:1337,0:mss,nop,eol+18::0"}},
		{"unknown probe", seg(event.Probe, packet.Segment{TTL: 192, MSS: 1331, Window: 1337, Layout: layoutOf(0, 9)}),
			"sendsyn probe|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|os=???|dist=63|params=excess_dist|raw_sig=4:192+?:0:1331:1337,0:?9::0",
			[]string{"os       = ???", "dist     = 63", "params   = excess_dist", "raw_sig  = 4:192+?:0:1331:1337,0:?9::0"}},
		{"answer to a probe", seg(event.ProbeResponse, packet.Segment{TTL: 64, MSS: 1460, Window: 14600, Scale: 7, Quirks: packet.QuirkDF, Layout: layoutOf(0, 2, 1, 3)}),
			"sendsyn response|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=srv|app=Linux 3.x|dist=0|params=none|raw_sig=4:64+0:0:1460:mss*10,7:mss,nop,ws:df:0",
			[]string{"app      = Linux 3.x", "dist     = 0", "params   = none", "raw_sig  = 4:64+0:0:1460:mss*10,7:mss,nop,ws:df:0"}},
		{"MTU", plain(event.Observation{Module: event.MTU, MTU: 1500, Link: "Ethernet or modem"}),
			"mtu|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|link=Ethernet or modem|raw_mtu=1500",
			[]string{"link     = Ethernet or modem", "raw_mtu  = 1500"}},
		{"MTU unknown", plain(event.Observation{Module: event.MTU, MTU: 65595, Role: event.Server}),
			"mtu|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=srv|link=???|raw_mtu=65595",
			[]string{"link     = ???", "raw_mtu  = 65595"}},
		{"uptime", plain(event.Observation{Module: event.Uptime, UptimeMin: 66, ModDays: 198, Frequency: 250}),
			"uptime|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|uptime=0 days 1 hrs 6 min (modulo 198 days)|raw_freq=250.00 Hz",
			[]string{"uptime   = 0 days 1 hrs 6 min (modulo 198 days)", "raw_freq = 250.00 Hz"}},
		{"uptime of years", plain(event.Observation{Module: event.Uptime, UptimeMin: 49710*1440 + 23*60 + 59, ModDays: 49710, Frequency: 0.705}),
			"uptime|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|uptime=49710 days 23 hrs 59 min (modulo 49710 days)|raw_freq=0.70 Hz",
			[]string{"uptime   = 49710 days 23 hrs 59 min (modulo 49710 days)", "raw_freq = 0.70 Hz"}},
		{"host change", plain(event.Observation{Module: event.HostChange, Reasons: event.ReasonOSDiff, Hits: [4]int{1, 1, 1, 1}}),
			"host change|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|reason=os_diff|raw_hits=1,1,1,1",
			[]string{"reason   = os_diff", "raw_hits = 1,1,1,1"}},
		{"host change, two reasons", plain(event.Observation{Module: event.HostChange, Reasons: event.ReasonXKnown | event.ReasonSigDiff, Hits: [4]int{0, 0, 1, 1}}),
			"host change|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|reason=sig_diff x_known|raw_hits=0,0,1,1",
			[]string{"reason   = sig_diff x_known", "raw_hits = 0,0,1,1"}},
		{"ip sharing, all reasons", plain(event.Observation{Module: event.IPSharing, Role: event.Server, Reasons: 1<<13 - 1, Hits: [4]int{3, 4, 5, 32}}),
			"ip sharing|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=srv|reason=app_vs_os os_diff sig_diff x_known tstamp ttl port mtu fuzzy via date srv_sig_lb ua_vs_os|raw_hits=3,4,5,32",
			[]string{"reason   = app_vs_os os_diff sig_diff x_known tstamp ttl port mtu fuzzy via date srv_sig_lb ua_vs_os", "raw_hits = 3,4,5,32"}},
		{"host change, no reason", plain(event.Observation{Module: event.HostChange}),
			"host change|cli=10.0.0.1/1025|srv=10.0.0.2/80|subj=cli|reason=???|raw_hits=0,0,0,0",
			[]string{"reason   = ???", "raw_hits = 0,0,0,0"}},
	}
}

// at is 2023-11-14 22:13:20 UTC, in microseconds.
const at = 1700000000 * 1_000_000

func complete(o event.Observation) *event.Observation {
	o.At = at + 999_999
	o.Client, o.Server = netip.MustParseAddrPort("10.0.0.1:1025"), netip.MustParseAddrPort("10.0.0.2:80")
	return &o
}

func parseLogDB(t testing.TB) *signature.DB {
	t.Helper()
	db, err := signature.Parse(strings.NewReader(logDB), "log.fp")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func utcLog(w io.Writer) *Log {
	l := NewLog(w)
	l.zone = time.UTC
	return l
}

// TestLog and TestReport have every module in p0f's words.
func TestLog(t *testing.T) {
	db := parseLogDB(t)
	for _, tt := range logCases() {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			l := utcLog(&out)
			l.Observe(complete(tt.make(t, db)))
			if out.Len() != 0 {
				t.Errorf("before Flush: %q", out.String())
			}
			if _, err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			if want := "[2023/11/14 22:13:20] mod=" + tt.line + "\n"; out.String() != want {
				t.Errorf("line =\n%swant\n%s", out.String(), want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	db := parseLogDB(t)
	for _, tt := range logCases() {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			r := NewBlocks(&out)
			o := complete(tt.make(t, db))
			r.Observe(o)
			if _, err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			subject := "client   = 10.0.0.1/1025"
			if o.Role == event.Server {
				subject = "server   = 10.0.0.2/80"
			}
			module, _, _ := strings.Cut(tt.line, "|")
			want := ".-[ 10.0.0.1/1025 -> 10.0.0.2/80 (" + module + ") ]-\n|\n| " + subject + "\n| " +
				strings.Join(tt.rows, "\n| ") + "\n|\n`----\n\n"
			if out.String() != want {
				t.Errorf("block =\n%swant\n%s", out.String(), want)
			}
		})
	}
}

// TestReportExample is the block of p0f-v3.md §10.4 to the letter.
func TestReportExample(t *testing.T) {
	var out bytes.Buffer
	r := NewBlocks(&out)
	r.Observe(complete(logCases()[1].make(t, parseLogDB(t))))
	if _, err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	const want = `.-[ 10.0.0.1/1025 -> 10.0.0.2/80 (syn+ack) ]-
|
| server   = 10.0.0.2/80
| os       = Linux 3.x
| dist     = 0
| params   = none
| raw_sig  = 4:64+0:0:1460:mss*10,7:mss,sok,ts,nop,ws:df:0
|
` + "`----\n\n"
	if out.String() != want {
		t.Errorf("block =\n%swant\n%s", out.String(), want)
	}
}

// TestLogIPv6: eight groups, never shortened.
func TestLogIPv6(t *testing.T) {
	for addr, want := range map[string]string{
		"2001:db8::1":        "2001:db8:0:0:0:0:0:1",
		"::":                 "0:0:0:0:0:0:0:0",
		"fe80::abcd:0:0:ff":  "fe80:0:0:0:abcd:0:0:ff",
		"::ffff:192.0.2.1":   "0:0:0:0:0:ffff:c000:201",
		"255.255.255.255":    "255.255.255.255",
		"2001:db8:1:2:3::10": "2001:db8:1:2:3:0:0:10",
	} {
		var out bytes.Buffer
		l := utcLog(&out)
		o := complete(event.Observation{Module: event.MTU, MTU: 1})
		o.Client = netip.AddrPortFrom(netip.MustParseAddr(addr), 65535)
		l.Observe(o)
		if _, err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "|cli="+want+"/65535|") {
			t.Errorf("%s is written %q, want %s", addr, out.String(), want)
		}
	}
}

// TestLogTime: the time is the packet's, in the zone of the process.
func TestLogTime(t *testing.T) {
	for _, tt := range []struct {
		at   int64
		zone *time.Location
		want string
	}{
		{at, time.UTC, "[2023/11/14 22:13:20] "},
		{at, time.FixedZone("", 2*3600), "[2023/11/15 00:13:20] "},
		{0, time.UTC, "[1970/01/01 00:00:00] "},
		{-1_000_000, time.UTC, "[1969/12/31 23:59:59] "},
		{(1<<32 - 1) * 1_000_000, time.UTC, "[2106/02/07 06:28:15] "},
	} {
		var out bytes.Buffer
		l := NewLog(&out)
		l.zone = tt.zone
		o := complete(event.Observation{Module: event.MTU})
		o.At = tt.at
		l.Observe(o)
		o.At += 1_000_000 // the stamp is kept for a second, and no longer
		l.Observe(o)
		if _, err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(out.String(), "\n")
		if !strings.HasPrefix(lines[0], tt.want) || strings.HasPrefix(lines[1], tt.want) {
			t.Errorf("time %d is written %q, the next second %q, want %s", tt.at, lines[0], lines[1], tt.want)
		}
	}
}

// TestLogGathers: lines are written at Flush, or when many have come together;
// an error is logged once, and what comes later is written.
func TestLogGathers(t *testing.T) {
	w := &countingWriter{}
	l := utcLog(w)
	o := complete(event.Observation{Module: event.MTU, MTU: 1500, Link: "Ethernet"})
	lines := 0
	for w.writes == 0 && lines < 100_000 {
		l.Observe(o)
		lines++
	}
	if w.bytes < writeAt || w.bytes > writeAt+1000 {
		t.Errorf("the first write is of %d bytes, want %d", w.bytes, writeAt)
	}
	l.Observe(o)
	w.err = errors.New("disk full")
	if _, err := l.Flush(); !errors.Is(err, w.err) {
		t.Errorf("Flush = %v, want %v", err, w.err)
	}
	w.err = nil
	if _, err := l.Flush(); err != nil || w.writes != 2 {
		t.Errorf("the next Flush = %v after %d writes, want nil and no write of nothing", err, w.writes)
	}
	l.Observe(o)
	if _, err := l.Flush(); err != nil || w.writes != 3 {
		t.Errorf("Flush after another line = %v, %d writes, want nil and 3", err, w.writes)
	}
	// An error of a write in between shows at the next Flush.
	w.err = errors.New("disk full")
	for before := w.writes; w.writes == before; {
		l.Observe(o)
	}
	w.err = nil
	if _, err := l.Flush(); err == nil {
		t.Error("Flush = nil after lines were lost")
	}
}

type countingWriter struct {
	writes, bytes int
	err           error
}

func (w *countingWriter) Write(b []byte) (int, error) {
	w.writes++
	w.bytes += len(b)
	return len(b), w.err
}

func TestObserveAllocatesNothing(t *testing.T) {
	db := parseLogDB(t)
	var all []*event.Observation
	for _, tt := range logCases() {
		all = append(all, complete(tt.make(t, db)))
	}
	for name, o := range map[string]event.Observer{"Log": utcLog(io.Discard), "Report": NewBlocks(io.Discard)} {
		step := func() {
			for i, obs := range all {
				obs.At += int64(i) * 300_000 // also new seconds
				o.Observe(obs)
			}
		}
		for range 1000 {
			step() // until the buffer has its size
		}
		if n := testing.AllocsPerRun(500, step); n != 0 {
			t.Errorf("%s: %d observations make %v allocations, want 0", name, len(all), n)
		}
	}
}

func BenchmarkLog(b *testing.B) {
	s := packet.Segment{Version: 4, Type: packet.SYN, TTL: 64, MSS: 1460, Window: 29200, Scale: 7, HeaderLen: 60, Layout: linuxLayout, Quirks: packet.QuirkDF | packet.QuirkIDNonZero}
	db := parseLogDB(b)
	o := complete(seg(event.SYN, s)(b, db))
	link := complete(event.Observation{Module: event.MTU, MTU: 1500, Link: "Ethernet or modem"})
	l := utcLog(io.Discard)
	b.ReportAllocs()
	for n := byte(0); b.Loop(); n++ { // the two lines of another client's SYN
		o.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 200, n}), 40000)
		link.Client = o.Client
		l.Observe(o)
		l.Observe(link)
	}
}

// TestLogEnds: what is remembered of the last line's ends is of these ends.
func TestLogEnds(t *testing.T) {
	var out bytes.Buffer
	l := utcLog(&out)
	ends := []string{"10.0.0.1:0", "10.0.0.1:9", "10.0.0.1:10", "255.100.99.0:65535", "[2001:db8::1]:25", "[1:20:300:4000:abc:de:f:ffff]:1", "[::ffff:10.0.0.1]:25", "10.0.0.1:25"}
	want := ""
	for _, client := range ends {
		for _, server := range ends {
			o := complete(event.Observation{Module: event.MTU, MTU: 1500, Link: "Ethernet"})
			o.Client, o.Server = netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
			for _, subject := range []string{"cli", "cli", "srv", "srv"} {
				o.Role = event.Client
				if subject == "srv" {
					o.Role = event.Server
				}
				l.Observe(o)
				want += "[2023/11/14 22:13:20] mod=mtu|cli=" + endText(o.Client) + "|srv=" + endText(o.Server) + "|subj=" + subject + "|link=Ethernet|raw_mtu=1500\n"
			}
		}
	}
	if _, err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("lines =\n%swant\n%s", out.String(), want)
	}
}

// endText is appendEnd in the plainest way.
func endText(e netip.AddrPort) string {
	if e.Addr().Is4() {
		return fmt.Sprintf("%v/%d", e.Addr(), e.Port())
	}
	text, raw := "", e.Addr().As16()
	for i := 0; i < 16; i += 2 {
		text += fmt.Sprintf(":%x", uint16(raw[i])<<8|uint16(raw[i+1]))
	}
	return fmt.Sprintf("%s/%d", text[1:], e.Port())
}

// TestNumbers: numbers are written as strconv writes them, halves of a hundredth included.
func TestNumbers(t *testing.T) {
	whole := []uint32{0, 9, 10, 99, 100, 101, 999, 1000, 1460, 10000, 65535, 99999, math.MaxUint32}
	parts := []float64{0, 0.005, 0.015, 0.125, 0.375, 0.994999999, 0.995, 0.999, 1e9, math.Inf(1), math.NaN(), -1}
	for range 100_000 {
		whole = append(whole, rand.Uint32()>>rand.IntN(32))
		parts = append(parts, float64(rand.Uint32())*1000/float64(1+rand.IntN(600_000)), float64(rand.IntN(2_000_000))/1000)
	}
	for _, n := range whole {
		if got, want := string(appendNumber(nil, n)), strconv.FormatUint(uint64(n), 10); got != want {
			t.Fatalf("appendNumber(%d) = %s", n, got)
		}
	}
	for n := range 256 {
		if got, want := string(appendByte(nil, uint8(n))), strconv.Itoa(n); got != want {
			t.Fatalf("appendByte(%d) = %s", n, got)
		}
	}
	for _, x := range parts {
		if got, want := string(appendHundredths(nil, x)), strconv.FormatFloat(x, 'f', 2, 64); got != want {
			t.Fatalf("appendHundredths(%v) = %s, want %s", x, got, want)
		}
	}
}

// shortWriter takes that many bytes, and then nothing: a disk that becomes full.
type shortWriter struct{ left int }

func (w *shortWriter) Write(b []byte) (int, error) {
	if len(b) <= w.left {
		w.left -= len(b)
		return len(b), nil
	}
	n := w.left
	w.left = 0
	return n, errors.New("disk full")
}

// TestLogCountsLost: what a full disk did not take is counted by line, one that
// was cut included.
func TestLogCountsLost(t *testing.T) {
	o := complete(logCases()[0].make(t, parseLogDB(t)))
	for name, make := range map[string]func(io.Writer) event.Observer{
		"Log": func(w io.Writer) event.Observer {
			return utcLog(w)
		},
		"Report": func(w io.Writer) event.Observer {
			return NewBlocks(w)
		},
	} {
		var one bytes.Buffer
		l := make(&one)
		l.Observe(o)
		l.Flush()
		for _, tt := range []struct{ bytes, lost int }{
			{0, 5}, {1, 5}, {one.Len() - 1, 5}, {one.Len(), 4}, {2*one.Len() + 1, 3}, {5*one.Len() - 1, 1}, {5 * one.Len(), 0},
		} {
			w := &shortWriter{left: tt.bytes}
			l := make(w)
			for range 5 {
				l.Observe(o)
			}
			lost, err := l.Flush()
			if lost != tt.lost || (err != nil) != (lost > 0) {
				t.Errorf("%s: Flush = %d, %v where %d bytes are taken, want %d", name, lost, err, tt.bytes, tt.lost)
			}
			w.left = one.Len()
			l.Observe(o)
			if lost, err := l.Flush(); lost != 0 || err != nil {
				t.Errorf("%s: the next Flush = %d, %v, want 0, nil", name, lost, err)
			}
		}
	}
}

// TestNotP0fs: p0f's log and blocks have nothing that p0f does not know.
func TestNotP0fs(t *testing.T) {
	var out bytes.Buffer
	for _, m := range []event.Module{event.TLS, event.SMTP} {
		for _, o := range []event.Observer{NewLog(&out), NewBlocks(&out)} {
			o.Observe(&event.Observation{Module: m, Sender: &note.Note{TLS: &note.TLS{Library: "Go"}}})
			o.Flush()
		}
	}
	if out.Len() > 0 {
		t.Errorf("written: %s", out.Bytes())
	}
}

// TestWriteSender: the lines that a note about a program has.
func TestWriteSender(t *testing.T) {
	var out bytes.Buffer
	n := note.Note{
		State:    note.NotSeen,
		TLS:      &note.TLS{State: note.Complete, Library: "Go", Version: "1.3", JA4: "t13i"},
		Software: &note.Software{State: note.Matched, Name: "Exim", Others: []string{"Postfix"}, Dialect: "ehlo"},
		Conduct:  &note.Findings{List: []note.Finding{{ID: "bare_lf", Words: "ends lines badly", Evidence: "RCPT", MayBe: true}}},
		Flow:     &note.Flow{TCPRTT: 1234567, Counted: true, Retransmits: 2},
		Memory:   &note.Memory{Visits: 3},
	}
	WriteNote(&out, netip.MustParseAddr("192.0.2.1"), &n)
	want := `192.0.2.1: not seen
  tls         Go, TLS 1.3, JA4 t13i
  program     Exim (exact), or Postfix
  dialect     ehlo
  conduct     bare_lf (may be): ends lines badly [RCPT]
  round trips handshake unknown, TCP 1.23ms, SMTP unknown
  packets     2 sent again, window closed 0 times
  memory      3 connections before this one
`
	if out.String() != want {
		t.Errorf("got\n%s, want\n%s", out.String(), want)
	}
}
