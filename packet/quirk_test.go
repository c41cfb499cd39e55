package packet

import (
	"encoding/binary"
	"testing"
)

// TestQuirks has a row for every way a quirk of p0f-v3.md §1.7 comes about, and
// for what comes close. Quirks of options are TestOptions'.
func TestQuirks(t *testing.T) {
	word := func(b []byte, at int, v uint16) { binary.BigEndian.PutUint16(b[at:], v) }
	long := func(b []byte, at int, v uint32) { binary.BigEndian.PutUint32(b[at:], v) }
	tcp4, tcp6 := 20, 40
	for _, tt := range []struct {
		name string
		v6   bool
		edit func([]byte)
		want Quirks
	}{
		{"DF and an ID", false, func(b []byte) {}, QuirkDF | QuirkIDNonZero},
		{"DF, ID 0", false, func(b []byte) { word(b, 4, 0) }, QuirkDF},
		{"no DF, ID 0", false, func(b []byte) { word(b, 4, 0); word(b, 6, 0) }, QuirkIDZero},
		{"no DF, an ID", false, func(b []byte) { word(b, 6, 0) }, 0},
		{"reserved flag", false, func(b []byte) { word(b, 6, 0xc000) }, QuirkDF | QuirkIDNonZero | QuirkMustBeZero},
		{"reserved flag alone", false, func(b []byte) { word(b, 6, 0x8000) }, QuirkMustBeZero},
		{"reserved flag alone, ID 0", false, func(b []byte) { word(b, 6, 0x8000); word(b, 4, 0) }, QuirkMustBeZero | QuirkIDZero},

		{"ECT(1)", false, func(b []byte) { b[1] = 1 }, QuirkDF | QuirkIDNonZero | QuirkECN},
		{"ECT(0)", false, func(b []byte) { b[1] = 2 }, QuirkDF | QuirkIDNonZero | QuirkECN},
		{"DSCP alone", false, func(b []byte) { b[1] = 4 }, QuirkDF | QuirkIDNonZero},
		{"ECE", false, func(b []byte) { b[tcp4+13] |= FlagECE }, QuirkDF | QuirkIDNonZero | QuirkECN},
		{"CWR", false, func(b []byte) { b[tcp4+13] |= FlagCWR }, QuirkDF | QuirkIDNonZero | QuirkECN},
		{"NS", false, func(b []byte) { b[tcp4+12] |= 1 }, QuirkDF | QuirkIDNonZero | QuirkECN},
		{"the other reserved bits of TCP", false, func(b []byte) { b[tcp4+12] |= 0x0e }, QuirkDF | QuirkIDNonZero},

		{"IPv6", true, func(b []byte) {}, 0},
		{"IPv6, flow label 1", true, func(b []byte) { b[3] = 1 }, QuirkFlow},
		{"IPv6, highest bit of the flow label", true, func(b []byte) { b[1] = 8 }, QuirkFlow},
		{"IPv6, DSCP alone", true, func(b []byte) { b[0], b[1] = 0x6f, 0xc0 }, 0},
		{"IPv6, ECT", true, func(b []byte) { b[1] = 0x20 }, QuirkECN},
		{"IPv6, lowest ECN bit", true, func(b []byte) { b[1] = 0x10 }, QuirkECN},

		{"sequence number 0", true, func(b []byte) { long(b, tcp6+4, 0) }, QuirkSeqZero},
		{"sequence number with low bytes 0", true, func(b []byte) { long(b, tcp6+4, 0x01000000) }, 0},

		// Without ACK, p0f looks at bit 24 of the number alone.
		{"ack 1", true, func(b []byte) { long(b, tcp6+8, 1) }, 0},
		{"ack 0x100", true, func(b []byte) { long(b, tcp6+8, 0x100) }, 0},
		{"ack 0x10000", true, func(b []byte) { long(b, tcp6+8, 0x10000) }, 0},
		{"ack 0x02000000", true, func(b []byte) { long(b, tcp6+8, 0x02000000) }, 0},
		{"ack 0xfeffffff", true, func(b []byte) { long(b, tcp6+8, 0xfeffffff) }, 0},
		{"ack 0x01000000", true, func(b []byte) { long(b, tcp6+8, 0x01000000) }, QuirkAckNonZero},
		{"ack 0x03000000", true, func(b []byte) { long(b, tcp6+8, 0x03000000) }, QuirkAckNonZero},
		{"ack 0xffffffff", true, func(b []byte) { long(b, tcp6+8, 0xffffffff) }, QuirkAckNonZero},
		{"ack 0xffffffff with FIN", true, func(b []byte) { b[tcp6+13] = FlagFIN; long(b, tcp6+8, 0xffffffff) }, QuirkAckNonZero},
		{"ack 0xffffffff with RST", true, func(b []byte) { b[tcp6+13] = FlagRST; long(b, tcp6+8, 0xffffffff) }, 0},
		{"ack 0xffffffff with ACK", true, func(b []byte) { b[tcp6+13] |= FlagACK; long(b, tcp6+8, 0xffffffff) }, 0},
		{"ACK with number 0", true, func(b []byte) { b[tcp6+13] |= FlagACK }, QuirkAckZero},
		{"RST and ACK with number 0", true, func(b []byte) { b[tcp6+13] = FlagRST | FlagACK }, QuirkAckZero},

		{"urgent pointer", true, func(b []byte) { word(b, tcp6+18, 1) }, QuirkUrgPtr},
		{"URG with a pointer", true, func(b []byte) { b[tcp6+13] |= FlagURG; word(b, tcp6+18, 1) }, QuirkURG},
		{"URG without a pointer", true, func(b []byte) { b[tcp6+13] |= FlagURG }, QuirkURG},
		{"PSH", true, func(b []byte) { b[tcp6+13] |= FlagPSH }, QuirkPSH},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := syn4()
			if tt.v6 {
				b = syn6()
			}
			tt.edit(b)
			if s := decode(t, b); s.Quirks != tt.want {
				t.Errorf("Decode(%x).Quirks = %s, want %s", b, s.Quirks, tt.want)
			}
		})
	}
}

func TestQuirkNames(t *testing.T) {
	if got, want := 1<<len(quirkNames)>>1, int(QuirkBad); got != want {
		t.Errorf("the last name belongs to bit %#x, want %#x, the last quirk", got, want)
	}
	if got, want := (QuirkDF | QuirkIDZero | QuirkMustBeZero | QuirkAckNonZero | QuirkPSH | QuirkOptNonZero | QuirkBad).String(), "df,id-,0+,ack+,pushf+,opt+,bad"; got != want {
		t.Errorf("names = %q, want %q", got, want)
	}
}
