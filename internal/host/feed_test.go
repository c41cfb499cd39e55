package host

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// testDB has what the rules distinguish: two labels of one system, two
// signatures of one label, a random TTL, a catch-all, programs of both
// directions. Which one a segment matches is chosen by its window.
const testDB = `classes = unix,win
[mtu]
label = Ethernet
sig   = 1500
[tcp:request]
label = s:unix:Linux:3.x
sig   = *:64:0:*:5840,7:mss,sok,ts,nop,ws:df,id+:0
sig   = *:64:0:*:5841,7:mss,sok,ts,nop,ws:df,id+:0
label = s:unix:Linux:2.x
sig   = *:64:0:*:4000,7:mss,sok,ts,nop,ws:df,id+:0
label = s:win:Windows:XP
sig   = *:128:0:*:8192,7:mss,sok,ts,nop,ws:df,id+:0
label = s:unix:Random:
sig   = *:64-:0:*:7000,7:mss,sok,ts,nop,ws:df,id+:0
label = g:unix:Linux:
sig   = *:64:0:*:9000,7:mss,sok,ts,nop,ws:df,id+:0
label = s:!:NMap:SYN scan
sys   = @unix
sig   = *:64-:0:*:1024,7:mss,sok,ts,nop,ws:df,id+:0
label = s:unix:p0f:sendsyn utility
sig   = *:192:0:1331:1337,7:mss,sok,ts,nop,ws:df,id+:0
[tcp:response]
label = s:unix:Linux:server
sig   = *:64:0:*:5840,7:mss,sok,ts,nop,ws:df,id+:0
label = s:win:Windows:server
sig   = *:64:0:*:8192,7:mss,sok,ts,nop,ws:df,id+:0
label = s:!:Honeypot:
sys   = @win
sig   = *:64:0:*:1024,7:mss,sok,ts,nop,ws:df,id+:0
`

// The windows of testDB.
const (
	winLinux3  = 5840
	winLinux3b = 5841 // the same label, another line
	winLinux2  = 4000
	winXP      = 8192
	winRandom  = 7000
	winGeneric = 9000
	winProgram = 1024
	winUnknown = 1
)

// feed is a table and what it said.
type feed struct {
	*Table
	t    testing.TB
	ms   int64 // time of the next segment, milliseconds
	said []string
}

func newFeed(t testing.TB, cfg Config) *feed {
	t.Helper()
	f := &feed{t: t, ms: 1e12}
	f.Table = New(mustParse(t, testDB), cfg, observe(f.Observe))
	return f
}

func mustParse(t testing.TB, text string) *signature.DB {
	t.Helper()
	db, err := signature.Parse(strings.NewReader(text), "test.fp")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// title is the system's name with its flavor.
func title(s *event.System) string {
	if !s.Matched {
		return "???"
	}
	return strings.TrimSpace(s.Name + " " + s.Flavor)
}

// Observe keeps an observation as a line: module, subject, and what is said.
func (f *feed) Observe(o *event.Observation) {
	subject := "cli"
	if o.Role == event.Server {
		subject = "srv"
	}
	what := ""
	switch o.Module {
	case event.MTU:
		what = fmt.Sprintf("%d %s", o.MTU, o.Link)
	case event.Uptime:
		what = fmt.Sprintf("%d min of %d days, %.2f Hz", o.UptimeMin, o.ModDays, o.Frequency)
	case event.HostChange, event.IPSharing:
		for name := range o.Reasons.All {
			what += name + " "
		}
		what += strings.Trim(strings.ReplaceAll(fmt.Sprint(o.Hits), " ", ","), "[]")
	case event.HTTPRequest, event.HTTPResponse:
		what = fmt.Sprintf("%s %s %s", title(&o.System), cmp.Or(o.HTTP.Language, "none"), o.RawSig)
	default:
		what = title(&o.System)
		if o.System.Quality&note.Fuzzy != 0 {
			what += "~"
		}
	}
	f.said = append(f.said, o.Module.String()+" "+subject+" "+what)
	if o.At != f.ms*1000 {
		f.t.Errorf("%s: At = %d, want %d", o.Module, o.At, f.ms*1000)
	}
}

// send feeds segments and returns what the table said to them.
func (f *feed) send(segs ...*packet.Segment) []string {
	f.said = nil
	for _, s := range segs {
		f.Frame(f.ms * 1000)
		f.Update(s, nil)
	}
	return f.said
}

// tick lets frames pass that hold no TCP.
func (f *feed) tick(n int) {
	for range n {
		f.Frame(f.ms * 1000)
	}
}

func (f *feed) host(addr string) Host {
	f.t.Helper()
	h, ok := f.Host(netip.MustParseAddr(addr))
	if !ok {
		f.t.Fatalf("host %s is not known", addr)
	}
	return h
}

func (f *feed) knows(addr string) bool {
	_, ok := f.Host(netip.MustParseAddr(addr))
	return ok
}

func (f *feed) conns() int { _, n := f.Len(); return n }

// expect compares what was said.
func (f *feed) expect(what string, got []string, want ...string) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Errorf("%s: said %q, want %q", what, got, want)
	}
}

