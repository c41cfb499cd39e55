package front_test

import (
	"testing"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/note"
)

func TestV2Text(t *testing.T) {
	windows := note.Note{
		State: note.Matched, OSName: "Windows", OSFlavor: "XP", LinkType: "DSL", Distance: note.Hops(17),
		UptimeMin: 83_400, UpModDays: 497, Clock: note.ClockBoot,
	}
	random := windows
	random.Clock = note.ClockRandom
	for _, tt := range []struct {
		name string
		n    note.Note
		want string
	}{
		{"all of it", windows, "Windows XP (up: 1390 hrs), (distance 17, link: DSL)"},
		{"a clock that starts at random", random, "Windows XP, (distance 17, link: DSL)"},
		{"unknown", note.Note{State: note.Unknown, RawSig: "4:64"}, "UNKNOWN [4:64], (distance 0, link: unknown)"},
		{"not seen", note.Note{State: note.NotSeen}, ""},
		{"hostile", note.Note{State: note.Matched, OSName: "a\r\nb\""}, "a??b', (distance 0, link: unknown)"},
	} {
		if got := front.V2Text(&tt.n); got != tt.want {
			t.Errorf("%s: V2Text = %q, want %q", tt.name, got, tt.want)
		}
	}
}
