package note

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
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
		HTTPName: "Firefox", HTTPFlavor: "10.x or newer", Language: "English", LinkType: "DSL",
		FirstSeen: at, LastSeen: at.Add(time.Minute), TotalConn: 3,
		Others: "Android,ChromeOS", Rewrite: RewriteTTL | RewriteMSS, Clock: ClockBoot,
		UptimeMin: 83_400, UpModDays: 497, LastNAT: at, LastChange: at, Distance: 17, BadSW: Dishonest,
		ByConnection: true, RawSig: "4:111+17:0:1460:65535,0:mss,nop,nop,sok:df,id+:0",
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for name, want := range map[string]Note{
		"full":        full(),
		"not seen":    {State: NotSeen, Distance: DistanceUnknown},
		"unavailable": {Distance: DistanceUnknown},
		"no uptime":   {State: Unknown, UpModDays: 49, UptimeMin: 7, Clock: ClockRandom},
		"p0f's":       {State: Matched, UpModDays: 49, UptimeMin: 7},
		"unknown":     {State: Unknown, RawSig: "x", Distance: 0},
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
		{"not shared", Note{State: Matched, OSName: "Linux", TotalConn: 1}, `os="Linux" link_type="" distance=0 total_conn=1 shared_ip=N`},
		{"unknown", Note{State: Unknown, Distance: DistanceUnknown, TotalConn: 1}, `os="unknown" link_type="" total_conn=1 shared_ip=N`},
		{"not seen", Note{State: NotSeen}, ""},
		{"unavailable", Note{}, ""},
		{"hostile", Note{State: Matched, OSName: "a\"b\\c\r\nX: y", OSFlavor: "ä\x00"},
			`os="a'b/c??X: y ???" link_type="" distance=0 total_conn=0 shared_ip=N`},
	} {
		if got := tt.note.Header(); got != tt.want {
			t.Errorf("%s: Header() = %s, want %s", tt.name, got, tt.want)
		}
	}
	hostile := Note{State: Matched, OSName: "x", Others: `a",` + strings.Repeat("b", 5000)}
	if got := hostile.Header(); len(got) > 300 || strings.Count(got, `"`) != 6 {
		t.Errorf("Header() = %s, want it short and its quotes in pairs", got)
	}
	long := Note{State: Matched, OSName: strings.Repeat("x", 5000), OSFlavor: strings.Repeat("y", 5000), LinkType: strings.Repeat("z", 5000)}
	if n := len(long.Header()); n > 300 {
		t.Errorf("a header of %d bytes, want at most 300", n)
	}
}

func TestV2(t *testing.T) {
	n := full()
	if got, want := n.V2Text(), "Windows XP (up: 1390 hrs), (distance 17, link: DSL)"; got != want {
		t.Errorf("V2Text() = %q, want %q", got, want)
	}
	noise := n
	noise.Clock = ClockRandom
	if got, want := noise.V2Text(), "Windows XP, (distance 17, link: DSL)"; got != want {
		t.Errorf("V2Text() of a clock that begins at random = %q, want %q", got, want)
	}
	unknown := Note{State: Unknown, RawSig: "4:64", Distance: DistanceUnknown}
	if got, want := unknown.V2Text(), "UNKNOWN [4:64], (distance 0, link: unknown)"; got != want {
		t.Errorf("V2Text() = %q, want %q", got, want)
	}
	if got := (&Note{State: NotSeen}).V2Text(); got != "" {
		t.Errorf("V2Text() of a client not seen = %q, want none", got)
	}
	client, server := netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[2001:db8::2]:25")
	line := n.V2Line(client, server)
	got, c, s, err := ParseV2(line)
	if err != nil || c != client || s != server {
		t.Fatalf("ParseV2(%q) = %v, %v, %v", line, c, s, err)
	}
	if got.OSName != "Windows" || got.OSFlavor != "XP" || got.Distance != 17 || got.LinkType != "DSL" || got.UptimeMin != 83_400 {
		t.Errorf("ParseV2(%q) = %+v", line, got)
	}
	for _, bad := range []string{
		"", "x", "1.2.3.4 - Linux -> 1.2.3.4:25 (distance 1, link: x)",
		"1.2.3.4:5 - Linux -> 1.2.3.4:25", "1.2.3.4:5 - Linux -> 1.2.3.4:25 (distance 300, link: x)",
		"1.2.3.4:5 - Linux -> nowhere (distance 1, link: x)", strings.Repeat("x", 2000),
	} {
		if _, _, _, err := ParseV2(bad); err == nil {
			t.Errorf("ParseV2(%.40q) succeeded", bad)
		}
	}
}

func FuzzParseV2(f *testing.F) {
	n := full()
	f.Add(n.V2Line(netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:25")))
	f.Fuzz(func(t *testing.T, line string) {
		n, client, server, err := ParseV2(line)
		if err != nil {
			return
		}
		again, c, s, err := ParseV2(n.V2Line(client, server))
		if err != nil || c != client || s != server || again.Distance != n.Distance {
			t.Errorf("ParseV2(%q) does not survive being printed: %v", line, err)
		}
	})
}

func TestLoadINI(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       INI
		err        string
	}{
		{"plain", "[main]\nsocket_path = /run/p0f/p0f.sock\nadd_header=X-p0f-Result\n", INI{"/run/p0f/p0f.sock", "X-p0f-Result"}, ""},
		{"before any section", "socket_path=/a\r\n", INI{SocketPath: "/a"}, ""},
		{"comments, quotes, other sections", "; c\n# c\n[main]\nsocket_path=\"/a b\"\nx=y\n[other]\nsocket_path=/c\n", INI{SocketPath: "/a b"}, ""},
		{"missing", "[main]\nadd_header=X\n", INI{}, "socket_path is missing from [main]"},
		{"no section", "[main\nsocket_path=/a\n", INI{}, `:1: want [section]: "[main"`},
		{"no value", "[main]\nsocket_path\n", INI{}, `:2: want key = value: "socket_path"`},
		{"huge", strings.Repeat("x=y\n", 20000), INI{}, "more than 65536 bytes"},
	} {
		path := filepath.Join(t.TempDir(), "p0f.ini")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := LoadINI(path)
		if tt.err == "" && (err != nil || got != tt.want) {
			t.Errorf("%s: LoadINI = %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
		if tt.err != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.err)) {
			t.Errorf("%s: LoadINI: %v, want …%s", tt.name, err, tt.err)
		}
	}
	if _, err := LoadINI(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was read")
	}
}
