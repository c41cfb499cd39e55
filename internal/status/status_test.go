package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/note"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// sound is a sensor that is well.
func sound() *Status {
	last := noon.Add(-90 * time.Second)
	return &Status{
		Version: "1.2.3", PID: 77, Now: noon, Started: noon.Add(-26 * time.Hour),
		Sources: []Source{{Name: "eth0", Kind: "capture", State: Running, Frames: 1234567, SYNs: 4321, Last: &last}},
		Fronts: []Front{
			{Name: "p0f", Listen: []string{"/run/p0f.sock"}, MaxConns: 10, Open: 2, Answers: Answers{Matched: 1000, Unknown: 30, NotSeen: 4, Unavailable: 1}},
			{Name: "amavis", Listen: []string{"127.0.0.1:2345"}},
		},
		Lookups: Lookups{P50: 0.0000123, P99: 0.0161, Buckets: []Bucket{{Seconds: 1, Count: 1035}, {Count: 1035}}},
		Recent:  Recent{Seconds: 600, Answers: Answers{Matched: 90, NotSeen: 10}, Frames: 1000, SYNs: 100},
		Hosts:   Held{Now: 500, Max: 100000}, Connections: Held{Now: 3, Max: 10000}, Memory: 64 << 20,
		Database:      Database{Signatures: 210, Date: "2026-11", Loaded: noon.Add(-time.Hour)},
		Configuration: Configuration{Path: "/etc/mxprint.toml"},
	}
}

