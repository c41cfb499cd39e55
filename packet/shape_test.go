package packet

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// TestShapes: a Decoder that remembers shapes says of any options what one says
// that has seen none. The lists are of few kinds, whose values and lengths
// change, so that shapes are hit, missed by a byte, and pushed out.
func TestShapes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	warm, hits := Decoder{Link: LinkEthernet}, 0
	for range 200_000 {
		options := someOptions(rnd)
		frame := ethernet(withOptions(syn6(), options...))
		var got, want Segment
		var learned uint8
		if warm.shapes != nil {
			learned = warm.shapes.next
		}
		if err := warm.Decode(frame, len(frame), &got); err != nil {
			t.Fatal(err)
		}
		if warm.shapes != nil && warm.shapes.next == learned && got.Quirks&QuirkBad == 0 {
			hits++
		}
		cold := Decoder{Link: LinkEthernet}
		if err := cold.Decode(frame, len(frame), &want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("options %x: Decode = %+v, want %+v", options, got, want)
		}
	}
	if hits < 50_000 {
		t.Errorf("%d lists had a shape, want most", hits)
	}
}

// someOptions makes a list of options, a multiple of four bytes, most often a
// good one.
func someOptions(rnd *rand.Rand) []byte {
	var b []byte
	for range 1 + rnd.IntN(3) {
		switch rnd.IntN(8) {
		case 0, 1:
			b = append(b, OptMSS, 4, byte(rnd.IntN(256)), byte(rnd.IntN(256)))
		case 2:
			b = append(b, OptNOP, OptWS, 3, byte(rnd.IntN(20)))
		case 3:
			b = append(b, OptNOP, OptNOP, OptSOK, 2)
		case 4:
			b = append(b, OptSOK, 2, OptTS, 10)
			b = binary.BigEndian.AppendUint32(b, rnd.Uint32N(3))
			b = binary.BigEndian.AppendUint32(b, rnd.Uint32N(2))
		case 5:
			b = append(b, 34, 4, byte(rnd.IntN(256)), byte(rnd.IntN(256))) // TCP Fast Open
		case 6:
			b = append(b, OptNOP, OptNOP, OptNOP, OptNOP)
		case 7:
			b = append(b, OptEOL, byte(rnd.IntN(2)), 0, byte(rnd.IntN(2)))
		}
	}
	if rnd.IntN(10) == 0 {
		b[rnd.IntN(len(b))] = byte(rnd.IntN(12))
	}
	return b
}

// TestShapesAreForMany: who decodes one SYN makes no memory of shapes.
func TestShapesAreForMany(t *testing.T) {
	frame := ethernet(withOptions(syn4(), linuxOptions...))
	var s Segment
	if n := testing.AllocsPerRun(100, func() {
		d := Decoder{Link: LinkEthernet}
		if err := d.Decode(frame, len(frame), &s); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a new Decoder's first SYN makes %v allocations, want 0", n)
	}
}
