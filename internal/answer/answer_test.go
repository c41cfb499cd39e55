package answer

import (
	"testing"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
)

// TestByName: every word of a signature has its word in a note, whatever their
// numbers.
func TestByName(t *testing.T) {
	for flag, want := range map[signature.Flags]note.Rewrite{
		0: 0, signature.TTLReset: note.RewriteTTL, signature.Erased: note.RewriteOptions, signature.Clamped: note.RewriteMSS,
		signature.TTLReset | signature.Erased | signature.Clamped: note.RewriteTTL | note.RewriteOptions | note.RewriteMSS,
	} {
		if got := Rewrite(flag); got != want {
			t.Errorf("Rewrite(%b) = %b, want %b", flag, got, want)
		}
	}
	for clock, want := range map[signature.Clock]note.Clock{
		signature.ClockUnstated: note.ClockUnknown, signature.ClockBoot: note.ClockBoot, signature.ClockRandom: note.ClockRandom,
	} {
		if got := Clock(clock); got != want {
			t.Errorf("Clock(%d) = %d, want %d", clock, got, want)
		}
	}
}
