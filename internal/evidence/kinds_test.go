package evidence

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/note"
)

// TestKinds: a report says of each kind of signal what it is.
func TestKinds(t *testing.T) {
	found := &note.Findings{State: note.Complete, List: []note.Finding{{ID: "x"}}}
	n := note.Note{
		State: note.Matched, OSName: "Linux", OSFlavor: "6.x", Quality: note.Generic, LinkType: "DSL", Rewrite: note.RewriteTTL, Distance: note.Hops(3),
		Software: &note.Software{State: note.Matched, Name: "Exim", Flavor: "4.x", Dialect: "d"},
		TLS:      &note.TLS{State: note.Complete, Library: "OpenSSL", Release: "3", Version: "1.3", JA4: "t13"},
		Conduct:  found, Contradictions: found,
		Flow:   &note.Flow{HandshakeRTT: time.Second, TCPRTT: time.Second, SMTPRTT: time.Second, Reset: true},
		Memory: &note.Memory{New: true, Changed: []string{"os"}, NewHere: []string{"ja4"}},
	}
	r := &Report{}
	want := make(map[string]bool)
	for _, token := range Tokens(&n, "mx.example.org", netip.MustParseAddr("192.0.2.1")) {
		kind, _, _ := strings.Cut(token, "=")
		want[kind] = true
		r.Signals = append(r.Signals, Signal{Estimate: Estimate{Token: token}})
	}
	for _, line := range r.Kinds() {
		kind, _, _ := strings.Cut(line, "=")
		delete(want, kind)
	}
	if len(want) > 0 || len(r.Signals) < 20 {
		t.Errorf("of %d signals the kinds %v are not explained", len(r.Signals), want)
	}
}

// TestBoundInWords: a bound that is just exceeded does not look kept.
func TestBoundInWords(t *testing.T) {
	for is, want := range map[Interval]string{
		{Low: 0.0104, High: 0.0104}: "1 to 1.1",
		{Low: 0.002, High: 0.01}:    "0.2 to 1",
		{Low: 0.0004, High: 0.0101}: "<0.1 to 1.1",
		{Low: 0, High: 0}:           "0 to 0",
		{Low: 0.86, High: 0.944}:    "86 to 94",
		{Low: 0.5, High: 0.999}:     "50 to >99",
	} {
		if got := is.Percent(); got != want {
			t.Errorf("%+v is %q, want %q", is, got, want)
		}
	}
}
