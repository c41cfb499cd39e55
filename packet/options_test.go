package packet

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// layout makes a Layout; eolPad follows the kinds.
func layout(eolPad int, kinds ...uint8) Layout {
	l := Layout{Len: uint8(len(kinds)), EOLPad: uint8(eolPad)}
	copy(l.Kinds[:], kinds)
	return l
}

// TestOptions walks the table of p0f-v3.md §1.8 and its examples. The packets are
// SYNs over IPv6, so that all quirks are of the options.
func TestOptions(t *testing.T) {
	nops := func(n int) []byte { return bytes.Repeat([]byte{OptNOP}, n) }
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	manyNOPs := layout(0, nops(24)...)
	for _, tt := range []struct {
		name   string
		opt    []byte
		layout Layout
		quirks Quirks
		mss    uint16
		scale  uint8
		ts1    uint32
	}{
		{"none", nil, layout(0), 0, 0, 0, 0},
		{"Linux", linuxOptions, layout(0, OptMSS, OptSOK, OptTS, OptNOP, OptWS), 0, 1460, 7, 99},

		// The examples of the specification.
		{"last byte of the padding is not checked", []byte{2, 4, 5, 0xb4, 0, 0, 0, 7}, layout(3, OptMSS, OptEOL), 0, 1460, 0, 0},
		{"last but one is", []byte{2, 4, 5, 0xb4, 0, 0, 7, 0}, layout(3, OptMSS, OptEOL), QuirkOptNonZero, 1460, 0, 0},
		{"MSS of length 3", []byte{2, 3, 5, 0xb4}, layout(0, OptMSS), QuirkBad, 1460, 0, 0},
		{"MSS cut", []byte{1, 2, 4, 5}, layout(0, OptNOP, OptMSS), QuirkBad, 0, 0, 0},
		{"unknown kind of length 1", []byte{2, 4, 5, 0xb4, 0xfe, 5, 1, 2}, layout(0, OptMSS, 254), QuirkBad, 1460, 0, 0},
		{"SACK of length 9", cat([]byte{5, 9}, make([]byte, 10)), layout(0, OptSACK), QuirkBad, 0, 0, 0},

		{"EOL first", []byte{0, 0, 0, 0}, layout(3, OptEOL), 0, 0, 0, 0},
		{"EOL last", []byte{1, 1, 1, 0}, layout(0, OptNOP, OptNOP, OptNOP, OptEOL), 0, 0, 0, 0},
		{"EOL with one byte behind it, not checked", []byte{1, 1, 0, 9}, layout(1, OptNOP, OptNOP, OptEOL), 0, 0, 0, 0},
		{"first byte behind EOL", []byte{0, 9, 0, 0}, layout(3, OptEOL), QuirkOptNonZero, 0, 0, 0},

		{"MSS of length 0 is taken whole", []byte{2, 0, 5, 0xb4}, layout(0, OptMSS), QuirkBad, 1460, 0, 0},
		{"MSS of length 200 is taken whole", []byte{2, 200, 5, 0xb4}, layout(0, OptMSS), QuirkBad, 1460, 0, 0},
		{"MSS kind alone at the end", []byte{1, 1, 1, 2}, layout(0, OptNOP, OptNOP, OptNOP, OptMSS), QuirkBad, 0, 0, 0},
		{"the last MSS wins", []byte{2, 4, 5, 0xb4, 2, 4, 2, 0}, layout(0, OptMSS, OptMSS), 0, 512, 0, 0},

		{"scale 14", []byte{3, 3, 14, 1}, layout(0, OptWS, OptNOP), 0, 0, 14, 0},
		{"scale 15", []byte{3, 3, 15, 1}, layout(0, OptWS, OptNOP), QuirkScaleBig, 0, 15, 0},
		{"scale 255", []byte{3, 3, 255, 1}, layout(0, OptWS, OptNOP), QuirkScaleBig, 0, 255, 0},
		{"the last scale wins, the quirk stays", []byte{3, 3, 15, 1, 3, 3, 2, 1}, layout(0, OptWS, OptNOP, OptWS, OptNOP), QuirkScaleBig, 0, 2, 0},
		{"scale of length 2", []byte{3, 2, 7, 1}, layout(0, OptWS, OptNOP), QuirkBad, 0, 7, 0},
		{"scale cut", []byte{1, 1, 3, 3}, layout(0, OptNOP, OptNOP, OptWS), QuirkBad, 0, 0, 0},

		{"SACK permitted", []byte{4, 2, 1, 1}, layout(0, OptSOK, OptNOP, OptNOP), 0, 0, 0, 0},
		{"SACK permitted of length 3", []byte{4, 3, 1, 1}, layout(0, OptSOK, OptNOP, OptNOP), QuirkBad, 0, 0, 0},
		{"SACK permitted cut", []byte{1, 1, 1, 4}, layout(0, OptNOP, OptNOP, OptNOP, OptSOK), QuirkBad, 0, 0, 0},

		{"timestamps", []byte{8, 10, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1}, layout(0, OptTS, OptNOP, OptNOP), 0, 0, 0, 256},
		{"own timestamp 0", []byte{8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, layout(0, OptTS, OptNOP, OptNOP), QuirkTS1Zero, 0, 0, 0},
		{"peer timestamp on a SYN", []byte{8, 10, 0, 0, 0, 5, 0, 0, 0, 1, 1, 1}, layout(0, OptTS, OptNOP, OptNOP), QuirkTS2NonZero, 0, 0, 5},
		{"timestamps of length 8", []byte{8, 8, 0, 0, 0, 5, 0, 0, 0, 0, 1, 1}, layout(0, OptTS, OptNOP, OptNOP), QuirkBad, 0, 0, 5},
		{"timestamps cut", []byte{1, 1, 1, 8, 10, 0, 0, 5}, layout(0, OptNOP, OptNOP, OptNOP, OptTS), QuirkBad, 0, 0, 0},
		{"timestamps cut by one byte", []byte{1, 1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0}, layout(0, OptNOP, OptNOP, OptNOP, OptTS), QuirkBad, 0, 0, 0},
		{"0 and then 5", []byte{8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 8, 10, 0, 0, 0, 5, 0, 0, 0, 0}, layout(0, OptTS, OptTS), QuirkTS1Zero, 0, 0, 5},

		{"SACK of one block", cat([]byte{5, 10}, make([]byte, 8), nops(2)), layout(0, OptSACK, OptNOP, OptNOP), 0, 0, 0, 0},
		{"SACK of four blocks", cat([]byte{5, 34}, make([]byte, 32), nops(2)), layout(0, OptSACK, OptNOP, OptNOP), 0, 0, 0, 0},
		{"SACK of length 11", cat([]byte{5, 11}, make([]byte, 9), nops(1)), layout(0, OptSACK, OptNOP), 0, 0, 0, 0},
		{"SACK of length 35", cat([]byte{5, 35}, make([]byte, 38)), layout(0, OptSACK), QuirkBad, 0, 0, 0},
		{"SACK longer than the header", cat([]byte{5, 14}, make([]byte, 10)), layout(0, OptSACK), QuirkBad, 0, 0, 0},
		{"SACK kind alone at the end", []byte{1, 1, 1, 5}, layout(0, OptNOP, OptNOP, OptNOP, OptSACK), QuirkBad, 0, 0, 0},

		{"unknown kind of length 2", []byte{254, 2, 1, 1}, layout(0, 254, OptNOP, OptNOP), 0, 0, 0, 0},
		{"unknown kind of length 40", cat([]byte{30, 40}, make([]byte, 38)), layout(0, 30), 0, 0, 0, 0},
		{"unknown kind of length 41", cat([]byte{30, 41}, make([]byte, 38)), layout(0, 30), QuirkBad, 0, 0, 0},
		{"unknown kind to the last byte", []byte{30, 4, 1, 1}, layout(0, 30), 0, 0, 0, 0},
		{"unknown kind one byte too long", []byte{30, 5, 1, 1}, layout(0, 30), QuirkBad, 0, 0, 0},
		{"unknown kind of length 0", []byte{30, 0, 1, 1}, layout(0, 30), QuirkBad, 0, 0, 0},
		{"unknown kind at the end", []byte{1, 1, 1, 30}, layout(0, OptNOP, OptNOP, OptNOP, 30), QuirkBad, 0, 0, 0},
		{"after bad nothing is read", []byte{30, 1, 2, 4, 5, 0xb4, 1, 1}, layout(0, 30), QuirkBad, 0, 0, 0},

		{"24 options and nothing else", nops(24), manyNOPs, 0, 0, 0, 0},
		{"28 options", nops(28), manyNOPs, QuirkBad, 0, 0, 0},
		{"40 options", nops(40), manyNOPs, QuirkBad, 0, 0, 0},
		{"the 24th is the last that counts", cat(nops(23), []byte{2, 4, 5, 0xb4, 1}), layout(0, append(nops(23), OptMSS)...), QuirkBad, 1460, 0, 0},
		{"EOL as the 24th", cat(nops(23), []byte{0}), layout(0, append(nops(23), OptEOL)...), 0, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := decode(t, withOptions(syn6(), tt.opt...))
			if s.Layout != tt.layout {
				t.Errorf("Decode(options %x).Layout = %v, want %v", tt.opt, s.Layout, tt.layout)
			}
			if s.Quirks != tt.quirks {
				t.Errorf("Decode(options %x).Quirks = %s, want %s", tt.opt, s.Quirks, tt.quirks)
			}
			if s.MSS != tt.mss || s.Scale != tt.scale || s.TS1 != tt.ts1 {
				t.Errorf("Decode(options %x) = MSS %d, scale %d, TSval %d; want %d, %d, %d", tt.opt, s.MSS, s.Scale, s.TS1, tt.mss, tt.scale, tt.ts1)
			}
		})
	}
}

