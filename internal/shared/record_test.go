package shared

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/note"
)

// whole is a record with every field.
func whole() *record {
	at := time.Unix(1_700_000_000, 0)
	return &record{
		sent: time.UnixMilli(1_700_000_000_123), held: 1500 * time.Millisecond, server: netip.MustParseAddrPort("[2001:db8::25]:25"), sensor: "mx1",
		note: note.Note{
			State: note.Matched, ByConnection: true, Ambiguous: true, OSName: "Linux", OSFlavor: "3.11 and newer", Quality: note.Fuzzy | note.Generic,
			Others: []string{"Android", "ChromeOS"}, Rewrite: note.RewriteMSS | note.RewriteTTL,
			HTTPName: "wget", HTTPFlavor: "1", Language: "English", LinkType: "Ethernet", MTU: 1500,
			FirstSeen: at, LastSeen: at.Add(time.Second), TotalConn: 3, SYNs: 4, Handshakes: 5, UptimeMin: 6, UpModDays: 7, Clock: note.ClockRandom,
			LastNAT: at.Add(2 * time.Second), LastChange: at.Add(3 * time.Second), Distance: note.Hops(9), BadSW: note.Dishonest, RawSig: "4:57+7:0:1460:mss*10,7:mss::0\x7f",
			TLS: &note.TLS{State: note.Complete, Library: "OpenSSL", Release: "3.0 to 3.4", Settings: "default", Version: "1.3", JA4: "t13i", JA4Raw: "t13i_002f", ServerName: true},
			Software: &note.Software{State: note.Matched, Name: "Exim", Flavor: "4.9x", Quality: note.Fuzzy, Others: []string{"Postfix"},
				Dialect: "ehlo:fqdn", Reading: note.Complete},
			Conduct: &note.Findings{State: note.Complete, List: []note.Finding{
				{ID: "early_talker", Words: "spoke early", Evidence: "EHLO", Fields: []string{"smtp", "tls"}}, {ID: "bare_lf", MayBe: true}}},
			Flow: &note.Flow{HandshakeRTT: time.Millisecond, TCPRTT: 2 * time.Millisecond, SMTPRTT: 3 * time.Second, Counted: true, Retransmits: 1, ZeroWindows: 2,
				Resent: 3, ClosedBy: "client", Reset: true},
		},
	}
}

var exported = cmp.AllowUnexported(record{})

