package report

import (
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/note"
)

// TestPrintClient: the texts are those p0f-client of 3.09b printed. The first
// is from p0f-v3.md §9.4, the second and the sentence are from reports of its
// users (ValdikSS/p0f-mtu, issues 1 and 6), without a line that only that
// variant has.
func TestPrintClient(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.ParseInLocation(time.DateTime, text, time.Local)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	all := note.Note{
		State: note.Matched, OSName: "Windows", OSFlavor: "7 or 8", Quality: note.Generic | note.Fuzzy,
		HTTPName: "MSIE", HTTPFlavor: "8 or newer", BadSW: note.OSMismatch, LinkType: "DSL", Language: "German",
		FirstSeen: at("2026-11-23 09:25:17"), LastSeen: at("2026-11-23 09:25:18"), TotalConn: 4000000000, Distance: note.Hops(12),
		LastNAT: at("2026-11-23 09:25:19"), LastChange: at("2026-11-23 09:25:20"), UptimeMin: 3*24*60 + 60 + 6, UpModDays: 198,
	}
	fake := all
	fake.BadSW = note.Dishonest
	for _, tt := range []struct {
		name string
		note note.Note
		want string
	}{
		{"of the specification", note.Note{
			State: note.Matched, OSName: "Linux", OSFlavor: "3.11 and newer", HTTPName: "Firefox", HTTPFlavor: "10.x or newer",
			LinkType: "Ethernet or modem", Language: "English", TotalConn: 1, Distance: note.Hops(0),
			FirstSeen: at("2026-11-23 09:25:17"), LastSeen: at("2026-11-23 09:25:17"),
		}, `First seen    = 2026/11/23 09:25:17
Last update   = 2026/11/23 09:25:17
Total flows   = 1
Detected OS   = Linux 3.11 and newer
HTTP software = Firefox 10.x or newer (ID seems legit)
Network link  = Ethernet or modem
Language      = English
Distance      = 0
`},
		{"of a user", note.Note{
			State: note.Matched, OSName: "Linux", OSFlavor: "2.2.x-3.x (no timestamps)", Quality: note.Generic,
			LinkType: "Ethernet or modem", Language: "Portuguese", TotalConn: 2, Distance: note.Hops(10),
			FirstSeen: at("2017-03-30 08:57:09"), LastSeen: at("2017-03-30 08:57:09"), LastChange: at("2017-03-30 08:57:10"),
		}, `First seen    = 2017/03/30 08:57:09
Last update   = 2017/03/30 08:57:09
Total flows   = 2
Detected OS   = Linux 2.2.x-3.x (no timestamps) [generic]
HTTP software = ???
Network link  = Ethernet or modem
Language      = Portuguese
Distance      = 10
Sys change    = 2017/03/30 08:57:10
`},
		{"everything", all, `First seen    = 2026/11/23 09:25:17
Last update   = 2026/11/23 09:25:18
Total flows   = 4000000000
Detected OS   = Windows 7 or 8 [generic] [fuzzy]
HTTP software = MSIE 8 or newer (ID OS mismatch)
Network link  = DSL
Language      = German
Distance      = 12
IP sharing    = 2026/11/23 09:25:19
Sys change    = 2026/11/23 09:25:20
Uptime        = 3 days 1 hrs 6 min (modulo 198 days)
`},
		{"next to nothing", note.Note{
			State: note.Unknown, UpModDays: 198, TotalConn: 1,
			FirstSeen: at("2026-11-23 09:25:17"), LastSeen: at("2026-11-23 09:25:17"),
		}, `First seen    = 2026/11/23 09:25:17
Last update   = 2026/11/23 09:25:17
Total flows   = 1
Detected OS   = ???
HTTP software = ???
Network link  = ???
Language      = ???
Distance      = 255
`},
		{"not seen", note.Note{State: note.NotSeen}, "No matching host in p0f cache. That's all we know.\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			WriteClient(&b, &tt.note)
			if b.String() != tt.want {
				t.Errorf("printed\n%s\nwant\n%s", b.String(), tt.want)
			}
		})
	}
	var b strings.Builder
	WriteClient(&b, &fake)
	if !strings.Contains(b.String(), "HTTP software = MSIE 8 or newer (ID is fake)\n") {
		t.Errorf("printed\n%s", b.String())
	}
}