const (
	clientAddr = "192.0.2.1"
	serverAddr = "198.51.100.2"
)

// syn is a SYN from a port of clientAddr to port 25 of serverAddr: Linux 3.x
// at distance 0. Its timestamp is 0, so that nothing measures it.
func syn(port int, edit ...func(*packet.Segment)) *packet.Segment {
	s := &packet.Segment{
		Src: netip.AddrPortFrom(netip.MustParseAddr(clientAddr), uint16(port)), Dst: netip.MustParseAddrPort(serverAddr + ":25"),
		Version: 4, Type: packet.SYN, Flags: packet.FlagSYN, TTL: 64, MSS: 1460, Window: winLinux3, Scale: 7,
		HeaderLen: 60, Seq: 1000, Quirks: packet.QuirkDF | packet.QuirkIDNonZero,
	}
	s.Layout.Len = uint8(copy(s.Layout.Kinds[:], []byte{packet.OptMSS, packet.OptSOK, packet.OptTS, packet.OptNOP, packet.OptWS}))
	for _, e := range edit {
		e(s)
	}
	return s
}

// synAck answers a SYN.
func synAck(to *packet.Segment, edit ...func(*packet.Segment)) *packet.Segment {
	s := *to
	s.Src, s.Dst = to.Dst, to.Src
	s.Type, s.Flags = packet.SYNACK, packet.FlagSYN|packet.FlagACK
	s.Seq, s.Ack, s.TTL, s.Window = 5000, to.Seq+1, 64, winLinux3
	for _, e := range edit {
		e(&s)
	}
	return &s
}

// data is a segment with ACK, in the direction of the segment of, which is a
// SYN or SYN+ACK; at is how many bytes of that side went before.
func data(of *packet.Segment, at, length int, edit ...func(*packet.Segment)) *packet.Segment {
	s := *of
	s.Type, s.Flags, s.Layout, s.MSS = packet.ACK, packet.FlagACK, packet.Layout{}, 0
	s.Seq, s.PayloadLen = of.Seq+1+uint32(at), uint16(length)
	for _, e := range edit {
		e(&s)
	}
	return &s
}

// Edits of a segment.

func window(w uint16) func(*packet.Segment) { return func(s *packet.Segment) { s.Window = w } }
func stamp(ts uint32) func(*packet.Segment) { return func(s *packet.Segment) { s.TS1 = ts } }
func ttl(n uint8) func(*packet.Segment)     { return func(s *packet.Segment) { s.TTL = n } }
func seq(n uint32) func(*packet.Segment)    { return func(s *packet.Segment) { s.Seq = n } }
func mss(n uint16) func(*packet.Segment)    { return func(s *packet.Segment) { s.MSS = n } }
func typed(t packet.Type) func(*packet.Segment) {
	return func(s *packet.Segment) { s.Type, s.Flags = t, uint16(t) }
}
func from(addr string) func(*packet.Segment) {
	return func(s *packet.Segment) { s.Src = netip.AddrPortFrom(netip.MustParseAddr(addr), s.Src.Port()) }
}
func to(addr string) func(*packet.Segment) {
	return func(s *packet.Segment) { s.Dst = netip.AddrPortFrom(netip.MustParseAddr(addr), s.Dst.Port()) }
}