func TestJudge(t *testing.T) {
	in := func(d time.Duration) *time.Time { at := noon.Add(d); return &at }
	for _, c := range []struct {
		name   string
		change func(*Status)
		health Health
		reason string // of the first reason
	}{
		{"sound", func(*Status) {}, Well, ""},
		{"quiet", func(s *Status) { s.Recent = Recent{Seconds: 600} }, Well, ""},
		{"few not seen", func(s *Status) { s.Recent.Answers = Answers{NotSeen: fewAsked - 1} }, Well, ""},
		{"restart waits", func(s *Status) { s.Configuration.Waiting = []string{"limits.hosts"} }, Well, ""},
		{"asked sensor away", func(s *Status) {
			s.Asks, s.Recent = "tls:192.0.2.1:2526", Recent{Seconds: 600, Answers: Answers{Unavailable: 2}}
		}, Degraded, "none of 2 questions of the last 10m0s reached the sensor at tls:192.0.2.1:2526"},
		{"wrong filter", func(s *Status) { s.Recent = Recent{Seconds: 600, Answers: Answers{NotSeen: 50}} }, Degraded,
			"no SYN came in the last 10m0s, while 50 questions did: the filter or the interface is wrong"},
		{"others' SYNs", func(s *Status) { s.Recent.Answers = Answers{NotSeen: 95, Matched: 5} }, Degraded, "95 of 100 clients asked about"},
		{"a half not seen", func(s *Status) { s.Recent.Answers = Answers{NotSeen: 50, Matched: 50} }, Well, ""},
		{"nothing answered", func(s *Status) { s.Recent.Answers = Answers{Unavailable: 40} }, Down, "none of 40 questions"},
		{"some unavailable", func(s *Status) { s.Recent.Answers = Answers{Unavailable: 4, Matched: 90} }, Degraded, "4 of 94 questions of the last 10m0s had no sensor"},
		{"late", func(s *Status) { s.Recent.Late = 5 }, Degraded, "5 of 100 questions of the last 10m0s had no answer in time"},
		{"drops", func(s *Status) { s.Recent.Drops = 11 }, Degraded, "11 of 1011 frames"},
		{"unread", func(s *Status) { s.Recent.NotRead = 100 }, Degraded, "100 of 1000 frames"},
		{"a few unread", func(s *Status) { s.Recent.NotRead = 9 }, Well, ""},
		{"a drop", func(s *Status) { s.Recent.Drops = 1 }, Well, ""},
		{"lost observations", func(s *Status) { s.Recent.Lost = 1 }, Degraded, "1 observations of the last"},
		{"log not reopened", func(s *Status) { s.Lost.Fault = "log: /x: locked" }, Degraded, "a log goes on in the file that was rotated: log: /x: locked (mend it, then kill -USR1 77)"},
		{"reload failed", func(s *Status) { s.Database.Fault = "own.fp:3:1: x" }, Degraded, "the signatures could not be reloaded, the old ones stay, and a restart would fail: own.fp:3:1: x"},
		{"front failed", func(s *Status) { s.Fronts[0].Failed = []Fault{{At: "/run/p0f.sock", Reason: "gone"}} }, Degraded, "front p0f at /run/p0f.sock has failed: gone"},
		{"source failed", func(s *Status) {
			s.Sources = append(s.Sources, Source{Name: "eth1", State: Failed, Reason: "no such device"})
		}, Degraded, "source eth1 has failed: no such device"},
		{"all sources failed", func(s *Status) { s.Sources[0].State, s.Sources[0].Reason = Failed, "no such device" }, Down, "no source of SYNs runs"},
		{"interface waits", func(s *Status) { s.Sources = append(s.Sources, Source{Name: "ppp0", State: Waiting}) }, Degraded, "interface ppp0: it does not exist; frames"},
		{"interface down", func(s *Status) {
			s.Sources = append(s.Sources, Source{Name: "ppp0", State: Waiting, Reason: "it is down or gone"})
		}, Degraded,
			"interface ppp0: it is down or gone; frames"},
		{"configuration broken", func(s *Status) { s.Configuration.Fault = "line 3" }, Degraded, "the configuration would not start again: line 3"},
		{"certificate expires", func(s *Status) { s.Certificate = in(6 * 24 * time.Hour) }, Degraded, "the certificate of [query] expires at 2026-12-04"},
		{"certificate good", func(s *Status) { s.Certificate = in(8 * 24 * time.Hour) }, Well, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sound()
			c.change(s)
			s.Judge()
			if s.Health != c.health || c.reason == "" && len(s.Reasons) > 0 || c.reason != "" && (len(s.Reasons) == 0 || !strings.HasPrefix(s.Reasons[0], c.reason)) {
				t.Errorf("Judge = %s, %q, want %s, %q", s.Health, s.Reasons, c.health, c.reason)
			}
		})
	}
}

func TestPrint(t *testing.T) {
	const want = `well: mxprint 1.2.3, up 1d02h, process 77

SOURCE        STATE    FRAMES     SYNS   DROPS  LAST FRAME
capture eth0  running  1,234,567  4,321  0      1m30s ago

FRONT   MATCHED  UNKNOWN  NOT SEEN  UNAVAILABLE  LATE  BAD  OPEN     REFUSED  LISTENS AT
p0f     1,000    30       4         1            0     0    2 of 10  0        /run/p0f.sock
amavis  0        0        0         0            0     0    -        0        127.0.0.1:2345

look-ups       1,035; half of them within 12.3µs, 99 % within 16.1ms
hosts          500 of 100000
connections    3 of 10000 under way
memory         64.0 MiB
lost           0 observations, 0 not written, 0 log lines
signatures     210 (built in), the newest of 2026-11; read 1h00m ago
configuration  /etc/mxprint.toml
`
	s := sound()
	s.Judge()
	var b strings.Builder
	if err := s.Print(&b, false); err != nil || b.String() != want {
		t.Errorf("Print = %v\n%s\nwant\n%s", err, b.String(), want)
	}
	b.Reset()
	if s.Print(&b, true); !strings.HasPrefix(b.String(), "\x1b[32mwell\x1b[0m: ") {
		t.Errorf("with colour: %q", b.String()[:20])
	}
}