func TestRecord(t *testing.T) {
	for name, want := range map[string]*record{
		"whole":   whole(),
		"session": {note: note.Note{TLS: &note.TLS{State: note.None}, Software: &note.Software{State: note.Unknown}, Conduct: &note.Findings{}, Flow: &note.Flow{}}},
		"unknown": {note: note.Note{State: note.Unknown, ByConnection: true, RawSig: "4:64"}},
		"names":   {note: note.Note{State: note.Matched, OSName: "Räk"}},
	} {
		b := want.append(nil)
		got, err := decode(b)
		if err != nil {
			t.Errorf("%s: %v of %q", name, err, b)
			continue
		}
		if want.sent.IsZero() {
			got.sent = time.Time{}
		}
		if diff := cmp.Diff(want, got, exported, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if t.Logf("%s: %d bytes", name, len(b)); len(b) > 600 {
			t.Errorf("%s has %d bytes, more than docs/shared-store.md says", name, len(b))
		}
	}
}

// TestRecordHostile: what can write to the store cannot have us read more, or
// other things, than a sensor writes.
func TestRecordHostile(t *testing.T) {
	long := make([]byte, maxRecord+1)
	long[0] = recordVersion
	for name, b := range map[string][]byte{
		"empty":             nil,
		"another version":   {2, tagState, 2},
		"too long":          long,
		"unknown field":     {1, 200, 1},
		"cut number":        {1, tagMTU, 0x80},
		"cut text":          {1, tagState, 3, tagOSName, 5, 'L'},
		"state":             {1, tagState, 4},
		"quality":           {1, tagState, 3, tagOSName, 1, 'L', tagQuality, 4},
		"no name":           {1, tagState, 3},
		"name of none":      {1, tagState, 2, tagOSName, 1, 'L'},
		"control character": {1, tagState, 3, tagOSName, 2, 'L', '\n'},
		"C1 control":        {1, tagState, 3, tagOSName, 2, 0xc2, 0x85},
		"not UTF-8":         {1, tagState, 3, tagOSName, 1, 0xff},
		"part of no TLS":    {1, tagLibrary, 1, 'x'},
		"TLS twice":         {1, tagTLS, 3, tagTLS, 3},
		"a field twice":     {1, tagState, 2, tagState, 2},
		"another order":     {1, tagMTU, 9, tagState, 2},
		"words of nothing":  {1, tagConduct, 3, tagWords, 1, 'x'},
		"closed by":         {1, tagFlow, 1, tagClosedBy, 1, 'x'},
		"of none":           {1, tagState, 1, tagFlags, 1},
		"server":            {1, tagServer, 1, 'x'},
	} {
		if r, err := decode(b); err == nil {
			t.Errorf("%s: decode = %+v, want an error", name, r)
		}
	}
	many := []byte{1, tagState, 2, tagFlags, 1}
	for range maxList + 1 {
		many = append(many, tagOther, 1, 'x')
	}
	if _, err := decode(many); err == nil {
		t.Errorf("%d other names are taken", maxList+1)
	}
	for n, ok := range map[int]bool{maxFindings: true, maxFindings + 1: false} {
		findings := []byte{1, tagConduct, 3}
		for range n {
			findings = append(findings, tagFinding, 1, 'x', tagMayBe, 1)
		}
		if r, err := decode(findings); (err == nil) != ok {
			t.Errorf("%d findings: decode = %+v, %v", n, r, err)
		}
	}
}

// FuzzDecode: no input panics, and what is read is what would be written.
func FuzzDecode(f *testing.F) {
	f.Add(whole().append(nil))
	f.Add((&past{first: time.Unix(1, 0), changed: []string{"os"}, parts: store.Parts{"Linux"}}).append(nil))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decode(b); err == nil {
			again, err := decode(r.append(nil))
			if err != nil {
				t.Fatalf("%q is read, and not what is written of it: %v", b, err)
			}
			if diff := cmp.Diff(r, again, exported, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Fatal(diff)
			}
			if _, err := r.note.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := decodePast(b); err == nil {
			if _, err := decodePast(p.append(nil)); err != nil {
				t.Fatalf("%q is read, and not what is written of it: %v", b, err)
			}
		}
	})
}

func TestPast(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	p := &past{first: at, last: at.Add(time.Hour), changedAt: at, parts: store.Parts{"Linux", "Exim 4", "OpenSSL 3"}, changed: []string{"os", "tls"}}
	got, err := decodePast(p.append(nil))
	if diff := cmp.Diff(p, got, cmp.AllowUnexported(past{})); err != nil || diff != "" {
		t.Errorf("decodePast: %v, %s", err, diff)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "no first": {1, tagLastSeen, 1}, "part": {1, tagFirstSeen, 1, tagOther, 1, 'x'}, "field": {1, tagFirstSeen, 1, tagMTU, 1},
	} {
		if _, err := decodePast(b); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	next := p.next(&note.Note{State: note.Matched, OSName: "Windows", OSFlavor: "11"}, at.Add(2*time.Hour))
	if next.parts != (store.Parts{"Windows 11", "Exim 4", "OpenSSL 3"}) || !next.first.Equal(at) || len(next.changed) != 1 || next.changed[0] != "os" {
		t.Errorf("next = %+v", next)
	}
}

// TestFuture: what a sensor with a fast clock wrote is not in the future.
func TestFuture(t *testing.T) {
	now := time.Now()
	p := &past{first: now.Add(time.Hour), last: now.Add(2 * time.Hour), changedAt: now.Add(time.Hour), changed: []string{"os"}}
	m := p.memory(&note.Note{State: note.Unknown}, counts{names: 5000}, now)
	if m.FirstSeen.After(now) || m.ChangedAt.After(now) || m.Names != maxCount {
		t.Errorf("memory = %+v", m)
	}
	if next := p.next(&note.Note{}, now); next.first.After(now) {
		t.Errorf("next first is %v", next.first)
	}
}
