//go:build linux

package synlab

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// TestClocks: a kernel whose timestamps to two peers, milliseconds apart, do
// not come from one clock must never be named by a signature that calls its
// uptime reliable.
func TestClocks(t *testing.T) {
	labels, err := ReadLabels(kept)
	if err != nil {
		t.Fatal(err)
	}
	one, many := 0, 0
	for _, l := range labels {
		stamps, matches := stamped(t, filepath.Join(kept, l.File))
		if len(stamps) < 2 {
			continue // timestamps are off
		}
		const minute = 60_000 // at 1000 ticks a second
		if d := int32(stamps[1] - stamps[0]); d > -minute && d < minute {
			one++
			continue
		}
		many++
		for _, m := range matches {
			if m.Sig == nil || m.Sig.Clock != signature.ClockRandom {
				t.Errorf("%s: clock %v of %+v, want %v", l.File, stamps, m.Sig, signature.ClockRandom)
			}
		}
	}
	if many < 100 {
		t.Errorf("%d captures with random clocks, want more", many)
	}
	t.Logf("%d captures with random clocks, %d with one", many, one)
}

// stamped returns the timestamps of the SYNs of a capture, and what all
// packets with timestamps match.
func stamped(t *testing.T, file string) (stamps []uint32, matches []signature.Match) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	decoder := packet.Decoder{Link: packet.LinkType(r.LinkType())}
	var mss uint16
	for {
		frame, info, err := r.ReadPacketData()
		if err == io.EOF {
			return stamps, matches
		}
		var s packet.Segment
		if err == nil {
			err = decoder.Decode(frame, info.Length, &s)
		}
		if err != nil {
			t.Fatal(err)
		}
		dir := signature.Response
		if s.Type == packet.SYN {
			dir, mss = signature.Request, 0
		}
		m := signature.Builtin().Match(dir, &s, mss)
		mss = s.MSS
		if s.TS1 == 0 {
			continue
		}
		matches = append(matches, m)
		if s.Type == packet.SYN {
			stamps = append(stamps, s.TS1)
		}
	}
}