// What another machine says does not reach the terminal as it is.
func TestPrintIsClean(t *testing.T) {
	evil := "\x1b]0;x\x07\u202e"
	s := sound()
	s.Health, s.Version, s.Reasons = Health(evil), evil, []string{evil}
	s.Asks, s.Configuration.Path, s.Database.Files, s.Database.Date = "", evil, []string{evil}, evil
	s.Sources[0].Name, s.Sources[0].State, s.Fronts[0].Name, s.Fronts[0].Listen = evil, evil, evil, []string{evil}
	var b strings.Builder
	s.Print(&b, true)
	if strings.ContainsAny(b.String(), "\x1b\x07\u202e") {
		t.Errorf("Print = %q", b.String())
	}
}

// lookup is a note.Lookuper that takes a while.
type lookup struct {
	note note.Note
	err  error
}

func (l *lookup) Lookup(context.Context, note.Query) (note.Note, error) { return l.note, l.err }

func TestMeter(t *testing.T) {
	who := &lookup{}
	m := NewMeter(who, []string{"Linux", "Windows"})
	milter, p0f := m.Front(), m.Front()
	ask := func(c *Counter, n note.Note, err error) {
		who.note, who.err = n, err
		if got, gotErr := c.Lookup(t.Context(), note.Query{}); !reflect.DeepEqual(got, n) || gotErr != err {
			t.Errorf("Lookup = %v, %v", got, gotErr)
		}
	}
	ask(milter, note.Note{State: note.Matched, OSName: "Linux"}, nil)
	ask(milter, note.Note{State: note.Matched, OSName: "a name of the operator's own"}, nil)
	ask(p0f, note.Note{State: note.Unknown}, nil)
	ask(p0f, note.Note{State: note.NotSeen}, nil)
	ask(p0f, note.Note{}, errors.New("no sensor"))
	if got, want := milter.Answers(), (Answers{Matched: 2}); got != want {
		t.Errorf("milter: %+v, want %+v", got, want)
	}
	if got, want := p0f.Answers(), (Answers{Unknown: 1, NotSeen: 1, Unavailable: 1}); got != want {
		t.Errorf("p0f: %+v, want %+v", got, want)
	}
	l := m.Lookups()
	if want := map[string]uint64{"Linux": 1, "other": 1}; !reflect.DeepEqual(l.Systems, want) || l.Count() != 5 {
		t.Errorf("Systems = %v of %d, want %v of 5", l.Systems, l.Count(), want)
	}
	if n := testing.AllocsPerRun(100, func() { milter.Lookup(t.Context(), note.Query{}) }); n != 0 {
		t.Errorf("a look-up that is counted allocates %v times", n)
	}
}

func TestTimes(t *testing.T) {
	m := NewMeter(nil, nil)
	if l := m.Lookups(); l.P50 != 0 || l.Count() != 0 {
		t.Errorf("without look-ups: %v, %d", l.P50, l.Count())
	}
	for range 98 {
		m.took(10 * time.Microsecond)
	}
	m.took(time.Microsecond)
	m.took(time.Hour) // beyond the last bound
	l := m.Lookups()
	if l.P50 <= 8e-6 || l.P50 > 16e-6 || l.P99 <= 8e-6 || l.P99 > 16e-6 {
		t.Errorf("p50 = %v, p99 = %v, want both in the bucket of 8 to 16 µs", l.P50, l.P99)
	}
	if l.Buckets[0] != (Bucket{1e-6, 1}) || l.Buckets[3].Count != 1 || l.Buckets[4] != (Bucket{16e-6, 99}) || l.Buckets[buckets] != (Bucket{0, 100}) {
		t.Errorf("buckets %v", l.Buckets)
	}
	m.took(time.Hour)
	if l := m.Lookups(); l.P99 != bound(buckets-1) {
		t.Errorf("p99 = %v, want the last bound", l.P99)
	}
}

