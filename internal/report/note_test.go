package report

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/note"
)

// TestNoteUptime: an uptime is given as one only if the clock is known to count from boot.
func TestNoteUptime(t *testing.T) {
	for clock, want := range map[note.Clock]string{
		note.ClockUnknown: "uptime      44h15m0s (modulo 49 days), if its clock counts from boot; that of Linux since 4.10 does not\n",
		note.ClockBoot:    "uptime      44h15m0s (modulo 49 days)\n",
		note.ClockRandom:  "uptime      not to be known: clocks of this system may begin at random\n",
	} {
		n := note.Note{State: note.Matched, UptimeMin: 44*60 + 15, UpModDays: 49, Clock: clock}
		var b strings.Builder
		WriteNote(&b, netip.MustParseAddr("192.0.2.1"), &n)
		if !strings.Contains(b.String(), want) {
			t.Errorf("clock %d: %q is not in\n%s", clock, want, b.String())
		}
	}
}
