package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestPrintFleet(t *testing.T) {
	const want = `4 sensors, 2 versions, 2 not well

SENSOR  STATE   VERSION  UP     SEEN       LAG    WAITING  DROPPED
mx3     silent  0.1.0    2h00m  1m30s ago  0s     0        0
mx4     late    0.1.0    2h00m  3s ago     1.5s   1,200    7
mx1     well    0.2.0    1m00s  3s ago     12ms   1        0
mx2     well    0.1.0    2h00m  3s ago     300µs  0        0
`
	up := noon.Add(-2 * time.Hour)
	list := []Peer{
		{Name: "mx2", Version: "0.1.0", Started: up, Seen: 3 * time.Second, Lag: 300 * time.Microsecond},
		{Name: "mx1", Version: "0.2.0", Started: noon.Add(-time.Minute), Seen: 3 * time.Second, Lag: 12 * time.Millisecond, Queued: 1},
		{Name: "mx4", Version: "0.1.0", Started: up, Seen: 3 * time.Second, Lag: 1500 * time.Millisecond, Queued: 1200, Dropped: 7},
		{Name: "mx3", Version: "0.1.0", Started: up, Seen: 90 * time.Second},
	}
	var b strings.Builder
	if err := PrintFleet(&b, list, noon); err != nil || b.String() != want || FleetWell(list) || !FleetWell(list[:2]) {
		t.Errorf("PrintFleet = %v, %t\n%s\nwant\n%s", err, FleetWell(list), b.String(), want)
	}
	const one = `{"sensor":"mx1","state":"well","version":"0.2.0","started":"2026-11-28T11:59:00Z","seen_seconds":3,"lag_seconds":0.012,"waiting":1,"dropped":0}`
	if text, err := json.Marshal(list[1]); err != nil || string(text) != one {
		t.Errorf("JSON is %s, %v; want %s", text, err, one)
	}
	b.Reset()
	if PrintFleet(&b, nil, noon); b.String() != "0 sensors, 0 versions, 0 not well\n" {
		t.Errorf("without any: %q", b.String())
	}
	b.Reset()
	PrintFleet(&b, []Peer{{Name: "\x1b]0;x\x07", Version: "\u202e"}}, noon)
	if strings.ContainsAny(b.String(), "\x1b\x07\u202e") {
		t.Errorf("PrintFleet = %q", b.String())
	}
}