func TestHistory(t *testing.T) {
	var h History
	at := func(n int, questions uint64) *Status {
		s := &Status{Started: noon, Now: noon.Add(time.Duration(n) * Every)}
		s.Fronts = []Front{{Answers: Answers{NotSeen: questions}, Late: 2 * questions}}
		s.Sources = []Source{{SYNs: questions}}
		return s
	}
	s := at(1, 7)
	if h.Fill(s); s.Recent.Answers.NotSeen != 7 || s.Recent.Seconds != Every.Seconds() {
		t.Errorf("before the first entry: %+v", s.Recent)
	}
	for n := range 1000 {
		h.Add(at(n, uint64(n)))
	}
	s = at(1000, 1000)
	h.Fill(s)
	if want := uint64(Span / Every); s.Recent.Answers.NotSeen != want+1 || s.Recent.Late != 2*want+2 || s.Recent.SYNs != want+1 {
		t.Errorf("Recent = %+v, want what came in %v", s.Recent, Span)
	}
	if len(h.entries) > int(Span/Every)+2 {
		t.Errorf("%d entries", len(h.entries))
	}
	s = at(1001, 1001)
	s.Sources = nil // it has failed
	if h.Fill(s); s.Recent.SYNs != 0 {
		t.Errorf("without the source: %d SYNs", s.Recent.SYNs)
	}
}

type asker func() ([]byte, error)

func (a asker) Command(context.Context, string) ([]byte, error) { return a() }

func TestFetch(t *testing.T) {
	refused := errors.New("refused")
	text, err := json.Marshal(sound())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		text   []byte
		err    error
		health Health
		want   error
	}{
		{"answer", bytes.Replace(text, []byte(`"health":""`), []byte(`"health":"degraded"`), 1), nil, Degraded, nil},
		{"no sensor", nil, errors.New("connection refused"), Down, nil},
		{"stopped", nil, fmt.Errorf("x: %w", os.ErrDeadlineExceeded), Down, nil},
		{"refused", nil, fmt.Errorf("x: %w", refused), "", ErrUnknown},
		{"no permission", nil, fmt.Errorf("x: %w", fs.ErrPermission), "", ErrUnknown},
		{"not JSON", []byte("hello\n"), nil, "", ErrUnknown},
	} {
		s, err := Fetch(t.Context(), asker(func() ([]byte, error) { return c.text, c.err }), refused)
		if !errors.Is(err, c.want) || err == nil && s.Health != c.health {
			t.Errorf("%s: %+v, %v, want %q, %v", c.name, s, err, c.health, c.want)
		}
		if c.name == "stopped" && !strings.HasPrefix(s.Reasons[0], "no answer in time, the sensor is stopped or overloaded: ") {
			t.Errorf("%s: %q", c.name, s.Reasons)
		}
	}
}

// TestShared: a shared store that is away is said, in words and figures.
func TestShared(t *testing.T) {
	s := sound()
	s.Shared = &Shared{Servers: []string{"10.0.0.5:6379"}, Sensor: "mx1", Fault: "no answer within 5 ms", WriteFault: "OOM", Asked: 1234, Found: 1000, Missed: 7}
	s.Judge()
	if want := []string{"look-ups go on without the shared store: no answer within 5 ms", "nothing is published in the shared store: OOM"}; s.Health != Degraded || !slices.Equal(s.Reasons, want) {
		t.Errorf("%s, %q, want %q", s.Health, s.Reasons, want)
	}
	var b bytes.Buffer
	if err := s.Print(&b, false); err != nil || !bytes.Contains(b.Bytes(), []byte("shared store   10.0.0.5:6379, as mx1; 1,234 asked, 1,000 found, 0 errors, 7 without it")) {
		t.Errorf("%v\n%s", err, b.Bytes())
	}
	s.Shared.Fault, s.Shared.WriteFault = "", ""
	if s.Judge(); s.Health != Well {
		t.Errorf("%s, %q", s.Health, s.Reasons)
	}
}
