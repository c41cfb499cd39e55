package policy

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/note"
)

// past is a store of mails.
type past []*evidence.Mail

func (p past) Evidence(context.Context) (*evidence.Counts, error) { return evidence.NewCounts(), nil }

func (p past) Mails(_ context.Context, since time.Time, f func(*evidence.Mail) error) error {
	for _, m := range p {
		if !m.At.Before(since) {
			if err := f(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p past) Connections(context.Context, time.Time) (int64, int64, error) { return 0, 0, nil }

func TestPast(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var src past
	for i := range 30 {
		m := &evidence.Mail{At: now.Add(-time.Duration(i) * time.Hour), Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32), Sender: uint64(i) << 40,
			Name: fmt.Sprintf("host%d.example", i), Note: &note.Note{State: note.Matched, OSName: "Windows"}}
		spam := i%3 != 0
		if m.Verdicts = []evidence.Verdict{{Source: "x", Spam: spam, Sure: true}}; i%10 == 1 {
			m.Note = &note.Note{State: note.Matched, OSName: "Linux"}
		}
		src = append(src, m)
	}
	set, faults := Compile([]Rule{{Name: "windows", When: `os_name == "Windows"`, Action: "WARN", Observe: true}, {Name: "name", When: `helo == "host1.example"`, Action: "WARN"}}, Allow{})
	if faults != nil {
		t.Fatal(faults)
	}
	got, err := set.Past(t.Context(), src, now.Add(-20*time.Hour))
	if err != nil || len(got) != 2 {
		t.Fatalf("%d rules, %v", len(got), err)
	}
	// Of 21 mails 2 are of Linux, which are spam (1, 11); 7 are ham.
	if w := got[0]; w.Of != 21 || w.Hit != 19 || w.Spam != 12 || w.Ham != 7 || len(w.HamSenders) != 7 || w.HamHit != 1 {
		t.Errorf("windows: %+v", w)
	}
	if w := got[1]; w.Hit != 1 || w.Spam != 1 {
		t.Errorf("name: %+v", w)
	}
}

// TestReportsConditions has the conditions that a report proposes: each matches the
// note that has the signal, and no note without it.
func TestReportsConditions(t *testing.T) {
	unlike := &note.Note{State: note.Unknown, LinkType: "Ethernet or modem", Distance: note.Hops(25),
		TLS: &note.TLS{State: note.None}, Software: &note.Software{State: note.Unknown, Dialect: "other"},
		Conduct: &note.Findings{State: note.Complete}, Contradictions: &note.Findings{State: note.Complete},
		Memory: &note.Memory{New: true, NewHere: []string{"ja4"}}}
	usual := full()
	usual.Memory.Visits, usual.Contradictions = 20, &note.Findings{State: note.Complete, List: []note.Finding{{ID: "helo_not_own"}}}
	few := &note.Note{State: note.Matched, OSName: "Linux", Distance: note.Hops(0), Memory: &note.Memory{Visits: 3}, TLS: &note.TLS{State: note.Refused}}
	notes := []*note.Note{unlike, usual, few}
	for hops := 3; hops < 20; hops += 5 {
		notes = append(notes, &note.Note{State: note.Matched, OSName: "Linux", OSFlavor: "6.x", Distance: note.Hops(hops)})
	}
	tried := make(map[string]bool)
	for _, n := range notes {
		for _, token := range evidence.Tokens(n, "", netip.Addr{}) {
			when := evidence.Condition(token)
			if tried[token] || when == "" {
				continue
			}
			tried[token] = true
			set, faults := Compile([]Rule{{Name: "r", When: when, Action: "WARN x"}}, Allow{})
			if faults != nil {
				t.Errorf("%s: %s: %v", token, when, faults[0])
				continue
			}
			for _, other := range notes {
				has := slices.Contains(evidence.Tokens(other, "", netip.Addr{}), token)
				if v := set.Judge(NewMail(other)); len(v.Hits) > 0 != has || v.Err != nil {
					t.Errorf("%s: %s matches: %t, %v; want %t of %+v", token, when, len(v.Hits) > 0, v.Err, has, other)
				}
			}
		}
	}
	if len(tried) < 30 {
		t.Errorf("%d signals were tried: %v", len(tried), tried)
	}
	for _, token := range []string{"software=O'Brien", `dialect=a"b`, "hello=full name", "dialect=\x01", "*"} {
		if when := evidence.Condition(token); when != "" {
			t.Errorf("%q has the condition %s", token, when)
		}
	}
}
