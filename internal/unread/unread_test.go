package unread

import (
	"errors"
	"testing"

	"github.com/mxprint/mxprint/filter"
)

// TestRefused names every link type, in order: a capture of all interfaces has several.
func TestRefused(t *testing.T) {
	var c Counts
	if err := c.Refused(); err != nil {
		t.Errorf("without a frame: %v", err)
	}
	for range 3 {
		c.Link(249)
	}
	c.Link(220)
	const want = "1 frame of link type 220, 3 frames of link type 249: filter: link type not supported"
	if err := c.Refused(); !errors.Is(err, filter.ErrLink) || err.Error() != want {
		t.Errorf("Refused = %v, want %s", err, want)
	}
}