// TestPeerTimestamp: only a pure SYN has no business with a peer's timestamp.
func TestPeerTimestamp(t *testing.T) {
	for _, tt := range []struct {
		flags byte
		want  Quirks
	}{
		{FlagSYN, QuirkTS2NonZero},
		{FlagSYN | FlagACK, QuirkAckZero},
		{FlagACK, QuirkAckZero},
		{FlagFIN, 0},
		{FlagRST, 0},
	} {
		b := withOptions(syn6(), 8, 10, 0, 0, 0, 5, 0, 0, 0, 1, 1, 1)
		b[40+13] = tt.flags
		s := decode(t, b)
		if s.Quirks != tt.want || s.TS2 != 1 {
			t.Errorf("flags %#x: quirks %s, TSecr %d; want %s and 1", tt.flags, s.Quirks, s.TS2, tt.want)
		}
	}
}

// TestTimestampsAlone: the list of options that most segments have is decoded as
// when it is walked, and no other one is taken for it.
func TestTimestampsAlone(t *testing.T) {
	list := []byte{OptNOP, OptNOP, OptTS, 10, 0, 0, 0, 0, 0, 0, 0, 0}
	for _, values := range [][2]uint32{{0, 0}, {1, 0}, {0, 2}, {1 << 31, 1<<32 - 1}} {
		for changed := range 4 + 1 {
			options := slices.Clone(list)
			binary.BigEndian.PutUint32(options[4:], values[0])
			binary.BigEndian.PutUint32(options[8:], values[1])
			if changed < 4 {
				options[changed]++
			}
			for _, flags := range []byte{FlagSYN, FlagSYN | FlagACK, FlagACK} {
				ip := withOptions(syn6(), options...)
				ip[40+13] = flags
				frame := ethernet(ip)
				var got Segment
				d := Decoder{Link: LinkEthernet}
				if err := d.Decode(frame, len(frame), &got); err != nil {
					t.Fatal(err)
				}
				want := got
				want.Layout, want.TS1, want.TS2 = Layout{}, 0, 0
				want.Quirks &^= QuirkTS1Zero | QuirkTS2NonZero | QuirkBad | QuirkOptNonZero
				want.decodeOptions(options)
				if got != want {
					t.Errorf("options %x, flags %#x: Decode = %+v, want %+v", options, flags, got, want)
				}
			}
		}
	}
	longer := ethernet(withOptions(syn6(), slices.Concat(list, []byte{OptNOP, OptNOP, OptSACK, 10}, make([]byte, 8))...))
	var s Segment
	if err := (&Decoder{Link: LinkEthernet}).Decode(longer, len(longer), &s); err != nil || s.Layout.Len != 6 {
		t.Errorf("with a SACK behind it: %v, %d options, want 6", err, s.Layout.Len)
	}
}
