package note

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// full is a note with every field set.
func full() Note {
	at := time.Unix(1_700_000_000, 0).UTC()
	return Note{
		State: Matched, OSName: "Windows", OSFlavor: "XP", Quality: Fuzzy | Generic,
		HTTPName: "Firefox", HTTPFlavor: "10.x or newer", Language: "English", LinkType: "DSL", MTU: 1492,
		FirstSeen: at, LastSeen: at.Add(time.Minute), TotalConn: 3, SYNs: 3, Handshakes: 2,
		Others: []string{"Android", "ChromeOS"}, Rewrite: RewriteTTL | RewriteMSS, Clock: ClockBoot,
		UptimeMin: 83_400, UpModDays: 497, LastNAT: at, LastChange: at, Distance: Hops(17), BadSW: Dishonest,
		ByConnection: true, RawSig: "4:111+17:0:1460:65535,0:mss,nop,nop,sok:df,id+:0",
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for name, want := range map[string]Note{
		"full":         full(),
		"not seen":     {State: NotSeen},
		"unavailable":  {},
		"no uptime":    {State: Unknown, UpModDays: 49, UptimeMin: 7, Clock: ClockRandom},
		"not verified": {State: Unknown, TotalConn: 2, SYNs: 1},
		"p0f's":        {State: Matched, UpModDays: 49, UptimeMin: 7},
		"unknown":      {State: Unknown, RawSig: "x", Distance: Hops(0)},
	} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got Note
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, text, diff)
		}
	}
	var n Note
	for _, bad := range []string{`{}`, `{"state":"sure"}`, `[]`, `{"state":1}`} {
		if err := json.Unmarshal([]byte(bad), &n); err == nil {
			t.Errorf("Unmarshal(%s) succeeded", bad)
		}
	}
}

func TestHeader(t *testing.T) {
	shared := full()
	for _, tt := range []struct {
		name string
		note Note
		want string
	}{
		{"full", shared, `os="Windows XP" link_type="DSL" distance=17 total_conn=3 shared_ip=Y or="Android,ChromeOS" rewritten="ttl,mss"`},
		{"not shared", Note{State: Matched, OSName: "Linux", TotalConn: 1, Distance: Hops(0)}, `os="Linux" link_type="" distance=0 total_conn=1 shared_ip=N`},
		{"unknown", Note{State: Unknown, TotalConn: 1}, `os="unknown" link_type="" total_conn=1 shared_ip=N`},
		{"not seen", Note{State: NotSeen}, ""},
		{"unavailable", Note{}, ""},
		{"hostile", Note{State: Matched, OSName: "a\"b\\c\r\nX: y", OSFlavor: "ä\x00"},
			`os="a'b/c??X: y ???" link_type="" total_conn=0 shared_ip=N`},
	} {
		if got := tt.note.Header(); got != tt.want {
			t.Errorf("%s: Header() = %s, want %s", tt.name, got, tt.want)
		}
	}
	hostile := Note{State: Matched, OSName: "x", Others: []string{`a"`, strings.Repeat("b", 5000)}}
	if got := hostile.Header(); len(got) > 300 || strings.Count(got, `"`) != 6 {
		t.Errorf("Header() = %s, want it short and its quotes in pairs", got)
	}
	long := Note{State: Matched, OSName: strings.Repeat("x", 5000), OSFlavor: strings.Repeat("y", 5000), LinkType: strings.Repeat("z", 5000)}
	if n := len(long.Header()); n > 300 {
		t.Errorf("a header of %d bytes, want at most 300", n)
	}
}

// TestZero: a note that holds nothing claims nothing, in any form.
func TestZero(t *testing.T) {
	var n Note
	if _, known := n.Distance.Hops(); known || n.State != Unavailable || n.Known() || n.Shared() || n.Header() != "" || n.Clock.Reliable() != nil {
		t.Errorf("the zero note claims something: %+v", n)
	}
	text, err := json.Marshal(n)
	if want := `{"state":"unavailable","os_match_q":0,"total_conn":0,"bad_sw":0}`; err != nil || string(text) != want {
		t.Errorf("the zero note is %s, %v, want %s", text, err, want)
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		d     Distance
		hops  int
		known bool
		text  string
	}{
		{0, 0, false, "unknown"}, {Hops(0), 0, true, "0"}, {Hops(255), 255, true, "255"},
		{Hops(-1), 0, false, "unknown"}, {Hops(256), 0, false, "unknown"}, {Hops(math.MaxInt), 0, false, "unknown"},
		{math.MaxUint16, 0, false, "unknown"},
	} {
		if hops, known := tt.d.Hops(); hops != tt.hops || known != tt.known || tt.d.String() != tt.text {
			t.Errorf("Distance(%d) = %d, %v, %v, want %d, %v, %s", uint16(tt.d), hops, known, tt.d, tt.hops, tt.known, tt.text)
		}
	}
}

func TestUnmapped(t *testing.T) {
	at := netip.MustParseAddrPort
	got := Query{Client: at("[::ffff:192.0.2.1]:40000"), Server: at("[::ffff:192.0.2.2]:25"), Wait: 1}.Unmapped()
	if want := (Query{Client: at("192.0.2.1:40000"), Server: at("192.0.2.2:25"), Wait: 1}); got != want {
		t.Errorf("Unmapped = %v, want %v", got, want)
	}
	for _, q := range []Query{{}, {Client: at("[2001:db8::1]:1"), Server: at("192.0.2.1:25")}} {
		if got := q.Unmapped(); got != q {
			t.Errorf("Unmapped = %v, want %v", got, q)
		}
	}
}
