package unread

import (
	"errors"
	"testing"

	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
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

// TestTotals: a VPN in a mirror has a line, and is no reason for an alarm.
func TestTotals(t *testing.T) {
	// IPv4 with protocol 50, ESP.
	esp := append([]byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 50, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}, make([]byte, 8)...)
	opener := packet.Opener{Kinds: packet.AllTunnels}
	_, kinds, err := opener.Inner(packet.LinkRaw, esp)
	if err == nil {
		t.Fatal("ESP was opened")
	}
	var c Counts
	c.Tunnel(kinds, err)
	if frames, _ := c.Totals(); frames != 0 {
		t.Errorf("%d frames of ESP count as not read, want none", frames)
	}
	if lines := c.Lines(0); len(lines) != 1 {
		t.Errorf("lines %q, want one of ESP", lines)
	}
	c.Tunnel(packet.AllTunnels, packet.ErrShort)
	if frames, _ := c.Totals(); frames != 1 {
		t.Errorf("%d frames count as not read, want the one that is cut", frames)
	}
}
